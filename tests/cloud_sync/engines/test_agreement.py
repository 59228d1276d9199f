"""DuckDB, pyarrow, Polars and Spark agree row for row, on pulled files and on the encrypted ones.

The judge is the Arrow table that was sealed: each engine's own Python values are held against its
values, column by column, and its types against what the page on engines says they become.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from odd_rows import odd_rows

from cloud_sync.engines.pulled import pulled_files
from cloud_sync.engines.sealed_dataset import open_sealed

pytestmark = pytest.mark.timeout(1800)  # Spark starts in 10 s alone, in minutes in a crowd

SETS = ["odd", "race-1", "race-2"]
Answer = tuple[dict[str, str], list[tuple]]
DUCKDB = {
    "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT",
    "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "float": "FLOAT", "double": "DOUBLE", "bool": "BOOLEAN", "string": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
POLARS = {
    "uint8": "UInt8", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
    "int8": "Int8", "int16": "Int16", "int32": "Int32", "int64": "Int64",
    "float": "Float32", "double": "Float64", "bool": "Boolean", "string": "String",
    "timestamp": "Datetime(time_unit='us', time_zone='UTC')",
}  # fmt: skip
SPARK = {
    "uint8": "smallint", "uint16": "int", "uint32": "bigint", "uint64": "decimal(20,0)",
    "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint",
    "float": "float", "double": "double", "bool": "boolean", "string": "string",
    "timestamp": "timestamp",
}  # fmt: skip


@pytest.fixture(params=SETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rows(name: str, races) -> pa.Table:
    """What was sealed."""
    return odd_rows(0, 300) if name == "odd" else races.rows[name]


@pytest.fixture
def files(name: str, odd_pulled: Path, races) -> list[str]:
    folder, stream = (odd_pulled, "truck-1") if name == "odd" else (races.pulled(name), name)
    return pulled_files(folder / f"stream={stream}")


@pytest.fixture
def sealed(name: str, crew, odd_copy: Path, races) -> ds.Dataset:
    copy, stream = (odd_copy, "truck-1") if name == "odd" else (races.copy(name), name)
    return open_sealed(copy, stream, crew.truck.public, crew.operations)


def from_arrow(table: pa.Table) -> Answer:
    """Types, and rows in order; a time is microseconds since 1970 UTC."""
    ordered = table.sort_by("row_id")
    columns = [
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for column in ordered.columns
    ]
    types = {f.name: str(f.type) for f in table.schema}
    return types, list(zip(*(column.to_pylist() for column in columns), strict=True))


def from_duckdb(offer: Callable[[duckdb.DuckDBPyConnection], object], columns: list[str]) -> Answer:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        offer(connection)
        relation = connection.sql(f"SELECT {', '.join(columns)} FROM readings ORDER BY row_id")
        types = {n: str(t) for n, t in zip(relation.columns, relation.types, strict=True)}
        told = [
            f"epoch_us({n})" if kind.startswith("TIMESTAMP") else n for n, kind in types.items()
        ]
        return types, relation.select(*map(duckdb.SQLExpression, told)).fetchall()


def from_polars(frame: pl.LazyFrame) -> Answer:
    found = frame.sort("row_id").collect()
    whole = found.with_columns(pl.col(pl.Datetime).dt.epoch("us"))
    types = {n: repr(t).replace("Etc/UTC", "UTC") for n, t in found.schema.items()}
    return types, whole.rows()


def same(one: object, other: object) -> bool:
    """Floats bit by bit, but for which NaN it is; a decimal is compared as the integer it is."""
    if isinstance(one, float) and isinstance(other, float):
        nans = math.isnan(one), math.isnan(other)
        return all(nans) or (one == other and math.copysign(1, one) == math.copysign(1, other))
    if isinstance(one, Decimal):
        return one == other
    return type(one) is type(other) and one == other


def assert_agrees(answer: Answer, rows: pa.Table, becomes: dict[str, str] | None) -> None:
    """Every type is the one that the sealed one becomes, every value the sealed value."""
    types, found = answer
    expected_types, expected = from_arrow(rows)
    for column, kind in expected_types.items():
        kind = "timestamp" if kind.startswith("timestamp[us, tz=") else kind
        told = types[column].partition("[")[0] if becomes is None else types[column]
        assert told == (kind if becomes is None else becomes[kind]), column
    assert list(types) == list(expected_types)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert all(map(same, one, other)), (one, other)


def test_pyarrow_agrees(files: list[str], sealed: ds.Dataset, rows: pa.Table) -> None:
    for dataset in (ds.dataset(files, partitioning="hive"), sealed):
        assert_agrees(from_arrow(dataset.to_table(rows.column_names)), rows, None)


def test_polars_agrees(files: list[str], sealed: ds.Dataset, rows: pa.Table) -> None:
    plain = pl.scan_parquet(files, hive_partitioning=True)
    for frame in (plain, pl.scan_pyarrow_dataset(sealed)):
        assert_agrees(from_polars(frame.select(rows.column_names)), rows, POLARS)


def test_duckdb_agrees(files: list[str], sealed: ds.Dataset, rows: pa.Table) -> None:
    view = f"CREATE VIEW readings AS SELECT * FROM read_parquet({files!r})"
    for offer in (lambda db: db.execute(view), lambda db: db.register("readings", sealed)):
        assert_agrees(from_duckdb(offer, rows.column_names), rows, DUCKDB)


def test_spark_opens_what_was_sealed_to_the_clusters_own_key_without_a_map(spark: dict) -> None:
    assert_agrees(spark["own-odd"], odd_rows(0, 300), SPARK)


@pytest.mark.parametrize("kind", ["pulled", "sealed"])
def test_spark_agrees(spark: dict, name: str, kind: str, rows: pa.Table) -> None:
    answer = spark[f"{kind}-{name}"]
    assert not isinstance(answer, str), answer
    assert_agrees(answer, rows, SPARK)
