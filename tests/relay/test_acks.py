"""Only the truck's own signed word makes a relay forget."""

import cbor2
import pytest

from hardware.bundle import Ack, encode_ack
from hardware.keys import new_secret
from hardware.signing import SigningKey


@pytest.fixture
def waiting(event, truck, relay):
    """A relay that has one bundle in custody, and the ack that would free it."""
    truck.acks = False
    relay.start()
    truck.wait_for(relay.hear(event.packet(1, 0)))
    (bundle,) = truck.messages
    return relay, Ack("r1", (bundle,), 1)


def refused(status):
    return sum(status["uplink"]["acks_refused"].values())


def test_forged_foreign_and_malformed_acks_delete_nothing(event, truck, waiting):
    relay, ack = waiting
    event_id = event.roster.event_id
    true = encode_ack(ack, event.truck_key, event_id)
    forgeries = {
        "another key": encode_ack(ack, SigningKey(new_secret()), event_id),
        "the relay's own key": encode_ack(ack, event.keys[1], event_id),
        "another event": encode_ack(ack, event.truck_key, b"other-2027"),
        "another relay": encode_ack(Ack("r2", ack.bundles, 1), event.truck_key, event_id),
        "cut short": true[:-1],
        "a byte more": true + b"\0",
        "nothing": b"\0",
        "a bomb": b"\x9f" * 5000,
        "huge integers": cbor2.dumps([1 << 5000]),
        "a bundle in its place": next(iter(truck.messages[ack.bundles[0]])),
        "noise": bytes(range(256)) * 40,
    }
    for at in range(0, len(true), 7):
        forgeries[f"bit of byte {at}"] = true[:at] + bytes((true[at] ^ 4,)) + true[at + 1 :]
    for forgery in forgeries.values():
        truck.say(forgery)
    status = relay.wait_for(lambda s: refused(s) == len(forgeries), "every forgery is counted")
    assert status["spool"]["bundles"] == 1
    assert status["uplink"]["acked"] == 0
    assert status["uplink"]["acks_refused"]["wrong_sender"] == 1
    assert status["connected"]
    truck.say(true)
    relay.wait_for(lambda s: s["spool"]["bundles"] == 0, "the true one frees it")


def test_an_ack_for_bundles_nobody_knows_is_harmless(truck, waiting):
    relay, ack = waiting
    truck.ack((0, 0), (-(1 << 63), (1 << 63) - 1), (ack.bundles[0][0], 99))
    truck.ack(*ack.bundles)
    status = relay.wait_for(lambda s: s["uplink"]["acked"] == 1, "the known one is freed")
    assert status["spool"]["bundles"] == 0
