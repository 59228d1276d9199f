"""A CSV file of a stage folder, read so that every complaint names file, line and field."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

from hardware.errors import Misconfigured


@dataclass(frozen=True)
class Row:
    """One line of a sheet; an empty cell and an absent column are both None."""

    file: str
    line: int
    cells: dict[str, str]

    def text(self, field: str) -> str | None:
        """The cell without surrounding blanks."""
        return self.cells.get(field, "").strip() or None

    def number(self, field: str) -> float | None:
        """The cell as a finite number.

        Raises:
            Misconfigured: when it is something else.
        """
        text = self.text(field)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.wrong(field, "is not a number", "Write a number with a decimal point.")
        return value

    def needed(self, field: str) -> str:
        """The cell, which must not be empty.

        Raises:
            Misconfigured: when it is.
        """
        text = self.text(field)
        if text is None:
            raise self.wrong(field, "is empty", "Fill it in or remove the line.")
        return text

    def wrong(self, field: str, what: str, hint: str) -> Misconfigured:
        """The error that names this cell."""
        value = self.text(field)
        shown = f"'{value[:40]}' " if value else ""
        return Misconfigured(f"{self.file}, line {self.line}, {field}: {shown}{what}", hint)


def read_sheet(file: str, data: bytes, columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows of a CSV file that must have `columns`; blank lines are skipped.

    Raises:
        Misconfigured: not UTF-8, or a column is missing.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Misconfigured(f"{file}, line {line}: not UTF-8", "Save it as UTF-8.") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [cell.strip() for cell in next(reader, [])]
    for column in columns:
        if column not in header:
            raise Misconfigured(
                f"{file}, line 1: the column '{column}' is missing",
                f"The first line must name at least {', '.join(columns)}.",
            )
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(file, reader.line_num, dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise Misconfigured(f"{file}, line {reader.line_num}: {error}", "Mend it.") from error
