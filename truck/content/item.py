"""One piece of content: what it is, where on the race's axes it belongs, and who answers for it."""

import math
import re
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from hardware.errors import Misconfigured

KINDS = ("photo", "video", "post", "comment")
WAITING, SHOWN, REJECTED = STATES = ("waiting", "shown", "rejected")
TEXT_MAX, NAME_MAX, LINK_MAX = 1000, 64, 500
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_KM_MAX = 1000.0


@dataclass(frozen=True)
class Item:
    """What is shown, once somebody has let it through.

    Attributes:
        item_id: its number in this truck.
        kind: of `KINDS`.
        at_s: when in the race it belongs, seconds since 1970 UTC.
        km: where, kilometres after the flag; None where that is not known.
        text: of a post or a comment, or a caption; plain text, never markup.
        link: an https address, or empty.
        author: who said it or took it.
        media: file name of the photo, or empty.
        state: of `STATES`; only what is `shown` reaches the public.
        added_by: who put it in; `decided_by` let it through or turned it down.
    """

    item_id: int
    kind: str
    at_s: float
    km: float | None
    text: str
    link: str
    author: str
    media: str
    state: str
    added_by: str
    decided_by: str

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


def check_item(item: Item) -> Item:
    """The item with its text cleaned.

    Raises:
        Misconfigured: naming the field and what to do.
    """
    if item.kind not in KINDS:
        raise Misconfigured(f"kind {item.kind!r} is unknown", f"Say one of {', '.join(KINDS)}.")
    if not math.isfinite(item.at_s) or item.at_s < 0:
        raise Misconfigured("the time is none", "Write it as 2027-07-16T14:05:00Z.")
    if item.km is not None and not -50.0 <= item.km <= _KM_MAX:
        raise Misconfigured(f"km {item.km:g} is not on a stage", "Count from the flag.")
    for what, value, most in (
        ("the text", item.text, TEXT_MAX), ("the author's name", item.author, NAME_MAX),
        ("the link", item.link, LINK_MAX),
    ):  # fmt: skip
        if len(value) > most:
            raise Misconfigured(f"{what} has {len(value)} letters", f"Use at most {most}.")
    if item.link:
        _check_link(item.link)
    if item.kind == "photo" and not item.media:
        raise Misconfigured("a photo without a picture", "Name the file.")
    if item.kind == "video" and not item.link:
        raise Misconfigured("a video without a link", "Give its https address with --link.")
    if item.kind in ("post", "comment") and not item.text.strip():
        raise Misconfigured(f"an empty {item.kind}", "Write some words with --text.")
    cleaned = {name: _CONTROL.sub("", getattr(item, name)).strip() for name in ("text", "author")}
    return Item(**{**asdict(item), **cleaned})


def item_of(document: dict[str, Any]) -> Item:
    """An item as it was kept.

    Raises:
        KeyError, TypeError, ValueError: when it is none.
    """
    km = document["km"]
    return Item(
        item_id=int(document["item_id"]),
        kind=str(document["kind"]),
        at_s=float(document["at_s"]),
        km=None if km is None else float(km),
        **{
            name: str(document[name])
            for name in ("text", "link", "author", "media", "state", "added_by", "decided_by")
        },
    )


def _check_link(link: str) -> None:
    """An https address without a password in it, and nothing a page would run."""
    try:
        parts = urlsplit(link)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Misconfigured(f"the link {link[:60]!r} is no address", "Copy it again.") from error
    sound = parts.scheme == "https" and host and "." in host and parts.username is None
    if not sound or port not in (None, 443) or _CONTROL.search(link) or " " in link:
        raise Misconfigured(
            f"the link {link[:60]!r} is not taken", "Give a public https:// address."
        )
