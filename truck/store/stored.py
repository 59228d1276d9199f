"""What the view says of one stage's packets, in ranges; the questions of the completeness ledger.

A packet belongs to the stage in whose time the truck first had a number as high in its boot: where
the stage changes while a bike stays on, its numbers are cut at the highest the truck had by then,
and what comes later for the old stage counts there.
"""

from typing import Any, NamedTuple

import duckdb
import numpy.typing as npt

from truck.store.append import Store

_LABELS = "SELECT stage FROM readings GROUP BY stage ORDER BY min(row_id)"

_SENT = """
WITH began AS (SELECT stage, min(row_id) AS row_id FROM readings GROUP BY stage),
older AS (SELECT stage FROM began
          WHERE row_id < (SELECT row_id FROM began WHERE stage = $stage))
SELECT device, boot,
       coalesce(max(seq::BIGINT) FILTER (WHERE stage IN (FROM older)) + 1, 0) AS lo,
       greatest(lo, max(seq::BIGINT) FILTER (WHERE stage = $stage) + 1) AS hi,
       arg_max(bib, row_id) FILTER (WHERE stage = $stage) AS bib
FROM readings GROUP BY ALL HAVING bib IS NOT NULL ORDER BY device, boot
"""

# runs of packets that have come equally far; the window finds where one ends. A packet has come as
# far as its last row, and row_id - fix_index is its first
_STORED = """
WITH steps AS (
    SELECT rank, coalesce((SELECT row_id - fix_index FROM readings WHERE row_id = reached), reached)
           AS row_id
    FROM (VALUES (1, $acknowledged), (2, $uploaded), (3, $sealed)) v(rank, reached)),
packets AS (
    SELECT device, boot, seq::BIGINT AS seq, row_id, heard_at, distance_m,
           CASE WHEN row_id >= (SELECT row_id FROM steps WHERE rank = 3) THEN 3
                WHEN row_id >= (SELECT row_id FROM steps WHERE rank = 2) THEN 2
                WHEN row_id >= (SELECT row_id FROM steps WHERE rank = 1) THEN 1 ELSE 0 END AS step
    FROM readings WHERE fix_index = 0),
numbered AS (
    SELECT *, seq - row_number() OVER (PARTITION BY device, boot, step ORDER BY seq) AS run
    FROM packets)
SELECT device, boot, min(seq) AS lo, max(seq) + 1 AS hi, step, min(row_id) AS row_id,
       epoch_us(min(heard_at)) AS from_us, epoch_us(max(heard_at)) AS to_us,
       arg_min(distance_m, seq) AS from_m, arg_max(distance_m, seq) AS to_m
FROM numbered GROUP BY device, boot, step, run ORDER BY device, boot, lo
"""

_REFUSED = """
SELECT key, sum(count)::BIGINT AS refused FROM refusals
WHERE (key LIKE 'kid:%' OR key = 'others') AND record > $record GROUP BY key
"""

_PROVEN = """
SELECT key, reason, data[1:16] AS header, count(*) AS kept, max(record) AS record FROM evidence
WHERE key LIKE 'kid:%' AND record > $record AND octet_length(data) >= 16
GROUP BY ALL ORDER BY record
"""

_BEFORE = """
WITH began AS (SELECT stage, min(row_id) AS row_id FROM readings GROUP BY stage)
SELECT coalesce(max(record), -1) FROM readings WHERE stage IN (
    SELECT stage FROM began WHERE row_id < (SELECT row_id FROM began WHERE stage = $stage))
"""

# bundles count from 0 in each of a relay's boots; one that is missing below another was made
_ABSENT = """
WITH steps AS (
    SELECT relay, boot, record, number,
           coalesce(lag(number) OVER boots + 1, 0) AS lo, lag(record) OVER boots AS before
    FROM (SELECT relay, boot, number, min(record) AS record FROM bundles GROUP BY ALL)
    WINDOW boots AS (PARTITION BY relay, boot ORDER BY number)),
absent AS (SELECT * FROM steps WHERE number > lo),
heard AS (
    SELECT record, relay, min(heard_at) AS from_at, max(heard_at) AS to_at FROM (
        SELECT record, relay, heard_at FROM readings
        UNION ALL SELECT record, relay, heard_at FROM hearings)
    WHERE record IN (SELECT record FROM absent UNION SELECT before FROM absent) GROUP BY ALL)
SELECT absent.relay, boot, lo, number AS hi, epoch_us(b.from_at) AS from_us,
       epoch_us(a.to_at) AS to_us
FROM absent
LEFT JOIN heard b ON b.record = absent.before AND b.relay = absent.relay
LEFT JOIN heard a ON a.record = absent.record AND a.relay = absent.relay
ORDER BY absent.relay, boot, lo
"""

_RELAYS = """
SELECT relay, epoch_us(max(heard_at)) AS last_us FROM (
    SELECT relay, heard_at FROM readings UNION ALL SELECT relay, heard_at FROM hearings)
GROUP BY relay ORDER BY relay
"""

Columns = dict[str, npt.NDArray[Any]]


class Reached(NamedTuple):
    """How far the stream's rows have come: those below are sealed, uploaded, acknowledged."""

    sealed: int
    uploaded: int
    acknowledged: int


class Stored(NamedTuple):
    """Columns by name, as the questions above select them; all of one instant of the view."""

    stage: str
    row_end: int
    sent: Columns
    stored: Columns
    refused: Columns
    proven: Columns
    absent: Columns
    relays: Columns


def read_labels(store: Store) -> list[str]:
    """The stages that have packets, oldest first."""
    return [str(row[0]) for row in store.cursor().execute(_LABELS).fetchall()]


def read_stored(store: Store, stage: str, reached: Reached) -> Stored:
    """What the view holds of a stage.

    Raises:
        duckdb.Error: the view does not answer.
    """
    cursor = store.cursor()
    cursor.begin()  # one snapshot for all questions
    try:
        (row_end,) = _row(cursor, "SELECT coalesce(max(row_end), 0) FROM ticks", {})
        (record,) = _row(cursor, _BEFORE, {"stage": stage})
        return Stored(
            stage,
            int(row_end),
            sent=_columns(cursor, _SENT, {"stage": stage}),
            stored=_columns(cursor, _STORED, reached._asdict()),
            refused=_columns(cursor, _REFUSED, {"record": record}),
            proven=_columns(cursor, _PROVEN, {"record": record}),
            absent=_columns(cursor, _ABSENT, {}),
            relays=_columns(cursor, _RELAYS, {}),
        )
    finally:
        cursor.rollback()


def _row(cursor: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any]) -> tuple[Any, ...]:
    found = cursor.execute(sql, values).fetchone()
    return found if found is not None else ()


def _columns(cursor: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any]) -> Columns:
    table = cursor.execute(sql, values).to_arrow_table().combine_chunks()
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
