"""Biometrics inside a batch: a row a rider and stage, his values sealed to his own key; pure.

The batch is a sealed Parquet file as any other. In it each rider's rows are one ciphertext, so that
destroying his key destroys his values and no other's, and how many rows he had stays provable:

    rider_key   16 bytes, the id of his key      rows   how many      sealed   ciphertext
    plain       row offsets u16, power u16 (W), heart rate u8 (bpm), cadence u8 (rpm); little-
                endian, column after column; a measure's highest value is "none", as in the packet
    sealed      AES-256-GCM, nonce 0, key = HKDF-SHA256(rider's key, the file's salt, batch and id)

The salt is new in every file: a key is used once, even where a kill makes a batch twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloud_sync.batch import BatchName
from hardware.errors import Damaged

SCHEMA = b"truck.biometrics/1"
SALT_BYTES = 16
_SALT_FIELD = b"truck.salt"
_SCHEMA_FIELD = b"truck.schema"
_NONCE = bytes(12)
_TAG_BYTES = 16
_Wire = np.dtype[Any]
_OFFSET: _Wire = np.dtype("<u2")
_ROWS_MAX = 0xFFFF
_MEASURES: dict[str, _Wire] = {
    "power_w": np.dtype("<u2"),
    "heart_rate_bpm": np.dtype("u1"),
    "cadence_rpm": np.dtype("u1"),
}
_ROW_BYTES = _OFFSET.itemsize + sum(kind.itemsize for kind in _MEASURES.values())
_SEALED = pa.schema([("rider_key", pa.binary(16)), ("rows", pa.int32()), ("sealed", pa.binary())])
PLAIN = pa.schema(
    [("row_id", pa.int64()), ("stage", pa.string()), ("bib", pa.int32())]
    + [(name, pa.float64()) for name in _MEASURES]
)


@dataclass(frozen=True)
class RiderKey:
    """What one rider's values of one stage are sealed with; `id` is 32 hex digits."""

    id: str
    stage: str
    bib: int
    secret: bytes

    def __repr__(self) -> str:
        """Without the secret, and without whom it speaks of."""
        return f"RiderKey({self.id})"


Rider = tuple[str, int]


def riders_in(table: pa.Table) -> list[Rider]:
    """Each (stage, bib) of plain rows, once, sorted; bib 0 is bound to nobody."""
    pairs = table.select(["stage", "bib"]).group_by(["stage", "bib"]).aggregate([])
    return sorted(zip(pairs["stage"].to_pylist(), pairs["bib"].to_pylist(), strict=True))


def seal_rows(
    table: pa.Table, batch: BatchName, lo: int, keys: Mapping[Rider, RiderKey], salt: bytes
) -> pa.Table:
    """Plain rows, schema PLAIN and row ids from `lo`, as a row a rider.

    Raises:
        Damaged: when a value is none that the format carries.
    """
    columns = _encode(table, lo)
    riders = riders_in(table)
    number = {rider: place for place, rider in enumerate(riders)}
    of = np.array(
        [number[r] for r in zip(table["stage"].to_pylist(), table["bib"].to_pylist(), strict=True)],
        np.int64,
    )
    order = np.argsort(of, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(of, minlength=len(riders)))[:-1])
    sealed = [
        _cipher(keys[rider], batch, salt).encrypt(
            _NONCE, b"".join(column[rows].tobytes() for column in columns), None
        )
        for rider, rows in zip(riders, parts, strict=True)
    ]
    ids = [bytes.fromhex(keys[rider].id) for rider in riders]
    about = {_SCHEMA_FIELD: SCHEMA, _SALT_FIELD: salt.hex().encode()}
    return pa.table(
        {"rider_key": ids, "rows": [len(rows) for rows in parts], "sealed": sealed},
        schema=_SEALED.with_metadata(about),
    )


def is_sealed(table: pa.Table) -> bool:
    """Whether an opened batch holds riders' ciphertexts."""
    return (table.schema.metadata or {}).get(_SCHEMA_FIELD) == SCHEMA


def open_rows(
    table: pa.Table, batch: BatchName, lo: int, hi: int, key_of: Callable[[str], RiderKey | None]
) -> pa.Table:
    """The plain rows of a batch of biometrics, by row_id; an erased rider's are not among them.

    Args:
        table: what the sealed file holds, a row a rider.
        batch: which it is.
        lo: first row.
        hi: row after the last.
        key_of: a rider's key by its id, None where it was erased.

    Raises:
        Damaged: when a ciphertext does not open, or the rows are not `lo` to `hi`.
    """
    if not table.schema.equals(_SEALED, check_metadata=False):
        raise Damaged(f"the object of batch {batch} holds no biometrics of {SCHEMA.decode()}")
    salt = _salt(table, batch)
    found: list[tuple[RiderKey, bytes, int]] = []
    gone = 0
    for entry in table.to_pylist():
        key, count = key_of(entry["rider_key"].hex()), entry["rows"]
        if key is None:
            gone += count
            continue
        try:
            plain = _cipher(key, batch, salt).decrypt(_NONCE, entry["sealed"], None)
        except InvalidTag as error:
            raise Damaged(f"rider key {key.id} does not open its rows of batch {batch}") from error
        if len(plain) != count * _ROW_BYTES:
            raise Damaged(f"batch {batch} holds {len(plain)} bytes for {count} rows of a rider")
        found.append((key, plain, count))
    rows = _decode(found, lo)
    ids = rows["row_id"].to_numpy()
    if len(ids) + gone != hi - lo:
        raise Damaged(
            f"the object of batch {batch} holds {len(ids) + gone} rows, its manifest names"
            f" {hi - lo}"
        )
    if len(ids) and (len(np.unique(ids)) != len(ids) or ids[-1] >= hi):
        raise Damaged(f"the object of batch {batch} holds other rows than {lo} to {hi}")
    return rows


def _encode(table: pa.Table, lo: int) -> list[npt.NDArray[Any]]:
    """Offsets and measures as the format has them."""
    ids = table["row_id"].to_numpy()
    if len(ids) > _ROWS_MAX:
        raise ValueError(f"{len(ids)} rows in a batch")
    columns: list[npt.NDArray[Any]] = [(ids - lo).astype(_OFFSET)]
    for name, kind in _MEASURES.items():
        none = _none(kind)
        values = table[name].cast(pa.float64()).to_numpy()
        absent = np.isnan(values) if table[name].null_count else np.zeros(len(values), bool)
        whole = absent | ((values >= 0) & (values < none) & (values == np.floor(values)))
        if not whole.all():
            place = int(np.argmin(whole))
            raise Damaged(
                f"row {ids[place]}: {name} {values[place]} is no whole number up to {none}"
            )
        columns.append(np.where(absent, none, values).astype(kind))
    return columns


def _none(kind: _Wire) -> int:
    """What stands for "none": the highest value."""
    return int(256**kind.itemsize - 1)


def _decode(found: list[tuple[RiderKey, bytes, int]], lo: int) -> pa.Table:
    counts = [count for _, _, count in found]
    parts: list[npt.NDArray[Any]] = []
    start = np.zeros(len(found), np.int64)
    kinds: list[_Wire] = [_OFFSET, *_MEASURES.values()]
    for kind in kinds:
        parts.append(
            np.concatenate(
                [np.zeros(0, kind)]
                + [
                    np.frombuffer(plain, kind, count, at)
                    for (_, plain, count), at in zip(found, start, strict=True)
                ]
            )
        )
        start += np.array(counts, np.int64) * kind.itemsize
    ids = lo + parts[0].astype(np.int64)
    order = np.argsort(ids, kind="stable")
    of = np.repeat(np.arange(len(found)), counts)[order]
    columns: dict[str, pa.Array] = {
        "row_id": pa.array(ids[order]),
        "stage": pa.array([key.stage for key, _, _ in found], pa.string()).take(pa.array(of)),
        "bib": pa.array([key.bib for key, _, _ in found], pa.int32()).take(pa.array(of)),
    }
    for (name, kind), values in zip(_MEASURES.items(), parts[1:], strict=True):
        absent = values[order] == _none(kind)
        columns[name] = pa.array(values[order].astype(np.float64), mask=absent)
    return pa.table(columns, schema=PLAIN)


def _salt(table: pa.Table, batch: BatchName) -> bytes:
    try:
        salt = bytes.fromhex((table.schema.metadata or {})[_SALT_FIELD].decode())
    except (KeyError, ValueError) as error:
        raise Damaged(f"the object of batch {batch} names no salt") from error
    return salt


def _cipher(key: RiderKey, batch: BatchName, salt: bytes) -> AESGCM:
    info = f"{SCHEMA.decode()}\0{batch}\0{key.id}".encode()
    return AESGCM(HKDF(hashes.SHA256(), 32, salt, info).derive(key.secret))
