"""A running relay's configurations: tried, confirmed by the truck, or taken back by itself."""

import pytest

from hardware.heartbeat import Seen
from hardware.node import config_digest
from relay.home import RelayHome
from tests.relay.configurations import configuration
from tests.relay.network import free_port


@pytest.fixture
def offered(event, broker, relay, tmp_path):
    """Offers a configuration for this broker by the command, or for what `fields` say."""

    def offer(version, **fields):
        here = {"host": "localhost", "port": broker.port}
        radio = {"host": "127.0.0.1", "port": relay.port}
        envelope = configuration(event, version, **({"broker": here, "radio": radio} | fields))
        file = tmp_path / f"{version}.json"
        file.write_bytes(envelope)
        return envelope, relay.command("config", "offer", relay.home, file)

    return offer


def runs(version, state):
    def holds(status):
        found = status["configuration"]
        return (found["version"], found["state"]) == (version, state) and status["connected"]

    return holds


def test_a_good_one_is_tried_confirmed_and_kept_over_a_kill(event, truck, relay, offered):
    relay.start()
    relay.wait_for(lambda s: s["connected"], "linked by its settings file")
    envelope, done = offered(1, bundle_s=0.2)
    assert (done.returncode, "version 1 is tried now" in done.stderr) == (0, True)
    status = relay.wait_for(runs(1, "confirmed"), "confirmed")
    assert status["configuration"]["digest"] == config_digest(envelope)
    assert any(b.digest == config_digest(envelope) and b.on_trial for b in truck.beats)
    relay.kill()
    relay.start()
    relay.wait_for(runs(1, "confirmed"), "the same after a kill")
    sent = relay.hear(*(event.packet(1, seq) for seq in range(3)))
    truck.wait_for(sent)
    shown = relay.command("status", relay.home)
    assert "version 1 in slot a, confirmed" in shown.stdout


def test_one_that_leads_nowhere_returns_by_itself_and_is_not_tried_again(truck, relay, offered):
    relay.start()
    offered(1)
    relay.wait_for(runs(1, "confirmed"), "confirmed")
    envelope, _ = offered(2, broker={"host": "localhost", "port": free_port()}, trial_s=5.0)
    relay.wait_for(lambda s: s["configuration"]["version"] == 2, "on trial")
    status = relay.wait_for(runs(1, "confirmed"), "the old one is back", 40)
    assert "not confirmed by the truck within 5 s" in status["configuration"]["failed"][0]["why"]
    truck.client.publish("node/r1", envelope, qos=1)
    relay.wait_for(lambda s: "rolled_back" in s["errors"].get("configuration", ""), "refused")
    assert relay.status()["configuration"]["version"] == 1


def test_one_that_cannot_even_start_is_taken_back_at_once(truck, relay, offered):
    relay.start()
    offered(1)
    relay.wait_for(runs(1, "confirmed"), "confirmed")
    offered(2, radio={"host": "203.0.113.9", "port": 9100})  # no address of this machine
    status = relay.wait_for(lambda s: s["configuration"]["failed"] and s["connected"], "back")
    assert status["configuration"]["version"] == 1
    assert "cannot listen for the radio" in status["configuration"]["failed"][0]["why"]


def test_the_truck_offers_one_by_a_retained_message(event, truck, relay, broker):
    here = {"host": "localhost", "port": broker.port}
    radio = {"host": "127.0.0.1", "port": relay.port}
    first = configuration(event, 3, broker=here, radio=radio)
    truck.client.publish("node/r1", first, qos=1, retain=True)
    relay.start()
    relay.wait_for(runs(3, "confirmed"), "confirmed")
    truck.client.publish("node/r1", configuration(event, 2, broker=here, radio=radio), qos=1)
    status = relay.wait_for(lambda s: "older" in s["errors"].get("configuration", ""), "refused")
    assert status["configuration"]["version"] == 3
    truck.client.publish("node/r1", b"", qos=1, retain=True)


def test_only_the_trucks_answer_to_a_heartbeat_of_this_start_confirms(event, truck, relay, offered):
    truck.confirms = False
    relay.start()
    envelope, _ = offered(1, trial_s=60.0)
    relay.wait_for(runs(1, "on trial"), "on trial")
    boot = relay.status()["boot"]
    for wrong in (
        Seen("r1", boot - 1, 1, config_digest(envelope)),  # an earlier start's
        Seen("r1", boot, 1000, config_digest(envelope)),  # one that was never sent
        Seen("r1", boot, 1, "00" * 32),
        Seen("r2", boot, 1, config_digest(envelope)),
    ):
        truck.confirm(wrong)
    truck.client.publish("seen/r1", b"noise", qos=0)
    relay.wait_for(lambda s: s["uplink"]["acks_refused"].get("malformed"), "noise is counted")
    assert runs(1, "on trial")(relay.status())
    truck.confirm(Seen("r1", boot, 1, config_digest(envelope)))
    relay.wait_for(runs(1, "confirmed"), "confirmed")


def test_the_command_refuses_in_one_sentence(event, relay, tmp_path, offered, other_event):
    file = tmp_path / "node.json"
    for envelope, words in (
        (configuration(event, 2, name="r2"), "other_node"),
        (configuration(event, 2, event="giro"), "other_event"),
        (configuration(event, 2, signer=other_event), "signature"),
        (b"{}", "malformed"),
    ):
        file.write_bytes(envelope)
        done = relay.command("config", "offer", relay.home, file)
        assert (done.returncode, words in done.stderr) == (65, True), done.stderr
    assert not (RelayHome(relay.home).folder / "slots").exists()
