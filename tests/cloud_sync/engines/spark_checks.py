"""What Spark makes of our files, in one session for many tests; run by spark-submit.

The first argument names a pickle of what to do, the second where the answers go: by name, values
as Python has them, or the sentence that refused.
"""

import pickle
import sys
from pathlib import Path

import race_tables
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

REFUSED = (ValueError, race_tables.PySparkException, race_tables.Py4JError)


def values(rows):
    """Types, and rows in order; a time is microseconds since 1970 UTC."""
    plain = rows.select(
        *(f.unix_micros(n).alias(n) if kind == "timestamp" else f.col(n) for n, kind in rows.dtypes)
    )
    return dict(rows.dtypes), [tuple(row) for row in plain.orderBy("row_id").collect()]


def main():
    todo = pickle.loads(Path(sys.argv[1]).read_bytes())
    spark = SparkSession.builder.appName("checks").getOrCreate()
    answers = {}
    for name, (folder, stream, columns) in todo["pulled"].items():
        rows = spark.read.parquet(folder).filter(f.col("stream") == stream)
        answers[name] = values(rows.select(columns))
    for name, (races, key, race) in todo["sealed"].items():
        try:
            rows = race_tables.read_batches(spark, races, key)
            answers[name] = values(rows.filter(f.col("race") == race).drop("race"))
        except REFUSED as error:
            answers[name] = race_tables.sentence_of(error)
    own = spark.read.options(**race_tables.KEY_TOOLS, **{"truck.cluster.key": "cluster.pem"})
    answers["own-odd"] = values(own.parquet(*todo["own"]))
    for number, code in enumerate(todo["shown"]):
        known = {"spark": spark}
        exec(code, known)
        answers[f"shown-{number}"] = sorted(tuple(row) for row in known["answer"].collect())
    Path(sys.argv[2]).write_bytes(pickle.dumps(answers))


main()
