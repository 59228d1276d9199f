"""Opening the truck's truth and view: proven, mended where that may be, and brought together.

The journal must be whole; its damage stops the truck with a sentence. The view may be missing,
cut, flipped or behind: then it is made again from the journal, and the operator is told.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import cbor2
import duckdb
import numpy as np

from hardware.errors import Damaged
from hardware.keys import Credentials
from hardware.signing import SigningKey
from truck.config import TruckConfig, TruckHome
from truck.journal import Journal
from truck.pipeline import BACKFILL_AGE_S_MAX, Pipeline
from truck.race.stage import load_stage, stage_files
from truck.replay_window import digest_of
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
    """Give the pipeline's windows what the view holds, after a restart."""
    pipeline.packets_seen.load(*store.packet_digests(now_us - int(BACKFILL_AGE_S_MAX * 1e6)))
    relay, boot, number, digest = store.bundle_digests()
    names, which = np.unique(relay.astype(str), return_inverse=True)
    senders = np.array([digest_of(name.encode()) for name in names.tolist()], np.uint64)
    pipeline.bundles_seen.load(senders[which].astype(np.uint64), boot, number, digest)


def begin(opened: Opened, config: TruckConfig, credentials: Credentials) -> None:
    """Journal the roster and the stage where they differ from the last ones, and apply them.

    Raises:
        Misconfigured: a stage folder that cannot be used.
        OSError: the journal cannot be written.
    """
    load_stage(config.stage)  # its sentence now, not a Damaged later
    wanted = {
        Kind.ROSTER: credentials.roster_bytes(),
        Kind.STAGE: cbor2.dumps(dict(sorted(stage_files(config.stage).items()))),
    }
    for kind, payload in wanted.items():
        last = opened.journal.last(kind)
        if last is None or last.payload != payload:
            opened.journal.append(kind, payload)
    opened.journal.sync()
    catch_up(opened.store, opened.journal, opened.view)
