"""A batch of cards: each gets its relay, one that fails stops no other, --resume does the rest."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from crew_event import make_event, sheet
from faulty_card import FaultyCard

from hardware import flash_ledger
from hardware.card import CARD_BYTES_MIN, image_of, read_card, work_bytes, write_card
from hardware.clock import Clock
from hardware.crew import read_crew
from hardware.errors import Damaged, Misconfigured, Unsafe
from hardware.flash import deal_cards, flash_relays, proven_relays
from hardware.fleet import Plan, plan_fleet, sign_fleet, truck_address
from hardware.proof import Verdict, Witness, prove
from hardware.seed import read_seed
from hardware.targets import Target, files_in_image, image_digest, volume_of
from hardware.transponders import Flashed, State

CLOCK = Clock()
SEEDS = range(6)  # test_card.py pulls a card out at 20 points


class Slot:
    """A reader with a faulty card in it: a `hardware.targets.Target`."""

    def __init__(self, name: str, medium: bytearray, **fault: object) -> None:
        self.name = name
        self.medium = medium
        self.fault = fault

    def look(self) -> None:
        pass

    def files(self) -> dict[str, bytes]:
        return files_in_image(read_card(FaultyCard(self.medium)))

    def write(self, files: Mapping[str, bytes], wrote: Callable[[int, int], None]) -> str:
        volume = volume_of(files)
        total = work_bytes(volume)
        card = FaultyCard(self.medium, **self.fault)  # type: ignore[arg-type]
        write_card(card, volume, lambda size: wrote(size, total))
        return image_digest(files)


class Told:
    """Hears how a batch goes."""

    def __init__(self) -> None:
        self.expected = 0
        self.flashed: list[Flashed] = []

    def expect(self, devices: int) -> None:
        self.expected += devices

    def wrote(self, target: str, done: int, total: int) -> None:
        assert 0 <= done <= total

    def told(self, flashed: Flashed) -> None:
        self.flashed.append(flashed)


def blank() -> bytearray:
    return bytearray(CARD_BYTES_MIN)


def plans_of(event: Path, text: str) -> list[Plan]:
    crew = read_crew("crew.csv", text.encode())
    return sign_fleet(event, plan_fleet(event, crew, truck_address(event, ""), None))


def flash(
    event: Path, plans: list[Plan], targets: list[Target], *only: str, resume: bool = False
) -> dict[str, Flashed]:
    told = Told()
    results = flash_relays(
        event, plans, targets, None, only=only, resume=resume, by="ana", clock=CLOCK, watch=told
    )
    assert told.expected == len(results)
    assert told.flashed == results
    return {result.target: result for result in results}


def relay_on(slot: Slot) -> str | None:
    try:
        return read_seed(slot.files()).name
    except Damaged as none:
        if "carries no seed" not in str(none):
            raise
        return None


@pytest.fixture
def event(tmp_path: Path) -> Iterator[Path]:
    """On a disk in memory where there is one: a batch waits for each line of its ledger."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield make_event(Path(folder) / "event")


def test_each_card_gets_its_relay_and_a_line_in_the_ledger(event: Path) -> None:
    plans = plans_of(event, sheet(3))
    slots = [Slot(f"/dev/sd{c}", blank()) for c in "abc"]
    results = flash(event, plans, list(slots))
    assert [relay_on(slot) for slot in slots] == ["moto-1", "moto-2", "moto-3"]
    assert {result.state for result in results.values()} == {State.PROVEN}
    entries = flash_ledger.read(event).entries
    assert {(e.name, e.serial, e.target, e.by) for e in entries} == {
        ("moto-1", "R-001", "/dev/sda", "ana"), ("moto-2", "R-002", "/dev/sdb", "ana"),
        ("moto-3", "R-003", "/dev/sdc", "ana"),
    }  # fmt: skip
    witness = Witness(event)
    for slot in slots:
        proof = prove(slot, witness)
        assert (proof.verdict, proof.flashed_by) == (Verdict.PROVEN, "ana")


def test_a_card_in_again_keeps_its_relay_whatever_reader_it_is_in(event: Path) -> None:
    first = plans_of(event, sheet(3))
    slots = [Slot(f"/dev/sd{c}", blank()) for c in "abc"]
    flash(event, first, list(slots))
    changed = plans_of(event, sheet(3).replace(",11,", ",91,").replace(",12,", ",92,"))
    turned = [Slot("/dev/sda", slots[1].medium), Slot("/dev/sdb", slots[0].medium)]
    flash(event, changed, list(turned))
    assert [relay_on(slot) for slot in turned] == ["moto-2", "moto-1"]
    assert prove(slots[2], Witness(event)).verdict is Verdict.PROVEN


def test_a_proven_card_left_in_its_reader_is_not_overwritten(event: Path) -> None:
    plans = plans_of(event, sheet(3))
    slot = Slot("/dev/sda", blank())
    flash(event, plans, [slot])
    before = bytes(slot.medium)
    with pytest.raises(Unsafe, match=r"already carries moto-1, proven.*--only moto-1"):
        flash(event, plans, [slot, Slot("/dev/sdb", blank())])
    assert slot.medium == before
    flash(event, plans, [slot], "moto-1")
    assert slot.medium != before
    assert prove(slot, Witness(event)).verdict is Verdict.PROVEN


def test_too_many_cards_and_unknown_names_are_said_before_anything_is_written(event: Path) -> None:
    plans = plans_of(event, sheet(1))
    slots = [Slot("/dev/sda", blank()), Slot("/dev/sdb", blank())]
    with pytest.raises(Misconfigured, match="/dev/sdb: only 1 relays are left"):
        flash(event, plans, list(slots))
    with pytest.raises(Misconfigured, match="no relay on the sheet is 'moto-9'"):
        flash(event, plans, list(slots), "moto-9")
    flash(event, plans, [slots[0]])
    with pytest.raises(Misconfigured, match="/dev/sdb: every relay is proven"):
        flash(event, plans, [slots[1]])
    assert relay_on(slots[1]) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_batch_goes_on_and_resume_finishes_only_what_is_missing(seed: int, event: Path) -> None:
    """Six cards: pulled out, worn, flipping, locked, two good ones; at odd seeds all are old."""
    plans = plans_of(event, sheet(6))
    slots = [Slot(f"/dev/sd{c}", blank()) for c in "abcdef"]
    if seed % 2:
        flash(event, plans, list(slots))
        plans = plans_of(event, "".join(
            line.replace(",,,,", ",fixed,,,") for line in sheet(6).splitlines(keepends=True)
        ))  # fmt: skip
    old = [relay_on(slot) for slot in slots]
    media = [bytes(slot.medium) for slot in slots]
    steps = 8191 + (10_300 if not seed % 2 else 0)
    pulled, worn, flips, locked = (slots[(seed + k) % 6] for k in range(4))
    pulled.fault = {"pull_at": seed * 7919 % steps, "seed": seed}
    worn.fault = {"stuck": ((2048 if not seed % 2 else 10239) * 512 + 3000, 1)}
    flips.fault = {"flips_read": (2048 if not seed % 2 else 10239) * 512 + seed * 1000}
    locked.fault = {"locked": True}
    lines = len(flash_ledger.read(event).entries) if seed % 2 else 0

    results = flash(event, plans, list(slots))
    failed = {name for name, result in results.items() if result.state is State.FAILED}
    assert failed == {slot.name for slot in (pulled, worn, flips, locked)}
    witness = Witness(event)
    for slot, before, medium in zip(slots, old, media, strict=True):
        if slot.name in failed:
            assert relay_on(slot) == before  # the old one, or blank as it was: never half
            assert results[slot.name].said
        else:
            assert prove(slot, witness).verdict is Verdict.PROVEN
            assert slot.medium != medium
    assert len(flash_ledger.read(event).entries) == lines + 2

    good = [slot for slot in slots if slot.name not in failed]
    kept = [bytes(slot.medium) for slot in good]
    missing = [slot for slot in slots if slot.name in failed]
    for slot in missing:
        slot.fault = {}
    worn.medium[:] = blank()  # another card in its place
    again = flash(event, plans, list(missing), resume=True)
    assert {result.state for result in again.values()} == {State.PROVEN}
    assert [bytes(slot.medium) for slot in good] == kept
    assert sorted(filter(None, map(relay_on, slots))) == [f"moto-{k}" for k in range(1, 7)]
    assert len(flash_ledger.read(event).entries) == lines + 6
    assert len(proven_relays(event, plans, CLOCK.now_s())) == 6


def test_a_failed_card_is_proven_no_more(event: Path) -> None:
    plans = plans_of(event, sheet(1))
    slot = Slot("/dev/sda", blank())
    flash(event, plans, [slot])
    assert "moto-1" in proven_relays(event, plans, CLOCK.now_s())
    assert not proven_relays(event, plans, CLOCK.now_s() + 4 * 86400)  # its token ran out
    slot.fault = {"locked": True}
    flash(event, plans, [slot], "moto-1")
    assert not proven_relays(event, plans, CLOCK.now_s())  # its token was replaced
    slot.fault = {}
    flash(event, plans, [slot], resume=True)
    assert "moto-1" in proven_relays(event, plans, CLOCK.now_s())


def test_a_ledger_that_was_changed_stops_the_batch_before_it_begins(event: Path) -> None:
    plans = plans_of(event, sheet(1))
    slot = Slot("/dev/sda", blank())
    flash(event, plans, [slot])
    ledger = event / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"ana", b"bob"))
    with pytest.raises(Damaged, match="hardware ledger verify"):
        flash(event, plans, [slot])


def test_cards_are_proven_foreign_older_unproven_revoked_or_damaged(
    event: Path, tmp_path: Path
) -> None:
    plans = plans_of(event, sheet(1))
    slot = Slot("/dev/sda", blank())
    flash(event, plans, [slot])
    assert prove(slot, None).verdict is Verdict.UNPROVEN
    other = make_event(tmp_path / "other")
    assert prove(slot, Witness(other)).verdict is Verdict.FOREIGN
    copy = Slot("/dev/sdb", bytearray(slot.medium))
    flash(event, plans, [slot], "moto-1")
    assert prove(copy, Witness(event)).verdict is Verdict.OLDER
    assert "flashed again since" in prove(copy, Witness(event)).said
    plans_of(event, sheet(1).replace(",11,", ",12,"))
    assert "another configuration" in prove(slot, Witness(event)).said
    flipped = Slot("/dev/sdc", bytearray(slot.medium))
    at = flipped.medium.find(b"BEGIN CERTIFICATE", 10239 * 512)  # of the slot that counts
    at = at if at > 0 else flipped.medium.find(b"BEGIN CERTIFICATE")
    for place in (at, flipped.medium.find(b"BEGIN CERTIFICATE")):
        flipped.medium[place] ^= 4
    proof = prove(flipped, Witness(event))
    assert proof.verdict is Verdict.DAMAGED
    assert "ca.crt on the card is not what COMMIT says" in proof.said
    assert prove(Slot("/dev/sdd", blank()), Witness(event)).verdict is Verdict.DAMAGED


def test_cards_are_dealt_in_the_order_of_the_sheet(event: Path) -> None:
    plans = plans_of(event, sheet(3))
    slots: list[Target] = [Slot("/dev/sda", blank()), Slot("/dev/sdb", blank())]
    jobs = deal_cards(slots, plans, {}, named=False)
    assert [(j.target.name, j.plan.member.name) for j in jobs] == [
        ("/dev/sda", "moto-1"), ("/dev/sdb", "moto-2"),
    ]  # fmt: skip


def test_an_image_is_the_card_that_dd_makes_of_it(event: Path) -> None:
    plans = plans_of(event, sheet(1))
    slot = Slot("/dev/sda", blank())
    flash(event, plans, [slot])
    image = read_card(FaultyCard(slot.medium))
    assert image == image_of(volume_of(slot.files()))
    copied = Slot("/dev/sdb", bytearray(image.ljust(CARD_BYTES_MIN, b"\0")))
    assert prove(copied, Witness(event)).verdict is Verdict.PROVEN


def test_a_card_that_is_gone_is_said_with_what_to_do(event: Path) -> None:
    plans = plans_of(event, sheet(1))
    slot = Slot("/dev/sda", blank(), pull_at=0)
    (result,) = flash(event, plans, [slot]).values()
    assert result.state is State.FAILED
    assert result.said == "/dev/sda: No such device. Put the card back in and use --resume."
