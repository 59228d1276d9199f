"""The doctor: well when all is well, and otherwise what, why and what to try."""

import json
import time
from dataclasses import replace

from hardware.authority import publish_roster
from tests.relay.configurations import configuration
from tests.relay.network import free_port

CHECKS = {
    "running", "disk", "spool", "clock", "radio", "certificate", "broker", "roster",
    "configuration",
}  # fmt: skip


def ask(relay):
    done = relay.command("doctor", relay.home, "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "relay.doctor/1"
    checks = {row["name"]: row for row in document["checks"]}
    assert set(checks) == CHECKS
    assert all(row["why"] and (row["ok"] or row["try"]) for row in checks.values())
    failed = {name for name, row in checks.items() if not row["ok"]}
    assert (done.returncode == 0, document["ok"]) == (not failed, not failed)
    return checks, failed


def test_a_relay_that_hears_and_is_heard_is_well(event, truck, relay):
    relay.start()
    truck.wait_for(relay.hear(*(event.packet(1, seq) for seq in range(3))))
    relay.wait_for(lambda s: s["heard_at_s"], "the status knows")
    checks, failed = ask(relay)
    assert not failed, checks
    assert "shook hands, TLSv1.3" in checks["broker"]["seen"]
    assert "GNSS" in checks["clock"]["seen"]
    shown = relay.command("doctor", relay.home).stdout
    assert "ok   certificate: 6" in shown


def test_each_fault_is_named_with_its_cure(event, own_event, broker, relay, monkeypatch):
    relay.settings["RELAY_CREDENTIALS"] = str(own_event.credentials)
    monkeypatch.setenv("RELAY_CREDENTIALS", str(own_event.credentials))
    checks, failed = ask(relay)  # before it ever ran
    assert failed == {"running", "radio"}
    relay.start()
    relay.wait_for(lambda s: s["connected"], "linked")
    relay.hear(event.packet(1, 1, at_s=time.time() - 3 * 3600))
    relay.wait_for(lambda s: s["heard"]["packets"] == 1, "heard")
    relay.wait_for(lambda s: s["clock_ahead_s"], "compared")
    monkeypatch.setenv("RELAY_BROKER_PORT", str(free_port()))
    (relay.home / ".doctor").mkdir()  # what cannot be written over
    checks, failed = ask(relay)
    assert failed == {"clock", "broker", "disk"}
    assert "timedatectl" in checks["clock"]["try"]
    assert "cannot be reached" in checks["broker"]["seen"]
    relay.kill()
    (own_event.credentials / "tls.crt").write_text("no certificate")
    (own_event.credentials / "roster.json").write_text("{}")
    done = relay.command("doctor", relay.home, "--json")
    assert done.returncode == 65  # no roster that can be trusted: nothing else can be judged
    assert "DSSE" in done.stderr


def test_a_newer_roster_that_is_not_in_use_and_a_failed_configuration_are_named(
    event, own_event, broker, relay, monkeypatch, tmp_path
):
    monkeypatch.setenv("RELAY_CREDENTIALS", str(own_event.credentials))
    relay.settings["RELAY_CREDENTIALS"] = str(own_event.credentials)
    relay.start()
    relay.wait_for(lambda s: s["connected"], "linked")
    file = tmp_path / "node.json"
    nowhere = {"host": "203.0.113.9", "port": 9100}
    file.write_bytes(configuration(own_event, 1, radio=nowhere))
    assert relay.command("config", "offer", relay.home, file).returncode == 0
    relay.wait_for(lambda s: s["configuration"]["failed"], "given up", 40)
    relay.wait_for(lambda s: s["connected"], "linked again")
    checks, failed = ask(relay)
    assert "version 1 was given up" in checks["configuration"]["seen"]
    relay.kill()
    publish_roster(own_event.folder, replace(own_event.roster, bindings=()))
    checks, failed = ask(relay)
    assert {"roster", "configuration"} <= failed
    assert "the relay runs version 1" in checks["roster"]["seen"]
