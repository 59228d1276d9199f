"""The command: what it says, and with which exit code."""

import json
import resource
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from hardware import home as homes
from hardware.authority import publish_roster
from hardware.errors import Exit, Misconfigured, TruckError
from relay.config import RelayConfig
from relay.home import RelayHome
from relay.service import Service
from relay.slots import Slots, Whose


def refused(done, code, *words):
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, "one sentence"
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def load(home, flags=None):
    return homes.load_settings(RelayConfig, home.config, flags or {})


def test_help_teaches_where_to_begin(relay):
    done = relay.command("--help")
    assert done.returncode == 0
    for word in ("init", "run", "status", "heard", "Begin with"):
        assert word in done.stdout
    assert relay.command("nonsense").returncode == 2


def test_status_and_heard_speak_json_with_a_schema(event, truck, relay):
    relay.start()
    truck.wait_for(relay.hear(*(event.packet(1, seq) for seq in (0, 1, 2, 9))))
    relay.wait_for(lambda s: s["uplink"]["acked"] == s["uplink"]["live_sent"] > 0, "committed")
    done = relay.command("status", relay.home, "--json")
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert status["schema"] == "relay.status/1"
    assert status["healthy"] is True
    assert set(status) >= {
        "name", "state", "connected", "last_error", "heard", "heard_distinct", "spool", "uplink",
        "roster_version", "at_s",
    }  # fmt: skip
    assert set(status["heard"]) == {"packets", "doubled", "overflowed", "refused"}
    assert set(status["spool"]) >= {"bundles", "bytes", "bytes_max", "dropped"}
    assert set(status["uplink"]) >= {
        "live_sent", "backfill_sent", "acked", "disputed", "resent", "in_flight_bytes",
    }  # fmt: skip
    heard = json.loads(relay.command("heard", relay.home, "--json").stdout)
    assert heard == {
        "schema": "relay.heard/1",
        "packets": 4,
        "heard": [{"kid": 0x101, "boot": 1, "ranges": [[0, 2], [9, 9]]}],
    }
    assert relay.command("heard", relay.home).stdout == "kid\tboot\tseq\n0x101\t1\t0-2,9\n"
    assert "4 packets" in relay.command("status", relay.home).stdout
    relay.stop()
    assert relay.command("status", relay.home).returncode == 1


def test_init_makes_a_home_and_says_what_comes_next(event, relay, tmp_path):
    home = tmp_path / "new"
    words = ("--credentials", event.credentials, "--broker", "truck.local:8883")
    done = relay.command("init", home, *words, "--radio", "[::1]:9100")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"relay 'r1' is ready: relay run {home}\n"
    config = load(RelayHome(home))
    assert (config.name, config.credentials) == ("r1", event.credentials)
    assert (config.broker_host, config.broker_port) == ("truck.local", 8883)
    assert (config.radio_host, config.radio_port) == ("::1", 9100)
    assert config.broker_tls
    refused(relay.command("init", home, *words, "--name", "R 1"), 78, "name", "a-z")


def test_init_turns_tls_off_for_a_broker_on_this_machine_only(event, relay, tmp_path):
    home = tmp_path / "new"
    words = ("--credentials", event.credentials, "--no-broker-tls", "--broker")
    refused(relay.command("init", home, *words, "truck.local:1883"), 78, "only on loopback")
    assert not home.exists()
    done = relay.command("init", home, *words, "127.0.0.1:1883")
    assert done.returncode == 0, done.stderr
    assert "broker_tls = false\n" in (home / "relay.toml").read_text()
    assert not load(RelayHome(home)).broker_tls


def test_two_relays_cannot_share_a_home(relay):
    relay.start()
    refused(relay.run(relay.home), 11, "another relay runs")


def test_a_radio_port_in_use_is_named(relay):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", relay.port))
        refused(relay.run(relay.home), 78, f":{relay.port}", "Address already in use")


def test_a_home_that_was_never_made_is_named(relay, tmp_path):
    refused(relay.run(tmp_path / "none"), 10, "relay init")
    refused(relay.command("status", relay.home), 10, "relay run")
    refused(relay.command("heard", relay.home), 10, "relay run")


def test_credentials_that_are_missing_or_wrong_are_named(
    event, own_event, other_event, relay, monkeypatch
):
    folder, home = own_event.credentials, RelayHome(relay.home)

    def refuses(code, words):
        config = load(home, {"credentials": folder})
        slots = Slots(home.folder, Whose(b"", "", config.name), has_settings=True)
        with pytest.raises(TruckError, match=words) as refused:
            Service(home, config, slots)
        assert refused.value.exit_code == code

    (folder / "relay.key").write_text("short\n")
    refuses(Exit.MISCONFIGURED, "relay.key holds no relay signing key. It must be 64 hex digits")
    (folder / "relay.key").write_bytes((event.folder / "relays/r2/relay.key").read_bytes())
    refuses(Exit.MISCONFIGURED, "is not the key of relay 'r1'")
    monkeypatch.setenv("RELAY_NAME", "stranger")
    refuses(Exit.MISCONFIGURED, "'stranger' is not in roster version 1")
    (folder / "roster.json").write_bytes((other_event.credentials / "roster.json").read_bytes())
    refuses(Exit.DAMAGED, "signature")
    (folder / "roster.json").unlink()
    refuses(Exit.MISCONFIGURED, "cannot read roster at .*roster.json")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("broker_port = 99999", "broker_port: .*65535"),
        ("colour = 'red'", "colour: "),
        ("bundle_s = 'soon'", "bundle_s: .*number"),
        ("name = 'R 1'", "name: must be a-z"),
        ("broker_tls = false\nbroker_host = 'truck.example'", "only on loopback"),
        ("spool_bytes_max = 5", "spool_bytes_max: "),
        ("broker_port = ", "relay.toml is no TOML: .*line"),
    ],
)
def test_a_wrong_configuration_names_its_field_and_how_to_mend_it(tmp_path, line, words):
    home = RelayHome(tmp_path)
    good = {
        "name": "r1",
        "credentials": tmp_path,
        "broker_host": "localhost",
        "broker_port": 8883,
        "radio_port": 9100,
    }
    homes.save_settings(RelayConfig, home.config, good)
    fields = {part.split(" = ")[0] for part in line.split("\n")}
    kept = [
        old for old in home.config.read_text().splitlines() if old.split(" = ")[0] not in fields
    ]
    home.config.write_text("\n".join([*kept, line]) + "\n")
    with pytest.raises(Misconfigured, match=words) as refused:
        load(home)
    assert refused.value.hint.startswith("Mend ")


def test_flags_go_over_the_environment_and_that_over_the_file(relay, monkeypatch):
    home = RelayHome(relay.home)
    assert load(home).radio_port == relay.port
    monkeypatch.setenv("RELAY_RADIO_PORT", "7001")
    assert load(home).radio_port == 7001
    assert load(home, {"radio_port": 7002}).radio_port == 7002
    monkeypatch.setenv("RELAY_RADIO_PORT", "ninety")
    with pytest.raises(Misconfigured, match=r"radio_port: .* RELAY_RADIO_PORT"):
        load(home)
    refused(relay.run(relay.home, "--broker", "nowhere"), 78, "HOST:PORT")


def test_a_full_or_read_only_folder_is_one_sentence(event, relay):
    words = ["--credentials", event.credentials, "--broker", "127.0.0.1:1"]
    refused(relay.command("init", "/proc/relay", *words), 78, "cannot write /proc/relay")

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = subprocess.run(
        [sys.executable, "-m", "relay", "run", str(relay.home)],
        capture_output=True, text=True, timeout=30, preexec_fn=no_room,
    )  # fmt: skip
    refused(done, 78, str(relay.home), "Free some space")


def test_a_newer_roster_is_taken_while_it_runs_and_an_older_one_is_not(own_event, relay):
    folder = own_event.credentials
    relay.settings["RELAY_CREDENTIALS"] = str(folder)
    first = (folder / "roster.json").read_bytes()
    relay.start()
    relay.hear(own_event.packet(1, 0))
    relay.wait_for(lambda s: s["heard"]["packets"] == 1, "device 1 is heard")
    one, *others = own_event.roster.devices
    revoked = replace(own_event.roster, devices=(replace(one, revoked=True), *others))
    publish_roster(own_event.folder, revoked)
    relay.wait_for(lambda s: s["roster_version"] == 2, "version 2")
    relay.hear(own_event.packet(1, 1))
    relay.wait_for(lambda s: s["heard"]["refused"] == {"revoked": 1}, "device 1 is refused")
    (folder / "roster.json").write_bytes(first)
    status = relay.wait_for(lambda s: "roster" in s["errors"], "the older one is refused")
    assert "older than 2" in status["errors"]["roster"]
    assert status["roster_version"] == 2


HEAVY = ("duckdb", "pyarrow", "starlette", "uvicorn", "polars", "obstore", "truck", "cloud_sync")
ALONE = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ImportError(name + " is not installed on a relay")
sys.meta_path.insert(0, Blocker())
import pkgutil, importlib, relay
for module in pkgutil.iter_modules(relay.__path__, "relay."):
    if module.name != "relay.__main__":
        importlib.import_module(module.name)
assert not set({HEAVY!r}) & set(sys.modules)
sys.argv = ["relay", *sys.argv[1:]]
from relay.cli import main
main()
"""


def test_it_runs_where_no_database_or_web_server_is_installed(event, truck, relay):
    ran = subprocess.Popen([sys.executable, "-c", ALONE, "run", str(relay.home)])
    try:
        while not (relay.home / "status.json").exists():
            assert ran.poll() is None
        truck.wait_for(relay.hear(event.packet(1, 0)))
    finally:
        ran.terminate()
    assert ran.wait(20) == 0
