"""The flash ledger: who flashed what, when, and how it was proven.

A chained log in the event's folder (`hardware.chained_log`), signed with the laptop's ledger key:

    ledger.jsonl, ledger.head   the lines, and how they end
    ledger.key, .pub            the laptop's key; .pub is written last: the other three are there
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware import keys
from hardware.chained_log import ChainedLog, Head, Log
from hardware.errors import Damaged, NotInitialised
from hardware.signing import SigningKey


@dataclass(frozen=True)
class Entry:
    """One device flashed, or found as it should be; digests are SHA-256 in hex."""

    at_s: float
    by: str
    role: str
    name: str
    serial: str
    target: str
    config_version: int
    config_sha256: str
    image_sha256: str
    proven: str


Ledger = Log[Entry]
LEDGER = ChainedLog(
    Entry, "ledger", "flash ledger", b"truck flash ledger 1",
    "application/vnd.truck.ledger-head+json", "truck.ledger-head/1", "hardware ledger verify",
)  # fmt: skip


def append(folder: Path, entries: Sequence[Entry]) -> Head:
    """Add lines to an event's ledger, made with its key where there is none; durable on return.

    Raises:
        Damaged: the ledger's end is not what its head says; `verify` names the line.
        Locked: another process has been adding to it for 10 s.
        Misconfigured: the folder cannot be written, or an entry is too long for a line.
    """
    with LEDGER.only_one(folder):
        return LEDGER.add(folder, _key_of(folder), entries)


def read(folder: Path) -> Ledger:
    """An event's ledger with every problem in it named.

    Raises:
        NotInitialised: nothing has been flashed for this event yet.
        Damaged: one of its files is missing or cannot be read.
    """
    public_path = folder / "ledger.pub"
    if not public_path.exists():
        raise NotInitialised(
            f"{folder} has no flash ledger: nothing has been flashed here yet", "Flash something."
        )
    return LEDGER.read(folder, keys.read_key(public_path, "ledger public key"))


def sound_entries(folder: Path) -> Sequence[Entry]:
    """An event's lines, oldest first, none of them changed; none where nothing was flashed yet.

    Raises:
        Damaged: the ledger is not as it was written.
    """
    try:
        ledger = read(folder)
    except NotInitialised:
        return ()
    if ledger.problems:
        raise Damaged(
            "the flash ledger is not as it was written, so it proves nothing; see "
            f"`hardware ledger verify {folder}`"
        )
    return ledger.entries


def examine(data: bytes, head_bytes: bytes, public: bytes) -> Ledger:
    """A ledger's bytes and its head, judged with the key's public half; nothing is trusted."""
    return LEDGER.examine(data, head_bytes, public)


def _key_of(folder: Path) -> SigningKey:
    """The ledger's key; with the first one the ledger is made."""
    private, public = folder / "ledger.key", folder / "ledger.pub"
    if public.exists():
        return SigningKey(keys.read_key(private, "ledger key"))
    key = SigningKey(keys.new_secret())
    keys.write_key(private, key.seed)
    LEDGER.begin(folder, key)
    keys.write_file(public, key.public.hex().encode() + b"\n", 0o644)
    return key
