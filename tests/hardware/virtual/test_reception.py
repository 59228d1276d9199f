"""What is heard, when, and in which order: measured back from a faulty day's files."""

import polars as pl

from hardware.route import line_of
from hardware.stage import load_stage
from tests.hardware.virtual.conftest import Simulated


def within(event: dict[str, object]) -> pl.Expr:
    return pl.col("measured_at").is_between(event["started_at"], event["ended_at"])


def on_time(made: Simulated) -> pl.DataFrame:
    """Readings of trackers whose clock is right."""
    clocks = [event["bibs"][0] for event in made.events("clock_offset")]
    return made.readings.filter(~pl.col("bib").is_in(clocks))


def waits_s(rows: pl.DataFrame) -> pl.Series:
    return (rows["heard_at"] - rows["measured_at"]).dt.total_milliseconds() / 1000.0


def test_rows_come_in_the_order_in_which_they_are_heard(faulty: Simulated) -> None:
    assert faulty.readings["heard_at"].is_sorted()
    assert not faulty.readings["measured_at"].is_sorted()


def test_a_reading_takes_half_a_second_to_two_and_a_half(clean: Simulated) -> None:
    waited_s = waits_s(clean.readings)
    assert 0.5 <= waited_s.min() < 0.6
    assert 2.3 < waited_s.max() <= 2.5


def test_some_readings_are_heard_twice_with_the_same_values(faulty: Simulated) -> None:
    values = [name for name in faulty.readings.columns if name != "heard_at"]
    share = 1.0 - faulty.readings.select(values).unique().height / faulty.readings.height
    assert 0.01 < share < 0.03


def test_in_a_hole_nothing_of_anybody_is_heard(faulty: Simulated) -> None:
    holes = faulty.events("feed_hole")
    assert len(holes) == 3
    for hole in holes:
        assert 19 <= (hole["ended_at"] - hole["started_at"]).total_seconds() <= 60
        assert on_time(faulty).filter(within(hole)).height == 0
        assert not faulty.truth.filter(within(hole))["reported"].any()


def test_out_of_reach_is_lost_or_comes_later(faulty: Simulated) -> None:
    gaps = faulty.events("out_of_reach")
    assert {gap["note"] for gap in gaps} == {"lost", "back-filled"}
    for gap in gaps:
        if len(gap["bibs"]) > 3:  # a stretch: who was on it when is told by the next test
            continue
        mine = on_time(faulty).filter(pl.col("bib").is_in(gap["bibs"]) & within(gap))
        doubled = [e["bibs"][0] for e in faulty.events("spare_on_roof")]
        mine = mine.filter(~pl.col("bib").is_in(doubled))
        exchanged = [bib for e in faulty.events("wrong_binding") for bib in e["bibs"]]
        mine = mine.filter(~pl.col("bib").is_in(exchanged))
        if gap["note"] == "lost":
            assert mine.height == 0
        else:
            assert (mine["heard_at"] > gap["ended_at"]).all()


def test_back_fill_comes_newest_first(faulty: Simulated) -> None:
    late = on_time(faulty).filter(waits_s(on_time(faulty)) > 60.0)
    late = late.filter(waits_s(late) < 3600.0)
    assert late.height > 20
    kept = late.group_by("bib").agg(
        pl.corr(pl.col("measured_at").cast(pl.Int64), pl.col("heard_at").cast(pl.Int64)),
        pl.len(),
    )
    assert (kept.filter(pl.col("len") > 20)["measured_at"] < 0.0).any()


def test_in_a_tunnel_there_is_no_fix(faulty: Simulated) -> None:
    (tunnel,) = faulty.events("tunnel")
    line = line_of(load_stage(faulty.folder / "stage"))
    long_m = float(tunnel["note"].split()[0]) * 1000.0
    from_m = tunnel["distance_m"]
    inside = faulty.truth.filter(
        pl.col("distance_m").is_between(from_m + 70.0, from_m + long_m - 110.0),
        pl.col("status") == "racing",
    )
    assert 0.0 < tunnel["distance_m"] < line.distance_m[-1]
    assert inside.height > 100
    in_car = [event["bibs"][0] for event in faulty.events("in_car")]
    assert not inside.filter(~pl.col("bib").is_in(in_car))["reported"].any()
