"""The desk and its folder: a token is used once, a lost answer comes again, a kill leaves it so."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hardware import keys
from hardware.authority import amend_roster, create_event, newest_roster, open_authority
from hardware.ca import new_tls_key
from hardware.enrolment import make_relay_request
from hardware.enrolment_answer import open_answer
from hardware.enrolment_desk import Desk, new_token, revoke_tokens, tokens
from hardware.enrolment_request import EnrolmentRefused, Why
from hardware.errors import Damaged, Misconfigured, NotInitialised
from hardware.signing import SigningKey

NOW_S = 1.8e9


@pytest.fixture
def event(tmp_path: Path) -> Path:
    create_event(tmp_path / "event", event="race", now_s=NOW_S, bibs=[], relays=[])
    return tmp_path / "event"


def ask(token: bytes, seed: bytes = b"k", name: str = "moto-1") -> bytes:
    return make_relay_request(
        event="race", name=name, serial="pi-7", key=SigningKey(seed * 32), tls_key=new_tls_key(),
        token=token, nonce=bytes(16),
    )  # fmt: skip


def why_of(desk: Desk, envelope: bytes, now_s: float = NOW_S) -> Why:
    with pytest.raises(EnrolmentRefused) as refusal:
        desk.enrol(envelope, now_s)
    return refusal.value.why


def test_an_event_without_relays_and_riders_takes_them_one_by_one(event):
    assert newest_roster(event)[1].relays == ()
    assert not (event / "bikes").exists()
    desk = Desk(event, open_authority(event))
    for number, name in enumerate(("moto-1", "heli"), start=1):
        envelope = ask(new_token(event, name, NOW_S), bytes([number]), name)
        request, answer = desk.enrol(envelope, NOW_S)
        ca_pem, public = (event / "ca.crt").read_text(), keys.read_key(event / "authority.pub", "")
        _, roster = open_answer(answer, request, ca_pem, public)
        assert roster.version == number + 1
        assert keys.Credentials(event / "truck").roster() == roster
        assert desk.enrol(envelope, NOW_S + 9e5)[1] == answer
    assert newest_roster(event)[1] == roster
    assert [r.name for r in roster.relays] == ["heli", "moto-1"]
    assert [used is not None and used.serial for _, used in tokens(event)] == ["pi-7", "pi-7"]


def test_neither_a_token_nor_a_relays_private_key_is_in_the_event_folder(event):
    token = new_token(event, "moto-1", NOW_S)
    Desk(event, open_authority(event)).enrol(ask(token), NOW_S)
    held = b"".join(path.read_bytes() for path in event.rglob("*") if path.is_file())
    for secret in (token, b"k" * 32):
        assert secret not in held
        assert secret.hex().encode() not in held


def test_a_token_used_with_other_keys_expired_revoked_or_unknown_is_refused(event):
    desk = Desk(event, open_authority(event))
    token = new_token(event, "moto-1", NOW_S, valid_s=60.0)
    assert why_of(desk, ask(token), NOW_S + 61) is Why.TOKEN_EXPIRED
    desk.enrol(ask(token), NOW_S)
    assert why_of(desk, ask(token, b"x")) is Why.TOKEN_USED
    assert why_of(desk, ask(b"?" * 32, b"y")) is Why.TOKEN_UNKNOWN
    lost, fresh = new_token(event, "heli", NOW_S), new_token(event, "heli", NOW_S)
    assert why_of(desk, ask(lost, b"z", "heli")) is Why.TOKEN_REVOKED
    assert revoke_tokens(event, "heli") == 1
    assert why_of(desk, ask(fresh, b"z", "heli")) is Why.TOKEN_REVOKED
    assert newest_roster(event)[1].version == 2


def test_of_two_cards_of_one_relay_the_one_before_gets_no_answer_any_more(event):
    desk = Desk(event, open_authority(event))
    old = ask(new_token(event, "moto-1", NOW_S))
    desk.enrol(old, NOW_S)
    desk.enrol(ask(new_token(event, "moto-1", NOW_S), b"n"), NOW_S)
    assert why_of(desk, old) is Why.KEY_REVOKED
    assert newest_roster(event)[1].relays[0].sign_public == SigningKey(b"n" * 32).public


KILLED = """
import os, signal, sys
from pathlib import Path
from hardware import enrolment_desk, keys
from hardware.authority import open_authority
real, left, before = keys.write_file, int(sys.argv[2]), sys.argv[3] == "before"
def write(path, data, mode=0o600):
    global left
    left -= 1
    if left < 0 and before:
        os.kill(os.getpid(), signal.SIGKILL)
    real(path, data, mode)
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
keys.write_file = write
event = Path(sys.argv[1])
enrolment_desk.Desk(event, open_authority(event)).enrol(sys.stdin.buffer.read(), 1.8e9)
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", range(4))  # the claim, the roster twice, the answer
def test_killed_at_any_write_the_token_has_one_owner_and_he_gets_his_answer(event, when, write):
    token = new_token(event, "moto-1", NOW_S)
    mine, theirs = ask(token), ask(token, b"x")
    words = [sys.executable, "-c", KILLED, str(event), str(write), when]
    done = subprocess.run(words, input=mine, timeout=60, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if (when, write) != ("before", 0):
        assert why_of(Desk(event, open_authority(event)), theirs) is Why.TOKEN_USED
    request, answer = Desk(event, open_authority(event)).enrol(mine, NOW_S)
    signed, roster = newest_roster(event)
    assert roster.version == 2
    assert [r.sign_public for r in roster.relays] == [SigningKey(b"k" * 32).public]
    assert json.loads(answer)["payloadType"].endswith("enrol-answer+json")
    assert signed == keys.Credentials(event / "truck").roster_bytes()
    assert Desk(event, open_authority(event)).enrol(mine, NOW_S + 1) == (request, answer)


def test_two_who_change_the_roster_at_once_make_two_versions(event):
    pid = os.fork()
    if pid == 0:
        for number in range(5):
            Desk(event, open_authority(event)).enrol(
                ask(new_token(event, f"a-{number}", NOW_S), bytes([number + 1]), f"a-{number}"),
                NOW_S,
            )
        os._exit(0)
    for number in range(5):
        Desk(event, open_authority(event)).enrol(
            ask(new_token(event, f"b-{number}", NOW_S), bytes([number + 9]), f"b-{number}"), NOW_S
        )
    assert os.waitpid(pid, 0)[1] == 0
    _, roster = newest_roster(event)
    assert (roster.version, len(roster.relays)) == (11, 10)


def test_keys_under_a_passphrase_open_with_it_only(tmp_path, monkeypatch):
    folder = tmp_path / "event"
    phrase = "four words in a row"
    create_event(folder, event="race", now_s=NOW_S, bibs=[1], relays=[], secret=phrase)
    for name in ("authority.key", "ca.key"):
        assert b"PRIVATE" not in (folder / name).read_bytes()
    (tmp_path / "phrase").write_text(f"{phrase}\n")
    with pytest.raises(Misconfigured, match="no terminal to ask on"):
        open_authority(folder)
    monkeypatch.setenv("HARDWARE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    assert amend_roster(folder, lambda newest: newest).version == 1
    (tmp_path / "phrase").write_text("another one entirely")
    with pytest.raises(Misconfigured, match="not the passphrase"):
        open_authority(folder)


def test_what_is_no_event_or_no_longer_whole_is_one_sentence(event, tmp_path):
    with pytest.raises(NotInitialised, match="holds no event"):
        new_token(tmp_path, "moto-1", NOW_S)
    with pytest.raises(Misconfigured, match="is no name"):
        new_token(event, "Moto 1", NOW_S)
    new_token(event, "moto-1", NOW_S)
    (path,) = (event / "tokens").glob("*.json")
    path.write_text("{}")
    with pytest.raises(Damaged, match="is damaged"):
        tokens(event)
    (event / "rosters" / "000002.json").write_bytes(b"{}")
    with pytest.raises(Damaged, match="not what this event's authority signed"):
        newest_roster(event)
    (event / "authority.pub").write_text("00" * 32)
    with pytest.raises(Damaged, match="no pair"):
        open_authority(event)
