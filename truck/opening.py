"""Opening the truck's truth and view: proven, mended where that may be, and brought together.

The journal must be whole; its damage stops the truck with a sentence. The view may be missing,
cut, flipped or behind: then it is made again from the journal, and the operator is told.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import cbor2
import duckdb
import numpy as np

from hardware.bundle import digest_of
from hardware.errors import Damaged, Misconfigured, Refused, Unavailable
from hardware.keys import Credentials, box_public
from hardware.roster import Roster, check_newer, open_roster
from hardware.signing import SigningKey
from hardware.stage import stage_files, stage_from_files
from truck.config import TruckConfig, TruckHome
from truck.journal import Journal
from truck.pipeline import BACKFILL_AGE_S_MAX, Pipeline
from truck.race.race import Race
from truck.segment import Kind
from truck.store.append import Store
from truck.store.rebuild import catch_up, rebuild
from truck.view import Tables, View

Progress = Callable[[int, Tables], None]


@dataclass
class Opened:
    """An open truck: the truth, its view and the live state, all at the same record.

    `notes` says in sentences what had to be mended.
    """

    journal: Journal
    store: Store
    view: View
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TruckKeys:
    """The truck's own keys, read once."""

    signing: SigningKey
    event: bytes
    journal: bytes
    store: bytes
    authority: bytes

    @classmethod
    def read(cls, credentials: Credentials) -> "TruckKeys":
        """From a credentials folder.

        Raises:
            Misconfigured: a key is missing or is none.
        """
        return cls(
            signing=credentials.signing_key("truck"),
            event=credentials.secret("event"),
            journal=credentials.secret("journal"),
            store=credentials.secret("store"),
            authority=credentials.authority(),
        )

    def new_view(self) -> View:
        """An empty fold."""
        return View(self.event, self.authority)


def open_journal(
    home: TruckHome, config: TruckConfig, truck_keys: TruckKeys, known_records: int
) -> Journal:
    """The journal of a home, proven."""
    return Journal(
        home.journal, truck_keys.journal, config.stream, truck_keys.signing.sign,
        known_records=known_records,
    )  # fmt: skip


def open_truck(
    home: TruckHome, config: TruckConfig, truck_keys: TruckKeys, each: Progress | None = None
) -> Opened:
    """Open both, and bring the view to the journal's end.

    Raises:
        Damaged: the journal.
        Misconfigured: keys, folders, or another process on the view.
    """
    notes: list[str] = []
    store: Store | None = None
    try:
        if home.view.exists():
            store = Store(home.view, truck_keys.store)
        elif any(home.journal.glob("*.journal")):
            notes.append("the view was missing and was made again from the journal")
    except Damaged as error:
        notes.append(f"{error}; it was made again from the journal")
    journal = open_journal(home, config, truck_keys, store.records() if store else 0)
    if journal.torn is not None:
        notes.append(
            "the journal ended in a torn write; it was never acknowledged and is kept in "
            f"{journal.torn}"
        )
    view = truck_keys.new_view()
    if store is not None:
        try:
            catch_up(store, journal, view, each)
        except duckdb.Error as error:
            store.close()
            store, view = None, truck_keys.new_view()
            notes.append(f"the view failed ({error}); it was made again from the journal")
    if store is None:
        rebuild(home.view, truck_keys.store, journal, truck_keys.new_view, each)
        store = Store(home.view, truck_keys.store)
        catch_up(store, journal, view)
    return Opened(journal, store, view, notes)


def remember(pipeline: Pipeline, store: Store, now_us: int) -> None:
    """Give the pipeline's windows what the view holds, after a restart.

    Back-fill is counted from the newest reading where our clock is ahead of it: once the clock is
    set right, what relays bring again must not count as new.
    """
    newest = store.cursor().execute("SELECT max(epoch_us(measured_at)) FROM readings").fetchone()
    newest_us = newest[0] if newest and newest[0] is not None else now_us
    since_us = min(now_us, newest_us) - int(BACKFILL_AGE_S_MAX * 1e6)
    pipeline.packets_seen.load(*store.packet_digests(since_us))
    relay, boot, number, digest = store.bundle_digests()
    names, which = np.unique(relay.astype(str), return_inverse=True)
    senders = np.array([digest_of(name.encode()) for name in names.tolist()], np.uint64)
    pipeline.bundles_seen.load(senders[which].astype(np.uint64), boot, number, digest)


def begin(opened: Opened, config: TruckConfig, credentials: Credentials) -> None:
    """Journal the roster and the stage where they differ from the last ones, and apply them.

    What the journal holds is applied at every start to come, so both are proven first. A roster
    that cannot be used is told and the one in force stays, as while the truck runs.

    Raises:
        Misconfigured: a stage folder that cannot be used, no roster, keys of another event.
        OSError: the journal cannot be written.
    """
    journal, in_force = opened.journal, opened.view.roster
    files = stage_files(config.stage)
    stage = cbor2.dumps(dict(sorted(files.items())))
    last = journal.last(Kind.STAGE)
    new_stage = last is None or last.payload != stage
    if new_stage:
        Race(stage_from_files(files))
    try:
        signed, roster = read_roster(credentials, in_force)
    except Misconfigured as error:
        if in_force is None:
            raise
        check_keys(in_force, credentials)
        opened.notes.append(f"{error} The roster in the journal stays in force")
    else:
        if roster != in_force:
            journal.append(Kind.ROSTER, signed)
            journal.sync()
    if new_stage:
        journal.append(Kind.STAGE, stage)
        journal.sync()
    catch_up(opened.store, journal, opened.view)


def read_roster(credentials: Credentials, in_force: Roster | None) -> tuple[bytes, Roster]:
    """The roster of a credentials folder, as signed and as it reads, fit to be used.

    Raises:
        Misconfigured: missing, broken, forged, older, of another event or for other keys.
    """
    signed = credentials.roster_bytes()
    try:
        roster = open_roster(signed, credentials.authority())
    except Refused as refusal:
        raise Misconfigured(
            f"the roster in {credentials.folder} is no roster of this event: {refusal}",
            "Fetch it from the authority again.",
        ) from refusal
    if in_force is not None:
        check_newer(in_force, roster)
    check_keys(roster, credentials)
    return signed, roster


def check_keys(roster: Roster, credentials: Credentials) -> None:
    """Whether the truck's keys are those that bikes seal for and relays believe.

    With others every packet would be refused, or no relay would ever forget.

    Raises:
        Misconfigured: they are not.
    """
    held = {
        "event.key": box_public(credentials.secret("event")) == roster.event_box_public,
        "truck.key": credentials.signing_key("truck").public == roster.truck_sign_public,
    }
    for name, is_ours in held.items():
        if not is_ours:
            raise Misconfigured(
                f"{credentials.folder / name} is not the key that the roster names",
                "Take the whole credentials folder of this truck from the authority.",
            )


def journalled(write: Callable[[], None]) -> None:
    """Write to the journal; a disk that does not take it is one sentence.

    Raises:
        Unavailable: free space and start again.
    """
    try:
        write()
    except OSError as error:
        raise Unavailable(
            f"the journal cannot be written: {error.strerror or error}. Free space on its disk and "
            "start again; relays keep what they have"
        ) from error
