"""What the view tells of a stage's past: who came first over a point, and what was said."""

import math
from collections.abc import Sequence
from typing import Any

from truck.race.incidents import Change
from truck.store.append import Store

_PASSED = """
SELECT point, list(bib ORDER BY at_us, bib)[1:$most] AS bibs, min(at_us) AS at_us FROM (
    SELECT point, bib, epoch_us(min(measured_at)) AS at_us
    FROM readings, (SELECT unnest($points) AS point, unnest($at_m) AS at_m)
    WHERE stage = $stage AND live AND bib > 0 AND quality = 0 AND distance_m >= at_m
    GROUP BY point, bib HAVING min(distance_m) < any_value(at_m) + $near_m)
GROUP BY point ORDER BY point
"""
_SAID = """
SELECT epoch_us(said_at), incident, what, kind, probability, bibs, epoch_us(started_at), distance_m
FROM incidents WHERE record >= (SELECT min(record) FROM readings WHERE stage = $stage)
QUALIFY row_number() OVER (PARTITION BY incident ORDER BY record DESC, said_at DESC) = 1
ORDER BY incident
"""
_NEAR_M = 200.0  # whose first place behind a point is further on was not seen to pass it


def first_over(
    store: Store, stage: str, points: Sequence[tuple[int, float]], most: int
) -> list[tuple[int, tuple[int, ...], int]]:
    """Point, the first bibs over it in order, and when the first of them was (us since 1970 UTC).

    Args:
        store: of the view.
        stage: its label, see `hardware.stage.stage_label`.
        points: number and place of each, metres after the flag.
        most: how many bibs a point.
    """
    if not points:
        return []
    asked: dict[str, Any] = {
        "stage": stage,
        "points": [number for number, _ in points],
        "at_m": [at_m for _, at_m in points],
        "most": most,
        "near_m": _NEAR_M,
    }
    rows = store.cursor().execute(_PASSED, asked).fetchall()
    return [(number, tuple(bibs), at_us) for number, bibs, at_us in rows]


def incidents_said(store: Store, stage: str) -> list[Change]:
    """Each incident of a stage as last said."""
    rows = store.cursor().execute(_SAID, {"stage": stage}).fetchall()
    return [
        Change(at_us, number, what, kind, odds, tuple(bibs), started_us, _known(at_m))
        for at_us, number, what, kind, odds, bibs, started_us, at_m in rows
    ]


def _known(at_m: float | None) -> float:
    return math.nan if at_m is None else at_m
