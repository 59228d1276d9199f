"""A transponder's NVS image: Espressif's generator writes it, ours reads it, damage is refused."""

import contextlib
import dataclasses
import io
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import nvs_pages, partitions
from hardware.errors import Reason, Refused
from hardware.nvs import TransponderConfig, build_nvs, read_nvs
from hardware.partitions import A, B, active, build, check_table, encode_table, region_of

CONFIG = TransponderConfig(
    "tour-2027", "T-0001", "Éric Dupont", 21, 5, 17, 1, 0, 1_700_000_000_000, 3,
    1_700_000_100_000, bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96)),
)  # fmt: skip
KEYS = bytes(range(100, 164))
TOOL = (sys.executable, "-m", "esp_idf_nvs_partition_gen")


def refusal(image: bytes, keys: bytes = KEYS) -> Reason:
    with pytest.raises(Refused) as refused:
        read_nvs(image, keys)
    return refused.value.reason


def both(older: TransponderConfig, newer: TransponderConfig) -> bytes:
    """A chip with one configuration in slot a and one in slot b."""
    first, second = region_of(build(older, KEYS, A)), region_of(build(newer, KEYS, B))
    return bytes(x & y for x, y in zip(first, second, strict=True))


text = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=16)
secret = st.binary(min_size=32, max_size=32)


@given(
    st.builds(
        TransponderConfig, text, text, text, st.integers(0, 0xFFFF), st.integers(0, 255),
        st.integers(0, 0xFFFFFF), st.integers(0, 255), st.integers(0, 0xFFFF),
        st.integers(0, 1 << 62), st.integers(0, 0xFFFFFFFF), st.integers(0, 1 << 62),
        secret, secret, secret,
    ),
    st.binary(min_size=64, max_size=64).filter(lambda k: k[:32] != k[32:]),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_what_was_written_is_read_back(config, keys) -> None:
    assert read_nvs(build_nvs(config, keys, 0x3000), keys) == config


def test_the_generator_itself_decrypts_the_image_and_finds_the_keys(tmp_path) -> None:
    (tmp_path / "image.bin").write_bytes(build_nvs(CONFIG, KEYS, 0x3000))
    (tmp_path / "keys.bin").write_bytes(nvs_pages.encode_keys(KEYS))
    subprocess.run(
        [*TOOL, "decrypt", "image.bin", "keys.bin", "clear.bin"], cwd=tmp_path, check=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    clear = (tmp_path / "clear.bin").read_bytes()
    assert CONFIG.sign_seed in clear
    assert "Éric Dupont\0".encode() in clear


def test_an_image_made_by_the_generators_command_is_read(tmp_path) -> None:
    rows = "key,type,encoding,value\nother,namespace,,\nlong,data,hex2bin," + "ab" * 5000
    (tmp_path / "in.csv").write_text(rows + "\nneg,data,i32,-7\nword,data,string,moto\n")
    (tmp_path / "keys.bin").write_bytes(nvs_pages.encode_keys(KEYS))
    subprocess.run(
        [*TOOL, "encrypt", "in.csv", "out.bin", "0x5000", "--inputkey", "keys.bin"],
        cwd=tmp_path, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    values = nvs_pages.read_partition((tmp_path / "out.bin").read_bytes(), KEYS)
    assert values == {"other": {"long": b"\xab" * 5000, "neg": -7, "word": "moto"}}


def test_no_secret_stands_in_the_image_in_clear() -> None:
    image = region_of(build(CONFIG, KEYS, A))
    for value in (CONFIG.sign_seed, CONFIG.box_private, b"tour-2027", b"T-0001"):
        assert value not in image


@pytest.mark.parametrize("partition", ["nvs", "keys"])
def test_any_flipped_bit_is_refused_or_changes_nothing(partition) -> None:
    region, dice = region_of(build(CONFIG, KEYS, A)), random.Random(3)
    at, size = getattr(A, partition).at - partitions.REGION_AT, getattr(A, partition).size_bytes
    written = [n for n in range(at, at + size) if region[n] != 0xFF]
    unchanged = 0
    for place in [dice.choice(written) for _ in range(700)] + dice.sample(range(at, at + size), 99):
        flipped = bytearray(region)
        flipped[place] ^= 1 << dice.randrange(8)
        try:
            assert active(bytes(flipped))[1] == CONFIG
            unchanged += 1  # the page's state: active became full
        except Refused:
            pass
    assert unchanged < 8


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 0x2FFF), st.booleans())
def test_hostile_bytes_are_a_value_or_one_refusal(junk, at, whole) -> None:
    image = bytearray(build_nvs(CONFIG, KEYS, 0x3000))
    image[at : at + len(junk)] = junk
    with contextlib.suppress(Refused):  # anything else fails
        read_nvs(junk if whole else bytes(image[:0x3000]), KEYS)


def hostile(rows: list[tuple[str, str, str, str]], keys: bytes = KEYS) -> bytes:
    """An image with other fields than ours, as somebody with the keys could make it."""
    from esp_idf_nvs_partition_gen.nvs_partition_gen import Page, nvs_open, write_entry

    image = io.BytesIO()
    with nvs_open(image, 0x2000, Page.VERSION2, is_encrypt=True, key=keys) as nvs:
        for row in rows:
            write_entry(nvs, *row)
    return image.getvalue()


def test_a_sound_partition_of_something_else_is_refused_by_name() -> None:
    ours = ("transponder", "namespace", "", "")
    assert refusal(hostile([("wifi", "namespace", "", "")])) == Reason.MALFORMED
    assert refusal(hostile([ours])) == Reason.VERSION
    assert refusal(hostile([ours, ("format", "data", "u8", "2")])) == Reason.VERSION
    assert refusal(hostile([ours, ("format", "data", "u8", "1")])) == Reason.MALFORMED
    twice = [ours, ("bib", "data", "u8", "1"), ("bib", "data", "u8", "2")]
    assert refusal(hostile(twice)) == Reason.MALFORMED


def test_other_keys_a_cut_and_an_older_page_version_are_refused_by_name() -> None:
    image = build_nvs(CONFIG, KEYS, 0x3000)
    assert refusal(image, bytes(range(64))) == Reason.CIPHERTEXT
    assert refusal(image[:-1]) == Reason.LENGTH
    assert refusal(b"") == Reason.LENGTH
    assert refusal(b"\xff" * 0x3000) == Reason.MALFORMED
    assert refusal(image[:0x1000] + image[:0x1000] + image[0x2000:]) == Reason.MALFORMED


@pytest.mark.parametrize(
    "wrong",
    [{"device": 1 << 24}, {"bib": 70_000}, {"name": ""}, {"name": "a\nb"}, {"sign_seed": b""}],
)
def test_a_field_that_does_not_fit_is_refused_before_anything_is_made(wrong) -> None:
    with pytest.raises(Refused) as refused:
        build(dataclasses.replace(CONFIG, **wrong), KEYS, A)
    assert refused.value.reason == Reason.VALUE


def test_of_two_slots_the_later_made_one_counts_and_a_broken_one_does_not() -> None:
    newer = dataclasses.replace(CONFIG, generation=2, made_ms=CONFIG.made_ms + 1)
    region = both(CONFIG, newer)
    assert active(region) == (B, newer)
    assert active(both(newer, CONFIG)) == (A, newer)
    broken = bytearray(region)
    broken[B.keys.at - partitions.REGION_AT + 5] ^= 1
    assert active(bytes(broken)) == (A, CONFIG)


def test_only_a_chip_with_our_partitions_is_written() -> None:
    check_table(encode_table())
    for table, reason in (
        (b"\xff" * 0x1000, Reason.MALFORMED),
        (encode_table().replace(b"nvs_b", b"nvs_c"), Reason.MALFORMED),  # its MD5 does not hold
        (encode_table()[:64] + b"\xff" * 100, Reason.MALFORMED),
        (b"", Reason.MALFORMED),
        (encode_table()[:32] * 200, Reason.MALFORMED),
    ):
        with pytest.raises(Refused) as refused:
            check_table(table)
        assert refused.value.reason == reason


def test_the_reader_needs_none_of_espressifs_packages() -> None:
    blocked = "import sys; sys.modules['esp_idf_nvs_partition_gen'] = None; "
    program = blocked + "import hardware.partitions, hardware.cli"
    root = Path(__file__).parent.parent.parent
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=root)
