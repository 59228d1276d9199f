"""The audit log: a line before and behind each action; a flood of refusals fills no disk."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hardware.errors import Misconfigured, NotInitialised, Unavailable
from hardware.signing import SigningKey
from truck.audit import Actor, Audit, read_audit

KEY = SigningKey(b"\3" * 32)
ANNA = Actor("Anna", "operator", "0f" * 8, "10.0.0.7")


class Clock:
    now_s = 1.8e9

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path, KEY, Clock())


def lines(folder: Path) -> list[tuple[str, str, str]]:
    log = read_audit(folder, KEY.public)
    assert log.problems == ()
    return [(e.action, e.outcome, e.said) for e in log.entries]


def test_an_action_has_a_line_before_and_one_behind(audit: Audit, tmp_path: Path) -> None:
    def swap() -> dict[str, Any]:
        assert lines(tmp_path) == [("swap", "asked", "")], "written before anything is done"
        return {"said": "bib 12 rides device 3", "number": 1}

    assert audit.do(ANNA, "swap", {"bib": 12}, swap)["number"] == 1
    assert lines(tmp_path)[1] == ("swap", "done", "bib 12 rides device 3")
    first = read_audit(tmp_path, KEY.public).entries[0]
    assert (first.by, first.role, first.token, first.address) == (
        "Anna", "operator", "0f" * 8, "10.0.0.7",
    )  # fmt: skip
    assert first.detail == {"bib": 12}


def test_what_failed_says_why(audit: Audit, tmp_path: Path) -> None:
    def fail() -> dict[str, Any]:
        raise Misconfigured("nobody rides with bib 99")

    with pytest.raises(Misconfigured):
        audit.do(ANNA, "swap", {"bib": 99}, fail)
    assert lines(tmp_path)[1] == ("swap", "failed", "nobody rides with bib 99.")


def test_nothing_is_done_that_cannot_be_written_down(audit: Audit, tmp_path: Path) -> None:
    audit.do(ANNA, "swap", {}, dict)
    path = tmp_path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Anna", b"Hans"))
    done: list[int] = []
    with pytest.raises(Unavailable, match="nothing was done"):
        audit.do(ANNA, "swap", {}, lambda: {"said": str(done.append(1))})
    with pytest.raises(Unavailable, match="longer than a line"):
        Audit(tmp_path / "new", KEY, Clock()).do(ANNA, "swap", {"x": "y" * 4096}, dict)
    assert done == []


def test_a_flood_of_refusals_is_a_few_lines_and_a_count(audit: Audit, tmp_path: Path) -> None:
    for _ in range(1000):
        audit.refuse(Actor("", "", "", "10.0.0.9"), "POST /api/operator/acts", "no_token")
    audit.turn()
    assert len(lines(tmp_path)) == 30
    Clock.now_s += 60.0
    audit.refuse(ANNA, "POST /x", "role")
    audit.turn()
    assert read_audit(tmp_path, KEY.public).entries[-1].detail == {"more_before": 970}


def test_any_changed_removed_or_swapped_line_is_found(audit: Audit, tmp_path: Path) -> None:
    for n in range(4):
        audit.do(ANNA, "abandon", {"bib": n}, dict)
    path = tmp_path / "audit.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    for n in range(8):
        for wrong in (
            [*whole[:n], *whole[n + 1 :]],
            [*whole[:n], whole[n].replace(b"Anna", b"Hans"), *whole[n + 1 :]],
            [*whole[:n], *whole[n : n + 2][::-1], *whole[n + 2 :]] if n < 7 else whole[:4],
        ):
            path.write_bytes(b"".join(wrong))
            named = [problem.line for problem in read_audit(tmp_path, KEY.public).problems]
            assert {n + 1, 5} & set(named), (n, named)
    path.unlink()
    with pytest.raises(Exception, match=r"lost .*audit\.jsonl"):
        read_audit(tmp_path, KEY.public)


def test_a_home_where_nobody_acted_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotInitialised, match="nobody has acted"):
        read_audit(tmp_path, KEY.public)


def test_kill_9_between_the_lines_leaves_the_asking_and_a_log_that_goes_on(
    audit: Audit, tmp_path: Path
) -> None:
    script = (
        "import sys, time; from pathlib import Path; from hardware.signing import SigningKey\n"
        "from truck.audit import Actor, Audit\n"
        "audit = Audit(Path(sys.argv[1]), SigningKey(bytes([3]) * 32), lambda: 1.0)\n"
        "audit.do(Actor('A', 'operator'), 'swap', {}, "
        "lambda: [print('acting', flush=True), time.sleep(60)] and {})"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout
    assert run.stdout.readline() == "acting\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert lines(tmp_path) == [("swap", "asked", "")]
    audit.do(ANNA, "swap", {}, dict)
    assert [outcome for _, outcome, _ in lines(tmp_path)] == ["asked", "asked", "done"]
    assert json.loads((tmp_path / "audit.jsonl").read_bytes().splitlines()[2])["number"] == 3
