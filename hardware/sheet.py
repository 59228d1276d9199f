"""A CSV file of a stage folder, read so that every complaint names file, line and field."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from hardware.errors import Misconfigured

_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Row:
    """One line of a sheet; an empty cell and an absent column are both None.

    `surplus` counts the filled cells beyond the last column.
    """

    file: str
    line: int
    cells: dict[str, str]
    decimal_comma: bool = False
    surplus: int = 0

    def text(self, field: str) -> str | None:
        """The cell without surrounding blanks."""
        return self.cells.get(field, "").strip() or None

    def number(self, field: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """The cell as a finite number from `low` to `high`.

        Raises:
            Misconfigured: when it is something else.
        """
        text = self.text(field)
        if text is None:
            return None
        try:
            value = float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.wrong(field, "is not a number", "Write a number with a decimal point.")
        if not low <= value <= high:
            raise self.wrong(
                field, f"is outside {low:g} to {high:g}", "Correct it; the column names its unit."
            )
        return value

    def needed_number(self, field: str, low: float = -math.inf, high: float = math.inf) -> float:
        """The cell as a number, which must not be empty.

        Raises:
            Misconfigured: when it is, or is no number from `low` to `high`.
        """
        self.needed(field)
        value = self.number(field, low, high)
        return math.nan if value is None else value

    def instant_s(self, field: str) -> float | None:
        """The cell, a date and time with its zone, in seconds since 1970 UTC.

        Raises:
            Misconfigured: when it is something else.
        """
        text = self.text(field)
        if text is None:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.wrong(field, "is no time", "Write it as 2027-07-16T10:35:00Z.") from error
        if instant.tzinfo is None:
            raise self.wrong(field, "has no zone", "Write it as 2027-07-16T10:35:00Z.")
        return instant.timestamp()

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


def read_sheet(
    file: str, data: bytes, columns: tuple[str, ...], surplus: bool = False
) -> Iterator[Row]:
    """The rows of a CSV file that must have `columns`; blank lines are skipped.

    A spreadsheet's ways are taken as they come: a byte order mark, semicolons or tabs where the
    first line has them (numbers may then have a decimal comma), column names in any case.

    Args:
        file: what to call it in complaints.
        data: its bytes.
        columns: those that must be there.
        surplus: a line with cells too many comes as a row that says so, for who lists all faults.

    Raises:
        Misconfigured: not UTF-8, a column is missing or double, or a line has cells too many.
    """
    lines, separator = _lines(file, data)
    reader = csv.reader(lines, delimiter=separator)
    try:
        header = [cell.strip().lower().replace(" ", "_") for cell in next(reader, [])]
        for column in columns:
            if column not in header:
                raise Misconfigured(
                    f"{file}, line {max(reader.line_num, 1)}: the column '{column}' is missing",
                    f"The first line must name at least {', '.join(columns)}.",
                )
        for column in filter(None, header):
            if header.count(column) > 1:
                raise Misconfigured(f"{file}: the column '{column}' stands twice", "Remove one.")
        for cells in reader:
            beyond = sum(1 for cell in cells[len(header) :] if cell.strip())
            if beyond and not surplus:
                raise Misconfigured(
                    f"{file}, line {reader.line_num}: {len(cells)} cells under {len(header)} "
                    "columns",
                    "Quote a cell that holds a comma; write numbers with a decimal point.",
                )
            if any(cell.strip() for cell in cells):
                named = dict(zip(header, cells, strict=False))
                yield Row(file, reader.line_num, named, separator != ",", beyond)
    except csv.Error as error:
        raise Misconfigured(f"{file}, line {reader.line_num}: {error}", "Mend it.") from error


def _lines(file: str, data: bytes) -> tuple[io.StringIO, str]:
    """The text from its first line on, and what separates its cells."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Misconfigured(
            f"{file}, line {line}: not UTF-8", "Save it as 'CSV UTF-8', not as plain CSV."
        ) from error
    lines = io.StringIO(text, newline="")
    header = lines.readline()
    if not header.lower().startswith("sep="):  # a spreadsheet's own first line
        lines.seek(0)
    return lines, max(_SEPARATORS, key=header.count)
