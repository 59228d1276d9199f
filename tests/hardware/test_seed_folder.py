"""A mounted card holds the old seed or the new one, whenever it is pulled out, full or locked."""

import errno
import functools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.errors import Damaged, Misconfigured
from hardware.seed import COMMIT, FILES, seed_files
from hardware.seed_folder import BESIDE, read_seed_files, read_seed_folder, write_seed_folder

PULLS = 20
_WRITER = """
import sys
from pathlib import Path
from hardware.seed import FILES
from hardware.seed_folder import write_seed_folder
card, seeds = map(Path, sys.argv[1:])
for turn in range(1000):
    seed = seeds / str(turn % 2 + 1)
    files = {name: (seed / name).read_bytes() for name in FILES}
    write_seed_folder(card, files, lambda _: None)
    print(turn % 2 + 1, flush=True)
"""


@functools.cache
def files(version: int, roster: int = 2000) -> dict[str, bytes]:
    return seed_files(
        event="tour-2027", name="moto-1", serial="R-01", config_version=version,
        node=b"configuration %d" % version, token=bytes([version] * 32),
        authority_public=bytes(32), ca_certificate=b"PEM\n", roster=b"r" * roster * version,
    )  # fmt: skip


def write(folder: Path, version: int, wrote: Callable[[int], None] = lambda _: None) -> None:
    write_seed_folder(folder, files(version), wrote)


def version_in(folder: Path) -> int:
    return read_seed_folder(folder).config_version


def version_or_none(folder: Path) -> int | None:
    if not (folder / COMMIT).exists() and not (folder / BESIDE / COMMIT).exists():
        return None
    return version_in(folder)


def test_a_seed_comes_back_and_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "config.txt").write_text("of the card's own\n")
    told: list[int] = []
    for version in (1, 2):
        write(tmp_path, version, told.append)
        assert version_in(tmp_path) == version
        assert read_seed_files(tmp_path) == files(version)
        assert {path.name for path in tmp_path.iterdir()} == {*FILES, "config.txt"}
    sizes = [sum(map(len, files(version).values())) for version in (1, 2)]
    assert sum(told) == 4 * sum(sizes)


@pytest.mark.parametrize("old", [1, None])
def test_a_card_pulled_out_after_any_file_is_the_old_or_the_new_one(
    old: int | None, tmp_path: Path, mount: Callable[[Path, int], None]
) -> None:
    found = []
    mount(tmp_path / "cards", 8 << 20)
    for step in range(4 * len(FILES)):
        card = tmp_path / "cards" / str(step)
        card.mkdir()
        if old is not None:
            write(card, old)
        left = iter(range(step))

        def pulled(_: int, left: "iter[int]" = left) -> None:  # type: ignore[valid-type]
            if next(left, None) is None:
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

        with pytest.raises(OSError, match="No such device"):
            write(card, 2, pulled)
        found.append(version_or_none(card))
        write(card, 3)  # put back in
        assert version_in(card) == 3
    # a new card from its COMMIT on; an old one when its COMMIT goes, after all was read back
    turns = len(FILES) - 1 if old is None else 2 * len(FILES)
    assert found == [old] * turns + [2] * (len(found) - turns)


def test_a_writer_killed_at_any_moment_leaves_a_whole_seed(
    tmp_path: Path, mount: Callable[[Path, int], None]
) -> None:
    card, seeds = tmp_path / "card", tmp_path / "seeds"
    mount(card, 1 << 20)
    for version in (1, 2):
        (seeds / str(version)).mkdir(parents=True)
        for name, data in files(version).items():
            (seeds / str(version) / name).write_bytes(data)
    draw = random.Random(1)
    write(card, 2)
    for _ in range(PULLS // 4):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, card, seeds], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(draw.uniform(0.0, 0.02))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        assert version_in(card) in (1, 2)


def test_a_full_card_stays_the_old_one(tmp_path: Path, mount: Callable[[Path, int], None]) -> None:
    card = tmp_path / "card"
    mount(card, 128 << 10)
    write(card, 1)
    for filler in (100 << 10, 60 << 10, 40 << 10):  # full at once, and a few files later
        (card / "holiday.jpg").unlink(missing_ok=True)
        room = os.statvfs(card).f_bavail * os.statvfs(card).f_bsize
        (card / "holiday.jpg").write_bytes(bytes(min(filler, room)))
        with pytest.raises(Misconfigured, match="No space left"):
            write_seed_folder(card, files(2, 30_000), lambda _: None)
        assert version_in(card) == 1
        assert not (card / BESIDE).exists()
    (card / "holiday.jpg").unlink()
    write(card, 2)
    assert version_in(card) == 2


def test_a_locked_card_stays_the_old_one(
    tmp_path: Path, mount: Callable[[Path, int], None]
) -> None:
    card = tmp_path / "card"
    mount(card, 128 << 10)
    write(card, 1)
    subprocess.run(["mount", "-o", "remount,ro", card], check=True)
    with pytest.raises(Misconfigured, match="Read-only"):
        write(card, 2)
    assert version_in(card) == 1


def test_a_bit_that_flips_on_a_worn_card_is_named_and_the_old_seed_read(tmp_path: Path) -> None:
    write(tmp_path, 1)
    beside = tmp_path / BESIDE
    beside.mkdir()
    for name, data in files(2).items():
        (beside / name).write_bytes(data)
    token = bytearray((tmp_path / "token").read_bytes())
    token[3] ^= 1
    (tmp_path / "token").write_bytes(token)
    assert version_in(tmp_path) == 2  # the top is whole no more, the other is
    (beside / COMMIT).unlink()
    with pytest.raises(Damaged, match="token on the card is not what COMMIT says"):
        read_seed_folder(tmp_path)


def test_what_the_node_would_run_too_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "vendor-data").write_text("#cloud-config\n")
    with pytest.raises(Damaged, match="foreign vendor-data"):
        write(tmp_path, 2)
    with pytest.raises(Damaged, match="foreign vendor-data"):
        read_seed_folder(tmp_path)


def test_an_empty_card_holds_none(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="no COMMIT"):
        read_seed_folder(tmp_path)
