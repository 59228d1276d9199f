"""What an operator has decided: facts of their own, each with who and when, never changed.

A ruling is taken back by a further one, so that the same rulings in the same order always give the
same state. `Rulings` is that state: what is in force, asked by the race and by the view.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from hardware.errors import Reason, Refused
from hardware.signing import SigningKey, open_document, sign_document

PAYLOAD_TYPE = "application/vnd.truck.ruling+json"
SCHEMA = "truck.ruling/1"
SCHEMA_OF_HIDING = "truck.ruling/2"
KINDS = (
    "confirm", "dismiss", "gap", "group", "abandon", "reinstate", "swap", "hide", "show",
    "withdraw",
)  # fmt: skip
GAP_S_MAX = 86_400.0
TEXT_MAX = 200
_I64 = 1 << 63


class Ruling(NamedTuple):
    """One decision; what its kind does not need is None or empty.

    Attributes:
        number: counts from 1, in the order of the journal.
        at_us: when it was decided, microseconds since 1970 UTC; it holds from then on.
        by: who decided.
        kind: one of `KINDS`.
        bib: abandon, reinstate, swap, hide, show: the rider.
        device: swap: the transponder he rides from now on.
        incident: confirm, dismiss: its id.
        gap_s: gap: seconds behind the first, shown for `bibs` whatever is measured.
        bibs: gap: whose gap; group: who ride together, or one who rides alone.
        until_us: gap, group: when it ends by itself; None holds until it is withdrawn.
        withdraws: withdraw: the number of the ruling taken back.
        note: why, in the operator's words.
    """

    number: int
    at_us: int
    by: str
    kind: str
    bib: int | None = None
    device: int | None = None
    incident: int | None = None
    gap_s: float | None = None
    bibs: tuple[int, ...] = ()
    until_us: int | None = None
    withdraws: int | None = None
    note: str = ""


_NEEDS = {
    "confirm": {"incident"},
    "dismiss": {"incident"},
    "gap": {"gap_s", "bibs"},
    "group": {"bibs"},
    "abandon": {"bib"},
    "reinstate": {"bib"},
    "swap": {"bib", "device"},
    "hide": {"bib"},
    "show": {"bib"},
    "withdraw": {"withdraws"},
}
_MAY_END = {"gap", "group"}
_HIDING = ("hide", "show")
_FAMILIES = (("abandon", "reinstate"), ("confirm", "dismiss"), ("swap",), _HIDING)
_ALWAYS = {"number", "at_us", "by", "kind", "note", "until_us"}


def document_of(ruling: Ruling) -> dict[str, Any]:
    """The ruling as a JSON object of its schema."""
    return {"schema": schema_of(ruling.kind), **ruling._asdict(), "bibs": list(ruling.bibs)}


def schema_of(kind: object) -> str:
    """The schema of a kind of ruling; who knows no hiding must refuse one, not show the rider."""
    return SCHEMA_OF_HIDING if kind in _HIDING else SCHEMA


def ruling_of(document: dict[str, Any]) -> Ruling:
    """The ruling in a JSON object from anywhere.

    Raises:
        Refused: VERSION, MALFORMED (a field of another type) or VALUE (one that makes no sense),
            with a clause that names the field.
    """
    if document.get("schema") != schema_of(document.get("kind")):
        raise Refused(Reason.VERSION, f"ruling schema {str(document.get('schema'))[:64]!r}")
    unknown = document.keys() - {"schema", *Ruling._fields}
    if unknown:
        raise Refused(Reason.MALFORMED, f"no ruling has a field {min(map(str, unknown))[:64]!r}")
    bibs = document.get("bibs", [])
    if not isinstance(bibs, list):
        raise Refused(Reason.MALFORMED, "bibs is no list")
    ruling = Ruling(
        number=_integer("number", document.get("number"), 1),
        at_us=_integer("at_us", document.get("at_us"), 0),
        by=_text("by", document.get("by")),
        kind=_text("kind", document.get("kind")),
        bib=_maybe_integer("bib", document.get("bib"), 1),
        device=_maybe_integer("device", document.get("device"), 0),
        incident=_maybe_integer("incident", document.get("incident"), 1),
        gap_s=_maybe_seconds("gap_s", document.get("gap_s")),
        bibs=tuple(_integer("bibs", bib, 1) for bib in bibs),
        until_us=_maybe_integer("until_us", document.get("until_us"), 1),
        withdraws=_maybe_integer("withdraws", document.get("withdraws"), 1),
        note=_text("note", document.get("note", "")),
    )
    _check(ruling)
    return ruling


def sign_ruling(ruling: Ruling, truck: SigningKey) -> bytes:
    """The ruling as a document that the truck has signed; a journal record's payload."""
    return sign_document(document_of(ruling), PAYLOAD_TYPE, truck)


def open_ruling(envelope: bytes, truck_public: bytes) -> Ruling:
    """The ruling in a signed document.

    Raises:
        Refused: as `ruling_of`, or SIGNATURE.
    """
    payload, _ = open_document(envelope, PAYLOAD_TYPE, truck_public)
    return ruling_of(payload)


def _check(ruling: Ruling) -> None:
    """What its kind needs is there, and nothing else."""
    kind = ruling.kind
    if kind not in KINDS:
        raise Refused(Reason.VALUE, f"no ruling is of kind {kind!r}, only {', '.join(KINDS)}")
    if not ruling.by:
        raise Refused(Reason.VALUE, "a ruling says who decided (by)")
    given = {n for n in Ruling._fields if getattr(ruling, n) not in (None, ())} - _ALWAYS
    for name in sorted(_NEEDS[kind] ^ given):
        needs = "needs" if name in _NEEDS[kind] else "has no"
        raise Refused(Reason.VALUE, f"a ruling of kind {kind} {needs} {name}")
    if len(set(ruling.bibs)) != len(ruling.bibs):
        raise Refused(Reason.VALUE, f"a bib twice in {list(ruling.bibs)}")
    if ruling.until_us is not None and (kind not in _MAY_END or ruling.until_us <= ruling.at_us):
        raise Refused(Reason.VALUE, f"a ruling of kind {kind} cannot end at {ruling.until_us}")
    if ruling.gap_s is not None and ruling.gap_s < 0.0:
        raise Refused(Reason.VALUE, f"a gap of {ruling.gap_s} s: nobody is ahead of the first")


def said(ruling: Ruling) -> str:
    """The decision as a clause for people."""
    many = ", ".join(str(bib) for bib in ruling.bibs)
    match ruling.kind:
        case "confirm" | "dismiss":
            return f"incident {ruling.incident} is {ruling.kind}ed"
        case "gap":
            return f"the gap of bib {many} is {ruling.gap_s:.1f} s"
        case "group":
            return (
                f"bib {many} ride together" if len(ruling.bibs) > 1 else f"bib {many} rides alone"
            )
        case "abandon":
            return f"bib {ruling.bib} has abandoned"
        case "reinstate":
            return f"bib {ruling.bib} is in the race again"
        case "swap":
            return f"bib {ruling.bib} rides device {ruling.device}"
        case "hide":
            return f"bib {ruling.bib} is hidden from the public"
        case "show":
            return f"bib {ruling.bib} is shown to the public again"
    return f"ruling {ruling.withdraws} is withdrawn"


class Rulings:
    """What is in force of the rulings taken so far; hundreds at most, so plain rows."""

    def __init__(self, rulings: Iterable[Ruling] = (), end: int = 1) -> None:
        self._in_force = {ruling.number: ruling for ruling in rulings}
        self.end = end
        """The next ruling's number."""

    def take(self, ruling: Ruling) -> None:
        """Let a ruling hold; the numbers of those taken ascend."""
        self.end = ruling.number + 1
        if ruling.kind == "withdraw":
            self._in_force.pop(ruling.withdraws or 0, None)
        else:
            self._in_force[ruling.number] = ruling

    def in_force(self) -> list[Ruling]:
        """Rulings that were not withdrawn, in order; some of them later ones outweigh."""
        return list(self._in_force.values())

    def find(self, number: int) -> Ruling | None:
        """The ruling of that number while it is not withdrawn."""
        return self._in_force.get(number)

    def standing(self, ruling: Ruling) -> Ruling | None:
        """The one in force that says the same, so that to say it again would change nothing."""
        family = next((kinds for kinds in _FAMILIES if ruling.kind in kinds), ())
        about = [r for r in self._of(*family) if _same_matter(r, ruling)]
        return about[-1] if about and about[-1][3:7] == ruling[3:7] else None

    @property
    def abandoned_bibs(self) -> frozenset[int]:
        """Who is out of the race."""
        last = {r.bib: r.kind for r in self._of("abandon", "reinstate") if r.bib is not None}
        return frozenset(bib for bib, kind in last.items() if kind == "abandon")

    @property
    def hidden_bibs(self) -> frozenset[int]:
        """Who is in the record and in no public output."""
        last = {r.bib: r.kind for r in self._of(*_HIDING) if r.bib is not None}
        return frozenset(bib for bib, kind in last.items() if kind == "hide")

    def gap_overrides(self, at_us: int) -> dict[int, float]:
        """Seconds behind the first, by bib, at an instant."""
        return {
            bib: ruling.gap_s
            for ruling in self._of("gap")
            if ruling.gap_s is not None and _holds(ruling, at_us)
            for bib in ruling.bibs
        }

    def group_overrides(self, at_us: int) -> dict[int, int]:
        """The number of the ruling that says with whom a bib rides, by bib, at an instant.

        Bibs under the same number ride together and with nobody else.
        """
        return {
            bib: ruling.number
            for ruling in self._of("group")
            if _holds(ruling, at_us)
            for bib in ruling.bibs
        }

    def judgement_of(self, incident: int) -> Ruling | None:
        """The confirm or dismiss that stands for an incident."""
        found = [r for r in self._of("confirm", "dismiss") if r.incident == incident]
        return found[-1] if found else None

    @property
    def swaps(self) -> list[Ruling]:
        """Bike swaps in order; the later one of a bib or device holds from its own time on."""
        return self._of("swap")

    def carried(self) -> "Rulings":
        """What still holds on another stage: who is out, who rides what, who is hidden."""
        return Rulings(self._of("abandon", "reinstate", "swap", *_HIDING), self.end)

    def facts(self) -> dict[str, Any]:
        """The state as JSON, for `of`."""
        return {"end": self.end, "in_force": [document_of(r) for r in self.in_force()]}

    @classmethod
    def of(cls, facts: dict[str, Any]) -> "Rulings":
        """The state that `facts` told.

        Raises:
            Refused: it holds what is no ruling.
        """
        return cls(map(ruling_of, facts["in_force"]), facts["end"])

    def _of(self, *kinds: str) -> list[Ruling]:
        return [ruling for ruling in self._in_force.values() if ruling.kind in kinds]


def _same_matter(one: Ruling, other: Ruling) -> bool:
    if one.device is not None and one.device == other.device:
        return True
    return (one.bib, one.incident) == (other.bib, other.incident)


def _holds(ruling: Ruling, at_us: int) -> bool:
    return ruling.at_us <= at_us and (ruling.until_us is None or at_us < ruling.until_us)


def _integer(name: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refused(Reason.MALFORMED, f"{name} is no whole number")
    if not least <= value < _I64:
        raise Refused(Reason.VALUE, f"{name} {str(value)[:24]} is below {least} or too large")
    return value


def _maybe_integer(name: str, value: Any, least: int) -> int | None:
    return None if value is None else _integer(name, value, least)


def _maybe_seconds(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise Refused(Reason.MALFORMED, f"{name} is no number of seconds")
    if abs(value) > GAP_S_MAX:  # before it becomes a float: JSON's integers have no end
        raise Refused(Reason.VALUE, f"{name} is more than {GAP_S_MAX:.0f} s")
    return float(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > TEXT_MAX:
        raise Refused(Reason.MALFORMED, f"{name} is no line of at most {TEXT_MAX} characters")
    return value
