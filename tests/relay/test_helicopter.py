"""The helicopter: an hour without a link is kept whole, and after it live goes before all of it."""

import collections

import pytest

from hardware.bundle import Ack, Acked, decode_bundle, digest_of
from hardware.node import PROFILES, make_node, relay_settings
from hardware.packet import PACKET_BYTES_MAX, Header, kid_of
from relay.config import RelayConfig
from relay.custody import Custody
from relay.home import RelayHome
from relay.radio import Heard
from relay.troubles import Troubles
from tests.relay.test_neighbours import key_of

HOLE_S = 3600
RIDERS, RIDERS_WHOLE = 20, 198
STEP_S = 4
LINK_BYTES_PER_S = 250_000  # 2 Mbit/s


@pytest.fixture
def config(event, tmp_path):
    node = make_node(
        "helicopter", event=event.roster.event, name="r1", serial="SN1", version=1,
        broker={"host": "localhost", "port": 8883}, radio={"host": "127.0.0.1", "port": 0},
    )  # fmt: skip
    return RelayConfig(credentials=tmp_path, **relay_settings(node))


def packets_at(second, riders=RIDERS):
    """What every rider sends in this second; a relay's custody does not look inside."""
    for device in range(1, riders + 1):
        header = Header(0x11, 1, 1, kid_of(device, 1), second, 100 * second)
        yield Heard(b"%4d%8d" % (device, second) + bytes(96), header, second * 1_000_000)


class Road:
    """A relay's custody on a clock that the test turns."""

    def __init__(self, event, config, home):
        self.event, self.key = event.roster.event_id, key_of(event, "r1")
        troubles = Troubles()
        self.custody = Custody(RelayHome(home), config, self.key, self.event, troubles, 1.0)
        self.stored, self.live_delay_s = set(), collections.Counter()

    def send(self, now_s, budget_bytes):
        """The link takes so many bytes; the truck journals and acknowledges each."""
        while budget_bytes > 0 and (found := self.custody.next(now_s)):
            send, message = found
            budget_bytes -= len(message)
            bundle = decode_bundle(message, "r1", self.key.public, self.event)
            self.stored.update(bundle.packets)
            newest_s = max(bundle.heard_at_us) / 1e6
            if send.live:
                self.live_delay_s[round(now_s - newest_s)] += 1
            self.custody.lanes.taken(send.key)
            acked = Acked(send.key.boot, send.key.number, digest_of(message))
            self.custody.acknowledge(Ack("r1", (acked,), 1))
        return budget_bytes


def test_a_hole_of_an_hour_loses_nothing_and_fills_up_behind_the_live_lane(event, config, tmp_path):
    road = Road(event, config, tmp_path)
    sent = set()
    for second in range(0, HOLE_S, STEP_S):
        heard = [p for at in range(second, second + STEP_S) for p in packets_at(at)]
        sent.update(packet.raw for packet in heard)
        road.custody.turn(heard, float(second + STEP_S), retry=True)
        road.custody.lanes.age(float(second + STEP_S))
    counts = road.custody.spool.counts
    assert (counts.dropped, counts.unspooled) == (0, 0)
    whole_bytes = counts.bytes * RIDERS_WHOLE / RIDERS
    assert whole_bytes < config.spool_bytes_max / 20  # and with everybody heard a day's worth fits

    second = HOLE_S
    while counts.bundles and second < HOLE_S + 600:
        second += 1
        heard = list(packets_at(second))
        sent.update(packet.raw for packet in heard)
        road.custody.turn(heard, second + 0.0, retry=True)
        road.custody.turn([], second + config.bundle_s, retry=True)
        road.send(second + config.bundle_s, LINK_BYTES_PER_S)
        road.custody.turn([], second + config.bundle_s, retry=True)
        counts = road.custody.spool.counts
    assert road.stored == sent
    waited = sum(count for delay_s, count in road.live_delay_s.items() if delay_s)
    assert waited <= 2  # those the link found when it came; none after waited for the back-fill
    assert second - HOLE_S < 120
    road.custody.spool.close()


def test_bundles_and_windows_of_the_profile_fit_each_other():
    for profile in PROFILES.values():
        largest_in_live = RIDERS_WHOLE * profile.bundle_s * 130
        assert largest_in_live < profile.backfill_bytes <= profile.uncommitted_bytes
        assert profile.spool_bytes_max > 4 * 3600 * RIDERS_WHOLE * 130
        assert profile.bundle_s < 0.3  # of a budget of 3 s
    assert PROFILES["helicopter"].uncommitted_bytes > PACKET_BYTES_MAX
