"""A valley: relays without a link hand their bundles on until one has it; custody stays theirs."""

import json
import socket

import pytest

from hardware.bundle import Ack, Bundle, encode_ack, encode_bundle
from hardware.errors import Reason, Refused
from hardware.forward import Forward, encode_datagram
from hardware.keys import Credentials
from hardware.node import HOPS_MAX, Neighbour
from hardware.signing import SigningKey
from relay.config import RelayConfig
from relay.neighbours import ECHO_S, FrameGate, Neighbours
from tests.relay.conftest import Relay
from tests.relay.network import free_port


def key_of(event, name):
    return Credentials(event.folder / "relays" / name).signing_key("relay")


def frame(number=1, *, boot=1, hops=1, sender="r2", origin="r2", message=b"bundle"):
    return Forward(sender, boot, number, origin, hops, False, message)


def datagram(event, made, key=None):
    return encode_datagram(made, key or key_of(event, made.sender), event.roster.event_id)


def refusal(event, gate, data):
    with pytest.raises(Refused) as refused:
        gate.check(data, event.roster)
    return refused.value.reason


def test_a_forged_or_replayed_frame_is_refused_by_name(event):
    gate, nobody = FrameGate({"r2", "stranger"}), SigningKey(bytes(32))
    first = datagram(event, frame(5))
    assert gate.check(first, event.roster) == frame(5)
    assert refusal(event, gate, first) == Reason.REPLAY
    assert gate.check(datagram(event, frame(3)), event.roster).number == 3  # overtaken on its way
    assert refusal(event, gate, datagram(event, frame(3))) == Reason.REPLAY
    assert gate.check(datagram(event, frame(1, boot=2)), event.roster).boot == 2
    for wrong, key, reason in (
        (frame(9), None, Reason.REPLAY),  # of an earlier boot
        (frame(6), nobody, Reason.SIGNATURE),
        (frame(7, sender="r1"), None, Reason.UNKNOWN_KEY),  # a relay, and no neighbour
        (frame(8, sender="stranger"), nobody, Reason.UNKNOWN_KEY),
        (frame(10, boot=2, hops=HOPS_MAX + 1), None, Reason.HOPS),
        (frame(10, boot=2, hops=0), None, Reason.HOPS),
    ):
        assert refusal(event, gate, datagram(event, wrong, key)) == reason
    assert refusal(event, gate, b"\x02" + first[1:]) == Reason.VERSION
    for cut in (0, 1, 3, 10, len(first) - 1):
        assert refusal(event, gate, first[:cut]) in {Reason.MALFORMED, Reason.UNKNOWN_KEY}


def test_a_message_that_comes_two_ways_is_an_echo_and_a_later_one_is_not():
    gate = FrameGate({"r2"})
    assert not gate.is_echo(frame(1), 100.0)
    assert gate.is_echo(frame(2), 100.1)
    assert not gate.is_echo(frame(3), 100.0 + 3 * ECHO_S)


class Ring:
    """Three nodes on loopback, each the neighbour of the other two, in one thread."""

    def __init__(self, event, folder, names=("r1", "r2"), hops_max=HOPS_MAX):
        ports = {name: free_port(socket.SOCK_DGRAM) for name in names}
        self.nodes = {}
        for name in names:
            config = RelayConfig(
                name=name, credentials=folder, broker_host="localhost", radio_port=0,
                forward_host="127.0.0.1", forward_port=ports[name], hops_max=hops_max,
                neighbours=tuple(
                    Neighbour(name=other, host="127.0.0.1", port=port)
                    for other, port in ports.items()
                    if other != name
                ),
            )  # fmt: skip
            key = key_of(event, name)
            self.nodes[name] = Neighbours(config, 1, key, event.roster.event_id)

    def close(self):
        for node in self.nodes.values():
            node.close()


@pytest.fixture
def ring(event, tmp_path):
    made = Ring(event, tmp_path)
    yield made
    made.close()


def take(node, event, now_s=0.0, tries=50):
    for _ in range(tries):
        if found := node.take(event.roster, now_s):
            return found
    return []


def bundle(event, origin="r1", number=1):
    made = Bundle(origin, 1, number, (event.packet(1, number),), (1,), (-70,))
    return encode_bundle(made, key_of(event, origin), event.roster.event_id)


def ack(event, relay="r1"):
    return encode_ack(Ack(relay, (), 1), event.truck_key, event.roster.event_id)


def test_a_bundle_goes_up_and_its_acknowledgement_comes_down_the_same_way(event, ring):
    one, two = ring.nodes["r1"], ring.nodes["r2"]
    made = bundle(event)
    one.offer(made)
    (came,) = take(two, event)
    assert (came.origin, came.hops, came.message) == ("r1", 1, made)
    assert two.send_down("r1", ack(event), 1)
    (back,) = take(one, event)
    assert (back.is_ack, back.origin, back.message) == (True, "r1", ack(event))
    assert not two.send_down("r9", ack(event), 1)  # no way is known


def test_a_neighbour_that_forges_what_is_inside_is_refused_and_it_goes_no_further(event, ring):
    one, two = ring.nodes["r1"], ring.nodes["r2"]
    forged = bytearray(bundle(event))
    forged[-1] ^= 1
    one.offer(bytes(forged))
    one.offer(bundle(event, "r2"))  # in the name of another
    one.offer(b"noise")
    assert take(two, event) == []
    assert two.counts()["refused"] == {"signature": 2, "malformed": 1}


def test_what_comes_round_in_a_ring_is_not_sent_round_again(event, ring):
    one, two = ring.nodes["r1"], ring.nodes["r2"]
    one.offer(bundle(event))
    (came,) = take(two, event)
    two.pass_on(came)  # but not to where it came from: nobody is left
    assert two.counts()["sent"] == 0
    two._send(came.message, came.origin, 2, list(two._by_name.values()), is_ack=False)
    assert take(one, event) == []
    assert one.counts()["echoes"] == 1


def test_beyond_the_hop_limit_it_is_refused_and_counted(event, ring):
    two = ring.nodes["r2"]
    far = frame(1, hops=HOPS_MAX, origin="r1")
    two.pass_on(far)
    assert two.for_the_truck(far) is None
    assert two.counts()["refused"] == {"hops": 2}
    near = frame(1, hops=HOPS_MAX - 1, origin="r1")
    assert two.for_the_truck(near)


def test_a_bundle_too_large_for_a_datagram_is_counted_and_stays(event, ring):
    one = ring.nodes["r1"]
    one.offer(bytes(70_000))
    assert one.counts()["refused"] == {"oversize": 1}


@pytest.fixture
def chain(event, broker, tmp_path):
    """r1 - r2 - r3 in a valley, real processes; only r3 has a link."""
    ports = [free_port(socket.SOCK_DGRAM) for _ in range(3)]
    nowhere = free_port()
    made = []
    for at, name in enumerate(("r1", "r2", "r3")):
        beside = [at - 1, at + 1] if at == 1 else [1]
        relay = Relay(event, tmp_path / name, broker.port if at == 2 else nowhere, name)
        neighbours = [{"name": f"r{n + 1}", "host": "127.0.0.1", "port": ports[n]} for n in beside]
        relay.settings |= {
            "RELAY_FORWARD_HOST": "127.0.0.1",
            "RELAY_FORWARD_PORT": str(ports[at]),
            "RELAY_NEIGHBOURS": json.dumps(neighbours),
        }
        relay.retry_s = 2.0
        made.append(relay)
    yield made
    for relay in made:
        relay.close()


def test_through_a_chain_of_relays_nothing_is_lost_and_custody_ends_with_the_trucks_ack(
    event, truck, chain
):
    one, two, three = chain
    for relay in (one, three):
        relay.start()
    three.wait_for(lambda s: s["connected"], "the last has a link")
    sent = one.hear(*(event.packet(1, seq) for seq in range(20)))
    one.wait_for(lambda s: s["heard_distinct"] == 20, "heard, and kept while nobody is between")
    two.start()
    truck.wait_for(sent, 60)
    one.wait_for(lambda s: s["spool"]["bundles"] == 0, "acknowledged all the way down", 60)
    two.kill()
    sent |= one.hear(*(event.packet(2, seq) for seq in range(20)))
    one.wait_for(lambda s: s["spool"]["bundles"] > 0, "kept while the chain is cut")
    two.start()
    truck.wait_for(sent, 60)
    one.wait_for(lambda s: s["spool"]["bundles"] == 0, "acknowledged", 60)
    status = three.wait_for(lambda s: s["neighbours"]["to_truck"] > 0, "handed on")
    assert status["spool"]["bundles"] == 0  # what passes through is in nobody's custody
    assert {bundle.relay for _, bundle in truck.arrived} == {"r1"}


def test_a_stranger_on_the_port_is_counted_and_changes_nothing(event, truck, chain):
    three = chain[2]
    three.start()
    three.wait_for(lambda s: s["connected"], "linked")
    port = int(three.settings["RELAY_FORWARD_PORT"])
    good = datagram(event, frame(1))
    forged = datagram(event, frame(2), SigningKey(bytes(32)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in (b"noise", forged, good, good):
            stranger.sendto(data, ("127.0.0.1", port))
    status = three.wait_for(lambda s: sum(s["neighbours"]["refused"].values()) == 4, "counted")
    assert status["neighbours"]["refused"] == {"malformed": 2, "signature": 1, "replay": 1}
