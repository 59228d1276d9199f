"""Virtual transponders ride with real NVS images; what they send is judged by the roster alone."""

import contextlib
import dataclasses
import socket
from pathlib import Path

import pytest
from chip_event import CLOCK, crew_of, ignore, make_event, roster_of
from hardware_command import hardware, refused

from hardware import keys
from hardware.authority import amend_roster
from hardware.errors import Reason, Refused
from hardware.flash_images import flash_images, image_path, read_image
from hardware.packet import SIGNATURE_BYTES, read_header
from hardware.roster import Roster
from hardware.sealing import open_body, packet_cipher
from hardware.signing import is_signed


@pytest.fixture
def flashed(tmp_path) -> tuple[Path, Path]:
    event, crew = make_event(tmp_path / "event", 4)
    flash_images(event, crew, tmp_path / "nvs", by="Ana", clock=CLOCK, resume=False, told=ignore)
    return event, tmp_path / "nvs"


def ride(folder: Path, *options: str) -> list[bytes]:
    """The packets that a relay hears from the bikes of a folder of images."""
    packets = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
        relay.bind(("127.0.0.1", 0))
        relay.setblocking(False)
        address = f"127.0.0.1:{relay.getsockname()[1]}"
        done = hardware("bikes", "--nvs", folder, "--relay", address, "--seconds=1.3", *options)
        assert done.returncode == 0, done.stderr
        with contextlib.suppress(BlockingIOError):
            while True:
                packets.append(relay.recv(4096))
    return packets


def test_each_packet_is_signed_and_sealed_with_the_keys_of_an_image(flashed) -> None:
    event, folder = flashed
    roster = roster_of(event)
    box = keys.read_key(event / "truck" / "event.key", "event key")
    heard = set()
    for raw in ride(folder):
        header = read_header(raw)
        key = roster.device_key(header.kid)
        signed, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
        assert is_signed(signed, signature, key.sign_public, roster.event_id)
        open_body(raw, packet_cipher(box, key.box_public, roster.event_id, header.kid))
        at_s = roster.epoch_s + header.t0 / 100
        assert abs(at_s - CLOCK.now_s()) < 60
        heard.add(roster.bib_of(header.device, at_s))
    assert heard == {1, 2, 3}  # the spare sleeps


def test_every_start_has_a_higher_boot_and_a_new_key_one_higher_still(flashed) -> None:
    event, folder = flashed
    boots = [{read_header(raw).boot for raw in ride(folder)} for _ in range(2)]
    assert boots == [{1}, {2}]
    flash_images(event, crew_of(4), folder, by="Ana", clock=CLOCK, resume=False, told=ignore)
    (boot,) = {read_header(raw).boot for raw in ride(folder)}
    assert boot == 256 + 3


def test_a_revoked_transponder_is_refused_by_the_next_roster(flashed) -> None:
    event, folder = flashed
    lost = read_image(image_path(folder, "T-002")).device

    def revoke(roster: Roster) -> Roster:
        devices = (dataclasses.replace(d, revoked=d.device == lost) for d in roster.devices)
        return dataclasses.replace(roster, devices=tuple(devices))

    roster = amend_roster(event, revoke)
    refusals = set()
    for header in map(read_header, ride(folder)):
        try:
            roster.device_key(header.kid)
        except Refused as error:
            refusals.add((header.device, error.reason))
    assert refusals == {(lost, Reason.REVOKED)}


def test_images_that_cannot_ride_are_one_sentence(flashed, tmp_path) -> None:
    _, folder = flashed
    to = ("--relay", "127.0.0.1:9")
    assert "no transponders are named" in refused(78, "bikes", *to)
    assert "holds no rider's" in refused(78, "bikes", *to, "--nvs", tmp_path)
    assert "has 3 riders" in refused(78, "bikes", *to, "--nvs", folder, "--riders=4")
    (folder / "copy.bin").write_bytes(image_path(folder, "T-001").read_bytes())
    assert "have both bib 1" in refused(78, "bikes", *to, "--nvs", folder)
    (folder / "copy.bin").write_bytes(image_path(folder, "T-001").read_bytes()[:-1])
    assert "copy.bin" in refused(65, "bikes", *to, "--nvs", folder)
