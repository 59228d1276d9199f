"""The night's trap: the finish moved 6 km; the rehearsal says so in distance, gaps and boards."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from packed_truck import OTHER_TEAM, TEAM, PackedTruck

from hardware.pack import build_pack
from hardware.pack_folder import read_pack_folder
from truck.cast import free_ports

Cli = Callable[..., Any]
pytestmark = pytest.mark.timeout(600)  # two replays, where other work takes the processors


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("picture") / "both.svg"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("team") / "team.pub"
    path.write_text(TEAM.public.hex())
    return path


@pytest.fixture(scope="module")
def pack(night: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "next.pack"
    files, _ = read_pack_folder(night.moved)
    path.write_bytes(build_pack(
        files, event="tour-2027", version=10, stage=10, name="Stage 9", now_s=1.8e9, key=TEAM
    ))  # fmt: skip
    return path


@pytest.fixture(scope="module")
def rehearsed(night: Any, pack: Path, team: Path, picture: Path) -> dict[str, Any]:
    """One rehearsal, for all that is to be seen in it."""
    done = subprocess.run(
        [sys.executable, "-m", "truck", "rehearse", "--pack", str(pack), "--team", str(team),
         "--from", str(night.readings), "--stage", str(night.today), "--picture", str(picture),
         "--json"],
        capture_output=True, text=True, timeout=570, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["schema"], document["pack"]["version"]) == ("truck.rehearse/1", 10)
    return document


def test_the_course_is_6_km_shorter_on_the_same_road(rehearsed: dict[str, Any]) -> None:
    course = rehearsed["course"]
    assert course["length_km"] == {"today": 185.0, "next": 179.0, "change": -6.0}
    assert 1000.0 < course["finish_moved_m"] <= 6100.0  # as the crow flies
    assert (course["shared_share"], course["parts_at_km"]) == (1.0, None)
    assert rehearsed["readings"]["placed_share"]["today"] > 0.95
    assert not rehearsed["elsewhere"]


def test_every_rider_has_6_km_less_to_go(rehearsed: dict[str, Any]) -> None:
    before = rehearsed["race"]["before_the_line"]
    assert [rider["bib"] for rider in before["riders"]] == [1, 2, 3]
    for rider in before["riders"]:
        assert rider["to_go_m"]["change"] == pytest.approx(-6000.0, abs=30.0)
        assert rider["distance_m"]["change"] == pytest.approx(0.0, abs=30.0)
        assert rider["gap_s"]["change"] == pytest.approx(0.0, abs=1.0)
        assert rider["status"] == {"today": "racing", "next": "racing"}
    assert rehearsed["race"]["all_day"]["to_go_most_m"] == pytest.approx(-6000.0, abs=60.0)


def test_the_gap_at_the_line_is_another_where_somebody_is_dropped_late(
    rehearsed: dict[str, Any],
) -> None:
    third = rehearsed["race"]["at_the_end"]["riders"][2]
    assert third["bib"] == 3
    assert third["gap_s"]["next"] == pytest.approx(60.0, abs=4.0)
    assert third["gap_s"]["today"] > 90.0
    assert rehearsed["race"]["all_day"]["gap_most_s"] > 30.0


def test_each_board_says_what_it_would_have_shown(rehearsed: dict[str, Any]) -> None:
    leaders, riders = rehearsed["boards"]
    assert (leaders["board"], leaders["changed"], leaders["error"]) == ("leaders", True, None)
    assert leaders["today"][0]["to_go_km"] - leaders["next"][0]["to_go_km"] == pytest.approx(
        6.0, abs=0.1
    )
    assert [row["name"] for row in leaders["next"]] == ["Anna", "Ben", "Clea"]
    assert (riders["board"], riders["changed"]) == ("riders", False)


def test_people_and_papers_are_held_against_each_other(rehearsed: dict[str, Any]) -> None:
    people = rehearsed["people"]
    assert (people["new"], people["gone"], people["without_device"]) == ([4], [], None)
    assert people["renamed"] == [{"bib": 3, "today": "Cleo", "next": "Clea"}]
    assert "finish" in {doubt["about"] for doubt in rehearsed["checks"]["doubts"]}


def test_the_picture_shows_both_finishes(rehearsed: dict[str, Any], picture: Path) -> None:
    root = ET.fromstring(picture.read_text())
    words = {text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"finish today, km 185.0", "finish next, km 179.0", "start"} <= words
    assert any("-6.0 km" in word for word in words)


def test_rides_of_another_town_are_told_and_the_rest_is_checked(
    packed: PackedTruck, night: Any, cli: Cli, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    shutil.copytree(packed.config.stage, there)
    (there / "boards").mkdir()
    (there / "boards" / "count.sql").write_text("SELECT count(*) AS n FROM states")
    (there / "boards" / "late.sql").write_text("SELECT error('only with rows') FROM states")
    short = tmp_path / "short.csv"
    lines = ["measured_at,bib,latitude_deg,longitude_deg"]
    lines += [f"{1_800_014_400 + s},1,{45.0 + s * 1e-4:.4f},1.0" for s in range(20)]
    short.write_text("\n".join(lines))
    told = ["--from", short, "--stage", night.today]
    done = cli("rehearse", "--pack", there, *told, "--json")
    assert done.code == 65  # a board runs over nothing and fails over rows
    document = done.json()
    assert (document["elsewhere"], document["race"]) == (True, None)
    assert document["readings"]["placed_share"]["next"] == 0.0
    boards = {board["board"]: board["error"] for board in document["boards"]}
    assert boards["count"] is None
    assert "only with rows" in boards["late"]
    assert document["people"]["gone"] == [1, 2, 3]
    (there / "boards" / "late.sql").unlink()
    done = cli("rehearse", "--pack", there, *told)
    assert done.code == 0, done.err
    assert "not on tomorrow's road" in done.out


def test_a_home_rehearses_its_own_day(packed: PackedTruck, cli: Cli, tmp_path: Path) -> None:
    truck = packed.copy(tmp_path)
    truck.close(truck.ride(20))
    truck.take(1, {"startlist.csv": b"bib,name,team\n11,A,X\n12,B,X\n13,C,X\n99,Z,X\n"})
    home = truck.home.folder
    done = cli("rehearse", "--pack", truck.home.packs / "000001", "--from", home, "--json")
    assert done.code == 0, done.err
    document = done.json()
    assert document["readings"]["rows"] == 60
    assert document["readings"]["placed_share"]["next"] > 0.9
    assert document["people"]["without_device"] == [99]
    assert document["people"]["new"] == [99]
    assert document["boards"][0]["next"] == document["boards"][0]["today"]
    assert truck.state == ([1], None)  # nothing was changed


def test_what_a_rehearsal_cannot_do_is_one_sentence(
    packed: PackedTruck, night: Any, pack: Path, team: Path, cli: Cli, tmp_path: Path
) -> None:
    told = ["--from", night.readings, "--stage", night.today]
    other = tmp_path / "other.pub"
    other.write_text(OTHER_TEAM.public.hex())
    spoilt = tmp_path / "spoilt"
    shutil.copytree(night.moved, spoilt)
    (spoilt / "stage.toml").write_text('name = "x"\n')
    for code, words, arguments in (
        (78, "--team", ["--pack", pack, *told]),
        (65, "signature", ["--pack", pack, "--team", other, *told]),
        (78, "--stage", ["--pack", night.moved, "--from", night.readings]),
        (78, "is no folder", ["--pack", tmp_path / "none", *told]),
        (78, "beside others", ["--pack", night.moved, "--from", packed.home.folder, *told]),
        (65, "tomorrow's stage cannot be used", ["--pack", spoilt, *told]),
        (78, "cannot read", ["--pack", night.moved, "--stage", night.today, "--from",
                             tmp_path / "no.csv"]),
    ):  # fmt: skip
        done = cli("rehearse", *arguments)
        (sentence,) = done.err.strip().splitlines()
        assert (done.code, words in sentence) == (code, True), done.err


def test_a_running_truck_is_asked_for_its_day_and_goes_on(
    packed: PackedTruck, cli: Cli, tmp_path: Path, mosquitto: Path
) -> None:
    truck = packed.copy(tmp_path)
    truck.close(truck.ride(20))
    truck.take(1)
    home = truck.home.folder
    told = ["--pack", truck.home.packs / "000001", "--from", home, "--json"]
    stopped = cli("rehearse", *told)
    assert stopped.code == 0, stopped.err
    broker, page = map(str, free_ports(2, socket.SOCK_STREAM))
    command = ["run", str(home), "--broker-port", broker, "--page-port", page]
    running = subprocess.Popen([sys.executable, "-m", "truck", *command], stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 120
        while not truck.home.socket.exists() and time.monotonic() < until:
            time.sleep(0.2)
        asked = cli("rehearse", *told)
        assert running.poll() is None
    finally:
        running.terminate()
        running.communicate(timeout=60)
    assert asked.code == 0, asked.err
    assert asked.json() == stopped.json()
