"""Following a race from whichever of several sites has it: the truck, or a public copy.

The first site that brings newer frames is followed. One that does not answer, or brings nothing
new for 3 s, is left for the next, and tried again: so a consumer goes on when the truck is cut off,
and comes back to it by itself. A frame older than one that was seen is never handed on.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from cloud_sync.site import Site
from hardware.errors import Unavailable

PATIENCE_S = 3.0
_AWAY_S = 3.0  # before a site that did not answer is asked again


class Seen(NamedTuple):
    """A frame's document, and whose it is."""

    base: str
    number: int
    document: dict[str, Any]


class Follower:
    """Follows one channel; `turn` about once a second.

    Attributes:
        errors: by site, why it was last left; empty where it serves.
    """

    def __init__(self, sites: Sequence[Site], channel: str) -> None:
        """`sites` in the order in which they are preferred."""
        self._sites, self._path = tuple(sites), f"v1/{channel}.json"
        self._etags = dict.fromkeys(sites, "")
        self._again_s = dict.fromkeys(sites, 0.0)
        self._number = 0
        self._newest_s: float | None = None
        self.errors = {site.base: "" for site in sites}

    def turn(self, now_s: float) -> Seen | None:
        """The newest frame if it is newer than all before; `now_s` is monotonic."""
        for site in self._sites:
            if now_s < self._again_s[site]:
                continue
            try:
                seen = self._ask(site)
            except Unavailable as error:
                self.errors[site.base] = str(error)
                self._again_s[site] = now_s + _AWAY_S
                continue
            self.errors[site.base] = ""
            if seen is not None:
                self._newest_s, self._number = now_s, seen.number
                return seen
            if self._newest_s is not None and now_s - self._newest_s < PATIENCE_S:
                return None  # it answers; its next frame is on its way
        return None

    def _ask(self, site: Site) -> Seen | None:
        found = site.get(self._path, self._etags[site])
        if found is None:
            return None
        try:
            document = json.loads(found.body)
            number = int(document["number"])
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"{site.base}/{self._path} is no frame") from error
        self._etags[site] = found.etag
        return Seen(site.base, number, document) if number > self._number else None
