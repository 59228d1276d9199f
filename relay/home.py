"""The relay's home folder: its lock, its boot number and its status file.

relay.toml   configuration       lock          held while a relay runs
spool/       custody             boot          the last boot number
damaged/     quarantined spools  status.json   rewritten each second
"""

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware import keys
from hardware.errors import Damaged, Locked, Misconfigured, NotInitialised


@dataclass(frozen=True)
class Home:
    """Where one relay keeps what is its own."""

    folder: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "relay.toml"

    def check(self) -> None:
        """Whether `relay init` has been here.

        Raises:
            NotInitialised: when it has not.
        """
        if not self.config.exists():
            raise NotInitialised(
                f"{self.folder} is no relay's home: there is no relay.toml",
                f"Make one with `relay init {self.folder}`.",
            )

    def lock(self) -> int:
        """Take the home for this process; the descriptor holds it until the process ends.

        Raises:
            Locked: when another relay runs here.
            Misconfigured: when the folder cannot be written.
        """
        path = self.folder / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(
                f"cannot write {path}: {error.strerror}",
                "Free some space or choose another folder.",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise Locked(
                f"another relay runs in {self.folder}", "Stop it, or choose another home."
            ) from error
        return descriptor

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

    def write_status(self, status: dict[str, Any]) -> None:
        """Replace the status file as a whole.

        Raises:
            Misconfigured: when the folder is full or read-only.
        """
        keys.write_file(self.folder / "status.json", json.dumps(status).encode() + b"\n", 0o644)

    def read_status(self) -> dict[str, Any]:
        """What the relay last said of itself.

        Raises:
            NotInitialised: when no relay has run here yet.
            Damaged: when the file is no status.
        """
        path = self.folder / "status.json"
        try:
            status = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise NotInitialised(
                f"no relay has run in {self.folder} yet", f"Start it: `relay run {self.folder}`."
            ) from error
        except (OSError, ValueError) as error:
            raise Damaged(f"{path} is no status file; a running relay renews it") from error
        if not isinstance(status, dict):
            raise Damaged(f"{path} is no status file; a running relay renews it")
        return status

    def status_written_at_s(self) -> float:
        """When the status file was written, by the wall's clock, seconds since 1970."""
        return (self.folder / "status.json").stat().st_mtime
