"""Tokens: what holds, what does not and why; the truck keeps none of them."""

import base64
import json
import random
from pathlib import Path

import pytest

from hardware.errors import Damaged, Misconfigured, Reason, Refused
from hardware.signing import SigningKey
from truck.serve.tokens import ROLES, Token, Tokens, new_token, open_token, write_token

KEY, OTHER = SigningKey(b"\1" * 32), SigningKey(b"\2" * 32)
NOW_S = 1_800_000_000.0


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "tokens", KEY.public, "tour")


def made(tokens: Tokens, event: str = "tour", role: str = "press", hours: float = 2.0) -> Token:
    token = new_token(event, role, "Anna", hours, NOW_S)
    tokens.keep(token, "ben")
    return token


def refusal(tokens: Tokens, text: str, now_s: float = NOW_S) -> Reason:
    with pytest.raises(Refused) as refused:
        tokens.prove(text, now_s)
    return refused.value.reason


def test_a_token_holds_from_its_making_to_its_end(tokens: Tokens) -> None:
    token = made(tokens)
    text = write_token(token, KEY)
    assert tokens.prove(text, NOW_S) == tokens.prove(text, NOW_S + 7199) == token
    assert refusal(tokens, text, NOW_S + 7200) == Reason.EXPIRED
    assert refusal(tokens, text, NOW_S - 1) == Reason.NOT_YET_VALID


def test_another_events_and_another_trucks_token_are_refused_by_name(tokens: Tokens) -> None:
    assert refusal(tokens, write_token(made(tokens, event="giro"), KEY)) == Reason.OTHER_EVENT
    assert refusal(tokens, write_token(made(tokens), OTHER)) == Reason.SIGNATURE


def test_a_revoked_token_and_one_without_a_record_end_at_once(tokens: Tokens, tmp_path) -> None:
    token, other = made(tokens), made(tokens)
    tokens.prove(write_token(token, KEY), NOW_S)
    Tokens(tmp_path / "tokens", KEY.public, "tour").revoke(token.id, "ben", NOW_S)
    assert refusal(tokens, write_token(token, KEY)) == Reason.REVOKED
    (tmp_path / "tokens" / f"{other.id}.json").unlink()
    assert refusal(tokens, write_token(other, KEY)) == Reason.UNKNOWN_KEY
    with pytest.raises(Misconfigured, match="no token"):
        tokens.revoke("../../etc/passwd", "ben", NOW_S)


def test_a_record_that_is_none_lets_nobody_in(tokens: Tokens, tmp_path: Path) -> None:
    token = made(tokens)
    (tmp_path / "tokens" / f"{token.id}.json").write_bytes(b"{}")
    with pytest.raises(Damaged, match="no record"):
        tokens.prove(write_token(token, KEY), NOW_S)


def test_any_changed_character_is_refused(tokens: Tokens) -> None:
    text, dice = write_token(made(tokens), KEY), random.Random(4)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n"
    for _ in range(300):
        at = dice.randrange(len(text))
        changed = text[:at] + dice.choice(alphabet.replace(text[at], "")) + text[at + 1 :]
        assert refusal(tokens, changed) in (Reason.MALFORMED, Reason.SIGNATURE)
    for hostile in ("", "?", "é", "A" * 2049, "{}", text + "=", text[:-1], "W10"):
        assert refusal(tokens, hostile) in (Reason.MALFORMED, Reason.OVERSIZE)


def test_a_signed_token_of_another_shape_is_refused(tokens: Tokens) -> None:
    token = new_token("tour", "press", "Anna", 1, NOW_S)
    for field, value in (("role", "king"), ("id", "x"), ("until_s", "x"), ("name", 7)):
        with pytest.raises(Refused):
            open_token(write_token(Token(**vars(token) | {field: value}), KEY), KEY.public)


def test_what_is_kept_holds_no_token(tokens: Tokens, tmp_path: Path) -> None:
    text = write_token(made(tokens), KEY)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "tokens").iterdir())
    signature = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["signatures"]
    assert text.encode() not in kept
    assert signature[0]["sig"].encode() not in kept


@pytest.mark.parametrize(
    ("role", "name", "hours"),
    [("king", "A", 1), ("tv", "", 1), ("tv", "A\n", 1), ("tv", "A", 0), ("tv", "A", 1e9)],
)
def test_no_token_for_nobody_forever(role: str, name: str, hours: float) -> None:
    with pytest.raises(Misconfigured):
        new_token("tour", role, name, hours, NOW_S)


def test_there_are_five_roles() -> None:
    assert ROLES == ("viewer", "press", "tv", "editor", "operator")
