"""A damaged spool is moved aside, what is readable in it is saved, and a new one begins.

The database and its log live in one folder, so one rename moves them together, and a kill at any
moment leaves either the old spool, to be replaced again, or the new one, to be put in its place:

    spool/      the spool              damaged/<n>/    damaged ones, kept as evidence
    spool.new/  its successor while it is being made
"""

import contextlib
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from hardware.errors import Damaged
from relay import ledger

_VERSION = 1
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS bundles (
    id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, number INTEGER NOT NULL,
    size INTEGER NOT NULL, packets INTEGER NOT NULL, crc INTEGER NOT NULL, message BLOB NOT NULL,
    UNIQUE (boot, number)
);
CREATE TABLE IF NOT EXISTS dropped (bundles INTEGER NOT NULL, packets INTEGER NOT NULL);
INSERT INTO dropped SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM dropped);
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS heard (
    kid INTEGER NOT NULL, boot INTEGER NOT NULL, chunk INTEGER NOT NULL, bits BLOB NOT NULL,
    PRIMARY KEY (kid, boot, chunk)
) WITHOUT ROWID;
COMMIT;
"""
_DAMAGE = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR))


def database_path(home: Path) -> Path:
    """Where a home's spool is."""
    return home / "spool" / "spool.db"


def count(home: Path) -> int:
    """How many damaged spools were moved aside here."""
    return len(list((home / "damaged").glob("*")))


def connect(path: Path) -> sqlite3.Connection:
    """Open or begin a database, every commit of it durable."""
    path.parent.mkdir(exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        if database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database


def check(database: sqlite3.Connection) -> None:
    """Read every page, and see that it is a spool of ours; prove that it can be written.

    Raises:
        Damaged: when it is not whole, or not a spool.
        sqlite3.Error: when the disk refuses.
    """
    try:
        found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if found != "ok" or version != _VERSION:
            raise Damaged(f"spool: {found}, version {version}")
        database.executescript(_SCHEMA)
    except (sqlite3.Error, Damaged):
        database.close()
        raise


def is_damage(error: Exception) -> bool:
    """Whether an error says that the bytes are wrong, not that the disk refuses."""
    if isinstance(error, Damaged):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def renew(home: Path, why: str) -> sqlite3.Connection:
    """Replace the damaged spool of a home and open the new one.

    Raises:
        OSError: when the folder refuses.
        sqlite3.Error: the same, met by the database.
    """
    successor = home / "spool.new"
    shutil.rmtree(successor, ignore_errors=True)
    with contextlib.closing(connect(successor / "spool.db")) as database:
        saved = _save(database_path(home), database)
    aside = home / "damaged" / str(count(home) + 1)
    aside.parent.mkdir(exist_ok=True)
    (home / "spool").rename(aside)
    finish(home)
    structlog.get_logger().error(
        "damaged spool moved aside", why=why, to=str(aside), saved_bundles=saved
    )
    return connect(database_path(home))


def finish(home: Path) -> None:
    """Put the successor in its place, where a kill came between."""
    if (home / "spool.new").exists() and not (home / "spool").exists():
        (home / "spool.new").rename(home / "spool")


def _save(damaged: Path, database: sqlite3.Connection) -> int:
    """Copy what can be read; how many bundles that is. Their checksums hold."""
    saved = 0
    database.execute("BEGIN IMMEDIATE")
    bundles = "SELECT boot, number, packets, crc, message FROM bundles"
    for boot, number, packets, crc, message in _readable(damaged, bundles):
        if isinstance(message, bytes) and zlib.crc32(message) == crc:
            saved += database.execute(
                "INSERT OR IGNORE INTO bundles (boot, number, size, packets, crc, message)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (boot, number, len(message), packets, crc, message),
            ).rowcount
    for kid, boot, chunk, bits in _readable(damaged, "SELECT kid, boot, chunk, bits FROM heard"):
        if isinstance(bits, bytes):
            ledger.merge_row(database, (kid, boot, chunk), bits)
    for row in _readable(damaged, "SELECT bundles, packets FROM dropped LIMIT 1"):
        database.execute("UPDATE dropped SET bundles = ?, packets = ?", row)
    database.execute("COMMIT")
    return saved


def _readable(damaged: Path, query: str) -> Iterator[Any]:
    """Rows up to the first that cannot be read."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(damaged)) as source,
    ):
        yield from source.execute(query)
