"""The crew's sheet: every fault at once, each with line, field and cure."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.crew import Fault, FaultySheet, Member, Profile, Role, read_crew
from hardware.errors import Exit, Misconfigured

HEAD = "role,name,serial,bib,channel,profile,forward_to,address,radio\n"
GOOD = HEAD + (
    "relay,moto-1,R-01,,11,,,10.0.0.1,\n"
    "relay,heli-1,R-02,,12,helicopter,,,/dev/ttyUSB0\n"
    "relay,valley-1,R-03,,13,fixed,moto-1\n"
    "transponder,Anna Berg,T-101,1,1,,\n"
    "transponder,Bo Dahl,T-102,2,1,,\n"
    "spare,,T-901,,1,,\n"
)


def faults_of(text: str) -> list[Fault]:
    with pytest.raises(FaultySheet) as caught:
        read_crew("crew.csv", text.encode())
    return list(caught.value.faults)


def test_a_good_sheet_is_read_whole() -> None:
    crew = read_crew("crew.csv", GOOD.encode())
    assert [m.name for m in crew.relays] == ["moto-1", "heli-1", "valley-1"]
    assert [m.profile for m in crew.relays] == [Profile.MOTO, Profile.HELICOPTER, Profile.FIXED]
    assert [m.bib for m in crew.transponders] == [1, 2, None]
    assert crew.members[2].forward_to == "moto-1"
    assert (crew.members[0].address, crew.members[1].radio) == ("10.0.0.1", "/dev/ttyUSB0")
    assert crew.members[5] == Member(7, Role.SPARE, "T-901", "T-901", channel=1)
    assert crew.named("T-102").name == "Bo Dahl"
    with pytest.raises(Misconfigured, match="nobody on the crew sheet is 'moto-9'"):
        crew.named("moto-9")


def test_a_spreadsheet_may_save_it_with_semicolons_a_mark_capitals_and_its_line_ends() -> None:
    saved = GOOD.replace(",", ";").replace("\n", "\r\n").replace("forward_to", "Forward To")
    saved = saved.replace("role", "ROLE").replace("transponder", "Transponder")
    data = b"\xef\xbb\xbfsep=;\r\n" + saved.replace(";1;;", ";1,0;;").encode()
    plain = read_crew("crew.csv", GOOD.encode())
    found = read_crew("crew.csv", data)
    assert [vars(m) | {"line": 0} for m in found.members] == [
        vars(m) | {"line": 0} for m in plain.members
    ]


def test_all_faults_come_at_once_in_the_order_of_lines() -> None:
    text = HEAD + (
        "relay,moto-1,R-01,,11,,\n"
        "relay,Moto 2,r-01,,11,blimp,moto-9\n"
        "transponder,,T-101,,11,,\n"
        "driver,Carl,T-102,3,999,,\n"
        "transponder,Anna,T 103,5,,,\n"
        "spare,anna,,7,,moto,moto-1\n"
        "transponder,Dag,T-105,5,x,,,,,surplus\n"
    )
    found = faults_of(text)
    assert [(f.line, f.field) for f in found] == [
        (3, "name"), (3, "profile"), (3, "serial"), (3, "channel"), (3, "forward_to"),
        (4, "name"), (4, "bib"), (4, "channel"),
        (5, "role"), (5, "channel"),
        (6, "serial"),
        (7, "serial"), (7, "bib"), (7, "profile"), (7, "forward_to"), (7, "name"),
        (8, "line"), (8, "channel"), (8, "bib"),
    ]  # fmt: skip
    assert all(f.what and f.cure.endswith(".") for f in found)


def test_the_message_names_file_line_field_and_cure() -> None:
    with pytest.raises(FaultySheet) as caught:
        read_crew("crew.csv", GOOD.replace("T-102,2", "T-102,1").encode())
    assert caught.value.exit_code == Exit.MISCONFIGURED
    assert str(caught.value) == (
        "crew.csv has a fault:\n"
        "  line 6, bib: '1' stands on line 5 too. Give each rider his own number."
    )


@pytest.mark.parametrize(
    ("was", "becomes", "line", "field", "what"),
    [
        ("R-02", "R-01", 3, "serial", "line 2"),
        ("heli-1", "moto-1", 3, "name", "line 2"),
        ("Bo Dahl", "ANNA BERG", 6, "name", "line 5"),
        (",12,", ",11,", 3, "channel", "relay moto-1 on line 2"),
        ("T-101,1,1,", "T-101,1,11,", 5, "channel", "relay moto-1 on line 2"),
        (",10.0.0.1", ",", 4, "forward_to", "moto-1 has no address"),
        (",10.0.0.1", ",10.0.0.1:80", 2, "address", "no host"),
        ("/dev/ttyUSB0", "COM3", 3, "radio", "no serial line"),
        ("moto-1\n", "valley-1\n", 4, "forward_to", "circle"),
        ("moto-1\n", "Bo Dahl\n", 4, "forward_to", "no relay"),
        ("spare,", ",", 7, "role", "empty"),
        ("T-102,2", "T-102,0", 6, "bib", "1 to 9999"),
        ("T-102,2", "T-102,99999999999999999999", 6, "bib", "1 to 9999"),
        ("Bo Dahl", "B" * 65, 6, "name", "too long"),
    ],
)
def test_each_fault_is_found_by_itself(
    was: str, becomes: str, line: int, field: str, what: str
) -> None:
    (fault,) = faults_of(GOOD.replace(was, becomes, 1))
    assert (fault.line, fault.field) == (line, field)
    assert what in fault.what


def test_a_chain_of_relays_has_eight_hops_at_most() -> None:
    def sheet(hops: int) -> str:
        rows = [f"relay,m-{k},R-{k},,,,m-{k + 1},10.0.0.{k},\n" for k in range(hops)]
        return HEAD + "".join(rows) + f"relay,m-{hops},R-{hops},,,,,10.1.1.1,\n"

    assert len(read_crew("crew.csv", sheet(8).encode()).relays) == 9
    (fault,) = faults_of(sheet(9))
    assert (fault.line, fault.what) == (2, "takes 9 hops")


def test_what_is_no_crew_sheet_is_one_sentence() -> None:
    with pytest.raises(Misconfigured, match="the column 'serial' is missing"):
        read_crew("crew.csv", b"role,name,bib\n")
    with pytest.raises(Misconfigured, match=r"no device on it\. Write a line"):
        read_crew("crew.csv", HEAD.encode())
    with pytest.raises(Misconfigured, match=r"line 2: not UTF-8\. Save it as 'CSV UTF-8'"):
        read_crew("crew.csv", HEAD.encode() + b"relay,\xff,R,,,,\n")


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_crew_or_one_refusal(noise: bytes, at: int) -> None:
    data = GOOD.encode()
    with contextlib.suppress(Misconfigured):
        assert read_crew("crew.csv", data[:at] + noise + data[at:]).members
