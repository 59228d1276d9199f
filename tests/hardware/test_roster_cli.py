"""Rosters changed by command: numbered, told in words, signed only where the key is."""

import json
from pathlib import Path

import pytest

from hardware.authority import newest_roster
from hardware.keys import Credentials
from tests.hardware.test_cli import hardware, refused


@pytest.fixture
def event(tmp_path: Path) -> Path:
    folder = tmp_path / "event"
    words = ["--event=race", "--relay=moto-1", "--relay=heli", "--riders=3"]
    assert hardware("event", "new", folder, *words).returncode == 0
    return folder


def told(*words: object) -> list[str]:
    done = hardware("roster", *words, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "hardware.roster-diff/1"
    return list(document["changes"])


def test_revoking_is_the_next_version_in_every_folder_and_told_in_words(event):
    assert told("revoke", event, "--relay", "moto-1", "--bib", 2) == [
        "relay moto-1 is revoked", "device 2, key generation 1, is revoked",
    ]  # fmt: skip
    for machine in ("truck", "relays/heli", "relays/moto-1", "bikes"):
        roster = Credentials(event / machine).roster()
        assert (roster.version, roster.relays[0].revoked) == (2, True)
    assert told("revoke", event, "--relay", "moto-1") == []
    assert newest_roster(event)[1].version == 2
    files = [event / f"rosters/{n:06d}.json" for n in (1, 2)]
    authority = ["--authority", event / "authority.pub"]
    done = hardware("roster", "diff", *files, *authority)
    assert "relay moto-1 is revoked\n" in done.stdout
    assert "no longer revoked" in hardware("roster", "diff", *files[::-1], *authority).stdout


def test_a_binding_holds_from_its_time_on(event):
    at = "2027-07-16T10:35:00Z"
    assert told("bind", event, 1, 3, "--from", at) == [
        "from 2027-07-16 10:35:00Z on device 1 speaks for nobody",
        "from 2027-07-16 10:35:00Z on device 3 speaks for bib 1",
    ]
    roster = newest_roster(event)[1]
    assert (roster.bib_of(3, 1.82e9), roster.bib_of(1, 1.82e9)) == (1, 0)
    assert (roster.bib_of(3, 1.7e9), roster.bib_of(1, 1.7e9)) == (3, 1)


def test_a_draft_is_signed_where_the_key_is_and_only_on_its_own_version(event, tmp_path):
    away = tmp_path / "authority.key"
    draft = tmp_path / "draft.json"
    (event / "authority.key").rename(away)
    assert "cannot read authority signing key" in refused(
        78, "roster", "revoke", event, "--relay", "heli"
    )
    assert told("revoke", event, "--relay", "heli", "--draft", draft) == ["relay heli is revoked"]
    assert newest_roster(event)[1].version == 1
    away.rename(event / "authority.key")
    assert told("sign", event, draft) == ["relay heli is revoked"]
    assert "the draft stands on race version 1" in refused(78, "roster", "sign", event, draft)
    draft.write_text("{}")
    assert "refused (version)" in refused(65, "roster", "sign", event, draft)
    draft.write_text("[")
    assert "is no draft" in refused(78, "roster", "sign", event, draft)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["revoke", "{}"], "nobody is named"),
        (["revoke", "{}", "--relay=moto-9"], "relay 'moto-9' is not in roster version 1"),
        (["revoke", "{}", "--device=9"], "device 9 is not in roster version 1"),
        (["revoke", "{}", "--bib=9"], "no device speaks for bib 9"),
        (["bind", "{}", "1", "9"], "device 9 is not in roster version 1"),
        (["bind", "{}", "1", "2", "--from=noon"], "--from noon is no time"),
        (["bind", "{}", "1", "2", "--from=2027-07-16T10:35:00"], "has no zone"),
    ],
)
def test_what_cannot_be_changed_is_one_sentence_and_no_version(event, words, said):
    assert said in refused(78, "roster", *[word.format(event) for word in words])
    assert newest_roster(event)[1].version == 1


def test_a_revoked_device_is_not_bound(event):
    told("revoke", event, "--device", 2)
    assert "device 2 is revoked" in refused(78, "roster", "bind", event, 1, 2)


def test_an_events_keys_may_be_under_a_passphrase(tmp_path, monkeypatch):
    (tmp_path / "phrase").write_text("four words in a row\n")
    new = ["event", "new", tmp_path / "e", "--event=race", "--passphrase"]
    assert "no terminal to ask on" in refused(78, *new)
    monkeypatch.setenv("HARDWARE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    assert hardware(*new).returncode == 0
    assert b"sealed" in (tmp_path / "e" / "authority.key").read_bytes()
    done = hardware("enroll", "token", tmp_path / "e", "moto-1", "--to", tmp_path / "token")
    assert done.returncode == 0
    assert len((tmp_path / "token").read_bytes()) == 32
    assert '"unused"' in hardware("enroll", "tokens", tmp_path / "e", "--json").stdout
