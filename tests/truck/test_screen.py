"""What a restarted truck knows of the stage so far, from its view."""

from pathlib import Path

import pytest
from truck_home import SmallTruck

from truck.screen import moments_of
from truck.store.passed import first_over, incidents_said


def test_who_came_first_over_a_point_is_read_from_the_view(tmp_path: Path) -> None:
    truck = SmallTruck(tmp_path)
    opened = truck.ride(60)
    race = opened.view.race
    assert race is not None
    label = race.stage.label
    found = first_over(opened.store, label, [(0, 100.0), (4, 200.0), (5, 99_999.0)], 2)
    assert [(number, bibs) for number, bibs, _ in found] == [(0, (11, 12)), (4, (11, 12))]
    begun_us = found[1][2] - found[0][2]
    assert begun_us == pytest.approx(10e6, abs=3e6), "100 m further, at 10 m/s"
    assert first_over(opened.store, "another", [(0, 100.0)], 2) == []
    assert incidents_said(opened.store, label) == []
    opened.store.cursor().execute(
        "INSERT INTO incidents SELECT record, 7, make_timestamptz(1800000000000000 + x), what,"
        " 'crash', 0.9, [12, 13], make_timestamptz(1800000000000000), NULL"
        " FROM (SELECT max(record) AS record FROM readings),"
        " (VALUES (1, 'raised'), (2, 'changed')) v(x, what)"
    )
    (said,) = incidents_said(opened.store, label)
    assert said[:6] == (1_800_000_000_000_002, 7, "changed", "crash", 0.9, (12, 13))
    frame = race.frame(found[1][2])
    (moment,) = moments_of(race.stage, opened.store).follow(frame, [])
    assert (moment.moment_id, moment.bibs, moment.is_open) == ("incident-7", (12, 13), False)
    truck.close(opened)
