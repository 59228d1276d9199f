"""`hardware config`: the next version, with what was changed and nothing else."""

import sys
from pathlib import Path

import pytest

from hardware import cli, keys
from hardware.authority import create_event
from hardware.node import PROFILES, Node, make_node, read_node, sign_node
from hardware.signing import SigningKey


@pytest.fixture
def event(tmp_path: Path) -> Path:
    folder = tmp_path / "event"
    create_event(folder, event="tour", now_s=1.8e9, bibs=[1], relays=["moto-1"])
    node = make_node(
        "moto", event="tour", name="moto-1", serial="SN1", version=4,
        broker={"host": "10.0.0.1", "port": 8883}, radio={"host": "0.0.0.0", "port": 9100},
    )  # fmt: skip
    authority = SigningKey(keys.read_key(folder / "authority.key", "key"))
    (tmp_path / "4.json").write_bytes(sign_node(node, authority))
    return folder


def config(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hardware", "config", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def read(event: Path, path: Path) -> Node:
    public = SigningKey(keys.read_key(event / "authority.key", "key")).public
    return read_node(path.read_bytes(), public)


def test_the_next_version_holds_the_changes_and_nothing_else(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "5.json"
    words = ("--set", "broker.host=10.0.0.9", "--set", "radio.channel=7", "--out", out)
    assert config(monkeypatch, "sign", event, tmp_path / "4.json", *words) == 0
    before, after = read(event, tmp_path / "4.json"), read(event, out)
    assert (after.version, after.broker.host, after.radio.channel) == (5, "10.0.0.9", 7)
    changed = before.model_dump() | after.model_dump(include={"version", "broker", "radio"})
    assert after.model_dump() == changed


def test_a_profile_brings_all_its_settings(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "5.json"
    words = ("--profile", "helicopter", "--out", out)
    assert config(monkeypatch, "sign", event, tmp_path / "4.json", *words) == 0
    after = read(event, out)
    assert after.profile == "helicopter"
    assert after.spool_bytes_max == PROFILES["helicopter"].spool_bytes_max


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("broker.hots=1", "names no field"),
        ("name=moto-2", "names no field"),
        ("broker.port=70000", "field broker.port"),
        ("surprise", "names no field"),
    ],
)
def test_a_wrong_change_is_one_sentence_and_writes_nothing(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], change: str, words: str,
) -> None:  # fmt: skip
    out = tmp_path / "5.json"
    assert (
        config(monkeypatch, "sign", event, tmp_path / "4.json", "--set", change, "--out", out) == 78
    )
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_show_prints_what_was_signed(
    event: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = event / "relays" / "moto-1" / "authority.pub"
    words = (tmp_path / "4.json", "--authority", authority)
    assert config(monkeypatch, "show", *words) == 0
    assert '"truck.node/1"' in capsys.readouterr().out
