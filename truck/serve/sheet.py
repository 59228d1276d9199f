"""A board as it is sent: constant rows of text, and the same cells as JSON, XML and CSV."""

import csv
import io
import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

TEXT_CHARACTERS_MAX = 120
STAMPS = ("at", "age_s", "quality")  # every board's last columns
_SPREADSHEET = ("=", "+", "-", "@")  # what a spreadsheet takes for a formula
_SIGNED = re.compile(r"[+-]\d[\d:.,]*")


@dataclass(frozen=True)
class Sheet:
    """What one board shows.

    Attributes:
        name: of the board, a-z, 0-9 and -.
        title: for people.
        columns: the same for a board always; the last three are `STAMPS`.
        rows: the same count always, a text a column; a row that is not filled is empty texts.
        at: the instant it speaks of, ISO 8601; empty before the first frame.
        age_s: how long ago that was shown first, seconds; NaN before the first frame.
        quality: "live", or why it is not: see `truck.serve.boards`.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    at: str
    age_s: float
    quality: str


def text_of(value: object) -> str:
    """A value as a cell: one printable line, and nothing that a spreadsheet would compute.

    A text that begins with = + - @ gets an apostrophe before it, in every format alike; signed
    numbers and gaps, as +1:23, stay as they are.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    line = "".join(c if c.isprintable() else " " for c in str(value)).strip()
    if line.startswith(_SPREADSHEET) and not _SIGNED.fullmatch(line):
        line = f"'{line}"
    return line[:TEXT_CHARACTERS_MAX]


def json_of(sheet: Sheet) -> bytes:
    """An array of flat objects, a row each, every value a string."""
    rows = [dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def xml_of(sheet: Sheet) -> bytes:
    """An element board (name, title) of elements row, in each an element a column."""
    board = ET.Element("board", name=sheet.name, title=sheet.title)
    for row in sheet.rows:
        line = ET.SubElement(board, "row")
        for column, cell in zip(sheet.columns, row, strict=True):
            ET.SubElement(line, column).text = cell
    written: bytes = ET.tostring(board, "utf-8", xml_declaration=True, short_empty_elements=False)
    return written


def csv_of(sheet: Sheet) -> bytes:
    """RFC 4180 with a header line, UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(sheet.columns)
    writer.writerows(sheet.rows)
    return out.getvalue().encode()


FORMATS = {
    "json": (json_of, "application/json"),
    "xml": (xml_of, "application/xml"),
    "csv": (csv_of, "text/csv"),
}
