"""A Spark job: riders and groups of many races, from the encrypted batches themselves.

    spark-submit --jars cluster-keys.jar race_tables.py --race KEYS COPY [--race ...] \
        --cluster-key cluster.pem --to OUT

KEYS is a key map of `cloud-sync cluster keys`, COPY the place of its objects as the cluster sees
it (a folder, s3a://bucket/prefix), so every path may be any that Hadoop reads. It needs PySpark
and nothing of ours: this file is all that goes to the cluster, besides the jar.

A race is a stream. Written to OUT as Parquet, parted by race and stage:

riders  one row a rider and stage: readings, from_at, to_at, distance_km (along the course),
        elapsed_s, mean_kmh, max_kmh, climbed_m (by the route's gradient), stops, stopped_s
groups  one row a group and kilometre: mark_km, group (1 is ahead), riders, bibs, first_at, last_at,
        gap_s to the first of all, gap_ahead_s to the last of the group ahead. A gap is time at the
        same road point; more than 3 s to the rider ahead begins a new group.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as f

STOPPED_MPS = 1.0
STOP_S_MIN = 10.0
HOLE_S_MAX = 30.0  # over longer silence nothing is said of what happened meanwhile
SPLIT_S = 3.0
MARK_M = 1000.0
_PLACED = (0, 1, 3)  # good, doubtful, late; not off the route, not unplaced
_STAGE = ("race", "stage")
_RIDER = (*_STAGE, "bib")
_DAMAGED = 65
KEY_TOOLS = {
    "parquet.crypto.factory.class": (
        "org.apache.parquet.crypto.keytools.PropertiesDrivenCryptoFactory"
    ),
    "parquet.encryption.kms.client.class": "truck.cloud.ClusterKeys",
}


def read_batches(spark: SparkSession, races: Sequence[Sequence[str]], key: str) -> DataFrame:
    """The rows of every batch that the key maps name, and `race`, the stream each came from.

    Args:
        spark: a session whose jars hold the key client.
        races: pairs of a key map and the copy that holds its objects.
        key: the cluster's private RSA key.

    Raises:
        ValueError: when a stream does not hold each of its rows once.
    """
    maps = [spark.read.text(place, wholetext=True).first()[0] for place, _ in races]
    objects, told = [], dict[str, list[int]]()
    for text, (_, copy) in zip(maps, races, strict=True):
        for batch in json.loads(text)["batches"]:
            objects.append(f"{copy.rstrip('/')}/{batch['object']}")
            told.setdefault(batch["batch"].rpartition("/")[0], []).extend(batch["rows"])
    service = {
        # parquet-mr keeps one client an instance for ten minutes, whatever the url says by then
        "parquet.encryption.kms.instance.id": hashlib.sha256(f"{key}{maps}".encode()).hexdigest(),
        "parquet.encryption.kms.instance.url": ",".join(place for place, _ in races),
        "truck.cluster.key": key,
    }
    rows = (
        spark.read.options(**KEY_TOOLS, **service)
        .parquet(*objects)
        .withColumn("race", f.regexp_extract("_metadata.file_path", r"([^/]+)/data/[^/]+$", 1))
    )
    _prove_rows(rows, {race: (min(ends), max(ends)) for race, ends in told.items()})
    return rows


def _prove_rows(rows: DataFrame, told: dict[str, tuple[int, int]]) -> None:
    """A batch in another's place opens with its own key: what shows it is rows twice or missing."""
    counted = rows.groupBy("race").agg(
        f.count("*"), f.countDistinct("row_id"), f.min("row_id"), f.max("row_id") + 1
    )
    found = {race: numbers for race, *numbers in counted.collect()}
    for race, (lo, hi) in told.items():
        if found.get(race) != [hi - lo, hi - lo, lo, hi]:
            raise ValueError(
                f"truck: the objects of {race} do not hold rows {lo} to {hi} once each"
            )


def riders(rows: DataFrame) -> DataFrame:
    """One row a rider and stage."""
    by_time = Window.partitionBy(*_RIDER).orderBy("measured_at", "row_id")
    at_s = f.unix_micros("measured_at") / 1e6
    step_s = at_s - f.lag(at_s).over(by_time)
    forward_m = f.greatest(f.col("distance_m") - f.lag("distance_m").over(by_time), f.lit(0.0))
    stopped = f.coalesce(f.col("speed_mps") < STOPPED_MPS, f.lit(False))
    begins = stopped & ~(f.lag(stopped).over(by_time) & (step_s <= HOLE_S_MAX))
    steps = (
        _placed(rows)
        .withColumn("at_s", at_s)
        .withColumn("stopped", stopped)
        .withColumn("stop", f.sum(f.coalesce(begins, stopped).cast("int")).over(by_time))
        .withColumn("climbed_m", forward_m * f.greatest(f.col("gradient_pct"), f.lit(0.0)) / 100.0)
    )
    ridden = steps.groupBy(*_RIDER).agg(
        f.count("*").alias("readings"),
        f.min("measured_at").alias("from_at"),
        f.max("measured_at").alias("to_at"),
        ((f.max("distance_m") - f.min("distance_m")) / 1000.0).alias("distance_km"),
        (f.max("at_s") - f.min("at_s")).alias("elapsed_s"),
        (f.max("speed_mps") * 3.6).alias("max_kmh"),
        f.sum("climbed_m").alias("climbed_m"),
    )
    stops = (
        steps.filter("stopped")
        .groupBy(*_RIDER, "stop")
        .agg((f.max("at_s") - f.min("at_s")).alias("s"))
        .filter(f.col("s") >= STOP_S_MIN)
        .groupBy(*_RIDER)
        .agg(f.count("*").alias("stops"), f.sum("s").alias("stopped_s"))
    )
    return (
        ridden.join(stops, list(_RIDER), "left")
        .fillna(0, ["stops"])
        .fillna(0.0, ["stopped_s"])
        .withColumn("mean_kmh", f.col("distance_km") * 3600.0 / f.nullif("elapsed_s", f.lit(0.0)))
    )


def groups(rows: DataFrame) -> DataFrame:
    """One row a group and kilometre mark, by time at the same road point."""
    order = Window.partitionBy(*_STAGE, "mark_km").orderBy("at_s", "bib")
    apart_s = f.col("at_s") - f.lag("at_s").over(order)
    grouped = (
        _passages(rows)
        .withColumn("apart_s", apart_s)
        .withColumn("first_s", f.min("at_s").over(Window.partitionBy(*_STAGE, "mark_km")))
        .withColumn("group", 1 + f.sum((f.coalesce("apart_s", f.lit(0.0)) > SPLIT_S).cast("int"))
                    .over(order))
    )  # fmt: skip
    return grouped.groupBy(*_STAGE, "mark_km", "group").agg(
        f.count("*").alias("riders"),
        f.sort_array(f.collect_list("bib")).alias("bibs"),
        f.timestamp_micros(f.round(f.min("at_s") * 1e6).cast("long")).alias("first_at"),
        f.timestamp_micros(f.round(f.max("at_s") * 1e6).cast("long")).alias("last_at"),
        f.min(f.col("at_s") - f.col("first_s")).alias("gap_s"),
        f.min_by("apart_s", f.struct("at_s", "bib")).alias("gap_ahead_s"),
    )


def _passages(rows: DataFrame) -> DataFrame:
    """When each rider first passed each kilometre: `at_s`, on the line between two readings."""
    by_time = Window.partitionBy(*_RIDER).orderBy("measured_at", "row_id")
    at_s, metres = f.unix_micros("measured_at") / 1e6, f.col("distance_m")
    before = (
        _placed(rows)
        .withColumn("to_s", at_s)
        .withColumn("from_s", f.lag(at_s).over(by_time))
        .withColumn("from_m", f.lag(metres).over(by_time))
        .filter((f.col("to_s") - f.col("from_s") <= HOLE_S_MAX) & (f.col("from_m") >= 0.0))
        .filter(f.floor(metres / MARK_M) > f.floor(f.col("from_m") / MARK_M))
    )
    marks = f.sequence(f.floor(f.col("from_m") / MARK_M) + 1, f.floor(metres / MARK_M))
    share = (f.col("mark_km") * MARK_M - f.col("from_m")) / (metres - f.col("from_m"))
    return (
        before.withColumn("mark_km", f.explode(marks))
        .withColumn("at_s", f.col("from_s") + share * (f.col("to_s") - f.col("from_s")))
        .groupBy(*_RIDER, "mark_km")
        .agg(f.min("at_s").alias("at_s"))
    )


def _placed(rows: DataFrame) -> DataFrame:
    """Readings of riders at a known place of the course."""
    known = f.col("distance_m").isNotNull() & f.col("quality").isin(*_PLACED)
    return rows.filter(known & (f.col("bib") > 0))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the job; what it refuses is one sentence and exit code 65, and nothing is written."""
    asked = _asked(arguments)
    spark = SparkSession.builder.appName("race-tables").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    # Spark's own default, INT96, is read back by others as nanoseconds without a zone
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    try:
        rows = read_batches(spark, asked.race, asked.cluster_key)
        for name, table in (("riders", riders(rows)), ("groups", groups(rows))):
            table.write.partitionBy(*_STAGE).parquet(f"{asked.to.rstrip('/')}/{name}")
    except (ValueError, PySparkException, Py4JError) as error:
        sys.stderr.write(f"error: {sentence_of(error)}\n")
        sys.exit(_DAMAGED)


def sentence_of(error: Exception) -> str:
    """Ours, where the key client or this job refused; else the first that Spark says."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line.partition("truck: ")[2] for line in lines if "truck: " in line), lines[0])


def _asked(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description="Riders and groups of many races.")
    parser.add_argument("--race", nargs=2, action="append", required=True, metavar=("KEYS", "COPY"))
    parser.add_argument("--cluster-key", required=True, metavar="PEM")
    parser.add_argument("--to", required=True, metavar="OUT")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
