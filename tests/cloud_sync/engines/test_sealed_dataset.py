"""Sealed files as a dataset: proven first, each bound to its own batch, read with filters."""

import base64
import shutil
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pytest
from odd_rows import odd_rows

from cloud_sync.batch import BatchName
from cloud_sync.engines.sealed_dataset import open_sealed
from cloud_sync.envelope import unwrap_data_key
from cloud_sync.keyring import RecipientKey
from cloud_sync.sealed_parquet import is_same, read_sealed
from hardware.errors import Damaged, Misconfigured


@pytest.fixture
def copy(odd_copy: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(odd_copy, tmp_path / "copy"))


def files(copy: Path) -> list[Path]:
    return sorted((copy / "truck-1" / "data").iterdir())


def test_columns_and_filters_are_read_from_the_encrypted_files(crew, odd_copy: Path) -> None:
    dataset = open_sealed(odd_copy, "truck-1", crew.truck.public, crew.operations)
    few = dataset.to_table(columns=["row_id", "note"], filter=ds.field("row_id") >= 190)
    expected = odd_rows(190, 300).select(["row_id", "note"])
    assert is_same(few.sort_by("row_id"), expected)
    assert dataset.count_rows() == 300


def test_a_copy_that_does_not_hold_is_not_opened(crew, copy: Path) -> None:
    files(copy)[1].unlink()
    with pytest.raises(Damaged, match="the object of batch truck-1/000000000001 is missing"):
        open_sealed(copy, "truck-1", crew.truck.public, crew.operations)
    with pytest.raises(Damaged, match="stream truck-9 has no manifest"):
        open_sealed(copy, "truck-9", crew.truck.public, crew.operations)


def test_another_key_is_refused_before_anything_is_read(crew, odd_copy: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot open batch truck-1/000000000000"):
        open_sealed(odd_copy, "truck-1", crew.truck.public, RecipientKey("guest", bytes(32)))


def test_a_file_put_in_anothers_place_afterwards_does_not_open(crew, copy: Path) -> None:
    dataset = open_sealed(copy, "truck-1", crew.truck.public, crew.operations)
    files(copy)[0].write_bytes(files(copy)[2].read_bytes())
    with pytest.raises((Damaged, OSError)):
        dataset.to_table()


def test_duckdbs_own_reader_of_encrypted_parquet_still_fails(crew, odd_copy: Path) -> None:
    """When this passes no more, the page on DuckDB can drop its warning."""
    file, batch, opened = files(odd_copy)[0], BatchName("truck-1", 0), []

    def unwrap(envelope: str) -> bytes:
        opened.append(unwrap_data_key(envelope, batch, crew.operations))
        return opened[-1]

    read_sealed(file.read_bytes(), batch, unwrap)
    with duckdb.connect() as connection:
        connection.execute(f"PRAGMA add_parquet_key('k', '{base64.b64encode(opened[0]).decode()}')")
        rows = f"read_parquet('{file}', encryption_config = {{footer_key: 'k'}})"
        assert connection.sql(f"SELECT count(*) FROM {rows}").fetchall() == [(100,)]
        with pytest.raises(duckdb.InvalidInputException, match="AES tag differs"):
            connection.sql(f"SELECT * FROM {rows} WHERE row_id = 50").fetchall()
