"""The boards of a pack, each one SELECT: checked before they go live, asked beside the frame."""

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from hardware.errors import Misconfigured, TruckError
from hardware.stage import Stage
from truck.race.course import Course
from truck.serve.board_tables import (
    course_tables,
    empty_tables,
    full_tables,
    moment_tables,
    papers_of,
)  # fmt: skip
from truck.serve.boards import Asked
from truck.serve.race_boards import Moment, Row
from truck.serve.sheet import STAMPS, text_of
from truck.store.board_room import BoardRoom

ROWS_DEFAULT = 10
ROWS_SHOWN_MAX = 50
_STRIKES = 3  # refused so often one after the other, a board is out until the next start
_TITLE = re.compile(r"^--\s*title:\s*(.{1,80})$", re.MULTILINE)
_ROWS = re.compile(r"^--\s*rows:\s*(\d{1,3})\s*$", re.MULTILINE)


def checked(boards: Mapping[str, bytes]) -> dict[str, Asked]:
    """What each board shows, asked over empty tables and over a full field.

    Raises:
        Misconfigured: naming the board that does not read, or takes more than it may.
    """
    shapes = {}
    with BoardRoom() as room:
        for name, data in boards.items():
            sql = sql_of(name, data)
            found = room.ask(empty_tables(), {name: sql})[name]
            if "refused" not in found:
                full = room.ask(full_tables(), {name: sql})[name]
                # made-up words may be none that its SQL takes; what it costs is known all the same
                found = full if full.get("bound") else found
            if "refused" in found:
                raise Misconfigured(f"boards/{name}.sql: {found['refused']}", "Mend its SQL.")
            shapes[name] = _shape(name, sql, found["columns"])
    return shapes


def sql_of(name: str, data: bytes) -> str:
    """A board's text.

    Raises:
        Misconfigured: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Misconfigured(f"boards/{name}.sql: not UTF-8", "Save it so.") from error


class AskedBoards:
    """Asks each board once a moment in a thread of its own, the newest moment alone.

    Args:
        boards: their SQL by name.
        stage: the stage.
        course: of it.
        say: told of a board's refusal, and with None that it answers again.
    """

    def __init__(
        self,
        boards: Mapping[str, bytes],
        stage: Stage,
        course: Course,
        say: Callable[[str, str | None], None],
    ) -> None:
        self._say = say
        self._sql = {name: sql_of(name, data) for name, data in boards.items()}
        self.shapes: dict[str, Asked] = {}
        self.refused: dict[str, str] = {}
        for name, data in boards.items():
            try:
                self.shapes |= checked({name: data})
            except Misconfigured as error:
                self._refuse(name, str(error))
        self._strikes = dict.fromkeys(self.shapes, 0)
        self._standing = empty_tables() | papers_of(stage) | course_tables(stage, course)
        self._room = BoardRoom()
        self._newest: Moment | None = None
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="boards", daemon=True)
        if self.shapes:
            self._thread.start()

    def offer(self, moment: Moment) -> None:
        """The moment to ask over next; one that waits still is passed over. Never waits."""
        with self._news:
            self._newest = moment
            self._news.notify()

    def close(self) -> None:
        """End the thread and its process."""
        with self._news:
            self._ended = True
            self._news.notify()
        self._room.close()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._ended or self._newest is not None)
                moment, self._newest = self._newest, None
            if self._ended or moment is None:
                return
            try:
                self.ask(moment)
            except (TruckError, OSError, ValueError, pa.ArrowException) as error:
                for name in self.shapes:  # what they showed last grows old; the race goes on
                    self._refuse(name, f"it cannot be asked: {error}")

    def ask(self, moment: Moment) -> None:
        """Put the answers of every board that is not out into the moment."""
        boards = {n: self._sql[n] for n, strikes in self._strikes.items() if strikes < _STRIKES}
        if not boards:
            return
        tables = self._standing | moment_tables(moment)
        for name, found in self._room.ask(tables, boards).items():
            if "refused" in found:
                self._strikes[name] += 1
                out = self._strikes[name] >= _STRIKES
                self._refuse(name, found["refused"] + (", and is out until the next start" * out))
                continue  # what it showed last grows old
            self._strikes[name] = 0
            if self.refused.pop(name, None) is not None:
                self._say(name, None)
            moment.answers[name] = tuple(
                _row(self.shapes[name], found["columns"], row) for row in found["rows"]
            )

    def _refuse(self, name: str, why: str) -> None:
        self.refused[name] = why
        self._say(name, why)


def _shape(name: str, sql: str, columns: list[str]) -> Asked:
    title, rows = _TITLE.search(sql), _ROWS.search(sql)
    count = int(rows[1]) if rows else ROWS_DEFAULT
    if not 1 <= count <= ROWS_SHOWN_MAX:
        raise Misconfigured(
            f"boards/{name}.sql: {count} rows", f"Write -- rows: 1 to {ROWS_SHOWN_MAX}."
        )
    shown = tuple(column for column in columns if column not in STAMPS)
    return Asked(text_of(title[1]) if title else name, count, shown)


def _row(shape: Asked, columns: list[str], values: list[Any]) -> Row:
    """A row; columns `age_s` and `quality` say how old and how good, if there are any."""
    found = dict(zip(columns, values, strict=True))
    age_s = found.get("age_s", 0.0)
    return Row(
        tuple(text_of(found[column]) for column in shape.columns),
        float(age_s) if isinstance(age_s, int | float) else float("inf"),
        text_of(found.get("quality", "good")),
    )
