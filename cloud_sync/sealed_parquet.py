"""Sealed Parquet: modular encryption, AES-GCM, one data key for footer and all columns.

The key material inside the file names the batch as its master key and carries the envelope, so
pyarrow or Spark opens it with any KmsClient that holds a recipient's private key. Encodings suit
telemetry (delta for integers and times, dictionary for text) and are the same for plain files, so
that the two can be compared.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from cloud_sync.batch import BatchName
from cloud_sync.envelope import wrap_data_key
from cloud_sync.keyring import Recipient
from cloud_sync.tampering import Tampered, Tampering

FORMAT = "truck.batch/1"
_FORMAT_FIELD = b"truck.format"
_BATCH_FIELD = b"truck.batch"
_SCHEMA_FIELD = b"truck.schema"
_SCHEMA = b"truck.readings/2"
# On recorded rides 9 % fewer bytes than level 1 for a third more work; 6 doubles it for 2 % more
_ZSTD_LEVEL = 4
_SEALED_MAGIC = b"PARE"  # Parquet with an encrypted footer ends so


class _Wrapper(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Knows public keys only, and the data key of the one file it made."""

    def __init__(self, batch: BatchName, recipients: Sequence[Recipient]) -> None:
        super().__init__()
        self._batch, self._recipients = batch, recipients
        self.data_key = b""

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        self.data_key = key_bytes
        return wrap_data_key(key_bytes, self._batch, self._recipients)


class _Opener(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Opens one batch and no other."""

    def __init__(self, batch: BatchName, unwrap: Callable[[str], bytes]) -> None:
        super().__init__()
        self._batch, self._unwrap = batch, unwrap

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        if master_key_identifier != str(self._batch):
            raise Tampered(
                Tampering.ENVELOPE_OTHER_BATCH,
                f"the object of batch {self._batch} is of {master_key_identifier!r}",
            )
        return self._unwrap(wrapped_key)


def write_sealed(
    table: pa.Table, path: Path, batch: BatchName, recipients: Sequence[Recipient]
) -> bytes:
    """Write `table` sealed to `path`; returns the data key, to be forgotten soon."""
    client = _Wrapper(batch, recipients)
    properties = pe.CryptoFactory(lambda _: client).file_encryption_properties(
        pe.KmsConnectionConfig(),
        pe.EncryptionConfiguration(
            footer_key=str(batch),
            uniform_encryption=True,
            encryption_algorithm="AES_GCM_V1",
            plaintext_footer=False,
            double_wrapping=False,
            internal_key_material=True,
            data_key_length_bits=256,
        ),
    )
    known = {_SCHEMA_FIELD: _SCHEMA, **(table.schema.metadata or {})}
    about = {**known, _FORMAT_FIELD: FORMAT.encode(), _BATCH_FIELD: str(batch).encode()}
    write_plain(table.replace_schema_metadata(about), path, encryption_properties=properties)
    return client.data_key


def read_sealed(
    data: bytes, batch: BatchName, unwrap: Callable[[str], bytes], *, threads: bool = True
) -> pa.Table:
    """The rows of a sealed file; `unwrap` turns its envelope into the data key.

    Without `threads` the caller's alone works: many small files at once are faster so.

    Raises:
        Damaged: when it does not open, or is of another batch or format.
    """
    client = _Opener(batch, unwrap)
    try:
        properties = pe.CryptoFactory(lambda _: client).file_decryption_properties(
            pe.KmsConnectionConfig()
        )
        source = pa.BufferReader(data)
        file = pq.ParquetFile(source, decryption_properties=properties, pre_buffer=False)
        table = file.read(use_threads=threads)
    except (pa.ArrowException, OSError, ValueError) as error:
        sealed = data[-4:] == _SEALED_MAGIC
        raise Tampered(
            Tampering.PAGES_DAMAGED if sealed else Tampering.OBJECT_NOT_SEALED,
            f"the object of batch {batch} does not open: {_first_line(error)}",
        ) from error
    if data[-4:] != _SEALED_MAGIC:
        raise Tampered(Tampering.OBJECT_NOT_SEALED, f"the object of batch {batch} is not sealed")
    about = table.schema.metadata or {}
    if about.get(_FORMAT_FIELD) != FORMAT.encode():
        raise Tampered(
            Tampering.FORMAT_UNKNOWN, f"the object of batch {batch} is not of format {FORMAT}"
        )
    if about.get(_BATCH_FIELD) != str(batch).encode():
        raise Tampered(
            Tampering.FOOTER_OTHER_BATCH,
            f"the object of batch {batch} holds the rows of another batch",
        )
    return table


def read_data_key(data: bytes, batch: BatchName, unwrap: Callable[[str], bytes]) -> bytes:
    """The data key of a sealed file, proven by its footer; `unwrap` opens the envelope.

    Raises:
        Damaged: when the footer does not open with it.
    """
    found: list[bytes] = []

    def keep(envelope: str) -> bytes:
        found.append(unwrap(envelope))
        return found[-1]

    client = _Opener(batch, keep)
    try:
        properties = pe.CryptoFactory(lambda _: client).file_decryption_properties(
            pe.KmsConnectionConfig()
        )
        pq.read_metadata(pa.BufferReader(data), decryption_properties=properties)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Tampered(
            Tampering.PAGES_DAMAGED,
            f"the object of batch {batch} does not open: {_first_line(error)}",
        ) from error
    return found[-1]


def write_plain(table: pa.Table, path: Path, **options: Any) -> None:
    """Write `table` as Parquet, zstd, in the encodings of this room."""
    text, deltas = [], {}
    for field in table.schema:
        if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type):
            deltas[field.name] = "DELTA_BINARY_PACKED"
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            text.append(field.name)
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=text,
        column_encoding=deltas,
        **options,
    )


def holds_rows(table: pa.Table, lo: int, hi: int) -> bool:
    """Whether `table` is rows [lo, hi) in order, by its first column, `row_id`."""
    if not table.num_columns or table.schema.names[0] != "row_id":
        return False
    return bool(table.column(0).equals(pa.chunked_array([np.arange(lo, hi, dtype=np.int64)])))


def is_same(left: pa.Table, right: pa.Table) -> bool:
    """Whether two tables hold the same columns and rows, floats compared bit by bit."""
    return bool(left.schema.equals(right.schema, check_metadata=False)) and all(
        _bits(one).equals(_bits(other))
        for one, other in zip(left.columns, right.columns, strict=True)
    )


def _bits(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats as integers, because NaN equals nothing, and 0.0 equals -0.0."""
    if not pa.types.is_floating(column.type):
        return column
    integer = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[column.type.bit_width]
    return pa.chunked_array([chunk.view(integer) for chunk in column.chunks], integer)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
