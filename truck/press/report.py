"""The stage report as a PDF: what happened, in pictures and tables, labelled unofficial."""

import datetime as dt
import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from truck.press.day import Day
from truck.press.fonts import BOLD, PLAIN, load_fonts
from truck.press.pictures import GRID, INK, SOFT, gap_history, groups_over_profile
from truck.press.results import Result, clock_text, gap_text

UNOFFICIAL = "UNOFFICIAL - from GPS receivers, not the commissaires' result"
_ACCENT = HexColor("#c2304a")
_STRIPE = HexColor("#f4f6f8")
_MARGIN = 16 * mm
_SHOWN = 20  # of the standings
_STATUS_WORDS = {
    "signal_lost": "no signal", "in_car": "tracker in a car", "not_seen": "never heard",
    "off_route": "off the route", "stopped": "stopped", "racing": "on the road",
    "abandoned": "out of the race",
}  # fmt: skip

_TITLE = ParagraphStyle("title", fontName=BOLD, fontSize=22, leading=28, textColor=INK)
_HEAD = ParagraphStyle("head", fontName=BOLD, fontSize=12, leading=16, textColor=INK,
                       spaceBefore=10, spaceAfter=3)  # fmt: skip
_BODY = ParagraphStyle("body", fontName=PLAIN, fontSize=9.5, leading=13, textColor=INK)
_NOTE = ParagraphStyle("note", fontName=PLAIN, fontSize=8, leading=10.5, textColor=SOFT)
_CELL = ParagraphStyle("cell", fontName=PLAIN, fontSize=8, leading=9.5, textColor=INK)


def report_pdf(day: Day, made_at_s: float, *, embargoed: bool) -> bytes:
    """The whole report.

    Args:
        day: what it says.
        made_at_s: the instant it is made, seconds since 1970 UTC.
        embargoed: whether no operator has released it yet; every page then says so.
    """
    load_fonts()
    story: list[Flowable] = [*_opening(day), *_figures(day), *_climbs(day)]
    story += [*_incidents(day), Paragraph("Result", _HEAD), _result_table(day.results)]
    story += _standings(day.standings)
    return _built(story, day, made_at_s, embargoed=embargoed)


def results_pdf(day: Day, made_at_s: float, *, embargoed: bool) -> bytes:
    """The results alone."""
    load_fonts()
    story = [*_opening(day), Paragraph("Result", _HEAD), _result_table(day.results)]
    return _built(story, day, made_at_s, embargoed=embargoed)


def _built(story: list[Flowable], day: Day, made_at_s: float, *, embargoed: bool) -> bytes:
    out = io.BytesIO()
    wide, tall = A4

    def frame(canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.saveState()
        canvas.setFillColor(_ACCENT)
        canvas.rect(0, tall - 9 * mm, wide, 9 * mm, stroke=0, fill=1)
        canvas.setFillColor(white)
        canvas.setFont(BOLD, 8.5)
        canvas.drawString(_MARGIN, tall - 6 * mm, UNOFFICIAL)
        if embargoed:
            canvas.drawRightString(wide - _MARGIN, tall - 6 * mm, "EMBARGO: not released yet")
        canvas.setFillColor(SOFT)
        canvas.setFont(PLAIN, 7.5)
        made = dt.datetime.fromtimestamp(made_at_s, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
        canvas.drawString(
            _MARGIN, 9 * mm, f"{day.name}, made {made} from {day.readings:,} readings"
        )
        canvas.drawRightString(wide - _MARGIN, 9 * mm, f"page {document.page}")
        canvas.restoreState()

    document = BaseDocTemplate(
        out, pagesize=A4, title=f"{day.name}: stage report (unofficial)", invariant=1,
        leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=15 * mm, bottomMargin=15 * mm,
    )  # fmt: skip
    inner = Frame(
        _MARGIN, 14 * mm, wide - 2 * _MARGIN, tall - 28 * mm, 0, 0, 0, 0, id="page"
    )  # fmt: skip
    document.addPageTemplates(PageTemplate(id="page", frames=[inner], onPage=frame))
    document.build(story)
    return out.getvalue()


def _opening(day: Day) -> list[Flowable]:
    """What happened, in three sentences."""
    finished = [one for one in day.results if one.rank is not None]
    date = dt.datetime.fromtimestamp(day.began_s, dt.UTC).strftime("%d %B %Y")
    facts = f"{date} · {day.course.length_m / 1000:.1f} km · {len(day.results)} riders"
    said = [Paragraph(escape(day.name), _TITLE), Paragraph(escape(facts), _NOTE), Spacer(1, 6)]
    winner_s = finished[0].time_s if finished else None
    if winner_s is None:
        said.append(Paragraph(f"Nobody has crossed the line yet, as of {day.until}.", _BODY))
        return said
    first = finished[0]
    speed_kmh = day.course.length_m / max(winner_s, 1) * 3.6
    together = sum(one.gap_s == 0 for one in finished)
    sentence = (
        f"<b>{escape(first.name or f'Rider {first.bib}')}</b> ({escape(first.team or 'no team')}) "
        f"crossed the line first after {clock_text(winner_s)}, at {speed_kmh:.1f} km/h"
    )
    sentence += f", with {together - 1} others in his time. " if together > 1 else ", alone. "
    last_s = finished[-1].gap_s or 0
    sentence += f"{len(finished)} riders finished; the last came {gap_text(last_s)[1:]} behind him."
    absent = [one for one in day.results if one.rank is None]
    if absent:
        names = ", ".join(
            f"{one.bib} ({one.irm or _STATUS_WORDS.get(one.status, one.status)})"
            for one in absent[:12]
        )
        more = f" and {len(absent) - 12} more" if len(absent) > 12 else ""
        sentence += f" Not seen to finish: {escape(names)}{more}."
    said.append(Paragraph(sentence, _BODY))
    return said


def _figures(day: Day) -> list[Flowable]:
    shown: list[Flowable] = []
    if day.groups:
        shown += _figure(
            "Groups over the stage",
            groups_over_profile(day),
            "Each line is one group, thicker the more riders it had, at the kilometre where it was"
            " and as far behind the front as it was there. Small groups that did not last are left"
            " out, and so is what lies beyond the scale.",
        )
    if day.gaps:
        shown += _figure(
            "Gaps of the first at the line",
            gap_history(day),
            "Seconds behind the front of the race, by hours since the flag.",
        )
    return shown


def _figure(title: str, drawing: Drawing, note: str) -> list[Flowable]:
    return [KeepTogether([Paragraph(title, _HEAD), drawing, Paragraph(note, _NOTE)])]


def _climbs(day: Day) -> list[Flowable]:
    shown: list[Flowable] = []
    names = {one.bib: one.name for one in day.results}
    for timed in day.climbs:
        climb = timed.climb
        title = climb.name or f"Climb to km {climb.top_m / 1000:.1f}"
        about = (
            f"{climb.length_m / 1000:.1f} km at {climb.gradient_pct:.1f} %, {climb.rise_m:.0f} m"
        )
        rows: list[Sequence[Any]] = [("", "bib", "rider", "time", "behind", "VAM m/h", "km/h")]
        riders = timed.best[:5]
        for place, one in enumerate(riders, 1):
            behind_s = one.time_s - riders[0].time_s
            behind = f"+{behind_s:.0f} s" if place > 1 else ""
            rows.append((
                place, one.bib, names.get(one.bib, ""), clock_text(round(one.time_s)), behind,
                f"{one.vam_mph:.0f}", f"{one.speed_kmh:.1f}",
            ))  # fmt: skip
        table = _table(rows, (8, 14, 0, 24, 22, 22, 20), numbers_from=3)
        head = Paragraph(f"{escape(title)} <font size=8 color='#5d6b7a'>{about}</font>", _HEAD)
        shown.append(KeepTogether([head, table]))
    if shown:
        note = "Fastest of those heard at foot and top; interpolated, a second or two of doubt."
        shown.append(Paragraph(note, _NOTE))
    return shown


def _incidents(day: Day) -> list[Flowable]:
    if not day.incidents:
        return []
    rows: list[Sequence[Any]] = [("time UTC", "km", "what", "likely", "bibs")]
    for one in day.incidents:
        bibs = ", ".join(map(str, one["bibs"][:12])) + (" ..." if len(one["bibs"]) > 12 else "")
        km = "" if one["distance_m"] is None else f"{one['distance_m'] / 1000:.1f}"
        rows.append((
            f"{one['started_at']:%H:%M:%S}", km, one["kind"].replace("_", " "),
            f"{one['probability']:.0%}", Paragraph(bibs, _CELL),
        ))  # fmt: skip
    return [
        Paragraph("What the receivers saw", _HEAD),
        _table(rows, (20, 16, 34, 16, 0)),
        Paragraph("Likely, not certain: told from positions and accelerometers alone.", _NOTE),
    ]


def _result_table(results: Sequence[Result]) -> Table:
    rows: list[Sequence[Any]] = [("", "bib", "rider", "team", "time", "gap")]
    for one in results:
        time = one.irm or _STATUS_WORDS.get(one.status, one.status)
        gap = ""
        if one.time_s is not None and one.gap_s is not None:
            time = clock_text(one.time_s)
            gap = "s.t." if one.same_time else gap_text(one.gap_s) if one.rank != 1 else ""
        rows.append((
            one.rank or "", one.bib, Paragraph(escape(one.name), _CELL),
            Paragraph(escape(one.team), _CELL), time, gap,
        ))  # fmt: skip
    return _table(rows, (9, 13, 60, 0, 28, 20), numbers_from=4)


def _standings(standings: Sequence[dict[str, Any]]) -> list[Flowable]:
    if not standings:
        return []
    rows: list[Sequence[Any]] = [("", "bib", "rider", "team", "behind", "bonus")]
    for place, one in enumerate(standings[:_SHOWN], 1):
        rows.append((
            place, one["bib"], Paragraph(escape(one["name"]), _CELL),
            Paragraph(escape(one["team"]), _CELL),
            gap_text(int(one["gap_s"])) if place > 1 else "",
            f"{one['bonus_s']:.0f} s" if one["bonus_s"] else "",
        ))  # fmt: skip
    return [
        Paragraph("General classification, virtual", _HEAD),
        _table(rows, (9, 13, 60, 0, 22, 18), numbers_from=4),
        Paragraph(
            "Time before the stage, gap at the line, and bonuses by the order receivers saw.", _NOTE
        ),
    ]


def _table(rows: list[Sequence[Any]], widths_mm: Sequence[float], numbers_from: int = 99) -> Table:
    """A table across the page; a width of 0 takes what is left."""
    left = A4[0] - 2 * _MARGIN - sum(widths_mm) * mm
    widths = [width * mm if width else left for width in widths_mm]
    style = [
        ("FONT", (0, 0), (-1, 0), BOLD, 7.5),
        ("FONT", (0, 1), (-1, -1), PLAIN, 8),
        ("TEXTCOLOR", (0, 0), (-1, 0), SOFT),
        ("TEXTCOLOR", (0, 1), (-1, -1), INK),
        ("LINEBELOW", (0, 0), (-1, 0), 0.6, GRID),
        ("ROWBACKGROUNDS", (0, 1), (-1, -1), (white, _STRIPE)),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ("ALIGN", (0, 0), (1, -1), "RIGHT"),
    ]
    if numbers_from < len(widths):
        style.append(("ALIGN", (numbers_from, 0), (-1, -1), "RIGHT"))
    return Table(rows, widths, repeatRows=1, style=TableStyle(style), hAlign="LEFT")
