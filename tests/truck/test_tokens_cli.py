"""`truck token` and `truck audit`: made once, shown once, revoked at once, and all of it proven."""

import json
from pathlib import Path
from typing import Any

import pytest
from truck_home import SmallTruck
from typer.testing import CliRunner

from hardware import clock
from hardware.errors import Reason, Refused, TruckError
from truck.cli import app
from truck.serve.tokens import Tokens


def truck(*words: str | Path, code: int = 0) -> Any:
    """One command in this process; what it printed, and its refusal."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    error = done.exception
    assert (error.exit_code if isinstance(error, TruckError) else done.exit_code) == code, error
    return done


def test_a_token_is_made_listed_revoked_and_each_is_in_the_audit_log(tmp_path: Path) -> None:
    small = SmallTruck(tmp_path)
    home = small.home.folder
    assert "nobody has acted" in str(truck("audit", "verify", home, code=10).exception)
    made = truck("token", "new", home, "--role", "tv", "--for", "Anna", "--by", "ben")
    text = made.stdout.strip()
    roster = small.event.truck.roster()
    tokens = Tokens(small.home.tokens, roster.truck_sign_public, roster.event)
    token = tokens.prove(text, clock.Clock().now_s())
    assert (token.role, token.name) == ("tv", "Anna")
    assert token.until_s - token.from_s == 12 * 3600
    assert token.id in made.stderr
    assert text not in made.stderr
    listed = json.loads(truck("token", "list", home, "--json").stdout)["tokens"]
    assert [(row["id"], row["state"], row["made_by"]) for row in listed] == [
        (token.id, "holds", "ben")
    ]
    assert "king" in str(
        truck("token", "new", home, "--role", "king", "--for", "A", code=78).exception
    )
    assert token.id in truck("token", "revoke", home, token.id, "--by", "ben").stdout
    with pytest.raises(Refused) as refused:
        tokens.prove(text, clock.Clock().now_s())
    assert refused.value.reason == Reason.REVOKED
    assert "revoked by ben" in truck("token", "list", home).stdout
    shown = json.loads(truck("audit", "show", home, "--json").stdout)
    assert [(e["action"], e["outcome"], e["by"]) for e in shown["entries"]] == [
        ("token_new", "asked", "ben"), ("token_new", "done", "ben"),
        ("token_revoke", "asked", "ben"), ("token_revoke", "done", "ben"),
    ]  # fmt: skip
    assert text not in json.dumps(shown)
    assert "4 lines, each as it was written" in truck("audit", "verify", home).stdout
    path = home / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"Anna"', b'"Hans"'))
    assert "line 1: not as it was written" in str(truck("audit", "verify", home, code=65).exception)
