"""Only the truck's own signed word makes a relay forget."""

import cbor2
import pytest

from hardware.bundle import Ack, Acked, encode_ack
from hardware.keys import new_secret
from hardware.signing import SigningKey, cose_sign


@pytest.fixture
def waiting(event, truck, relay):
    """A relay that has one bundle in custody, and the ack that would free it."""
    truck.acks = False
    relay.start()
    truck.wait_for(relay.hear(event.packet(1, 0)))
    return relay, Ack("r1", tuple(truck.stored()), 1)


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
        "a bundle in its place": next(iter(truck.messages[ack.bundles[0][:2]])),
        "the old version, without a digest": cose_sign(
            cbor2.dumps({1: 1, 2: "r1", 3: [list(ack.bundles[0][:2])], 4: 1}),
            event.truck_key,
            b"truck ack 1 " + event_id,
        ),
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
    (ours,) = ack.bundles
    truck.ack(Acked(0, 0, 1), Acked(-(1 << 63), (1 << 63) - 1, 1), ours._replace(number=99))
    truck.ack(ours)
    status = relay.wait_for(lambda s: s["uplink"]["acked"] == 1, "the known one is freed")
    assert status["spool"]["bundles"] == 0


def test_an_ack_for_other_bytes_under_our_number_deletes_nothing_and_is_told(truck, waiting):
    """A thief with this relay's key had a bundle of his own acknowledged under that number."""
    relay, ack = waiting
    (ours,) = ack.bundles
    truck.ack(ours._replace(digest=ours.digest ^ 1))
    status = relay.wait_for(lambda s: s["uplink"]["disputed"] == 1, "the dispute is counted")
    assert status["spool"]["bundles"] == 1
    assert status["uplink"]["acked"] == 0
    assert "this relay's key" in relay.wait_for(lambda s: s["errors"], "an alarm")["errors"]["key"]
    assert relay.command("status", relay.home).returncode == 1
    truck.ack(ours)
    relay.wait_for(lambda s: s["spool"]["bundles"] == 0, "its own ack frees it")
