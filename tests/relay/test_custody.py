"""Everything a relay heard arrives, and nothing is forgotten before the truck says so."""

import os
import random
import time

KILLS = int(os.environ.get("TRUCK_CHAOS_KILLS", "3"))
SEED = 20270716


def ids(packets):
    """(kid, boot, seq) of packets, read from the clear header."""
    number = int.from_bytes
    return {
        (number(p[4:8], "little"), number(p[2:4], "little"), number(p[8:12], "little"))
        for p in packets
    }


def test_what_is_heard_arrives_and_is_kept_until_the_truck_commits_it(event, truck, relay):
    truck.acks = False
    relay.retry_s = 3.0
    relay.start()
    sent = relay.hear(*(event.packet(device, seq) for device in (1, 2, 3) for seq in range(50)))
    truck.wait_for(sent)
    # the broker has answered every publish, and still nothing is forgotten
    held = relay.wait_for(lambda s: s["spool"]["bundles"] >= 2, "bundles in custody")
    time.sleep(1.0)
    later = relay.status()
    assert later["uplink"]["live_sent"] == held["spool"]["bundles"] == later["spool"]["bundles"]
    assert later["uplink"]["acked"] == 0
    # no commit came, so the bundles come again, as back-fill, and this time they are committed
    truck.acks = True
    bundles = held["spool"]["bundles"]
    done = relay.wait_for(lambda s: s["uplink"]["acked"] == bundles, "all are committed")
    assert done["spool"]["bundles"] == 0
    assert done["uplink"]["resent"] == bundles
    assert [live for live, _ in truck.arrived] == [True] * bundles + [False] * bundles
    assert done["heard_distinct"] == done["heard"]["packets"] == 150
    assert relay.heard() == ids(sent)


def test_a_relay_killed_at_any_moment_loses_nothing_it_had_spooled(event, truck, relay):
    chance = random.Random(SEED)
    seq = 0
    for _ in range(KILLS):
        relay.start()
        end_s = time.monotonic() + chance.uniform(0.2, 1.2)
        while time.monotonic() < end_s:
            relay.hear(*(event.packet(device, seq) for device in (1, 2, 3)))
            seq += 1
            time.sleep(0.01 if seq % 7 else 0.06)
        relay.kill()
    relay.start()
    relay.wait_for(lambda s: s["connected"] and s["spool"]["bundles"] == 0, "the spool empties")
    heard = relay.heard()
    assert len(heard) > KILLS * 10
    assert ids(truck.packets()) >= heard
    assert all(len(versions) == 1 for versions in truck.messages.values())
    boots = {boot for boot, _ in truck.messages}
    assert len(boots) == KILLS


def test_a_stopped_relay_leaves_what_it_heard_in_its_spool(event, broker, truck, relay):
    broker.crash()
    relay.start()
    relay.hear(*(event.packet(1, seq) for seq in range(30)))
    relay.wait_for(lambda s: s["heard"]["packets"] == 30, "30 packets heard")
    assert relay.stop() == 0
    stopped = relay.status()
    assert stopped["state"] == "stopped"
    assert stopped["heard_distinct"] == 30
    assert stopped["spool"]["bundles"] >= 1
    assert len(relay.heard()) == 30


def test_a_broker_killed_and_started_again_loses_nothing(event, broker, truck, relay):
    relay.retry_s = 2.0
    relay.start()
    relay.wait_for(lambda s: s["connected"], "connected")
    sent = relay.hear(*(event.packet(1, seq) for seq in range(20)))
    broker.crash()
    relay.wait_for(lambda s: not s["connected"], "the loss is seen")
    sent |= relay.hear(*(event.packet(2, seq) for seq in range(20)))
    assert relay.command("status", relay.home).returncode == 1
    broker.start()
    sent |= relay.hear(*(event.packet(3, seq) for seq in range(20)))
    truck.wait_for(sent)
    status = relay.wait_for(lambda s: s["spool"]["bundles"] == 0, "the spool empties")
    assert status["errors"] == {}
    assert relay.command("status", relay.home).returncode == 0


def test_after_an_outage_live_comes_first_then_back_fill_newest_first(
    event, truck, link, tmp_path, relay
):
    relay.settings["RELAY_BROKER_PORT"] = str(link.port)
    relay.start()
    backlog = set()
    for seq in range(150):
        backlog |= relay.hear(*(event.packet(device, seq) for device in (1, 2, 3)))
        time.sleep(0.03)
    relay.wait_for(lambda s: s["spool"]["bundles"] > 30, "a backlog")
    link.mend()
    seq = 200
    while not backlog <= truck.packets():
        relay.hear(event.packet(1, seq))
        seq += 1
        assert relay.status()["uplink"]["in_flight_bytes"] <= 16 << 10
        assert seq < 800
        time.sleep(0.03)
    relay.wait_for(lambda s: s["spool"]["bundles"] == 0, "the spool empties")
    lanes = [live for live, _ in truck.arrived]
    assert lanes[0], "the first to arrive after the outage is live"
    numbers = [bundle.number for live, bundle in truck.arrived if not live]
    assert len(numbers) > 15
    assert numbers == sorted(numbers, reverse=True)


def test_live_is_not_held_up_when_the_link_breaks_again_and_again(event, truck, link, relay):
    relay.settings["RELAY_BROKER_PORT"] = str(link.port)
    relay.start()
    sent = set()
    for seq in range(60):
        (link.mend if seq % 30 < 20 else link.cut)()
        sent |= relay.hear(*(event.packet(device, seq) for device in (1, 2, 3)))
        time.sleep(0.05)
    link.mend()
    truck.wait_for(sent)
    relay.wait_for(lambda s: s["spool"]["bundles"] == 0, "the spool empties")
    assert all(len(versions) == 1 for versions in truck.messages.values())
