"""The crew's sheet becomes signed configurations, and only a changed line a new version."""

from pathlib import Path

import pytest

from hardware.authority import create_event
from hardware.crew import Crew, read_crew
from hardware.errors import Damaged, Misconfigured, NotInitialised
from hardware.fleet import (
    Plan,
    enrolment_address,
    node_path,
    plan_fleet,
    seed_of,
    sign_fleet,
    truck_address,
)
from hardware.keys import read_key
from hardware.node import Neighbour, config_digest, open_node
from hardware.seed import read_seed

SHEET = (
    "role,name,serial,bib,channel,profile,forward_to,address,radio\n"
    "relay,moto-1,R-01,,11,,,10.0.0.11,\n"
    "relay,heli-1,R-02,,12,helicopter,,,/dev/ttyUSB0\n"
    "relay,valley-1,R-03,,13,fixed,moto-1,,\n"
    "transponder,Anna,T-1,1,1,,,,\n"
)


def crew_of(text: str = SHEET) -> Crew:
    return read_crew("crew.csv", text.encode())


@pytest.fixture
def event(tmp_path: Path) -> Path:
    folder = tmp_path / "event"
    hosts = ("localhost", "127.0.0.1", "truck.example", "10.0.0.1")
    create_event(folder, event="tour-2027", now_s=1e9, bibs=[], relays=[], truck_hosts=hosts)
    return folder


def plans_of(event: Path, text: str = SHEET) -> list[Plan]:
    return plan_fleet(event, crew_of(text), truck_address(event, ""), None)


def test_each_relay_is_told_what_its_line_says(event: Path) -> None:
    moto, heli, valley = sign_fleet(event, plans_of(event))
    public = read_key(event / "authority.pub", "key")
    assert moto.envelope is not None
    assert open_node(moto.envelope, public, "tour-2027", "moto-1", "R-01") == moto.node
    assert (moto.node.broker.host, moto.node.broker.port) == ("truck.example", 8883)
    assert (heli.node.profile, heli.node.radio.serial) == ("helicopter", "/dev/ttyUSB0")
    assert heli.node.forwarding is None
    assert [plan.node.radio.channel for plan in (moto, heli, valley)] == [11, 12, 13]
    assert valley.node.forwarding is not None
    assert valley.node.forwarding.neighbours == (
        Neighbour(name="moto-1", host="10.0.0.11", port=9200),
    )
    assert moto.node.forwarding is not None  # it carries valley-1's
    assert moto.node.forwarding.neighbours == ()


def test_only_a_changed_line_gets_the_next_version(event: Path) -> None:
    first = sign_fleet(event, plans_of(event))
    assert plans_of(event) == first
    changed = SHEET.replace(",12,", ",14,")
    drafts = plans_of(event, changed)
    assert [plan.node.version for plan in drafts] == [1, 2, 1]
    assert [plan.digest is None for plan in drafts] == [False, True, False]
    assert plans_of(event) == first  # a plan writes nothing
    second = sign_fleet(event, drafts)
    assert (second[0], second[2]) == (first[0], first[2])
    assert [plan.node.version for plan in sign_fleet(event, plans_of(event))] == [1, 3, 1]


def test_a_seed_carries_what_was_signed(event: Path) -> None:
    (plan, *_) = sign_fleet(event, plans_of(event))
    seed = read_seed(seed_of(event, plan, bytes(32), b"roster"))
    assert (seed.event, seed.name, seed.serial, seed.config_version) == (
        "tour-2027", "moto-1", "R-01", 1,
    )  # fmt: skip
    assert seed.config_sha256 == plan.digest == config_digest(seed.node)
    with pytest.raises(Misconfigured, match="not signed yet"):
        seed_of(event, plans_of(event, SHEET.replace(",11,", ",15,"))[0], bytes(32), b"roster")


def test_a_truck_whose_certificate_does_not_name_the_host_is_refused(event: Path) -> None:
    assert truck_address(event, "10.0.0.1:8884").port == 8884
    with pytest.raises(Misconfigured, match=r"does not name 10\.0\.0\.9.*--truck-host 10\.0\.0\.9"):
        truck_address(event, "10.0.0.9")
    for bad in ("truck.example:0", "truck.example:x", ":1"):
        with pytest.raises(Misconfigured, match="no HOST:PORT"):
            truck_address(event, bad)
    assert enrolment_address("") is None
    with pytest.raises(Misconfigured, match="no HOST:PORT"):
        enrolment_address("10.0.0.1")


def test_a_configuration_on_file_that_was_changed_stops_the_plan(event: Path) -> None:
    sign_fleet(event, plans_of(event))
    path = node_path(event, "moto-1")
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(Damaged, match=r"moto-1\.json is not what this event's authority signed"):
        plans_of(event)


def test_a_folder_without_an_event_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotInitialised, match="hardware event new"):
        truck_address(tmp_path, "")
