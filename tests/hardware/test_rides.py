"""Recorded rides: the real ones are read whole, the broken ones are said to be broken."""

import functools
import gzip
import random

import numpy as np
import pytest

from hardware.errors import Damaged, Exit, Misconfigured, TruckError
from hardware.rides import Ride, bibs_of, read_rides

# file: riders, readings kept, dropped, with power, with heart rate (counts as in MANIFEST.md)
WHOLE = {
    "roubaix2020/rider_A.fit": (12204, 9, 12108, 12172),
    "roubaix2020/rider_B.gpx.gz": (10870, 0, 10868, 10870),
    "roubaix2020/rider_C.gpx.gz": (5231, 0, 0, 0),
    "roubaix2020/rider_D.gpx.gz": (8019, 0, 0, 0),
    "roubaix2020/rider_E.gpx.gz": (2504, 0, 0, 2504),
    "mtevans/Mt_Evans_Hill_Climb_v1.fit": (8770, 0, 0, 7926),
    "mtevans/mtevans_2020_gaps.gpx.gz": (5854, 0, 0, 5854),
    "dualdevice/20191117_bike_wahoo_elemnt.fit": (4876, 0, 2615, 0),
    "dualdevice/20191117_tri_garmin_fenix_3_hr.fit": (3859, 0, 2357, 3841),
    "power_rides/elpatron_chaingang.fit": (2866, 0, 2866, 2866),
    "power_rides/fitparse_2019-02-17-062644-ELEMNT-297E-195-0.fit": (13348, 123, 13224, 13348),
    "power_rides/fitparse_Edge810-Vector-2013-08-16-15-35-10.fit": (4700, 0, 4700, 4671),
    "power_rides/fitparse_garmin-edge-500-activity.fit": (10677, 9, 0, 10677),
    "power_rides/fitparse_null_compressed_speed_dist.fit": (1808, 0, 1808, 1808),
    "power_rides/fitparse_sample-activity.fit": (2965, 133, 0, 2965),
    "power_rides/fitparse_sample_mulitple_header.fit": (1462, 311, 0, 1430),
    "power_rides/msimms_20210218_zwift_bike_race.fit": (1163, 0, 1163, 1163),
    "power_rides/skcycling_2014-05-07-14-26-22.fit": (2243, 0, 2243, 0),
    "power_rides/skcycling_2014-05-11-11-39-38.fit": (3763, 0, 3763, 0),
    "power_rides/skcycling_2014-07-26-18-50-56.fit": (4977, 0, 4977, 0),
    "power_rides/sweatpy_4078723797.fit": (8357, 0, 8357, 8357),
    "power_rides/sweatpy_4078723797_garmin.gpx.gz": (8357, 0, 0, 8357),
    "power_rides/sweatpy_4801048867.fit": (5159, 0, 0, 5159),
    "power_rides/sweatpy_4801048867_garmin.tcx.gz": (5166, 0, 0, 5166),
    "power_rides/sweatpy_4801048867_strava.gpx.gz": (5159, 0, 0, 5159),
    "zwift_tictoc/2020-10-29-09-19-23.fit": (3125, 0, 3125, 3125),
    "zwift_tictoc/2020-10-29-19-10-19.fit": (2338, 0, 2338, 2338),
    "zwift_tictoc/2020-10-29-19-28-11.fit": (2698, 0, 2698, 2698),
    # odd but whole: a definition of misaligned fields, and a file without sensors
    "broken_fit/coros-pace-2-cycling-misaligned-fields.fit": (10305, 967, 0, 8132),
    "broken_fit/skcycling_2014-05-17-10-44-53.fit": (960, 0, 0, 0),
}
BROKEN = {
    "fitdecode_activity-activity-filecrc.fit": "byte 1542 of 1542 (mismatching CRC",
    "fitdecode_activity-filecrc.fit": "byte 771 of 771 (mismatching CRC",
    "fitdecode_activity-settings-corruptheader.fit": "byte 783 of 854 (not a FIT file",
    "fitdecode_activity-settings-nodata.fit": "byte 786 of 786 (expected 5 bytes, got 2",
    "fitdecode_activity-unexpected-eof.fit": "byte 768 of 768 (expected 1 bytes, got 0",
    "nick.fit": "byte 403456 of 403456 (expected 2 bytes, got 0",
    "skcycling_2013-04-24-22-22-25.fit": "none of the 268 readings",
    "skcycling_2015-11-27-18-54-57.fit": "none of the 0 readings",
    "strava-android-app-201.10-b1218918.fit": "local message 11 not defined",
}


read_once = functools.cache(read_rides)


def check_whole(ride: Ride) -> None:
    assert (np.diff(ride.measured_at_s) >= 0).all()
    assert (np.abs(ride.latitude_deg) <= 90).all()
    assert (np.abs(ride.longitude_deg) <= 180).all()
    assert len({len(column) for name, column in vars(ride).items() if name != "dropped"}) == 1
    for column in (ride.altitude_m, ride.speed_mps, ride.power_w, ride.cadence_rpm):
        assert column.dtype == np.float64
        assert not np.isinf(column).any()


def one_sentence(error: TruckError) -> str:
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("file", WHOLE)
def test_a_real_ride_is_read_whole(shared, file):
    (ride,) = read_once(shared / file).values()
    counts = (
        len(ride.measured_at_s),
        ride.dropped,
        int(np.isfinite(ride.power_w).sum()),
        int(np.isfinite(ride.heart_rate_bpm).sum()),
    )
    assert counts == WHOLE[file]
    check_whole(ride)


def test_every_broken_file_of_the_collection_has_its_test(shared):
    known = {*BROKEN, *(name.partition("/")[2] for name in WHOLE if name.startswith("broken"))}
    assert known == {path.name for path in (shared / "broken_fit").iterdir()}


@pytest.mark.parametrize("file", BROKEN)
def test_a_broken_fit_file_is_damaged_and_says_where(shared, file):
    with pytest.raises(Damaged) as damage:
        read_rides(shared / "broken_fit" / file)
    sentence = one_sentence(damage.value)
    assert file in sentence
    assert BROKEN[file] in sentence
    assert damage.value.exit_code == Exit.DAMAGED


def test_the_joined_readings_file_holds_the_five_rides(shared):
    rides = read_rides(shared / "roubaix2020" / "five_riders.csv.gz")
    counts = {name: len(ride.measured_at_s) for name, ride in rides.items()}
    assert counts == {"A": 12204, "B": 10870, "C": 5231, "D": 8019, "E": 2504}
    (alone,) = read_once(shared / "roubaix2020" / "rider_A.fit").values()
    assert np.array_equal(rides["A"].measured_at_s, alone.measured_at_s)
    assert np.abs(rides["A"].latitude_deg - alone.latitude_deg).max() < 1e-6
    assert np.allclose(rides["A"].power_w, alone.power_w, equal_nan=True)
    assert np.allclose(rides["A"].speed_mps, alone.speed_mps, atol=1e-3)


def test_one_ride_as_fit_and_tcx_and_gpx_is_the_same_ride(shared):
    fit, tcx, gpx = (
        next(iter(read_once(shared / "power_rides" / f"sweatpy_4801048867{rest}").values()))
        for rest in (".fit", "_garmin.tcx.gz", "_strava.gpx.gz")
    )
    for other in (tcx, gpx):
        at = np.searchsorted(fit.measured_at_s, other.measured_at_s).clip(
            0, len(fit.latitude_deg) - 1
        )
        assert np.abs(fit.latitude_deg[at] - other.latitude_deg).max() < 2e-4
        assert np.nanmedian(np.abs(fit.heart_rate_bpm[at] - other.heart_rate_bpm)) == 0
    speed_at = np.searchsorted(fit.measured_at_s, tcx.measured_at_s)
    assert np.nanmedian(np.abs(fit.speed_mps[speed_at] - tcx.speed_mps)) < 0.01


def test_a_fit_file_cut_anywhere_is_damaged(shared, tmp_path):
    whole = (shared / "broken_fit" / "skcycling_2014-05-17-10-44-53.fit").read_bytes()
    spots = [0, 1, 11, 12, 13, 14, 15, *random.Random(1).sample(range(16, len(whole)), 30)]
    path = tmp_path / "cut.fit"
    for length in [*spots, len(whole) - 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged) as damage:
            read_rides(path)
        assert "cut.fit" in one_sentence(damage.value)


def test_a_fit_file_with_any_byte_changed_is_damaged(shared, tmp_path):
    whole = bytearray((shared / "broken_fit" / "skcycling_2014-05-17-10-44-53.fit").read_bytes())
    draw = random.Random(2)
    path = tmp_path / "changed.fit"
    for at in [*range(14), *draw.sample(range(14, len(whole)), 25)]:
        changed = bytearray(whole)
        changed[at] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            rides = read_rides(path)
        except Damaged as damage:
            one_sentence(damage)
            continue
        assert at < 14  # version fields of the header mean nothing to the readings
        assert len(rides["changed"].measured_at_s) == 960


@pytest.mark.parametrize("ending", ["fit", "gpx", "tcx", "csv", "fit.gz", "gpx.gz", "csv.gz"])
def test_an_empty_file_is_damaged(tmp_path, ending):
    path = tmp_path / f"empty.{ending}"
    path.write_bytes(gzip.compress(b"") if ending.endswith(".gz") else b"")
    with pytest.raises(Damaged, match="is empty"):
        read_rides(path)


@pytest.mark.parametrize("ending", ["fit", "gpx", "tcx", "csv"])
def test_random_bytes_are_damaged_and_nothing_else(tmp_path, ending):
    draw = random.Random(3)
    path = tmp_path / f"noise.{ending}"
    for _ in range(100):
        start = {"fit": b"\x0e\x10\x43\x08\x80\x00\x00\x00.FIT\x00\x00"}.get(ending, b"")
        path.write_bytes(draw.choice([b"", start]) + draw.randbytes(draw.randrange(1, 200)))
        with pytest.raises((Damaged, Misconfigured)) as error:
            read_rides(path)
        one_sentence(error.value)


@pytest.mark.parametrize(
    ("file", "ending"),
    [
        ("roubaix2020/rider_E.gpx.gz", "gpx"),
        ("power_rides/sweatpy_4801048867_garmin.tcx.gz", "tcx"),
    ],
)
def test_xml_cut_in_the_middle_says_at_which_line(shared, tmp_path, file, ending):
    text = gzip.decompress((shared / file).read_bytes())
    path = tmp_path / f"cut.{ending}"
    for length in (1, 40, len(text) // 3, len(text) // 2 + 7, len(text) - 12):
        path.write_bytes(text[:length])
        with pytest.raises(Damaged, match=r"cut\.\w+ is no whole \w+ document.* line \d+"):
            read_rides(path)


def test_a_gzip_cut_in_the_middle_is_damaged(shared, tmp_path):
    whole = (shared / "roubaix2020" / "rider_E.gpx.gz").read_bytes()
    path = tmp_path / "cut.gpx.gz"
    for length in (1, 10, 5000, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged, match=f"the gzip data of {length} bytes is not whole"):
            read_rides(path)


GPX = """<gpx version="1.1" xmlns:x="urn:x"><trk><trkseg>
<trkpt lat="45" lon="6"><ele>100</ele><time>2020-01-01T00:00:02Z</time><extensions><x:TPX>
<x:hr>150</x:hr><x:cad>90</x:cad><x:power>{power}</x:power></x:TPX></extensions></trkpt>
<trkpt lat="45.1" lon="6"><time>2020-01-01T01:00:01+01:00</time></trkpt>
<trkpt lat="45.2" lon="6"></trkpt><trkpt lat="95" lon="6"><time>2020-01-01T00:00:03Z</time></trkpt>
</trkseg></trk></gpx>"""


def test_gpx_extensions_are_read_and_points_without_time_or_place_counted(tmp_path):
    path = tmp_path / "one.gpx"
    path.write_text(GPX.format(power="251"))
    ride = read_rides(path)["one"]
    assert ride.measured_at_s.tolist() == [1577836801.0, 1577836802.0]
    assert ride.latitude_deg.tolist() == [45.1, 45.0]
    assert (ride.power_w[1], ride.heart_rate_bpm[1], ride.cadence_rpm[1]) == (251, 150, 90)
    assert np.isnan(ride.power_w[0])
    assert ride.dropped == 2


def test_a_gpx_number_that_is_none_is_damaged(tmp_path):
    path = tmp_path / "one.gpx"
    path.write_text(GPX.format(power="25x"))
    with pytest.raises(Damaged, match=r"track point 0.*'25x'"):
        read_rides(path)
    path.write_text(GPX.format(power="25").replace('lat="45"', 'lat="4S"'))
    with pytest.raises(Damaged, match="4S"):
        read_rides(path)


HEADER = "measured_at,bib,latitude_deg,longitude_deg,speed_kmh\n"


def csv_error(tmp_path, text: str) -> TruckError:
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises((Damaged, Misconfigured)) as error:
        read_rides(path)
    assert "r.csv" in one_sentence(error.value)
    return error.value


def test_the_readings_file_of_the_design_is_read_in_both_ways_to_tell_time(tmp_path):
    path = tmp_path / "r.csv"
    iso = "1970-01-01T00:00:04Z,7,45,6,\n\n1970-01-01T01:00:03+01:00,8,45,6,18\n"
    path.write_text("\ufeff" + HEADER + "5,7,45,6,36\n" + iso + "6,7,,6,1\n")
    rides = read_rides(path)
    assert rides["7"].measured_at_s.tolist() == [4.0, 5.0]
    assert np.allclose(rides["7"].speed_mps, [np.nan, 10.0], equal_nan=True)
    assert rides["7"].dropped == 1
    assert rides["8"].measured_at_s.tolist() == [3.0]
    assert np.isnan(rides["8"].power_w).all()


@pytest.mark.parametrize("column", ["measured_at", "bib", "latitude_deg", "longitude_deg"])
def test_a_missing_column_is_the_operators_to_mend(tmp_path, column):
    error = csv_error(tmp_path, HEADER.replace(column, "x") + "5,7,45,6,36\n")
    assert isinstance(error, Misconfigured)
    assert f"has no column {column}" in str(error)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("5,7,4S,6,36", "latitude_deg is '4S'"),
        ("5,7,45,6,inf", "speed_kmh is 'inf'"),
        ("noon,7,45,6,36", "measured_at is 'noon'"),
        ("2020-13-01,7,45,6,36", "measured_at is '2020-13-01'"),
        ("5,,45,6,36", "no bib"),
        ("5,7,45,6", "4 cells where the first line has 5"),
        ("5,7,45,6,36,1", "6 cells where the first line has 5"),
        ('5,7,45,6,"36', "unexpected end of data"),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path, line, said):
    error = csv_error(tmp_path, HEADER + "4,7,45,6,36\n" + line + "\n")
    assert isinstance(error, Damaged)
    assert "line 3" in str(error)
    assert said in str(error)


def test_readings_that_are_no_text_are_damaged(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(HEADER.encode() + b"5,7,\xff\xfe,6,36\n")
    with pytest.raises(Damaged, match="no text at byte 57"):
        read_rides(path)


def test_times_in_milliseconds_are_no_times(tmp_path):
    error = csv_error(tmp_path, HEADER + "1577836802000,7,45,6,36\n")
    assert "none of the 1 readings of 7 has both time and position" in str(error)


@pytest.mark.parametrize("name", ["nothing.fit", "ride.txt", "ride", "ride.gz", "ride.fit.zip"])
def test_a_missing_file_or_an_unknown_kind_is_the_operators_to_mend(tmp_path, name):
    if name != "nothing.fit":
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(Misconfigured) as error:
        read_rides(tmp_path / name)
    assert name in one_sentence(error.value)
    assert error.value.exit_code == Exit.MISCONFIGURED


def test_bibs_keep_their_numbers_and_names_fill_up():
    assert bibs_of(["B", "A"]) == {"A": 1, "B": 2}
    assert bibs_of(["11", "2"]) == {"11": 11, "2": 2}
    assert bibs_of(["Zoe", "1", "Ann", "3"]) == {"1": 1, "3": 3, "Ann": 2, "Zoe": 4}
    assert bibs_of(["0"]) == {"0": 1}
    with pytest.raises(Misconfigured, match="share a bib"):
        bibs_of(["7", "07"])
