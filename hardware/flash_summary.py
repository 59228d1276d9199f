"""What a crew sees while a batch is flashed, and what it can read across a room when it is over."""

import threading
from collections.abc import Sequence
from types import TracebackType

from rich.align import Align
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from hardware.transponders import Flashed, State

_STYLES = {State.PROVEN: "bold green", State.KEPT: "green", State.FAILED: "bold red"}
# five rows of three cells a figure; a 1 is a full block
_FIGURES = {
    "0": "111 101 101 101 111", "1": "010 110 010 010 111", "2": "111 001 111 100 111",
    "3": "111 001 111 001 111", "4": "101 101 111 001 001", "5": "111 100 111 001 111",
    "6": "111 100 111 101 111", "7": "111 001 001 001 001", "8": "111 101 111 101 111",
    "9": "111 101 111 001 111", "/": "001 001 010 100 100",
}  # fmt: skip
_NAMES_SHOWN = 12


class Board:
    """Bars on stderr while devices are flashed, one each and one for the batch."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self._batch = self._progress.add_task("batch", total=0)
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Board":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def expect(self, devices: int) -> None:
        """So many devices more belong to the batch."""
        total = self._progress.tasks[self._batch].total or 0
        self._progress.update(self._batch, total=total + devices)

    def wrote(self, target: str, done: int, total: int) -> None:
        """Bytes of one device are done; called from its thread."""
        with self._lock:
            if target not in self._tasks:
                self._tasks[target] = self._progress.add_task(target, total=total)
            self._progress.advance(self._tasks[target], done)

    def told(self, flashed: Flashed) -> None:
        """A device has ended."""
        with self._lock:
            task = self._tasks.pop(flashed.target, None)
            if task is not None:
                self._progress.remove_task(task)
        self._progress.advance(self._batch)
        line = Text(f"{flashed.state.upper():<7}", _STYLES[flashed.state])
        line.append(f" {flashed.member.name}  {flashed.target}  {flashed.said}", "default")
        self._console.print(line, soft_wrap=True)


def summary(results: Sequence[Flashed], left: Sequence[str]) -> Panel:
    """The end of a batch in large figures, few words and one colour.

    Args:
        results: of every device of this run.
        left: names of the relays that are still to be flashed.
    """
    failed = [r for r in results if r.state is State.FAILED]
    good = len(results) - len(failed)
    style = "bold white on red" if failed else "bold white on green"
    lines = [Text(row) for row in large(f"{good}/{len(results)}")]
    lines.append(Text(""))
    if failed:
        lines.append(Text(f"{len(failed)} FAILED: {_names([r.member.name for r in failed])}"))
        lines.append(Text("Mend what their lines say, then the same command with --resume."))
    else:
        lines.append(Text("ALL PROVEN"))
    if left:
        lines.append(Text(f"{len(left)} relays still to do: {_names(left)}"))
    return Panel(Group(*(Align.center(line) for line in lines)), style=style, padding=(1, 2))


def large(text: str) -> list[str]:
    """Figures and a stroke, five rows high."""
    rows = [_FIGURES[character].split() for character in text]
    cells = ("   ".join(figure[k] for figure in rows) for k in range(5))
    return [row.replace("1", "██").replace("0", "  ") for row in cells]


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
