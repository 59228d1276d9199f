"""The threads of the flow, ended in its order, so that each drains what the one before left."""

import threading
from collections.abc import Callable, Mapping

Loop = Callable[[threading.Event], None]


class Flow:
    """Loops that run until `end`, each in a thread of its own."""

    def __init__(self, loops: Mapping[str, Loop], fail: Callable[[BaseException], None]) -> None:
        """Start them.

        Args:
            loops: by name, in the order of the flow; each returns soon after its event is set.
            fail: told what ended a loop that should not have ended.
        """
        self._stages = [_Stage(name, loop, fail) for name, loop in loops.items()]

    def end(self) -> None:
        """End each when everything before it has ended."""
        for stage in self._stages:
            stage.end()


class _Stage:
    def __init__(self, name: str, loop: Loop, fail: Callable[[BaseException], None]) -> None:
        self._end = threading.Event()

        def run() -> None:
            try:
                loop(self._end)
            except BaseException as error:  # noqa: BLE001 whatever it was, the truck ends with it
                fail(error)

        self._thread = threading.Thread(target=run, name=name)
        self._thread.start()

    def end(self) -> None:
        self._end.set()
        self._thread.join()
