"""A batch of relays' cards: who gets which, many at once, each proven and then in the ledger.

A card that carries a relay of the sheet gets that relay again; any other the next that is not
proven. A card of a relay that is proven already is not overwritten with another: sixty cards look
alike. One that fails does not stop the others.
"""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple, Protocol

from hardware import flash_ledger
from hardware.authority import newest_roster
from hardware.clock import Clock
from hardware.enrolment_desk import TOKEN_VALID_S, new_token, tokens
from hardware.errors import Damaged, Misconfigured, TruckError, Unsafe
from hardware.flash_ledger import Entry
from hardware.fleet import Plan, seed_of
from hardware.targets import Image, Target, image_digest, seed_on
from hardware.transponders import Flashed, State

AT_ONCE = 8
_PROVEN = "read back past the cache, every byte the same, COMMIT last"


class Watch(Protocol):
    """Who hears how a batch goes."""

    def expect(self, devices: int) -> None:
        """So many devices more belong to the batch."""

    def wrote(self, target: str, done: int, total: int) -> None:
        """Bytes of one device are done, of so many in all; called from its thread."""

    def told(self, flashed: Flashed) -> None:
        """A device has ended."""


class Job(NamedTuple):
    """One target and the relay it is to become."""

    target: Target
    plan: Plan


class Batch:
    """What flashing needs to know, and the ledger that only one thread adds to at a time.

    Args:
        event: the event's folder.
        by: who of the crew does it.
        clock: for ledger lines and tokens.
        watch: hears how it goes.
    """

    def __init__(self, event: Path, *, by: str, clock: Clock, watch: Watch) -> None:
        self._event, self._by, self._clock, self._watch = event, by, clock, watch
        self._ledger = threading.Lock()
        self._roster, _ = newest_roster(event)

    def flash(self, jobs: Iterable[Job]) -> list[Flashed]:
        """Flash all jobs, up to eight at once."""
        results = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in as_completed([pool.submit(self._one, job) for job in jobs]):
                results.append(done.result())
                self._watch.told(results[-1])
        return results

    def _one(self, job: Job) -> Flashed:
        target, plan = job
        try:
            token = new_token(self._event, plan.member.name, self._clock.now_s())
            files = seed_of(self._event, plan, token, self._roster)
            image = target.write(
                files, lambda done, all_: self._watch.wrote(target.name, done, all_)
            )
            entry = self._entry(job, image)
            with self._ledger:
                flash_ledger.append(self._event, [entry])
        except TruckError as error:
            return Flashed(plan.member, target.name, State.FAILED, str(error))
        except OSError as error:
            said = (
                f"{target.name}: {error.strerror or error}. Put the card back in and use --resume."
            )
            return Flashed(plan.member, target.name, State.FAILED, said)
        said = f"configuration {plan.node.version}, read back"
        return Flashed(plan.member, target.name, State.PROVEN, said)

    def _entry(self, job: Job, image_sha256: str) -> Entry:
        plan = job.plan
        return Entry(
            at_s=self._clock.now_s(),
            by=self._by,
            role=plan.member.role.value,
            name=plan.member.name,
            serial=plan.member.serial,
            target=job.target.name,
            config_version=plan.node.version,
            config_sha256=plan.digest or "",
            image_sha256=image_sha256,
            proven=_PROVEN,
        )


def flash_relays(
    event: Path,
    plans: Sequence[Plan],
    targets: Sequence[Target],
    image: Path | None,
    *,
    only: Sequence[str],
    resume: bool,
    by: str,
    clock: Clock,
    watch: Watch,
) -> list[Flashed]:
    """Make cards of relays, or an image of each.

    Args:
        event: the event's folder.
        plans: the signed configurations of the sheet's relays.
        targets: cards and mounts, each looked at.
        image: a folder for images, or one file; None where cards are made.
        only: names or serials; empty for whichever are next.
        resume: leave alone the images that are proven. Cards are always dealt to what is not.
        by: who of the crew does it.
        clock: for ledger lines and tokens.
        watch: hears how it goes.

    Raises:
        Unsafe, Misconfigured: see `deal_cards` and `deal_images`; nothing was written.
        Damaged: the ledger was changed.
    """
    chosen = wanted(plans, only)
    proven = proven_relays(event, plans, clock.now_s())
    kept: list[Flashed] = []
    if image is None:
        jobs = deal_cards(targets, chosen, proven, named=bool(only) and not resume)
    else:
        jobs, kept = deal_images(image, chosen, proven, resume)
    watch.expect(len(jobs) + len(kept))
    for done in kept:
        watch.told(done)
    batch = Batch(event, by=by, clock=clock, watch=watch)
    return kept + batch.flash(jobs)


def proven_relays(event: Path, plans: Sequence[Plan], now_s: float) -> dict[str, Entry]:
    """The newest ledger entry of each relay that is proven with its configuration of now, by name.

    One whose token has run out, or for whom another card was begun since, is not proven any more:
    a node that starts from such a card could not enrol.

    Raises:
        Damaged: the ledger was changed.
    """
    entries = flash_ledger.sound_entries(event)
    newest = {entry.name: entry for entry in entries if entry.role == "relay"}
    begun_s = {token.name: token.expires_s - TOKEN_VALID_S for token, _ in tokens(event)}
    digests = {plan.member.name: (plan.member.serial, plan.digest) for plan in plans}
    return {
        name: entry
        for name, entry in newest.items()
        if digests.get(name) == (entry.serial, entry.config_sha256)
        and begun_s.get(name, 0.0) <= entry.at_s
        and entry.at_s > now_s - TOKEN_VALID_S
    }


def wanted(plans: Sequence[Plan], only: Sequence[str]) -> list[Plan]:
    """The plans of the relays named, or all.

    Raises:
        Misconfigured: a name is no relay of the sheet.
    """
    known = {plan.member.name: plan for plan in plans}
    known |= {plan.member.serial: plan for plan in plans}
    for name in only:
        if name not in known:
            raise Misconfigured(f"no relay on the sheet is {name[:64]!r}", "Look at its names.")
    chosen = {known[name].member.name for name in only}
    return [plan for plan in plans if not only or plan.member.name in chosen]


def deal_cards(
    targets: Sequence[Target], plans: Sequence[Plan], proven: dict[str, Entry], named: bool
) -> list[Job]:
    """Which card becomes which relay.

    Args:
        targets: cards and mounts, each looked at.
        plans: of the relays to be made, in the order of the sheet.
        proven: those that are proven already.
        named: whether the relays were named by hand; then proven ones are made again.

    Raises:
        Unsafe: a card carries a proven relay and nobody named it.
        Misconfigured: nothing is left to be made, or too many cards are in.
    """
    left = [plan for plan in plans if named or plan.member.name not in proven]
    jobs: list[Job] = []
    others: list[Target] = []
    for target in targets:
        seed = seed_on(target)
        own = next((p for p in left if seed and p.member.name == seed.name), None)
        if own is not None:
            left.remove(own)
            jobs.append(Job(target, own))
        elif seed is not None and not named and _is_of(seed.config_sha256, seed.name, proven):
            raise Unsafe(
                f"{target.name} already carries {seed.name}, proven",
                f"Take it out; or flash it again with --only {seed.name}.",
            )
        else:
            others.append(target)
    if len(others) > len(left):
        spare = ", ".join(target.name for target in others[len(left) :])
        what = f"only {len(left)} relays are left for them" if left else "every relay is proven"
        raise Misconfigured(f"{spare}: {what}", "Take it out; or name a relay with --only.")
    return jobs + [Job(*pair) for pair in zip(others, left, strict=False)]


def deal_images(
    path: Path, plans: Sequence[Plan], proven: dict[str, Entry], resume: bool
) -> tuple[list[Job], list[Flashed]]:
    """An image of each relay, in a folder or in the one file; and those that are kept.

    Raises:
        Misconfigured: one file for several relays.
    """
    if is_one_file(path):
        if len(plans) != 1:
            raise Misconfigured(f"{path} is one file for {len(plans)} relays", "Name --only one.")
        places = [path]
    else:
        places = [path / f"{plan.member.name}.img" for plan in plans]
    jobs, kept = [], []
    for plan, place in zip(plans, places, strict=True):
        image = Image(place)
        image.look()
        entry = proven.get(plan.member.name) if resume else None
        if entry is not None and place.exists() and carries(image, entry):
            said = "proven already, left as it is"
            kept.append(Flashed(plan.member, image.name, State.KEPT, said))
        else:
            jobs.append(Job(image, plan))
    return jobs, kept


def is_one_file(path: Path) -> bool:
    """Whether --image names one image and no folder of them."""
    return path.suffix == ".img" and not path.is_dir()


def carries(target: Target, entry: Entry) -> bool:
    """Whether a target carries, to the byte, what a ledger entry says was proven."""
    try:
        return image_digest(target.files()) == entry.image_sha256
    except (Damaged, OSError, KeyError):
        return False


def _is_of(config_sha256: str, name: str, proven: dict[str, Entry]) -> bool:
    return name in proven and proven[name].config_sha256 == config_sha256
