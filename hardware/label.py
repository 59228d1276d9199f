"""What a node's label says, as text that a scanner reads from its QR code.

    truck.label/1?event=tour-2027&role=transponder&name=Dupont&serial=T-0007&bib=21

A query string in UTF-8, percent-encoded, in this order and one spelling; `bib` is left out where
there is none.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from hardware.crew import Member, Role
from hardware.errors import Reason, Refused

SCHEMA = "truck.label/1"
_CHARACTERS_MAX = 1024
_FIELDS = ("event", "role", "name", "serial")


@dataclass(frozen=True)
class Label:
    """What stands on a label; `bib` is 0 where there is none."""

    event: str
    role: str
    name: str
    serial: str
    bib: int = 0

    @property
    def text(self) -> str:
        """What its QR code holds."""
        fields: dict[str, str | int] = {field: getattr(self, field) for field in _FIELDS}
        return f"{SCHEMA}?{urlencode(fields | ({'bib': self.bib} if self.bib else {}))}"


def label_of(event: str, member: Member) -> Label:
    """The label of a line of the sheet."""
    return Label(event, member.role.value, member.name, member.serial, member.bib or 0)


def read_label(text: str) -> Label:
    """The label whose text a scanner has read.

    Raises:
        Refused: OVERSIZE, VERSION (it is no label of ours, or a later one) or MALFORMED.
    """
    text = text.strip()
    if len(text) > _CHARACTERS_MAX:
        raise Refused(Reason.OVERSIZE, f"a label of {len(text)} characters")
    schema, _, query = text.partition("?")
    if schema != SCHEMA:
        raise Refused(Reason.VERSION, f"no label of this race: {text[:64]!r}")
    try:
        fields = dict(parse_qsl(query, strict_parsing=True, max_num_fields=8, errors="strict"))
        bib = int(fields.pop("bib", "0"))
        label = Label(**fields, bib=bib)
    except (ValueError, TypeError) as error:
        raise Refused(Reason.MALFORMED, "a label that was cut or changed") from error
    said = (label.event, label.name, label.serial)
    if label.text != text or label.role not in set(Role) or not all(map(str.isprintable, said)):
        raise Refused(Reason.MALFORMED, "a label that was cut or changed")
    return label
