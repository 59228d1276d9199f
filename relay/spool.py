"""Custody: every bundle a relay made and the truck has not yet committed, one SQLite row each.

WAL with synchronous=FULL, so a commit outlives a kill and a power cut. Bounded by bytes: when full
the oldest back-fill goes, never what is still live, and it is counted. Where the disk refuses, rows
are held in memory, bounded, and written as soon as it lets us. See `quarantine` for damage.
"""

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from hardware.errors import Damaged, Misconfigured, NotInitialised
from relay import ledger, quarantine
from relay.lanes import Key
from relay.ledger import PacketId

HELD_BYTES = 8 << 20
"""What waits in memory while the disk refuses; beyond it the oldest goes, counted."""
_NEWEST = Key((1 << 63) - 1, 0)


@dataclass(frozen=True)
class Row:
    """One signed bundle to keep."""

    key: Key
    message: bytes
    packets: tuple[PacketId, ...]


@dataclass(frozen=True)
class SpoolCounts:
    """What the spool holds, and what it lost and how; bundles unless named otherwise."""

    bundles: int = 0
    bytes: int = 0
    dropped: int = 0
    dropped_packets: int = 0
    unspooled: int = 0
    damaged: int = 0
    quarantined: int = 0
    heard_distinct: int = 0


class Spool:
    """The database of one home. Use it from one thread."""

    def __init__(self, home: Path, bytes_max: int) -> None:
        """Open or begin it; a damaged one is moved aside.

        Raises:
            Misconfigured: when the folder is full, read-only or missing.
        """
        self._home = home
        self._bytes_max = bytes_max
        self._held: dict[Key, Row] = {}
        self._deleted: set[Key] = set()
        self.error = ""
        """Why the disk refuses at present; empty while it does not."""
        try:
            quarantine.finish(home)
            self._open()
        except (OSError, sqlite3.Error) as error:
            raise Misconfigured(
                f"cannot keep a spool in {home}: {error}",
                "Free some space, or give the relay a folder it may write.",
            ) from error

    def _open(self) -> None:
        try:
            self._database = quarantine.connect(quarantine.database_path(self._home))
            quarantine.check(self._database)
        except (sqlite3.Error, Damaged) as error:
            if not quarantine.is_damage(error):
                raise
            self._database = quarantine.renew(self._home, str(error))
        query = "SELECT count(*), coalesce(sum(size), 0) FROM bundles"
        bundles, size = self._database.execute(query).fetchone()
        dropped, packets = self._database.execute("SELECT bundles, packets FROM dropped").fetchone()
        self.counts = SpoolCounts(
            bundles=bundles,
            bytes=size,
            dropped=dropped,
            dropped_packets=packets,
            quarantined=quarantine.count(self._home),
            heard_distinct=ledger.count(self._database),
        )

    def close(self) -> None:
        """Let go of the file; everything committed stays."""
        self._database.close()

    def newest_boot(self) -> int | None:
        """The highest relay boot in the spool."""
        boot: int | None = self._database.execute("SELECT max(boot) FROM bundles").fetchone()[0]
        return boot

    def sizes(self) -> list[tuple[Key, int]]:
        """Every bundle in custody and its size in bytes."""
        rows = self._database.execute("SELECT boot, number, size FROM bundles")
        return [(Key(boot, number), size) for boot, number, size in rows]

    def status(self) -> dict[str, Any]:
        """Counts, bound and trouble, as the status file shows them."""
        counts = asdict(self.counts)
        del counts["heard_distinct"]
        return counts | {
            "bytes_max": self._bytes_max,
            "held": len(self._held),
            "error": self.error,
        }

    def read(self, key: Key) -> bytes | None:
        """A bundle's message as it was signed; None where it is not here or is damaged."""
        if key in self._held:
            return self._held[key].message
        query = "SELECT message, crc FROM bundles WHERE boot = ? AND number = ?"
        try:
            row = self._database.execute(query, key).fetchone()
        except sqlite3.Error as error:
            self._fail(error)
            return None
        if row is None:
            return None
        message, crc = row
        if not isinstance(message, bytes) or zlib.crc32(message) != crc:
            # the row stays as evidence until the bound drops it
            self.counts = replace(self.counts, damaged=self.counts.damaged + 1)
            structlog.get_logger().error("bundle damaged in the spool", key=tuple(key))
            return None
        return message

    def commit(
        self, rows: Iterable[Row] = (), deleted: Iterable[Key] = (), live_from: Key | None = None
    ) -> list[Key]:
        """Write new bundles and their packets, delete committed ones: one durable transaction.

        Args:
            rows: new bundles, each newer than all before.
            deleted: what the truck has made durable.
            live_from: the oldest bundle that is still live and may not be dropped.

        Returns:
            What had to be dropped to keep the bound. Where the disk refuses (`error` says why)
            everything is kept in memory and tried again by the next call.
        """
        self._held.update((row.key, row) for row in rows)
        for key in deleted:
            if self._held.pop(key, None) is None:
                self._deleted.add(key)
        if not self._held and not self._deleted:
            return []
        try:
            with _transaction(self._database):
                counts, dropped = self._write(live_from or _NEWEST)
        except sqlite3.Error as error:
            self._fail(error)
            return self._trim_held()
        self.counts = counts
        self._held.clear()
        self._deleted.clear()
        self.error = ""
        return dropped

    def _write(self, live_from: Key) -> tuple[SpoolCounts, list[Key]]:
        rows = self._held.values()
        new_bytes = sum(len(row.message) for row in rows)
        gone = [size for key in self._deleted for size, _ in self._delete(key)]
        counts = replace(
            self.counts,
            bundles=self.counts.bundles - len(gone) + len(rows),
            bytes=self.counts.bytes - sum(gone) + new_bytes,
        )
        dropped = self._oldest(counts.bytes - self._bytes_max, live_from)
        for key in dropped:
            for size, packets in self._delete(key):
                counts = replace(
                    counts,
                    bundles=counts.bundles - 1,
                    bytes=counts.bytes - size,
                    dropped=counts.dropped + 1,
                    dropped_packets=counts.dropped_packets + packets,
                )
        self._database.executemany(
            "INSERT INTO bundles (boot, number, size, packets, crc, message)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (*row.key, len(row.message), len(row.packets), zlib.crc32(row.message), row.message)
                for row in rows
            ],
        )
        self._database.execute(
            "UPDATE dropped SET bundles = ?, packets = ?", (counts.dropped, counts.dropped_packets)
        )
        new = ledger.mark(self._database, [packet for row in rows for packet in row.packets])
        return replace(counts, heard_distinct=counts.heard_distinct + new), dropped

    def _delete(self, key: Key) -> list[tuple[int, int]]:
        """Size and packets of the row that went; none where it was not there."""
        return self._database.execute(
            "DELETE FROM bundles WHERE boot = ? AND number = ? RETURNING size, packets", key
        ).fetchall()

    def _oldest(self, excess_bytes: int, before: Key) -> list[Key]:
        """The oldest bundles that together free `excess_bytes`, none of them from `before` on."""
        found = []
        rows = self._database.execute(
            "SELECT boot, number, size FROM bundles WHERE (boot, number) < (?, ?)"
            " ORDER BY boot, number",
            before,
        )
        while excess_bytes > 0 and (row := rows.fetchone()):
            found.append(Key(row[0], row[1]))
            excess_bytes -= row[2]
        rows.close()
        return found

    def _trim_held(self) -> list[Key]:
        lost = []
        excess_bytes = sum(len(row.message) for row in self._held.values()) - HELD_BYTES
        while excess_bytes > 0:
            key = next(iter(self._held))
            excess_bytes -= len(self._held.pop(key).message)
            lost.append(key)
        self.counts = replace(self.counts, unspooled=self.counts.unspooled + len(lost))
        return lost

    def _fail(self, error: sqlite3.Error) -> None:
        """Remember why the disk refuses; a damaged database is replaced at once."""
        if str(error) != self.error:
            structlog.get_logger().error("spool refuses", error=str(error))
        self.error = str(error)
        closed = isinstance(error, sqlite3.ProgrammingError)  # an earlier attempt ended half-way
        if closed or quarantine.is_damage(error):
            self._database.close()
            with contextlib.suppress(OSError, sqlite3.Error):
                self._open()


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def read_heard(home: Path) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The heard ledger of a home, running or not, as closed ranges of seq by (kid, boot).

    Raises:
        NotInitialised: when nothing was ever spooled here.
        Damaged: when the database cannot be read.
    """
    path = quarantine.database_path(home)
    if not path.exists():
        raise NotInitialised(f"no relay has run in {home} yet", f"Start it: `relay run {home}`.")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return ledger.ranges(database)
    except sqlite3.Error as error:
        raise Damaged(
            f"cannot read the spool at {path}: {error}; a starting relay moves it aside"
        ) from error
