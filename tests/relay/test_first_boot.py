"""First boot: from the files of a card to a relay's home; killed anywhere it is old or new."""

import contextlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hardware import clock, keys
from hardware.authority import amend_roster, create_event, newest_roster, open_authority
from hardware.enrolment_desk import Desk, new_token, tokens
from hardware.enrolment_service import EnrolmentService
from hardware.node import make_node, sign_node
from hardware.roster_change import revoke
from hardware.seed import seed_files
from relay import cli
from relay.broker import tls_context

NOW_S = time.time()


class Done(NamedTuple):
    """What a user sees of a command that has ended."""

    returncode: int
    stderr: str


class Hall:
    """An event, its desk, cards, and the nodes that are started from them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.event = folder, folder / "event"
        create_event(self.event, event="race", now_s=NOW_S, bibs=[], relays=[])
        self.authority = open_authority(self.event)
        self.service = EnrolmentService(
            self.event, self.authority, "127.0.0.1", 0, clock.Clock(), lambda _: None
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self.service.serve, args=(self._over.is_set,))
        self._thread.start()

    def card(self, name: str = "moto-1", version: int = 1, port: int | None = None) -> Path:
        """A card's folder, freshly flashed."""
        node = make_node(
            "moto", event="race", name=name, serial="pi-7", version=version,
            broker={"host": "127.0.0.1", "port": 8883}, radio={"host": "127.0.0.1", "port": 0},
            enrol={"host": "127.0.0.1", "port": port or self.service.port},
        )  # fmt: skip
        files = seed_files(
            event="race", name=name, serial="pi-7", config_version=version,
            node=sign_node(node, self.authority.key), token=new_token(self.event, name, NOW_S),
            authority_public=self.authority.key.public,
            ca_certificate=(self.event / "ca.crt").read_bytes(),
            roster=newest_roster(self.event)[0],
        )  # fmt: skip
        card = self.folder / f"card-{name}-{version}"
        for file, data in files.items():
            keys.write_file(card / file, data)
        return card

    def boot(self, home: Path, card: Path, *words: object) -> Done:
        """The command's own entry point, in this process, which is quicker."""
        err, code = io.StringIO(), 0
        said = ["relay", "first-boot", home, "--seed", card, *words]
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(err):
            patch.setattr(sys, "argv", list(map(str, said)))
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Done(code, err.getvalue())

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    opened = Hall(tmp_path)
    yield opened
    opened.close()


def credentials(home: Path) -> keys.Credentials:
    """What the home's settings name; every part of it holds."""
    (line,) = [x for x in (home / "relay.toml").read_text().splitlines() if "credentials" in x]
    held = keys.Credentials(Path(json.loads(line.partition(" = ")[2])))
    tls_context(held)
    public = held.roster().relay_key("moto-1").sign_public
    assert public == held.signing_key("relay").public
    return held


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }


def test_a_node_enrols_once_and_every_boot_after_it_changes_nothing(hall, tmp_path):
    card, home = hall.card(), tmp_path / "home"
    on_card = files_of(card)
    done = hall.boot(home, card)
    assert done.returncode == 0, done.stderr
    assert "moto-1 is enrolled in race" in done.stderr
    held = credentials(home)
    assert (home / "slots" / "offered.json").read_bytes() == on_card["node.json"]
    first = files_of(home)
    amend_roster(hall.event, lambda r: revoke(r, [], [], [], NOW_S))
    done = hall.boot(home, card)
    assert (done.returncode, "nothing to do" in done.stderr) == (0, True)
    assert files_of(home) == first
    assert files_of(card) == on_card
    for path in held.folder.glob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
    assert [used is not None for _, used in tokens(hall.event)] == [True]
    done = hall.boot(home, tmp_path / "no-card")
    assert (done.returncode, "is the home of 'moto-1'" in done.stderr) == (0, True)
    done = hall.boot(tmp_path / "blank", tmp_path / "no-card")
    assert (done.returncode, "there is no card in" in done.stderr) == (10, True)


def test_a_newer_roster_of_the_node_outlives_another_boot(hall, tmp_path):
    card, home = hall.card(), tmp_path / "home"
    assert hall.boot(home, card).returncode == 0
    held = credentials(home)
    hall.boot(tmp_path / "other", hall.card("heli"))
    newer = newest_roster(hall.event)[0]
    keys.write_file(held.folder / "roster.json", newer)
    (held.folder / "tls.crt").unlink()  # a worn card of the node's own
    assert hall.boot(home, card).returncode == 0
    assert held.roster_bytes() == newer
    credentials(home)


def test_without_a_network_a_stick_does_it(hall, tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        card = hall.card(port=nobody.getsockname()[1])
    home = tmp_path / "home"
    done = hall.boot(home, card)
    assert done.returncode == 75
    request = home / "moto-1.request.json"
    assert str(request) in done.stderr
    assert done.stderr.count("\n") == 1
    _, answer = Desk(hall.event, hall.authority).enrol(request.read_bytes(), NOW_S)
    stick = tmp_path / "moto-1.answer.json"
    stick.write_bytes(b"{}")
    assert hall.boot(home, card, "--answer", stick).returncode == 65
    assert not (home / "relay.toml").exists()
    stick.write_bytes(answer)
    assert hall.boot(home, card, "--answer", stick).returncode == 0
    credentials(home)
    assert not request.exists()


def test_a_copied_card_a_broken_one_and_a_foreign_one_change_nothing(hall, tmp_path):
    card, home, thief = hall.card(), tmp_path / "home", tmp_path / "thief"
    assert hall.boot(home, card).returncode == 0
    before = files_of(home)
    done = hall.boot(thief, card)
    assert (done.returncode, "refused (token_used)" in done.stderr) == (65, True)
    assert not (thief / "relay.toml").exists()
    assert hall.service.refused == {"token_used": 1}
    raw = bytearray((card / "node.json").read_bytes())
    raw[100] ^= 1
    (card / "node.json").write_bytes(raw)
    done = hall.boot(home, card)
    assert (done.returncode, "is not what COMMIT says" in done.stderr) == (65, True)
    assert files_of(home) == before


def test_a_clock_that_is_wrong_by_days_is_said_and_stops_nothing(hall, tmp_path, monkeypatch):
    monkeypatch.setenv("TRUCK_CLOCK", "1e-9@1.0")
    done = hall.boot(tmp_path / "home", hall.card())
    assert done.returncode == 0, done.stderr
    assert "clock is wrong by" in done.stderr
    assert "it says 1970-01-01" in done.stderr


KILLED = """
import os, signal, sys
from hardware import keys
from relay import cli
real = keys.write_file
for line in sys.stdin:  # each boot is a process of its own; one has imported for all of them
    left, when = int(line.split()[0]), line.split()[1]
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    def write(path, data, mode=0o600):
        global left
        left -= 1
        if left < 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(path, data, mode)
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    keys.write_file = write
    cli.main()
    sys.exit(0)
"""


def test_killed_at_any_write_it_is_the_old_relay_or_the_new_one_and_ends_well(hall, tmp_path):
    home = tmp_path / "home"
    assert hall.boot(home, hall.card(version=1)).returncode == 0
    old = credentials(home).folder
    card = hall.card(version=2)
    draws = random.Random(int(os.environ.get("TRUCK_CHAOS_SEED", "1")))
    kills, was_new = 0, False
    words = ["first-boot", str(home), "--seed", str(card)]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as boots:  # fmt: skip
        assert boots.stdin is not None
        assert boots.stdout is not None
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            when = draws.choice(["before", "after"])
            boots.stdin.write(f"{draws.randrange(3)} {when}\n")
            boots.stdin.flush()
            code = int(boots.stdout.readline())
            kills += code == -signal.SIGKILL
            is_new = credentials(home).folder != old  # and whole, whichever it is
            assert is_new >= was_new
            was_new = is_new
            assert kills < 60
        boots.stdin.close()
    assert kills >= 3
    assert was_new
    assert code == 0
    assert hall.boot(home, card).stderr.endswith("nothing to do\n")
    assert len(hall.service.enrolled) == 1
    assert not hall.service.refused
    assert (home / "slots" / "offered.json").read_bytes() == (card / "node.json").read_bytes()
