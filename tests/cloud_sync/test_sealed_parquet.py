import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_rows import odd_rows

from cloud_sync.batch import BatchName
from cloud_sync.envelope import DATA_KEY_BYTES, unwrap_data_key, wrap_data_key
from cloud_sync.keyring import RecipientKey
from cloud_sync.sealed_parquet import is_same, read_sealed, write_sealed
from hardware.errors import Damaged, Misconfigured

BATCH = BatchName("truck-1", 7)


@pytest.fixture
def sealed(crew, tmp_path: Path) -> bytes:
    path = tmp_path / "x.parquet"
    both = [crew.operations.recipient(), crew.recovery.recipient()]
    assert len(write_sealed(odd_rows(0, 300), path, BATCH, both)) == DATA_KEY_BYTES
    return path.read_bytes()


def test_either_recipient_opens_the_same_rows(crew, sealed: bytes) -> None:
    for key in (crew.operations, crew.recovery):
        table = read_sealed(sealed, BATCH, lambda text, key=key: unwrap_data_key(text, BATCH, key))
        assert is_same(table, odd_rows(0, 300))


def test_no_value_name_or_count_stands_in_clear(sealed: bytes) -> None:
    assert sealed[:4] == b"PARE"
    for word in (b"Roubaix", b"Croix", b"measured_at", b"row_id", b"readings"):
        assert word not in sealed


def test_nobody_else_opens_it(crew, sealed: bytes) -> None:
    stranger = RecipientKey("stranger", os.urandom(32))
    with pytest.raises(Misconfigured, match=crew.operations.recipient().key_id):
        read_sealed(sealed, BATCH, lambda text: unwrap_data_key(text, BATCH, stranger))
    with pytest.raises(OSError, match="no decryption"):
        pq.read_table(pa.BufferReader(sealed))


def test_it_opens_as_its_own_batch_only(crew, sealed: bytes) -> None:
    for other in (BatchName("truck-1", 8), BatchName("truck-2", 7)):
        with pytest.raises(Damaged):
            read_sealed(sealed, other, lambda t, o=other: unwrap_data_key(t, o, crew.operations))


def test_an_envelope_is_bound_to_stream_seq_and_key(crew) -> None:
    text = wrap_data_key(b"k" * 32, BATCH, [crew.operations.recipient()])
    assert unwrap_data_key(text, BATCH, crew.operations) == b"k" * 32
    for other in (BatchName("truck-1", 8), BatchName("truck-2", 7)):
        with pytest.raises(Damaged, match="does not open"):
            unwrap_data_key(text, other, crew.operations)
    moved = text.replace(crew.operations.recipient().key_id, crew.recovery.recipient().key_id)
    with pytest.raises(Damaged, match="does not open"):
        unwrap_data_key(moved, BATCH, crew.recovery)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"keys": 3}', '{"keys": [{"key": 1}]}', "\0"])
def test_an_envelope_of_another_shape_is_damaged(crew, text: str) -> None:
    with pytest.raises((Damaged, Misconfigured)):
        unwrap_data_key(text, BATCH, crew.operations)


def test_every_flipped_or_missing_byte_is_noticed(crew, sealed: bytes) -> None:
    def rows(data: bytes) -> pa.Table | None:
        try:
            return read_sealed(data, BATCH, lambda t: unwrap_data_key(t, BATCH, crew.operations))
        except (Damaged, Misconfigured):
            return None

    others = sealed.index(crew.recovery.recipient().key_id.encode())  # not ours to read
    for place in range(4, len(sealed), 211):
        wrong = bytearray(sealed)
        wrong[place] ^= 1
        table = rows(bytes(wrong))
        assert table is None or others - 20 < place < others + 1700
    assert all(rows(sealed[:cut]) is None for cut in (0, 3, 100, len(sealed) - 1))


def test_rows_are_compared_bit_by_bit() -> None:
    def table(*values: float) -> pa.Table:
        return pa.table({"x": pa.array(values, pa.float64())})

    assert is_same(table(float("nan")), table(float("nan")))
    assert not is_same(table(0.0), table(-0.0))
    assert not is_same(table(1.0), table(1.0, 2.0))
    assert not is_same(pa.table({"x": [1]}), pa.table({"y": [1]}))
    assert not is_same(pa.table({"x": [None, 1]}), pa.table({"x": [0, 1]}))
