"""The report's letters: Source Sans Pro (SIL Open Font License), for names such as Pogačar's.

PDF's own fonts know the letters of Western Europe alone.
"""

import functools
from importlib import resources

from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

PLAIN, BOLD = "SourceSansPro", "SourceSansPro-Bold"
_FILES = {PLAIN: "SourceSansPro-Regular.ttf", BOLD: "SourceSansPro-Semibold.ttf"}


@functools.cache
def load_fonts() -> None:
    """Make both known to reportlab, once a process."""
    folder = resources.files("font_source_sans_pro") / "files"
    for name, file in _FILES.items():
        with resources.as_file(folder / file) as path:
            pdfmetrics.registerFont(TTFont(name, str(path)))
    for bold in (0, 1):
        addMapping(PLAIN, bold, 0, BOLD if bold else PLAIN)
