"""The service manager that started us, if one did: told when we are ready, alive, stopping.

systemd's protocol (sd_notify(3)): datagrams of VARIABLE=VALUE lines to the socket that the
environment names. Where it names none, all of this does nothing.
"""

import contextlib
import os
import socket

_FEEDS_PER_PERIOD = 3  # sd_watchdog_enabled(3) advises at least two


class Supervisor:
    """Says so; `alive` is called by the loop whose turning it proves."""

    def __init__(self, environment: dict[str, str], pid: int) -> None:
        """Read where the manager listens, and whether its watchdog waits for this process."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = 0.0
        """How long the manager waits for a sign of life; 0 where it does not."""
        usec, watched = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        if usec.isdecimal() and watched in ("", str(pid)):
            self.watchdog_s = int(usec) / 1e6
        self._fed_s = float("-inf")

    def ready(self) -> None:
        """We serve from now on."""
        self._say("READY=1")

    def alive(self, now_s: float) -> None:
        """The loop has turned; `now_s` is any monotonic time."""
        if self.watchdog_s and now_s - self._fed_s >= self.watchdog_s / _FEEDS_PER_PERIOD:
            self._fed_s = now_s
            self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """We are on our way out."""
        self._say("STOPPING=1")

    def _say(self, line: str) -> None:
        if not self._address:
            return
        # a leading @ is an abstract name, in which the first byte is zero
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with (
            contextlib.suppress(OSError),  # who does not listen kills us soon enough
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker,
        ):
            speaker.setblocking(False)
            speaker.connect(address)
            speaker.send(line.encode())


def from_environment() -> Supervisor:
    """The manager of this process."""
    return Supervisor(dict(os.environ), os.getpid())
