"""The boards for TV: filled from frames, held still, overruled by hand, or shown some seconds late.

A value is plain for 10 s after its fix, in brackets up to 90 s, and then gone; the same holds for a
whole board when no new frame comes. So nothing old reads as fresh, whatever draws it.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hardware.errors import Misconfigured
from truck.race.climbs import climbs_of
from truck.race.course import Course
from truck.race.frame import Frame
from truck.serve.race_boards import OWN, Moment, Row
from truck.serve.records import Records
from truck.serve.sheet import STAMPS, TEXT_CHARACTERS_MAX, Sheet, text_of
from truck.serve.wording import instant_text

FRESH_S = 10.0
LOST_S = 90.0
DELAY_S_MAX = 60.0
_MOMENTS_MAX = 100  # a frame a second, so that a delay set now has its past at once
_STALL_S = 3.0  # frames come once a second; up to here a board is not behind
_OVERRIDES_MAX = 200

Audit = Callable[[str, Mapping[str, Any]], None]  # who, and what he changed


class Asked(NamedTuple):
    """A board that is SQL: its title, how many rows it always has, its columns without stamps."""

    title: str
    rows: int
    columns: tuple[str, ...]


@dataclass
class _Held:
    """What operators have said of one board."""

    frozen: Moment | None = None
    frozen_by: str = ""
    frozen_behind_s: float = 0.0  # how far behind it was shown when it was held
    delay_s: float = 0.0
    texts: dict[tuple[int, str], str] = field(default_factory=dict)


class Boards:
    """All boards of one race. `take` from one thread; everything else from any.

    A sheet's quality is "live", "frozen", "stale" when no frame has come for 10 s, or "none"
    before there is any. A row's is a rider's ("good", "doubtful", ...), "old" past 10 s, "lost"
    past 90 s, "manual" where somebody's text stands in it, "frozen".

    Args:
        course: the stage's, for its climbs.
        now_s: the monotonic clock.
        audit: told of each change before it holds; one that raises is not made.
        asked: the pack's boards that are SQL; one takes the place of the truck's own of its name.
    """

    def __init__(
        self,
        course: Course,
        now_s: Callable[[], float],
        audit: Audit,
        asked: Mapping[str, Asked] | None = None,
    ) -> None:
        self._now_s, self._audit = now_s, audit
        self._asked = dict(asked or {})
        self._records = Records(climbs_of(course))
        self._moments: deque[Moment] = deque(maxlen=_MOMENTS_MAX)
        self._lock = threading.Lock()
        self._held = {name: _Held() for name in self.names()}

    def names(self) -> list[str]:
        """Every board."""
        return [*OWN, *(name for name in self._asked if name not in OWN)]

    def take(self, frame: Frame) -> Moment:
        """Show the next frame; whom it leaves out is in no record either."""
        self._records.take(frame)
        seen = set(frame.riders.bib.tolist())
        tops = tuple(top for top in self._records.top_speeds() if top.bib in seen)
        times = tuple(time for time in self._records.climb_times() if time.bib in seen)
        moment = Moment(self._now_s(), frame, tops, self._records.top_speed_of(), times)
        with self._lock:
            self._moments.append(moment)
        return moment

    def sheet(self, name: str, bib: int | None = None) -> Sheet:
        """A board as it is to be shown now.

        Args:
            name: of the board.
            bib: whose, for a board of one rider.

        Raises:
            Misconfigured: there is no such board.
        """
        held = self._of(name)
        with self._lock:
            moment = held.frozen or self._due(name, held.delay_s)
            texts, frozen, delay_s = dict(held.texts), held.frozen is not None, held.delay_s
            held_behind_s = held.frozen_behind_s
        title, count, columns, ageing = self._shape(name)
        if moment is None:
            rows, at, age_s, quality = [], "", math.nan, "none"
        else:
            rows = list(self._rows(name, moment, bib))[:count]
            at, age_s = instant_text(moment.frame.at_us), self._now_s() - moment.shown_s
            behind_s = held_behind_s if frozen else age_s - delay_s
            quality = "frozen" if frozen else "stale" if behind_s > FRESH_S else "live"
            rows = [_aged(row, columns, ageing, behind_s, frozen) for row in rows]
        filled = [(*map(text_of, row.cells), at, _age_text(row.age_s), row.quality) for row in rows]
        filled += [("",) * (len(columns) + len(STAMPS))] * (count - len(filled))
        shown = _overruled(filled, columns, texts, by_bib=name == "rider-card", bib=bib)
        return Sheet(name, title, (*columns, *STAMPS), tuple(shown), at, age_s, quality)

    def freeze(self, name: str | None, on: bool, by: str) -> None:
        """Hold a board as it is shown now, or let it go on; None is all boards.

        Raises:
            Misconfigured: there is no such board, nobody says who, or nothing to hold yet.
        """
        names = self.names() if name is None else [name]
        holds = [(one, self._of(one)) for one in names]
        if on and not self._moments:
            raise Misconfigured("no frame has been shown yet", "Freeze a board once it is filled.")
        self._note(by, {"what": "freeze" if on else "unfreeze", "board": name or "all"})
        with self._lock:
            for one, held in holds:
                if on and held.frozen is None:
                    moment = self._due(one, held.delay_s)
                    held.frozen, held.frozen_by = moment, by
                    if moment is not None:
                        held.frozen_behind_s = self._now_s() - moment.shown_s - held.delay_s
                elif not on:
                    held.frozen, held.frozen_by = None, ""

    def override(self, name: str, row: int, column: str, value: str | None, by: str) -> None:
        """Put a text into a cell, whatever the race says; None gives the cell back.

        Args:
            name: of the board.
            row: from 1; on the rider card the bib.
            column: one of the board's own.
            value: one line, 120 characters at most.
            by: who.

        Raises:
            Misconfigured: no such board or cell, a text that is none, nobody says who.
        """
        held = self._of(name)
        _, count, columns, _ = self._shape(name)
        if column not in columns or row < 1 or (row > count and name != "rider-card"):
            raise Misconfigured(
                f"{name} has no cell {column} in row {row}",
                f"It has {count} rows of {', '.join(columns)}.",
            )
        if value is not None and (len(value) > TEXT_CHARACTERS_MAX or not value.isprintable()):
            raise Misconfigured("a cell takes one line of text", "Write 120 characters at most.")
        if value is not None and len(held.texts) >= _OVERRIDES_MAX:
            raise Misconfigured(f"{name} has {_OVERRIDES_MAX} manual cells", "Give some back.")
        what = {"what": "override", "board": name, "row": row, "column": column, "value": value}
        self._note(by, what)
        with self._lock:
            if value is None:
                held.texts.pop((row, column), None)
            else:
                held.texts[row, column] = value

    def delay(self, name: str, delay_s: float, by: str) -> None:
        """Show a board so many seconds late; 0 is live.

        Raises:
            Misconfigured: no such board, below 0 or above 60 s, nobody says who.
        """
        held = self._of(name)
        if not 0.0 <= delay_s <= DELAY_S_MAX:
            raise Misconfigured(f"a delay of {delay_s:g} s", f"Say 0 to {DELAY_S_MAX:g} s.")
        self._note(by, {"what": "delay", "board": name, "delay_s": delay_s})
        with self._lock:
            held.delay_s = delay_s

    def listed(self) -> list[dict[str, Any]]:
        """Each board: what it is, and what operators have said of it."""
        rows = []
        for name in self.names():
            title, count, columns, _ = self._shape(name)
            with self._lock:
                held = self._held[name]
                texts = [{"row": r, "column": c, "value": v} for (r, c), v in held.texts.items()]
                rows.append({
                    "board": name, "title": title, "rows": count, "columns": [*columns, *STAMPS],
                    "sql": name in self._asked, "delay_s": held.delay_s,
                    "frozen_by": held.frozen_by or None, "manual": texts,
                })  # fmt: skip
        return rows

    def _of(self, name: str) -> _Held:
        if name not in self._held:
            raise Misconfigured(f"there is no board {name}", f"There are {', '.join(self._held)}.")
        return self._held[name]

    def _note(self, by: str, what: dict[str, Any]) -> None:
        if not by.strip():
            raise Misconfigured("nobody says who changes the board", "Say who.")
        self._audit(by, what)

    def _due(self, name: str, delay_s: float) -> Moment | None:
        """The moment a board is to show: that many seconds ago, with an answer where it is SQL."""
        until_s = self._now_s() - delay_s
        for moment in reversed(self._moments):
            if (not delay_s or moment.shown_s <= until_s) and (
                name not in self._asked or name in moment.answers
            ):
                return moment
        return None

    def _shape(self, name: str) -> tuple[str, int, tuple[str, ...], frozenset[str]]:
        if name in self._asked:
            asked = self._asked[name]
            return (*asked, frozenset(asked.columns))
        board = OWN[name]
        return board.title, board.rows, board.columns, board.ageing

    def _rows(self, name: str, moment: Moment, bib: int | None) -> tuple[Row, ...] | list[Row]:
        if name in self._asked:
            return moment.answers[name]
        return OWN[name].fill(moment, bib)


def _aged(
    row: Row, columns: tuple[str, ...], ageing: frozenset[str], behind_s: float, frozen: bool
) -> Row:
    """A row as its age lets it be shown; a frozen one stays as it was when it was held."""
    late_s = 0.0 if behind_s < _STALL_S else math.floor(behind_s)
    age_s = row.age_s + late_s
    quality = row.quality
    cells = row.cells
    if age_s > FRESH_S:  # not so for NaN, which never grows old
        quality = "lost" if age_s > LOST_S else "old"
        cells = tuple(
            _marked(text_of(cell), quality) if column in ageing else cell
            for column, cell in zip(columns, cells, strict=True)
        )
    return Row(cells, age_s, "frozen" if frozen else quality)


def _marked(text: str, quality: str) -> str:
    return "" if quality == "lost" or not text else f"({text})"


def _overruled(
    rows: list[tuple[str, ...]],
    columns: tuple[str, ...],
    texts: Mapping[tuple[int, str], str],
    *,
    by_bib: bool,
    bib: int | None,
) -> list[tuple[str, ...]]:
    """Rows with the texts that were put in by hand; their quality says so."""
    shown = [list(row) for row in rows]
    for (row, column), text in texts.items():
        k = 0 if by_bib and row == bib else -1 if by_bib else row - 1
        if k >= 0:
            shown[k][columns.index(column)] = text_of(text)
            shown[k][-1] = "manual"
    return [tuple(row) for row in shown]


def _age_text(age_s: float) -> str:
    return f"{age_s:.1f}" if math.isfinite(age_s) else ""
