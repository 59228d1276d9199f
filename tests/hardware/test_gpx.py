"""GPX as organisers and recorders write it, broken and hostile."""

import time
from itertools import pairwise

import numpy as np
import pytest

from hardware.errors import Misconfigured
from hardware.gpx import Drawing, read_drawing

POINT = '<trkpt lat="45.0{k}" lon="5.0"><ele>{ele}</ele></trkpt>'
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE g [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghij"))
    + ']><gpx version="1.1"><trk><name>&j;</name></trk></gpx>'
)  # fmt: skip


def points(count: int = 5, ele: str = "100") -> str:
    return "".join(POINT.format(k=k, ele=ele) for k in range(count))


def track(inner: str, before: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><gpx version="1.1" creator="x" '
        f'xmlns="http://www.topografix.com/GPX/1/1">{before}<trk>{inner}</trk></gpx>'
    )


def read(text: str, encoding: str = "utf-8") -> Drawing:
    return read_drawing("route.gpx", text.encode(encoding))


def test_segments_and_tracks_follow_each_other() -> None:
    text = track(f"<trkseg>{points(3)}</trkseg><trkseg>{points(2)}</trkseg>")
    assert len(read(text).route.latitude_deg) == 5


def test_a_route_is_taken_where_there_is_no_track() -> None:
    text = track("").replace("<trk></trk>", "<rte><name>R</name>" + points(4).replace(
        "trkpt", "rtept") + "</rte>")  # fmt: skip
    found = read(text)
    assert (found.name, len(found.route.latitude_deg)) == ("R", 4)


def test_named_waypoints_are_kept_with_their_type() -> None:
    waypoints = ('<wpt lat="45" lon="5"><name> Col </name><type>climb</type></wpt>'
                 '<wpt lat="45" lon="5"></wpt>')  # fmt: skip
    (found,) = read(track(f"<trkseg>{points()}</trkseg>", waypoints)).waypoints
    assert (found.name, found.kind, found.latitude_deg) == ("Col", "climb", 45.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "iso-8859-1", "utf-16"])
def test_an_export_is_read_in_the_encoding_it_names(encoding: str) -> None:
    text = track(f"<name>Côte</name><trkseg>{points()}</trkseg>")
    text = text.replace("UTF-8", encoding.replace("-sig", ""))
    assert read(text, encoding).name == "Côte"


def test_impossible_elevations_are_unknown() -> None:
    for ele in ("NaN", "inf", "-9999", "20000"):
        altitude_m = read(track(f"<trkseg>{points(3)}{points(2, ele)}</trkseg>")).route.altitude_m
        assert np.isfinite(altitude_m).tolist() == [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "route.gpx"),
        ("no xml at all", "route.gpx"),
        ("<html><body/></html>", "0 route points"),
        (track(f"<trkseg>{points()}</trkseg>")[:-40], "route.gpx: "),
        (track(f"<trkseg>{points(1)}</trkseg>"), "1 route points"),
        (track(f"<trkseg>{points()}</trkseg>").replace('lat="45.01"', 'lat="north"'), "route.gpx"),
        (track(f"<trkseg>{points()}</trkseg>").replace('lat="45.01"', 'lat="NaN"'), "point 2"),
        (track(f"<trkseg>{points()}</trkseg>").replace('lat="45.01"', ""), "route.gpx"),
        (track(f"<trkseg>{points(5, 'high')}</trkseg>"), "route.gpx"),
        (track('<trkseg><trkpt lat="100" lon="45"/><trkpt lat="101" lon="45"/></trkseg>'),
         "point 1: latitude 100 or longitude 45 is outside the globe, they look swapped"),
        (track(f"<trkseg>{points()}</trkseg>").replace("UTF-8", "klingon"), "klingon"),
        (track(f"<trkseg>{points()}</trkseg>").replace("<gpx", "<gpx a='&nope;'"), "route.gpx"),
        ("\x00\x01\x02" * 50, "route.gpx"),
    ],
)  # fmt: skip
def test_what_is_no_drawing_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        read(text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_that_declares_entities_is_refused_at_once(encoding: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Misconfigured, match="DOCTYPE"):
        read(BOMB, encoding)
    assert time.monotonic() - begun < 1.0


def test_deep_nesting_is_passed_over() -> None:
    deep = "<x>" * 50_000 + "</x>" * 50_000
    text = track(f"<trkseg>{points()}</trkseg>", f"<extensions>{deep}</extensions>")
    assert len(read(text).route.latitude_deg) == 5


def test_every_cut_of_a_document_is_a_sentence() -> None:
    whole = track(f"<trkseg>{points()}</trkseg>")
    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(Misconfigured):
            read(whole[:length])
