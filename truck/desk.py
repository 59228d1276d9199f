"""The operator's desk: a decision is checked, numbered, signed, journalled, and only then told.

Any thread may ask. Custody's thread writes, for it alone writes the journal; once a ruling is in
there it holds in the live state, in the view and after every restart.
"""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NamedTuple

from hardware.errors import Misconfigured, Refused, Unavailable
from hardware.roster import Roster
from hardware.signing import SigningKey
from truck.handover import Handed, Handover
from truck.journal import Journal, Record
from truck.race.rulings import (
    Ruling,
    Rulings,
    document_of,
    ruling_of,
    said,
    schema_of,
    sign_ruling,
)
from truck.segment import Kind

_ANSWER_S_MAX = 10.0
_MINUTES_MAX = 1440.0


class Known(NamedTuple):
    """Who and what a ruling may name.

    Attributes:
        starters: bibs of the start list.
        roster: the one in force.
        has_incident: whether an incident of that id was ever raised.
    """

    starters: frozenset[int]
    roster: Callable[[], Roster]
    has_incident: Callable[[int], bool]

    def check(self, ruling: Ruling) -> None:
        """Whether everything it names exists.

        Raises:
            Misconfigured: naming what does not.
        """
        roster = self.roster()
        bibs = self.starters | {binding.bib for binding in roster.bindings}
        for bib in (*ruling.bibs, *(() if ruling.bib is None else (ruling.bib,))):
            if bib not in bibs:
                raise Misconfigured(f"nobody rides with bib {bib}", "See the start list.")
        devices = {device.device for device in roster.devices if not device.revoked}
        if ruling.device is not None and ruling.device not in devices:
            raise Misconfigured(
                f"device {ruling.device} is not in roster version {roster.version}, or is revoked",
                "Take a spare that is, or have the authority enrol it.",
            )
        if ruling.incident is not None and not self.has_incident(ruling.incident):
            raise Misconfigured(
                f"no incident {ruling.incident} was raised",
                'See `truck query HOME "SELECT * FROM incidents"`.',
            )


class Desk:
    """`ask` from any thread, `turn` from custody's."""

    def __init__(
        self,
        rulings: Rulings,
        known: Known,
        journal: Journal,
        handover: Handover,
        key: SigningKey,
        now_us: Callable[[], int],
    ) -> None:
        """Go on from `rulings`, those of the journal's end."""
        self._rulings, self._known = Rulings.of(rulings.facts()), known
        self._journal, self._handover, self._key = journal, handover, key
        self._now_us = now_us
        self._waiting: SimpleQueue[tuple[Ruling, Future[dict[str, Any]]]] = SimpleQueue()

    def in_force(self) -> list[dict[str, Any]]:
        """What holds, as the status shows it; notes are for `truck rulings` alone."""
        return [
            {"number": r.number, "at_us": r.at_us, "by": r.by, "said": said(r),
             "until_us": r.until_us}
            for r in self._rulings.in_force()
        ]  # fmt: skip

    def ask(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Have a decision made a ruling.

        Args:
            wish: the fields of a `Ruling` but number, at_us and until_us; `minutes` says how long
                it holds.

        Returns:
            The ruling as a JSON object, with what it says in words (`said`), and whether it
            changed anything (`changed`): to say again what holds already makes no new one.

        Raises:
            Misconfigured: it makes no sense, or names what does not exist.
            Unavailable: the journal did not take it.
        """
        ruling = self._read(wish)
        self._known.check(ruling)
        answer: Future[dict[str, Any]] = Future()
        self._waiting.put((ruling, answer))
        try:
            return answer.result(_ANSWER_S_MAX)
        except TimeoutError:
            if answer.cancel():
                raise Unavailable("the truck is too busy to journal it; nothing changed") from None
            raise Unavailable(
                "the truck did not say in time whether it is journalled: see `truck rulings HOME`"
            ) from None

    def turn(self) -> None:
        """Write what waits."""
        while not self._waiting.empty():
            ruling, answer = self._waiting.get()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(self._write(ruling))
            except OSError as error:
                what = f"the journal cannot be written ({error.strerror or error})"
                answer.set_exception(Unavailable(f"{what}; nothing changed"))
            except Misconfigured as error:
                answer.set_exception(error)

    def _read(self, wish: dict[str, Any]) -> Ruling:
        at_us = self._now_us()
        fields = {name: value for name, value in wish.items() if value is not None}
        minutes = fields.pop("minutes", None)
        fields |= {"schema": schema_of(fields.get("kind")), "number": 1, "at_us": at_us}
        if minutes is not None:
            if not isinstance(minutes, int | float) or not 0 < minutes <= _MINUTES_MAX:
                raise Misconfigured(
                    f"a ruling cannot hold for {minutes} minutes", f"1 to {_MINUTES_MAX:.0f} do."
                )
            fields["until_us"] = at_us + round(minutes * 60e6)
        try:
            return ruling_of(fields)
        except Refused as refusal:
            raise Misconfigured(str(refusal), "See `truck --help`.") from refusal

    def _write(self, ruling: Ruling) -> dict[str, Any]:
        self._check_state(ruling)
        standing = self._rulings.standing(ruling)
        if standing is not None:
            return _told(standing, changed=False)
        ruling = self._dated(ruling)
        payload = sign_ruling(ruling, self._key)
        record = self._journal.append(Kind.RULING, payload)
        self._journal.sync()
        self._rulings.take(ruling)
        self._handover.give(Handed(Record(record, Kind.RULING, payload), None, self._now_us()))
        return _told(ruling, changed=True)

    def _dated(self, ruling: Ruling) -> Ruling:
        """With its number, and the time of its record: what came before is not ruled on."""
        at_us = self._now_us()
        until_us = ruling.until_us and ruling.until_us + at_us - ruling.at_us
        return ruling._replace(number=self._rulings.end, at_us=at_us, until_us=until_us)

    def _check_state(self, ruling: Ruling) -> None:
        if ruling.withdraws is not None and self._rulings.find(ruling.withdraws) is None:
            raise Misconfigured(
                f"ruling {ruling.withdraws} is not in force", "See `truck rulings HOME`."
            )
        if ruling.kind == "reinstate" and ruling.bib not in self._rulings.abandoned_bibs:
            raise Misconfigured(f"bib {ruling.bib} has not abandoned", "Nothing to do.")
        if ruling.kind == "show" and ruling.bib not in self._rulings.hidden_bibs:
            raise Misconfigured(f"bib {ruling.bib} is not hidden", "Nothing to do.")


def _told(ruling: Ruling, *, changed: bool) -> dict[str, Any]:
    return document_of(ruling) | {"said": said(ruling), "changed": changed}
