"""Slots: the old configuration or the new one, never half; a bad one returns by itself, once."""

import random
import signal
import subprocess
import sys
import time

import pytest

from hardware.errors import Reason, Refused
from hardware.node import config_digest
from relay.slots import STARTS_MAX, Slots, Whose
from tests.relay.configurations import configuration


def slots_of(event, home, *, has_settings=False):
    public = bytes.fromhex((event.credentials / "authority.pub").read_text())
    return Slots(home, Whose(public, event.roster.event, "r1"), has_settings=has_settings)


def version(slots):
    return slots.current.node.version if slots.current else None


@pytest.fixture
def confirmed(event, tmp_path):
    """A home that runs version 1, confirmed."""
    slots = slots_of(event, tmp_path)
    slots.offer(configuration(event, 1))
    assert slots.begin()
    assert slots.confirm(slots.current.digest)
    return tmp_path


def test_a_new_one_is_on_trial_until_the_truck_has_seen_it(event, confirmed):
    slots = slots_of(event, confirmed)
    slots.begin()
    new = configuration(event, 2)
    assert slots.offer(new)
    assert version(slots) == 1  # until the next start
    slots = slots_of(event, confirmed)
    slots.begin()
    assert (version(slots), slots.on_trial) == (2, True)
    assert not slots.confirm(config_digest(configuration(event, 1)))  # the truck saw another
    assert slots.confirm(config_digest(new))
    slots = slots_of(event, confirmed)
    slots.begin()
    assert (version(slots), slots.on_trial, slots.status()["state"]) == (2, False, "confirmed")


def test_one_that_is_not_confirmed_in_three_starts_returns_to_the_old(event, confirmed):
    slots = slots_of(event, confirmed)
    slots.begin()
    slots.offer(configuration(event, 2))
    for _ in range(STARTS_MAX):  # power cuts: no time passes that anybody could measure
        slots = slots_of(event, confirmed)
        slots.begin()
        assert version(slots) == 2
    slots = slots_of(event, confirmed)
    slots.begin()
    assert (version(slots), slots.on_trial) == (1, False)
    assert "3 starts" in slots.status()["failed"][0]["why"]


def test_one_that_failed_is_not_tried_again_but_a_later_one_is(event, confirmed):
    slots = slots_of(event, confirmed)
    slots.begin()
    slots.offer(configuration(event, 2))
    slots = slots_of(event, confirmed)
    slots.begin()
    slots.give_up("the truck was not heard")
    slots = slots_of(event, confirmed)
    slots.begin()
    with pytest.raises(Refused, match="the truck was not heard") as refused:
        slots.offer(configuration(event, 2))
    assert refused.value.reason == Reason.ROLLED_BACK
    assert slots.offer(configuration(event, 3))


def test_older_and_foreign_ones_are_refused_and_change_nothing(event, other_event, confirmed):
    slots = slots_of(event, confirmed)
    slots.begin()
    slots.offer(configuration(event, 5))
    slots = slots_of(event, confirmed)
    slots.begin()
    slots.confirm(slots.current.digest)
    before = (confirmed / "slots" / "state.json").read_bytes()
    for envelope, reason in (
        (configuration(event, 4), Reason.OLDER),
        (configuration(event, 5, bundle_s=0.2), Reason.OLDER),
        (configuration(event, 6, name="r2"), Reason.OTHER_NODE),
        (configuration(event, 6, serial="SN2"), Reason.OTHER_NODE),
        (configuration(event, 6, event="other-2027"), Reason.OTHER_EVENT),
        (configuration(event, 6, signer=other_event), Reason.SIGNATURE),
        (b"noise", Reason.MALFORMED),
    ):
        with pytest.raises(Refused) as refused:
            slots.offer(envelope)
        assert refused.value.reason == reason
    assert not slots.offer(configuration(event, 5))  # it runs already
    assert (confirmed / "slots" / "state.json").read_bytes() == before


def test_a_newer_offer_on_trial_leaves_what_was_confirmed_alone(event, confirmed):
    for number in (2, 3, 4):
        slots = slots_of(event, confirmed)
        slots.begin()
        slots.offer(configuration(event, number))
    slots = slots_of(event, confirmed)
    slots.begin()
    assert version(slots) == 4
    slots.give_up("no")
    slots = slots_of(event, confirmed)
    slots.begin()
    assert version(slots) == 1


def test_the_first_one_stays_where_there_is_nothing_to_return_to(event, tmp_path):
    slots_of(event, tmp_path).offer(configuration(event, 1))
    for _ in range(STARTS_MAX + 2):
        slots = slots_of(event, tmp_path)
        assert slots.begin() is not None
        assert slots.on_trial
        assert not slots.may_return
    assert slots_of(event, tmp_path, has_settings=True).begin() is None  # the settings file runs


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_in_either_slot_or_the_state_leaves_a_whole_one(event, confirmed, seed):
    slots = slots_of(event, confirmed)
    slots.begin()
    slots.offer(configuration(event, 2))
    slots = slots_of(event, confirmed)
    slots.begin()
    slots.confirm(slots.current.digest)
    draw = random.Random(seed)
    path = confirmed / "slots" / ("a.json", "b.json", "state.json")[seed % 3]
    worn = bytearray(path.read_bytes())
    worn[draw.randrange(len(worn))] ^= 1 << draw.randrange(8)
    path.write_bytes(worn)
    slots = slots_of(event, confirmed)
    slots.begin()
    assert version(slots) in (1, 2)


CYCLE = """
import sys
from pathlib import Path
from relay.slots import Slots, Whose
home, public, event = Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.argv[3]
envelopes = [Path(path).read_bytes() for path in sys.argv[4:]]
for number, envelope in enumerate(envelopes, start=2):
    slots = Slots(home, Whose(public, event, "r1"), has_settings=False)
    slots.begin()
    print("offering", number, flush=True)
    slots.offer(envelope)
    slots = Slots(home, Whose(public, event, "r1"), has_settings=False)
    slots.begin()
    if number % 2:
        slots.give_up("odd")
    else:
        slots.confirm(slots.current.digest)
    print("done", number, flush=True)
"""


@pytest.mark.parametrize("seed", range(10))
def test_killed_at_any_moment_it_starts_with_the_old_or_the_new(event, confirmed, tmp_path, seed):
    files = []
    for number in range(2, 30):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_bytes(configuration(event, number))
    public = (event.credentials / "authority.pub").read_text().strip()
    child = subprocess.Popen(
        [sys.executable, "-c", CYCLE, str(confirmed), public, event.roster.event, *map(str, files)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = next(line for line in child.stdout if line.startswith("offering"))
    time.sleep(random.Random(seed).uniform(0.0, 0.15))
    child.send_signal(signal.SIGKILL)
    lines = (said + child.stdout.read()).splitlines()
    said = [line.split() for line in lines if line.startswith(("offering", "done"))]
    child.wait()
    child.stdout.close()
    offered = max(int(number) for _, number in said)
    done = max((int(number) for word, number in said if word == "done"), default=1)
    slots = slots_of(event, confirmed)
    slots.begin()
    standing = done - 1 if done % 2 and done > 1 else done
    assert version(slots) in {standing, offered}
    assert slots.current.digest == config_digest(configuration(event, version(slots)))
