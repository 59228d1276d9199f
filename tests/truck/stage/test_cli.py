"""`truck stage import | show | check`: on real routes and rides, and on what is broken."""

import gzip
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import roads

from hardware.stage import load_stage
from truck import cli


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `truck stage ...` in this process."""

    def run(*arguments: object) -> Done:
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setattr(sys, "argv", ["truck", "stage", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def document(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert isinstance(found, dict)
    return found


def hill(folder: Path) -> Path:
    x_m, y_m = roads.straight(20_000)
    path = folder / "hill.gpx"
    path.write_bytes(roads.drawn(x_m, y_m, 100.0 + np.clip(x_m - 10_000, 0, 5_000) * 0.07))
    return path


@pytest.mark.parametrize(
    ("ride", "options", "length_km", "says"),
    [
        ("routes/TDF2025_Stage06.gpx.gz", ("--length-km", 201.5, "--neutral-km", 5.1), 201.5,
         ["no elevation", "no start_at"]),
        ("routes/TDF2026_Stage09_gneeek.gpx.gz", ("--length-km", 185.5), 185.5,
         ["no start_at", "startlist.csv: there is none"]),
        ("roubaix2020/rider_C.gpx.gz", (), 63.3,
         ["a circuit of 29.9 km is drawn 2 times",
          "km 0.0 and km 61.5: they share the road in opposite directions for 1.8 km"]),
        ("roubaix2020/rider_B.gpx.gz", (), 80.8,
         ["a circuit of 29.8 km is drawn 2 times", "same direction for 30.0 km",
          "opposite directions for 6.0 km"]),
        ("roubaix2020/rider_E.gpx.gz", (), 62.3, ["a circuit of 29.8 km is drawn 2 times"]),
        ("mtevans/mtevans_2020_gaps.gpx.gz", (), 88.4,
         ["opposite directions for 44.1 km", "m from where it begins"]),
    ],
)  # fmt: skip
def test_real_routes_and_rides_become_stages_and_their_doubts_make_sense(
    stage: Run, shared: Path, tmp_path: Path, ride: str, options: tuple[object, ...],
    length_km: float, says: list[str],
) -> None:  # fmt: skip
    made = stage("import", shared / ride, tmp_path / "S", *options)
    assert made.code == 0, made.err
    checked = stage("check", tmp_path / "S")
    assert checked.code == 0
    for sentence in says:
        assert sentence in checked.out
    shown = document(stage("show", tmp_path / "S", "--json"))
    assert shown["schema"] == "truck.stage/1"
    assert shown["length_km"] == pytest.approx(length_km, abs=0.1)


def test_the_climbs_of_real_roads_are_found(stage: Run, shared: Path, tmp_path: Path) -> None:
    stage("import", shared / "mtevans" / "mtevans_2020_gaps.gpx.gz", tmp_path / "S")
    shown = document(stage("show", tmp_path / "S", "--json"))
    first = shown["climbs"][0]
    assert (first["derived"], first["category"]) == (True, "HC")
    assert first["gradient_pct"] == pytest.approx(4.8, abs=0.3)
    assert shown["profile"]["steepest_pct"] < 15.0


def test_waypoints_of_an_export_become_checkpoints(
    stage: Run, shared: Path, tmp_path: Path
) -> None:
    stage("import", shared / "routes" / "TDF2025_Stage06.gpx.gz", tmp_path / "S",
          "--length-km", 201.5, "--neutral-km", 5.1)  # fmt: skip
    points = load_stage(tmp_path / "S").checkpoints
    assert [point.kind for point in points] == ["climb"] * 6
    assert (points[-1].name, points[-1].km) == ("Côte de Vaudry", pytest.approx(175.2, abs=0.2))


def test_what_is_said_on_import_stands_in_the_stage(stage: Run, tmp_path: Path) -> None:
    latitude_deg, longitude_deg = roads.place(0.0, 0.0)
    circuit = tmp_path / "circuit.gpx"
    circuit.write_bytes(roads.drawn(*roads.lap_stage(1)))
    made = stage(
        "import", circuit, tmp_path / "new" / "S", "--name", 'Tour of "here"', "--start-at",
        "2027-07-16T10:35:00Z", "--laps", "5.0:6.2832:3", "--finish",
        f"{latitude_deg},{longitude_deg}",
    )  # fmt: skip
    assert made.code == 0, made.err
    found = load_stage(tmp_path / "new" / "S")
    assert (found.name, found.laps[0].count) == ('Tour of "here"', 3)
    shown = document(stage("show", tmp_path / "new" / "S", "--json"))
    assert shown["length_km"] == pytest.approx(23.8, abs=0.1)
    assert (shown["unfolded"], shown["laps"][0]["drawn"]) == (True, 1)
    assert shown["start_at"] == "2027-07-16T10:35:00Z"
    assert shown["derived"] == ["length_km"]


@pytest.mark.parametrize(
    ("content", "name", "options", "code", "said"),
    [
        (b"not xml", "a.gpx", (), 78, "a.gpx"),
        (b"", "a.gpx", (), 78, "a.gpx"),
        (None, "a.gpx", (), 78, "No such file"),
        (b"not gzip", "a.gpx.gz", (), 65, "gzip data is not whole"),
        (gzip.compress(roads.drawn(*roads.straight(9_000)))[:-900], "a.gpx.gz", (), 65, "whole"),
        (b"<!DOCTYPE x><gpx/>", "a.gpx", (), 78, "DOCTYPE"),
        (roads.drawn(*roads.straight(9_000)), "a.gpx", ("--kind", "boat"), 78, "'boat'"),
        (roads.drawn(*roads.straight(9_000)), "a.gpx", ("--length-km", 90), 78, "9.0 km long"),
        (roads.drawn(*roads.straight(9_000)), "a.gpx", ("--laps", "5,2,3"), 78, "--laps 5,2,3"),
        (roads.drawn(*roads.straight(9_000)), "a.gpx", ("--finish", "north"), 78, "--finish"),
        (roads.drawn(*roads.straight(9_000)), "a.gpx", ("--start-at", "today"), 78, "stage.toml"),
    ],
)  # fmt: skip
def test_a_failed_import_is_one_sentence_and_leaves_nothing(
    stage: Run, tmp_path: Path, content: bytes | None, name: str, options: tuple[object, ...],
    code: int, said: str,
) -> None:  # fmt: skip
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.iterdir())
    done = stage("import", tmp_path / name, tmp_path / "S", *options)
    assert done.code == code
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert said in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_an_import_never_writes_into_a_folder_in_use(stage: Run, tmp_path: Path) -> None:
    (tmp_path / "S").mkdir()
    assert stage("import", hill(tmp_path), tmp_path / "S").code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "S").iterdir()}
    again = stage("import", hill(tmp_path), tmp_path / "S")
    assert (again.code, "not empty" in again.err) == (78, True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "S").iterdir()} == before


def test_a_stage_that_cannot_be_used_is_65_and_says_why(stage: Run, tmp_path: Path) -> None:
    stage("import", hill(tmp_path), tmp_path / "S")
    (tmp_path / "S" / "startlist.csv").write_text("bib,name,team\n1,A,X\n1,B,X\n")
    done = stage("check", tmp_path / "S")
    assert done.code == 65
    assert done.out.startswith("cannot be used: startlist.csv, line 3, bib: '1' stands on line 2")
    as_json = stage("check", tmp_path / "S", "--json")
    found = json.loads(as_json.out)
    assert (as_json.code, found["schema"]) == (65, "truck.stage.check/1")
    assert (found["usable"], found["doubts"], found["notes"]) == (False, [], [])
    assert "line 3, bib" in found["error"]


def test_check_as_json_keeps_doubts_and_notes_apart(stage: Run, tmp_path: Path) -> None:
    stage("import", hill(tmp_path), tmp_path / "S")
    found = document(stage("check", tmp_path / "S", "--json"))
    assert found["usable"] is True
    assert {doubt["about"] for doubt in found["doubts"]} == {"start_at", "startlist"}
    assert {note["about"] for note in found["notes"]} == {"length", "finish", "weather"}
    for doubt in (*found["doubts"], *found["notes"]):
        assert set(doubt) == {"about", "where", "what", "cure", "note"}


def test_the_picture_is_one_svg_with_everything_named_on_it(stage: Run, tmp_path: Path) -> None:
    stage("import", hill(tmp_path), tmp_path / "S", "--name", "A < B & C")
    (tmp_path / "S" / "checkpoints.csv").write_text(
        "km,kind,name\n5,sprint,<Town>\n8,feed,\n14,climb,Col\n18,gravel,Sector\n"
    )
    (tmp_path / "S" / "stage.toml").write_text(
        'name = "A < B & C"\nkind = "road"\nneutral_km = 1.0\n'
        "laps = [{ from_km = 1.0, length_km = 2.0, count = 2 }]\n"
    )
    assert stage("show", tmp_path / "S", "--picture", tmp_path / "p.svg").code == 0
    root = ET.parse(tmp_path / "p.svg").getroot()
    texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    for wanted in ("A < B & C", "<Town>", "feed", "Sector", "lap 1", "lap 2", "10 % and more"):
        assert wanted in texts
    assert any(text.startswith("Col (cat. 2) 5.0 km at 7.0 %") for text in texts)
    style = next(element for element in root.iter() if element.tag.endswith("style"))
    assert "prefers-color-scheme:dark" in (style.text or "")
    stage("show", tmp_path / "S", "--picture", tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "p.svg").read_bytes()


def test_a_road_without_elevation_has_a_picture_too(stage: Run, tmp_path: Path) -> None:
    (tmp_path / "flat.gpx").write_bytes(roads.drawn(*roads.straight(5_000)))
    stage("import", tmp_path / "flat.gpx", tmp_path / "S")
    assert stage("show", tmp_path / "S", "--picture", tmp_path / "p.svg").code == 0
    text = (tmp_path / "p.svg").read_text()
    assert "no elevation known" in text
    assert "nan" not in text


def test_show_names_climbs_points_riders_and_weather(stage: Run, tmp_path: Path) -> None:
    stage("import", hill(tmp_path), tmp_path / "S")
    folder = tmp_path / "S"
    (folder / "startlist.csv").write_text("bib,name,team,status\n1,A,X,\n2,B,Y,dns\n")
    (folder / "checkpoints.csv").write_text("km,kind,name\n5,sprint,Town\n")
    (folder / "weather.csv").write_text(
        "km;from_time;temperature_degc;wind_mps;wind_from_deg\n0;2027-07-16T10:00:00Z;20;4,5;270\n"
    )
    out = stage("show", folder).out
    for wanted in ("20.0 km", "2 of 2 teams, 1 of them not starting", "wind up to 4.5 m/s",
                   "Town", "derived", "steepest 7.0 % over 120 m"):  # fmt: skip
        assert wanted in out
