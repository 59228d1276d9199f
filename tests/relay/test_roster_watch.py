"""Rosters that reach a relay: newer ones are kept before they count, others refused by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from hardware.authority import create_event, newest_roster, open_authority
from hardware.keys import Credentials
from hardware.roster import Roster, sign_roster
from hardware.roster_change import revoke
from hardware.signing import SigningKey
from relay.roster_watch import RosterWatch
from relay.troubles import Troubles

NOW_S = 1.8e9


class Watched:
    """A relay's folder, watched, and the authority that signs for it."""

    def __init__(self, folder: Path) -> None:
        create_event(folder, event="race", now_s=NOW_S, bibs=[1, 2], relays=["moto-1", "heli"])
        self.key = open_authority(folder).key
        self.roster = newest_roster(folder)[1]
        self.credentials = Credentials(folder / "relays" / "moto-1")
        self.troubles = Troubles()
        self.watch = self.begin()

    def begin(self) -> RosterWatch:
        public = self.credentials.signing_key("relay").public
        return RosterWatch(self.credentials, "moto-1", public, self.troubles)

    def signed(self, version: int, key: SigningKey | None = None, **changes: object) -> bytes:
        changed: Roster = replace(self.roster, version=version, **changes)  # type: ignore[arg-type]
        return sign_roster(changed, key or self.key)

    def revoking(self, version: int, *relays: str) -> bytes:
        return self.signed(version, relays=revoke(self.roster, relays, [], [], NOW_S).relays)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "event")


def test_a_newer_roster_is_in_force_at_the_gate_and_on_the_disk(watched):
    signed = watched.signed(3)
    watched.watch.offer(signed)
    watched.watch.offer(signed)
    assert watched.watch.current.version == watched.watch.gate.roster.version == 3
    assert watched.credentials.roster_bytes() == signed
    assert watched.begin().current.version == 3
    watched.watch.look()  # what we wrote ourselves is no news
    assert not watched.watch.refused
    assert watched.troubles.rows() == {}


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("older", lambda w: w.signed(1)),
        ("fork", lambda w: w.signed(2, bindings=())),
        ("foreign", lambda w: w.signed(9, event="other")),
        ("signature", lambda w: w.signed(9, SigningKey(b"x" * 32))),
        ("malformed", lambda w: b"{}"),
        ("value", lambda w: w.signed(9, truck_sign_public=bytes(32))),
    ],
)
def test_another_is_refused_by_name_and_changes_nothing(watched, name, offered):
    watched.watch.offer(watched.signed(2))
    before = watched.credentials.roster_bytes()
    watched.watch.offer(offered(watched))
    assert watched.watch.refused == {name: 1}
    assert "roster" in watched.troubles.rows()
    assert watched.watch.current.version == 2
    assert watched.credentials.roster_bytes() == before
    watched.watch.offer(watched.signed(4))
    assert watched.troubles.rows() == {}


def test_a_revoked_relay_falls_silent_and_says_so_and_another_may_speak(watched):
    watched.watch.offer(watched.revoking(2, "heli"))
    assert watched.watch.may_speak
    watched.watch.offer(watched.revoking(3, "moto-1"))
    assert not watched.watch.may_speak
    assert "not in roster version 3 (revoked)" in watched.troubles.rows()["enrolment"]
    watched.watch.offer(watched.signed(4))
    assert watched.watch.may_speak
    assert watched.troubles.rows() == {}


def test_a_folder_that_cannot_be_written_does_not_keep_a_revocation_out(watched, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hardware.keys.os.fsync", full)
    watched.watch.offer(watched.revoking(2, "heli"))
    assert watched.watch.current.version == 2
    assert "No space left" in watched.troubles.rows()["roster-kept"]
