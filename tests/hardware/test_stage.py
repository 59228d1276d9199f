"""Stage folders: what is needed, what is derived, and one sentence for what is wrong."""

from pathlib import Path

import numpy as np
import pytest

from hardware.errors import Exit, Misconfigured
from hardware.stage import load_stage, stage_files, stage_from_files, stage_label
from truck.race.course import Course

TOML = b'name = "Test"\nkind = "road"\n'


def gpx(points: list[tuple[float, float]], elevation: str = "<ele>100</ele>") -> bytes:
    body = "".join(f'<trkpt lat="{a:.6f}" lon="{o:.6f}">{elevation}</trkpt>' for a, o in points)
    return (
        '<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">'
        f"<trk><trkseg>{body}</trkseg></trk></gpx>"
    ).encode()


def road(km: float) -> list[tuple[float, float]]:
    """North along the meridian of 5 degrees from 45 degrees."""
    return [(45.0 + k * 0.001, 5.0) for k in range(int(km * 9) + 1)]


def files(**changed: bytes | None) -> dict[str, bytes]:
    named = {"stage.toml": TOML, "route.gpx": gpx(road(10))}
    return {
        name: data
        for name, data in (named | {k.replace("__", "."): v for k, v in changed.items()}).items()
        if data is not None
    }


def complaint(found: dict[str, bytes]) -> str:
    with pytest.raises(Misconfigured) as raised:
        Course(stage_from_files(found))
    assert raised.value.exit_code == Exit.MISCONFIGURED
    sentence = str(raised.value)
    assert "\n" not in sentence
    return sentence


def test_name_kind_and_a_route_are_enough() -> None:
    stage = stage_from_files(files())
    assert (stage.name, stage.kind, stage.startlist, stage.start_at_s) == ("Test", "road", (), None)
    assert Course(stage).length_m == pytest.approx(10_000, rel=0.01)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Pau - Hautacam", "pau-hautacam"),
        ("12", "12"),
        ("Côte d'Or: l'Étape!", "cote-d-or-l-etape"),
        ("../../etc", "etc"),
        ("東京", "stage"),
        ("x" * 200, "x" * 63),
    ],
)
def test_a_label_can_name_a_folder_whatever_the_stage_is_called(name: str, label: str) -> None:
    assert stage_label(name) == label


def test_a_folder_gives_the_same_stage_as_its_bytes(tmp_path: Path) -> None:
    for name, data in files(startlist__csv=b"bib,name,team\n7,Anna Berg,Red\n").items():
        (tmp_path / name).write_bytes(data)
    assert stage_files(tmp_path)["stage.toml"] == TOML
    assert load_stage(tmp_path).startlist[0].name == "Anna Berg"


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"stage__toml": None}, ["no stage.toml"]),
        ({"route__gpx": None}, ["no route.gpx"]),
        ({"stage__toml": b'kind = "road"\n'}, ["stage.toml", "name"]),
        ({"stage__toml": b'name = "x"\nkind = "boat"\n'}, ["line 2", "kind", "boat"]),
        ({"stage__toml": TOML + b"lenght_km = 5\n"}, ["line 3", "lenght_km", "known are"]),
        ({"stage__toml": TOML + b'length_km = "5"\n'}, ["line 3", "length_km", "number"]),
        ({"stage__toml": TOML + b"length_km = nan\n"}, ["line 3", "length_km", "nan"]),
        ({"stage__toml": TOML + b"start_at = 2027-07-16T10:35:00\n"}, ["line 3", "zone"]),
        ({"stage__toml": TOML + b"laps = [{ from_km = 1 }]\n"}, ["laps", "length_km"]),
        ({"stage__toml": b'name = "x\n'}, ["stage.toml", "line 1"]),
        ({"stage__toml": b"\xff\xfe"}, ["stage.toml"]),
        ({"stage__toml": TOML + b"length_km = 50.0\n"}, ["10.0 km", "50.0 km"]),
        ({"stage__toml": TOML + b"[finish]\nlatitude_deg = 46.0\nlongitude_deg = 6.0\n"},
         ["finish", "m from the nearest point"]),
        ({"route__gpx": b""}, ["route.gpx"]),
        ({"route__gpx": b"<gpx><trk>"}, ["route.gpx"]),
        ({"route__gpx": gpx([])}, ["route.gpx", "0 route points"]),
        ({"route__gpx": gpx([(45.0, 5.0)] * 9)}, ["stays in one place"]),
        ({"route__gpx": gpx([(45.0, 5.0), (145.0, 5.0)])}, ["route.gpx"]),
        ({"startlist__csv": b"bib,name\n1,A\n"}, ["startlist.csv", "line 1", "'team'"]),
        ({"startlist__csv": b"bib,name,team\n1,A,X\n\n1,B,X\n"}, ["line 4", "bib", "line 2 too"]),
        ({"startlist__csv": b"bib,name,team\nx,A,X\n"}, ["line 2", "bib", "'x'"]),
        ({"startlist__csv": b"bib,name,team\n1,,X\n"}, ["line 2", "name", "empty"]),
        ({"startlist__csv": b"bib,name,team,gc_gap_s\n1,A,X,soon\n"}, ["line 2", "gc_gap_s"]),
        ({"startlist__csv": b"bib,name,team\n1,\xff,X\n"}, ["startlist.csv", "line 2", "UTF-8"]),
        ({"checkpoints__csv": b"km,kind,name\n5,climb,A\nten,climb,B\n"},
         ["checkpoints.csv", "line 3", "km", "'ten'"]),
        ({"startlist__csv": b"bib,name,team\n1," + b"A" * 200_000 + b",X\n"}, ["line 2", "field"]),
        ({"checkpoints__csv": b"km,name\n5,A\n"}, ["checkpoints.csv", "'kind'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence_with_its_place(
    changed: dict[str, bytes | None], parts: list[str]
) -> None:
    sentence = complaint(files(**changed))
    for part in parts:
        assert part in sentence


def test_the_route_is_scaled_to_the_road_book_and_negative_in_the_neutral_zone() -> None:
    toml = TOML + b"length_km = 9.5\nneutral_km = 1.0\n"
    course = Course(stage_from_files(files(stage__toml=toml)))
    assert course.length_m == 9_500.0
    assert course.distance_m[0] == -1_000.0


def loop(turns: int) -> list[tuple[float, float]]:
    """1 km in, then a circuit of about 6 km ridden `turns` times."""
    lead = [(45.0 - k * 0.0009, 5.0) for k in range(10, 0, -1)]
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    ring = list(zip(45.0 + 0.0085 * np.sin(angle), 5.0121 * np.ones(120) - 0.0121 * np.cos(angle),
                    strict=True))  # fmt: skip
    return lead + [(float(a), float(o)) for a, o in ring * turns] + [(45.0, 5.0)]


def test_a_circuit_drawn_once_is_unfolded_to_the_length_of_the_road_book() -> None:
    once = Course(stage_from_files(files(route__gpx=gpx(loop(1))))).length_m
    round_km = (once - 1000.0) / 1000.0
    toml = (
        TOML
        + (
            f"length_km = {1.0 + 3 * round_km}\n"
            f"laps = [{{ from_km = 1.0, length_km = {round_km}, count = 3 }}]\n"
        ).encode()
    )
    drawn_once = Course(stage_from_files(files(stage__toml=toml, route__gpx=gpx(loop(1)))))
    drawn_out = Course(stage_from_files(files(stage__toml=toml, route__gpx=gpx(loop(3)))))
    assert drawn_once.length_m == drawn_out.length_m
    along = np.linspace(0, drawn_out.length_m, 500)
    for one, other in zip(drawn_once.place(along), drawn_out.place(along), strict=True):
        assert np.abs(one - other).max() < 3e-4  # 30 m
    middles = np.array([500.0, *(1000 + round_km * 1000 * (k + 0.5) for k in range(3))])
    assert drawn_once.lap_at(middles).tolist() == [0, 1, 2, 3]


def test_gradient_comes_from_the_profile_and_is_unknown_without_one() -> None:
    points = road(10)
    climb = b"".join(
        gpx([point], f"<ele>{100 + 5 * k}</ele>").split(b"<trkseg>")[1].split(b"</trkseg>")[0]
        for k, point in enumerate(points)
    )
    hill = gpx([]).replace(b"<trkseg></trkseg>", b"<trkseg>" + climb + b"</trkseg>")
    course = Course(stage_from_files(files(route__gpx=hill)))
    assert course.gradient_at(np.array([5_000.0]))[0] == pytest.approx(5 / 1.112, rel=0.01)
    flat = Course(stage_from_files(files(route__gpx=gpx(points, ""))))
    assert np.isnan(flat.gradient_at(np.array([5_000.0]))).all()
