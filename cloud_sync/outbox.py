"""The outbox: what was sealed, and how far each batch has come; SQLite, shared by two processes.

The sealing process appends, the pusher moves a batch on: sealed -> stored (its object is proven in
the remote) -> committed (its manifest too) -> released (its local file is gone).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cloud_sync.batch import BatchName
from hardware.errors import Damaged, Misconfigured, NotInitialised, Unavailable

_FILE = "outbox.sqlite"
_BUSY_S = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS batch (
    stream TEXT NOT NULL, seq INTEGER NOT NULL,
    lo INTEGER NOT NULL, hi INTEGER NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    manifest BLOB NOT NULL, digest TEXT NOT NULL,
    sealed_at_s REAL NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
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
        """Batches not yet committed, oldest first."""
        where = "WHERE state IN ('sealed', 'stored') ORDER BY stream, seq LIMIT ?"
        return self._entries(where, (limit,))

    def releasable(self) -> list[Entry]:
        """Committed batches whose local file may go."""
        return self._entries("WHERE state = 'committed' ORDER BY stream, seq")

    def reached(self, stream: str) -> tuple[int, int, int]:
        """Rows of a stream below which all are sealed, are uploaded, and were read back."""
        (row,) = self._run(
            "SELECT coalesce(max(hi), 0),"
            " coalesce(min(CASE WHEN state = 'sealed' THEN lo END), max(hi), 0),"
            " coalesce(min(CASE WHEN state IN ('sealed', 'stored') THEN lo END), max(hi), 0)"
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
        """Counts of all streams together; `oldest_s` is the sealing time of the first waiting."""
        (row,) = self._run(
            "SELECT count(*), coalesce(sum(hi - lo), 0), coalesce(sum(size), 0),"
            " coalesce(sum(waits), 0), coalesce(sum(waits * size), 0),"
            " min(CASE WHEN waits THEN sealed_at_s END) FROM"
            " (SELECT *, state IN ('sealed', 'stored') AS waits FROM batch)"
        )
        names = ("batches", "rows", "bytes", "pending_batches", "pending_bytes", "oldest_s")
        return dict(zip(names, row, strict=True))

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
