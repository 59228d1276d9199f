"""Photos: drawn anew, without what the camera wrote; hostile files end in one sentence."""

import contextlib
import datetime as dt
import io
import random

import pytest
from photos import shot
from PIL import Image

from hardware.errors import Misconfigured
from truck.content.photo import photo_of


def test_nothing_that_the_camera_wrote_comes_out() -> None:
    data = shot(comment=b"SECRET-COMMENT") + b"SECRET-TAIL"
    assert b"CAMERA-SECRET" in data
    photo = photo_of(data)
    with Image.open(io.BytesIO(photo.data)) as shown:
        assert shown.format == "JPEG"
        assert not shown.getexif()
        assert not {"exif", "icc_profile", "comment", "xmp"} & shown.info.keys()
    for secret in (b"SECRET", b"Exif", b"GPS"):
        assert secret not in photo.data


def test_time_and_place_are_read_before_they_are_dropped() -> None:
    photo = photo_of(shot())
    assert photo.latitude_deg == pytest.approx(42.99419, abs=1e-4)
    assert photo.longitude_deg == pytest.approx(-0.01189, abs=1e-4)
    assert photo.taken_at_s is not None
    assert photo.taken_at_s == dt.datetime(2027, 7, 16, 12, 5, 6, tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_formats_of_phones_are_taken_and_shrunk(kind: str) -> None:
    with Image.open(io.BytesIO(photo_of(shot(kind, (3000, 1500))).data)) as shown:
        assert shown.size == (2048, 1024)


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a" + bytes(40), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8\xff",
     shot()[:3000], b"%PDF-1.4", shot("PNG")[:200]],
)  # fmt: skip
def test_what_is_no_whole_photo_is_said_in_one_sentence(data: bytes) -> None:
    with pytest.raises(Misconfigured, match="no whole JPEG, PNG or WebP"):
        photo_of(data)


def test_a_bomb_is_refused_by_its_size_and_never_unpacked() -> None:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    with pytest.raises(Misconfigured, match=r"pixels|no whole"):
        photo_of(out.getvalue())


def test_damaged_bytes_give_a_photo_or_one_refusal() -> None:
    rng, whole = random.Random(5), shot(size=(96, 64))
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with contextlib.suppress(Misconfigured):
            assert photo_of(bytes(data)).data[:2] == b"\xff\xd8"
