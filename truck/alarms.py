"""What is wrong now, each with its cure."""

import threading


class Alarms:
    """Alarms by name; set and cleared from any thread."""

    def __init__(self) -> None:
        self._alarms: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def set(self, name: str, what: str, cure: str) -> None:
        """Raise, or renew, an alarm."""
        with self._lock:
            self._alarms[name] = (what, cure)

    def clear(self, name: str) -> None:
        """End an alarm."""
        with self._lock:
            self._alarms.pop(name, None)

    def rows(self) -> list[dict[str, str]]:
        """All alarms, as the page and the status show them."""
        with self._lock:
            return [
                {"name": name, "what": what, "cure": cure}
                for name, (what, cure) in sorted(self._alarms.items())
            ]
