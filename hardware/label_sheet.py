"""A sheet of labels as PDF: A4, three by eight, QR code on the left, letters on the right.

Sizes are in millimetres; those of the letters in points. The same labels give the same bytes.
"""

import io
import itertools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from hardware.errors import Misconfigured
from hardware.label import Label

COLUMNS, ROWS = 3, 8
_PAGE_MM = (210.0, 297.0)
_LABEL_MM = (66.0, 34.0)
_CODE_MM = 31.0
_PAD_MM = 1.5
_MARK_MM = 4.0  # of a cut mark, outside the labels
_POINTS_A_MM = 72.0 / 25.4
_QUIET_MODULES = 4  # white around a code, as the standard asks
_ROW_OVERLAP = 1.05  # so that no printer leaves a hair of white between two rows
_BIB_PT, _NAME_PT, _SERIAL_PT, _SMALL_PT = 40, 20, 11, 6.5
_ONE_LINE_PT_MIN, _TWO_LINES_PT, _NAME_PT_MIN = 12, 14, 9
_BOLD, _PLAIN = "VeraBd", "Vera"  # reportlab carries them


def print_labels(labels: Sequence[Label]) -> bytes:
    """The PDF of a sheet of labels, in their order, row by row.

    Raises:
        Misconfigured: reportlab is not installed.
    """
    try:
        from reportlab.pdfbase.pdfmetrics import registerFont
        from reportlab.pdfbase.ttfonts import TTFont
        from reportlab.pdfgen.canvas import Canvas
    except ImportError as error:
        raise Misconfigured(
            "reportlab is not installed here", "Install big-data-truck[crew]."
        ) from error
    for font in (_BOLD, _PLAIN):
        registerFont(TTFont(font, f"{font}.ttf"))
    sheet = io.BytesIO()
    canvas = Canvas(sheet, [side * _POINTS_A_MM for side in _PAGE_MM], invariant=1)
    canvas.setTitle(f"Labels of {labels[0].event}" if labels else "Labels")
    for first in range(0, len(labels), COLUMNS * ROWS):
        canvas.saveState()
        canvas.scale(_POINTS_A_MM, _POINTS_A_MM)  # from here on a unit is a millimetre
        _cut_marks(canvas)
        for place, label in enumerate(labels[first : first + COLUMNS * ROWS]):
            row, column = divmod(place, COLUMNS)
            left, bottom = _corner()
            _draw(
                canvas, label, left + column * _LABEL_MM[0],
                bottom + (ROWS - 1 - row) * _LABEL_MM[1],
            )  # fmt: skip
        canvas.restoreState()
        canvas.showPage()
    canvas.save()
    return sheet.getvalue()


def _corner() -> tuple[float, float]:
    """Left and bottom of the labels on a page."""
    return (_PAGE_MM[0] - COLUMNS * _LABEL_MM[0]) / 2, (_PAGE_MM[1] - ROWS * _LABEL_MM[1]) / 2


def _cut_marks(canvas: Any) -> None:
    left, bottom = _corner()
    right, top = left + COLUMNS * _LABEL_MM[0], bottom + ROWS * _LABEL_MM[1]
    canvas.setLineWidth(0.1)
    for column in range(COLUMNS + 1):
        x = left + column * _LABEL_MM[0]
        canvas.line(x, bottom - _MARK_MM, x, bottom)
        canvas.line(x, top, x, top + _MARK_MM)
    for row in range(ROWS + 1):
        y = bottom + row * _LABEL_MM[1]
        canvas.line(left - _MARK_MM, y, left, y)
        canvas.line(right, y, right + _MARK_MM, y)


def _draw(canvas: Any, label: Label, x: float, y: float) -> None:
    _draw_code(canvas, label.text, x + _PAD_MM, y + (_LABEL_MM[1] - _CODE_MM) / 2)
    at = x + _PAD_MM + _CODE_MM
    width = _LABEL_MM[0] - _CODE_MM - 3 * _PAD_MM
    top = y + _LABEL_MM[1] - _PAD_MM
    if label.bib:
        top -= _mm(_BIB_PT) * 0.8
        _write(canvas, _BOLD, _BIB_PT, at, top, str(label.bib))
    for line, size in _name_lines(label.name, width):
        top -= _mm(size) * 1.1
        _write(canvas, _BOLD, size, at, top, line)
    serial_pt = _fitting(label.serial, _BOLD, _SERIAL_PT, width)
    _write(canvas, _BOLD, serial_pt, at, y + 5.5, label.serial)
    small = f"{label.role} · {label.event}"
    _write(canvas, _PLAIN, _fitting(small, _PLAIN, _SMALL_PT, width), at, y + 2.2, small)


def _draw_code(canvas: Any, text: str, x: float, y: float) -> None:
    """A QR code with its quiet zone, as one path of the runs of dark modules in each row."""
    from reportlab.graphics.barcode.qr import QrCodeWidget

    code = QrCodeWidget(text, barLevel="M").qr
    code.make()
    modules = code.getModuleCount()
    size = _CODE_MM / (modules + 2 * _QUIET_MODULES)
    path = canvas.beginPath()
    for row in range(modules):
        top = y + _CODE_MM - (row + _QUIET_MODULES) * size
        column = 0
        for dark, run in itertools.groupby(code.isDark(row, n) for n in range(modules)):
            length = len(list(run))
            if dark:
                left = x + (column + _QUIET_MODULES) * size
                path.rect(left, top - size * _ROW_OVERLAP, length * size, size * _ROW_OVERLAP)
            column += length
    canvas.drawPath(path, stroke=0, fill=1, fillMode=1)  # non-zero: the rows overlap


def _mm(points: float) -> float:
    return points / _POINTS_A_MM


def _write(canvas: Any, font: str, points: float, x: float, y: float, text: str) -> None:
    canvas.setFont(font, _mm(points))
    canvas.drawString(x, y, _printable(text, font))


def _width(text: str, font: str, points: float) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(_printable(text, font), font, _mm(points)))


def _fitting(text: str, font: str, points: float, width: float) -> float:
    """The size at which a text is as wide as its place, at most `points`."""
    return min(points, points * width / max(_width(text, font, points), 1e-9))


def _name_lines(name: str, width: float) -> list[tuple[str, float]]:
    """A name in one line or two, as large as it goes, cut where it would be too small."""
    size = _fitting(name, _BOLD, _NAME_PT, width)
    words = re.findall(r"[^\s-]+[\s-]*", name)
    if size >= _ONE_LINE_PT_MIN or len(words) < 2:
        halves = [name]
    else:
        cuts = [("".join(words[:n]).strip(), "".join(words[n:])) for n in range(1, len(words))]
        halves = list(min(cuts, key=lambda cut: max(_width(half, _BOLD, 1) for half in cut)))
        size = min(_fitting(half, _BOLD, _TWO_LINES_PT, width) for half in halves)
    size = max(size, _NAME_PT_MIN)
    return [(_cut(half, size, width), size) for half in halves]


def _cut(text: str, points: float, width: float) -> str:
    while len(text) > 1 and _width(text, _BOLD, points) > width * 1.01:
        text = text[:-2] + "…"
    return text


def _printable(text: str, font: str) -> str:
    """A text in letters that the font has: without an accent, or as a question mark."""
    from reportlab.pdfbase.pdfmetrics import getFont

    glyphs = getFont(font).face.charToGlyph
    parts = []
    for letter in text:
        plain = unicodedata.normalize("NFKD", letter)[0]
        parts.append(next((c for c in (letter, plain) if ord(c) in glyphs), "?"))
    return "".join(parts)
