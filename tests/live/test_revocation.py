"""A relay and a transponder are revoked in the race: one roster update, and nobody takes them."""

import json
import shutil
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from small_event import Event

from hardware import keys, topics
from hardware.keys import Credentials
from truck import demo
from truck.cast import Cast

RELAY, DEVICE = "heli", 3
UPDATE_S_MAX = 30.0


class Thief:
    """Whoever has a relay's card: its certificate and its key."""

    def __init__(self, cast: Cast, name: str) -> None:
        self.name, self.heard = name, list[str]()
        self.held = Credentials(cast.event / "relays" / name)
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.tls_set(*map(str, self.held.tls))
        self.client.on_connect = lambda client, *_: client.subscribe(topics.ack(name))
        self.client.on_message = lambda _c, _d, message: self.heard.append(message.topic)
        self.client.connect("localhost", cast._broker_port)
        self.client.loop_start()

    def send(self, event: Event, device: int) -> None:
        packet = event.packet(device, 1_000_000, at_s=time.time() - 1.0)
        message = event.message(packet, relay=self.name)
        self.client.publish(message.topic, message.payload, qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def refused_keys(cast: Cast) -> set[tuple[str, str]]:
    rows = json.loads(
        cast.call(
            "truck", "query", str(cast.truck_home),
            "SELECT DISTINCT reason, key FROM refusals WHERE reason = 'revoked'", "--json",
        )
    )["rows"]  # fmt: skip
    return {(row["reason"], row["key"]) for row in rows}


def test_one_roster_update_and_neither_relay_nor_transponder_is_taken_any_more(
    tmp_path: Path, mosquitto: Path
) -> None:
    script = demo.Script(riders=6)
    cast = demo.set_the_stage(tmp_path / "demo", script)
    laptop = tmp_path / "laptop"  # the authority's machine holds no relay's folder
    shutil.copytree(cast.event, laptop, ignore=shutil.ignore_patterns("relays"))
    event = Event(cast.event, Credentials(cast.event / "truck").roster())
    thieves: list[Thief] = []
    try:
        demo.start(cast, script)
        demo.start_bikes(cast, script)
        cast.wait_for(
            "packets", lambda: cast.truck_status().get("packets", {}).get("stored", 0) > 20, 60
        )
        told = cast.call(
            "hardware", "roster", "revoke", str(laptop), "--relay", RELAY, "--bib", str(DEVICE)
        )
        assert told == f"relay {RELAY} is revoked\ndevice {DEVICE}, key generation 1, is revoked\n"
        keys.write_file(
            cast.event / "truck" / "roster.json", (laptop / "truck" / "roster.json").read_bytes()
        )  # as the operator copies it
        statuses = cast.relay_status
        cast.wait_for(
            "the roster at every relay",
            lambda: all(statuses(name).get("roster_version") == 2 for name in cast.relays),
            UPDATE_S_MAX,
        )
        cast.wait_for(
            "the relays' refusal of the transponder",
            lambda: any(statuses(n)["heard"]["refused"].get("revoked") for n in cast.relays),
            UPDATE_S_MAX,
        )
        for name in cast.relays:  # kept: a restart does not go back behind it
            assert Credentials(cast.event / "relays" / name).roster().version == 2
        assert "(revoked)" in statuses(RELAY)["errors"]["enrolment"]
        assert "What is spooled stays" in statuses(RELAY)["errors"]["enrolment"]
        for name in (RELAY, "moto-2"):
            cast.kill(name)
            thieves.append(Thief(cast, name))
        cast.wait_for("links", lambda: all(t.client.is_connected() for t in thieves), 20)
        thieves[0].send(event, 1)
        thieves[1].send(event, DEVICE)
        wanted = {("revoked", f"relay:{RELAY}"), ("revoked", f"kid:{DEVICE << 8 | 1:08x}")}
        cast.wait_for("the truck's refusals", lambda: refused_keys(cast) == wanted, 30)
        time.sleep(0.5)
        assert thieves[0].heard == []  # nothing was acknowledged to it
        assert thieves[1].heard == ["ack/moto-2"]
    finally:
        for thief in thieves:
            thief.close()
        cast.end_all()
