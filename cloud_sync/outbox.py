"""The outbox: what was sealed, and how far each batch has come; SQLite, shared by two processes.

The sealing process appends, the pusher moves a batch on: sealed -> stored (its object is proven in
the remote) -> committed (its manifest too) -> released (its local file is gone). A stream whose
place in the remote is taken is closed: the pusher leaves it, the sealing process begins an epoch.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cloud_sync.batch import BatchName, epoch_of
from cloud_sync.stream import SignedBeat, Stream
from hardware.errors import Damaged, Misconfigured, NotInitialised, Unavailable

_FILE = "outbox.sqlite"
_BUSY_S = 30.0
PAUSED, SPOOL_LIMIT, SECOND = "paused", "spool_bytes_max", "second"  # names of notes
_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    stream TEXT NOT NULL, seq INTEGER NOT NULL,
    lo INTEGER NOT NULL, hi INTEGER NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    manifest BLOB NOT NULL, digest TEXT NOT NULL,
    sealed_at_s REAL NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stream (
    stream TEXT PRIMARY KEY, truck BLOB NOT NULL,
    closed TEXT NOT NULL DEFAULT '', closed_at_s REAL,
    acked INTEGER NOT NULL DEFAULT -1, acked_at_s REAL, ack_refused TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS beat (
    stream TEXT PRIMARY KEY, number INTEGER NOT NULL, seq INTEGER NOT NULL, envelope BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- a closed stream goes nowhere any more: what it holds is kept, and waits for nothing
CREATE VIEW IF NOT EXISTS progress AS SELECT batch.*,
    state IN ('sealed', 'stored') AS waits, coalesce(closed = '', 1) AS live,
    min(sealed_at_s) OVER (PARTITION BY stream) AS began_at_s
    FROM batch LEFT JOIN stream USING (stream);
CREATE TABLE IF NOT EXISTS pusher (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    remote TEXT NOT NULL, state TEXT NOT NULL, error TEXT NOT NULL, at_s REAL NOT NULL
);
"""
_COLUMNS = "stream, seq, lo, hi, sha256, size, manifest, digest, sealed_at_s, state"


class State(StrEnum):
    """How far a batch has come."""

    SEALED = "sealed"
    STORED = "stored"
    COMMITTED = "committed"
    RELEASED = "released"


@dataclass(frozen=True)
class Entry:
    """One sealed batch: rows [lo, hi), its object's digest and size, its signed manifest."""

    batch: BatchName
    lo: int
    hi: int
    sha256: str
    size: int
    manifest: bytes
    digest: str
    sealed_at_s: float
    state: State = State.SEALED

    @property
    def key(self) -> str:
        """The object's key, in the remote and in the spool."""
        return self.batch.object_key(self.sha256)


class Outbox:
    """The outbox of a spool folder.

    Raises:
        NotInitialised: when the spool holds none and `create` is not set.
        Unavailable, Misconfigured, Damaged: from any method, for a full disk, a folder that cannot
            be written, or a file that is no outbox.
    """

    def __init__(self, spool: Path, *, create: bool = False) -> None:
        self._path = spool / _FILE
        if not create and not self._path.exists():
            raise NotInitialised(
                f"{spool} holds no outbox", "The truck makes it when it seals its first batch."
            )
        with self._named_errors():
            spool.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        """Open until the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def append(self, entry: Entry) -> None:
        """Add a sealed batch; once this returns it survives a power cut."""
        values = (
            entry.batch.stream, entry.batch.seq, entry.lo, entry.hi, entry.sha256, entry.size,
            entry.manifest, entry.digest, entry.sealed_at_s, entry.state,
        )  # fmt: skip
        self._run(f"INSERT INTO batch ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)", values)  # noqa: S608

    def head(self, stream: str) -> Entry | None:
        """The last batch of a stream."""
        entries = self._entries("WHERE stream = ? ORDER BY seq DESC LIMIT 1", (stream,))
        return entries[0] if entries else None

    def heads(self) -> list[Entry]:
        """The last batch of every stream."""
        last = "WHERE (stream, seq) IN (SELECT stream, max(seq) FROM batch GROUP BY stream)"
        return self._entries(last + " ORDER BY stream")

    def waiting(self, limit: int = -1) -> list[Entry]:
        """Batches not yet committed: of the stream that began last first, each stream in order.

        So today goes before yesterday, whose end may have come over a dead link.
        """
        rows = self._run(
            "SELECT stream, seq FROM progress WHERE waits AND live"
            " ORDER BY began_at_s DESC, stream, seq LIMIT ?",
            (limit,),
        )
        return [e for place in rows if (e := self.entry(BatchName(*place)))]

    def entry(self, batch: BatchName) -> Entry | None:
        """One batch, if it was sealed here."""
        entries = self._entries("WHERE stream = ? AND seq = ?", (batch.stream, batch.seq))
        return entries[0] if entries else None

    def releasable(self, *, acked_only: bool) -> list[Entry]:
        """Committed batches whose local file may go; with `acked_only` where the cloud said so."""
        where = "WHERE state = 'committed' ORDER BY stream, seq"
        if acked_only:
            where = (
                "NATURAL JOIN stream WHERE state = 'committed' AND seq <= acked"
                " ORDER BY stream, seq"
            )
        return self._entries(where)

    def reached(self, stream: str) -> tuple[int, int, int]:
        """Rows of a stream below which all are sealed, are uploaded, and are released.

        The pusher releases what it read back, or, where it knows the cloud's key, what was acked.
        """
        (row,) = self._run(
            "SELECT coalesce(max(hi), 0),"
            " coalesce(min(CASE WHEN state = 'sealed' THEN lo END), max(hi), 0),"
            " coalesce(min(CASE WHEN state <> 'released' THEN lo END), max(hi), 0)"
            " FROM batch WHERE stream = ?",
            (stream,),
        )
        return int(row[0]), int(row[1]), int(row[2])

    def keys(self, stream: str) -> set[str]:
        """The keys of all objects of a stream."""
        rows = self._run("SELECT seq, sha256 FROM batch WHERE stream = ?", (stream,))
        return {BatchName(stream, seq).object_key(sha256) for seq, sha256 in rows}

    def move(self, batch: BatchName, state: State) -> None:
        """A batch has come to `state`."""
        where = "UPDATE batch SET state = ? WHERE stream = ? AND seq = ?"
        self._run(where, (state, batch.stream, batch.seq))

    def note_pusher(self, remote: str, state: str, error: str, now_s: float) -> None:
        """What the pusher does now, for `status`."""
        self._run(
            "INSERT OR REPLACE INTO pusher VALUES (1, ?, ?, ?, ?)", (remote, state, error, now_s)
        )

    def pusher(self) -> dict[str, Any]:
        """What the pusher noted last."""
        rows = self._run("SELECT remote, state, error, at_s FROM pusher")
        names = ("remote", "state", "error", "at_s")
        return dict(zip(names, rows[0] if rows else ("", "never ran", "", None), strict=True))

    def totals(self) -> dict[str, Any]:
        """Counts of all streams together; `oldest_s` is the sealing time of the first waiting.

        `held_bytes` are those of files still here, `aside_*` what a closed stream did not commit.
        """
        (row,) = self._run(
            "SELECT count(*), coalesce(sum(hi - lo), 0), coalesce(sum(size), 0),"
            " coalesce(sum(waits AND live), 0), coalesce(sum((waits AND live) * size), 0),"
            " min(CASE WHEN waits AND live THEN sealed_at_s END),"
            " coalesce(sum((state != 'released' AND live) * size), 0),"
            " coalesce(sum(waits AND NOT live), 0), coalesce(sum((waits AND NOT live) * size), 0)"
            " FROM progress"
        )
        names = (
            "batches", "rows", "bytes", "pending_batches", "pending_bytes", "oldest_s",
            "held_bytes", "aside_batches", "aside_bytes",
        )  # fmt: skip
        return dict(zip(names, row, strict=True))

    def begin_stream(self, stream: str, truck: bytes) -> None:
        """A stream is sealed here, signed with the key whose public half is `truck`."""
        self._run("INSERT OR IGNORE INTO stream (stream, truck) VALUES (?, ?)", (stream, truck))

    def close_stream(self, stream: str, why: str, now_s: float) -> None:
        """Nothing more of a stream goes to the remote; the first reason stays."""
        self._run(
            "INSERT INTO stream (stream, truck, closed, closed_at_s) VALUES (?, x'', ?, ?)"
            " ON CONFLICT DO UPDATE SET closed = excluded.closed, closed_at_s ="
            " excluded.closed_at_s WHERE closed = ''",
            (stream, why, now_s),
        )

    def epoch_in_force(self, stream: str) -> str:
        """The stream's own name, or that of the first epoch that is not closed."""
        known, epoch = self.streams(), 0
        while (name := epoch_of(stream, epoch)) in known and known[name].closed:
            epoch += 1
        return name

    def streams(self) -> dict[str, Stream]:
        """What is known of each stream."""
        columns = "stream, truck, closed, closed_at_s, acked, acked_at_s, ack_refused"
        return {
            row[0]: Stream(*row)
            for row in self._run(f"SELECT {columns} FROM stream ORDER BY stream")  # noqa: S608
        }

    def note_ack(self, stream: str, seq: int, at_s: float) -> None:
        """The cloud holds a stream up to `seq`, by its signed word."""
        self._run(
            "UPDATE stream SET acked = ?, acked_at_s = ? WHERE stream = ? AND acked <= ?",
            (seq, at_s, stream, seq),
        )

    def note_ack_refused(self, stream: str, why: str) -> None:
        """An ack was served that is none; or nothing, when there is no such."""
        self._run("UPDATE stream SET ack_refused = ? WHERE stream = ?", (why, stream))

    def put_beat(self, stream: str, seq: int, envelope: bytes, now_s: float) -> None:
        """The newest beat of a stream; its number is its second, so that no disk forgets it."""
        self._run(
            "INSERT INTO beat VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " number = max(number + 1, excluded.number), seq = excluded.seq,"
            " envelope = excluded.envelope",
            (stream, int(now_s), seq, envelope),
        )

    def beats(self) -> list[SignedBeat]:
        """The newest beat of every stream."""
        rows = self._run("SELECT stream, number, seq, envelope FROM beat ORDER BY stream")
        return [SignedBeat(BatchName(stream, seq), number, e) for stream, number, seq, e in rows]

    def note(self, name: str, value: str) -> None:
        """Something one process tells the other, and `status`."""
        self._run("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str:
        """What was noted last, or nothing."""
        rows = self._run("SELECT value FROM note WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def _entries(self, where: str, values: tuple[Any, ...] = ()) -> list[Entry]:
        rows = self._run(f"SELECT {_COLUMNS} FROM batch {where}", values)  # noqa: S608
        return [
            Entry(
                BatchName(stream, seq), lo, hi, sha256, size, manifest, digest, at_s, State(state)
            )
            for stream, seq, lo, hi, sha256, size, manifest, digest, at_s, state in rows
        ]

    def _run(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._named_errors():
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "full" in str(error) or "locked" in str(error) or "I/O" in str(error):
                raise Unavailable(f"{self._path} cannot be written now: {error}") from error
            raise Misconfigured(
                f"cannot open {self._path}: {error}", "Choose a folder this user may write."
            ) from error
        except sqlite3.DatabaseError as error:
            raise Damaged(f"{self._path} is not a sound outbox: {error}") from error
        except OSError as error:
            raise Misconfigured(
                f"cannot make {self._path}: {error.strerror}", "Choose a folder you may write."
            ) from error
