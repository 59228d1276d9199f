"""The relay's home folder, and the numbers of its boots.

relay.toml   settings            lock          held while a relay runs
spool/       custody             boot          the last boot number
damaged/     quarantined spools  status.json   rewritten each second
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from hardware import keys


@dataclass(frozen=True)
class RelayHome:
    """Where one relay keeps what is its own."""

    folder: Path

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "relay.toml"

    def next_boot(self, spooled: int | None, now_s: float) -> int:
        """A boot number never used before, durable before it is returned.

        It is one more than the highest that this file or the spool knows. Where both are lost it
        begins at the time, far above any count, so that even a new disk repeats no number.

        Args:
            spooled: the highest boot in the spool, None where it is empty.
            now_s: seconds since 1970.

        Raises:
            Misconfigured: when the folder cannot be written.
        """
        path = self.folder / "boot"
        known = [] if spooled is None else [spooled]
        with contextlib.suppress(OSError, ValueError):  # new or damaged: the rule covers both
            known.append(int(path.read_text("ascii")))
        boot = max(known, default=int(now_s)) + 1
        keys.write_file(path, b"%d\n" % boot)
        return boot
