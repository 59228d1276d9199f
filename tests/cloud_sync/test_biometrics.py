"""Biometrics: a row a rider inside the batch, so that one key destroyed is one rider gone."""

import base64
import json
import math
from pathlib import Path

import pyarrow as pa
import pytest
from body_rows import body_rows as rows

from cloud_sync.batch import BatchName
from cloud_sync.biometrics import RiderKey, open_rows, riders_in, seal_rows
from cloud_sync.keyring import RecipientKey
from cloud_sync.recipients import InForce
from cloud_sync.rider_keys import (
    RiderKeys,
    open_rider_key,
    rider_key_id,
    rider_key_key,
    wrap_rider_key,
)
from cloud_sync.sealed_parquet import is_same
from hardware.errors import Damaged, Misconfigured

BATCH = BatchName("t.bio", 4)
PAIR = [RecipientKey(name, name.encode() * 32) for name in "mr"]
TO = InForce(tuple(key.recipient() for key in PAIR))


def ring(table: pa.Table) -> dict:
    return {
        rider: RiderKey(bytes([place] * 16).hex(), *rider, bytes([place] * 32))
        for place, rider in enumerate(riders_in(table))
    }


def opened(sealed: pa.Table, keys: dict, gone: str = "", lo: int = 10, hi: int = 40) -> pa.Table:
    by_id = {key.id: None if key.id == gone else key for key in keys.values()}
    return open_rows(sealed, BATCH, lo, hi, by_id.__getitem__)


def test_every_value_comes_back() -> None:
    table = rows(10, 40)
    sealed = seal_rows(table, BATCH, 10, ring(table), b"s" * 16)
    assert sealed.num_rows == 3
    assert is_same(opened(sealed, ring(table)), table)


def test_without_one_key_the_others_are_what_they_were() -> None:
    table = rows(10, 40)
    keys = ring(table)
    sealed = seal_rows(table, BATCH, 10, keys, b"s" * 16)
    left = opened(sealed, keys, gone=keys["one", 7].id)
    assert is_same(left, table.filter(pa.compute.not_equal(table["bib"], 7)))


def test_a_row_too_many_or_too_few_is_noticed() -> None:
    table = rows(10, 40)
    sealed = seal_rows(table, BATCH, 10, ring(table), b"s" * 16)
    with pytest.raises(Damaged, match="30 rows, its manifest names 31"):
        opened(sealed, ring(table), hi=41)
    with pytest.raises(Damaged, match="20 rows, its manifest names 30"):
        opened(sealed.slice(1), ring(table))
    twice = pa.concat_tables([sealed.slice(0, 1), sealed.slice(0, 1), sealed.slice(2)])
    with pytest.raises(Damaged, match="other rows than 10 to 40"):
        opened(twice, ring(table))


def test_a_ciphertext_opens_with_its_key_in_its_batch_only() -> None:
    table = rows(10, 40)
    keys = ring(table)
    sealed = seal_rows(table, BATCH, 10, keys, b"s" * 16)
    by_id = {key.id: key for key in keys.values()}
    with pytest.raises(Damaged, match="does not open its rows"):
        open_rows(sealed, BatchName("t.bio", 5), 10, 40, by_id.__getitem__)
    wrong = {k: RiderKey(v.id, v.stage, v.bib, b"x" * 32) for k, v in keys.items()}
    with pytest.raises(Damaged, match="does not open its rows"):
        opened(sealed, wrong)
    salted = sealed.replace_schema_metadata({**sealed.schema.metadata, b"truck.salt": b"00" * 16})
    with pytest.raises(Damaged, match="does not open its rows"):
        opened(salted, keys)


@pytest.mark.parametrize(
    ("column", "value"),
    [("power_w", 65535.0), ("heart_rate_bpm", 61.5), ("cadence_rpm", -1.0), ("power_w", math.inf)],
)
def test_a_value_the_format_cannot_carry_is_refused(column: str, value: float) -> None:
    table = rows(10, 13)
    place = table.schema.get_field_index(column)
    table = table.set_column(place, column, pa.array([1.0, value, 2.0]))
    with pytest.raises(Damaged, match=f"row 11: {column}"):
        seal_rows(table, BATCH, 10, ring(table), b"s" * 16)


def test_the_same_rows_are_sealed_otherwise_with_another_salt() -> None:
    table = rows(10, 40)
    one, other = (seal_rows(table, BATCH, 10, ring(table), salt * 16) for salt in (b"a", b"b"))
    assert not set(one["sealed"].to_pylist()) & set(other["sealed"].to_pylist())


def test_a_riders_key_opens_for_its_recipients_and_names_nobody_in_clear() -> None:
    key, document = wrap_rider_key("t.bio", ("one", 198), b"k" * 32, TO.recipients)
    assert key.id == rider_key_id(document)
    fields = json.loads(document)
    assert fields.keys() == {"version", "keys", "about"}
    assert {name for entry in fields["keys"] for name in entry} == {"key", "algorithm", "sealed"}
    assert b"bib" not in base64.b64decode(fields["about"])
    for holder in PAIR:
        assert open_rider_key("t.bio", key.id, document, holder) == key
    with pytest.raises(Misconfigured, match="cannot open rider key"):
        open_rider_key("t.bio", key.id, document, RecipientKey("x", b"x" * 32))
    with pytest.raises(Damaged, match="does not open"):
        open_rider_key("u.bio", key.id, document, PAIR[0])
    with pytest.raises(Damaged, match="SHA-256"):
        open_rider_key("t.bio", key.id, document[:-1] + b" ", PAIR[0])


def test_a_truck_keeps_its_keys_over_a_restart_and_names_each_in_a_manifest(
    tmp_path: Path,
) -> None:
    riders = RiderKeys(tmp_path, "t.bio", b"secret")
    first, new = riders.seal(rows(0, 30), BATCH, TO)
    assert len(new) == 3
    riders.note_named(new)
    assert riders.seal(rows(30, 60), BATCH, TO)[1] == []
    assert len(riders.seal(rows(60, 90, "two"), BATCH, TO)[1]) == 3
    again = RiderKeys(tmp_path, "t.bio", b"secret").seal(rows(30, 60), BATCH, TO)[0]
    assert again["rider_key"].equals(first["rider_key"])
    for key_id in new:
        assert (tmp_path / rider_key_key("t.bio", key_id)).exists()


def test_what_lies_in_the_spool_opens_with_the_trucks_credentials_only(tmp_path: Path) -> None:
    first, new = RiderKeys(tmp_path, "t.bio", b"secret").seal(rows(0, 30), BATCH, TO)
    other, others = RiderKeys(tmp_path, "t.bio", b"stolen").seal(rows(0, 30), BATCH, TO)
    assert not set(new) & set(others)
    assert first.num_rows == other.num_rows == 3


def test_other_recipients_or_an_erased_key_mean_a_new_key(tmp_path: Path) -> None:
    riders = RiderKeys(tmp_path, "t.bio", b"secret")
    _, new = riders.seal(rows(0, 30), BATCH, TO)
    riders.note_named(new)
    fewer = InForce(TO.recipients[:1])
    assert len(riders.seal(rows(0, 30), BATCH, fewer)[1]) == 3
    (tmp_path / "t.bio" / "riders" / f"{new[1]}.key").unlink()
    sealed, newer = riders.seal(rows(0, 30), BATCH, TO)
    assert len(newer) == 1
    assert bytes.fromhex(new[1]) not in sealed["rider_key"].to_pylist()
