"""TV on one truck: its boards, the pack's SQL boards beside them, and the records over TCP."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.routing import Route

from hardware import clock
from hardware.errors import TruckError
from hardware.pack import boards_of
from hardware.pack_folder import read_pack_folder
from hardware.stage import Stage
from truck.alarms import Alarms
from truck.audit import Actor, Audit
from truck.config import TruckConfig
from truck.race.course import Course
from truck.race.frame import Frame
from truck.serve import tv
from truck.serve.asked_boards import AskedBoards
from truck.serve.boards import Boards
from truck.serve.record_feed import RecordFeed, record_set


class OnAir:
    """What goes on air; `show` is called from one thread, once a frame.

    Args:
        config: where the records are served, and the stage's folder with `boards/NAME.sql`.
        stage: the stage in force.
        course: of it.
        audit: where changes of boards are written down.
        alarms: told of boards that give nothing.
    """

    def __init__(
        self, config: TruckConfig, stage: Stage, course: Course, audit: Audit, alarms: Alarms
    ) -> None:
        self._config, self._stage = config, stage
        self._audit, self._alarms = audit, alarms
        self._asked = AskedBoards(_boards_in(config.stage), stage, course, self._say)
        self.boards = Boards(course, clock.monotonic_s, self._note, self._asked.shapes)
        self._feed: RecordFeed | None = None

    def routes(self) -> list[Route]:
        """Of the boards and their graphics."""
        return tv.routes(self.boards, lambda: dict(self._asked.refused))

    def show(self, frame: Frame) -> None:
        """Put a frame on air."""
        self._asked.offer(self.boards.take(frame))

    def open(self) -> Callable[[], None]:
        """Serve the records, where a port is set; what ends all of it.

        Raises:
            Misconfigured: the address or port cannot be used.
        """
        if self._config.tv_port is not None:
            now_set = partial(record_set, stage=self._stage.name, boards=self.boards)
            self._feed = RecordFeed(self._config.tv_host, self._config.tv_port, now_set)
        return self._close

    def _close(self) -> None:
        """End threads and processes."""
        if self._feed is not None:
            self._feed.stop()
        self._asked.close()

    def _note(self, by: str, what: Any) -> None:
        detail = dict(what)
        action = f"board_{detail.pop('what')}"
        self._audit.do(Actor(by, "tv"), action, detail, dict)

    def _say(self, name: str, why: str | None) -> None:
        if why is None:
            self._alarms.clear(f"board-{name}")
        else:
            self._alarms.set(
                f"board-{name}", f"the pack's board {name} gives nothing: {why}",
                "Mend its SQL; the others go on.",
            )  # fmt: skip


def _boards_in(folder: Path) -> dict[str, bytes]:
    """The SQL of the boards that lie in a stage's folder."""
    try:
        return boards_of(read_pack_folder(folder)[0])
    except TruckError:
        return {}  # a stage known from the journal alone
