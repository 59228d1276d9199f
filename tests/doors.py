"""A door with its tokens, as tests open one: real keys, real folder, a clock that can be set."""

import time
from pathlib import Path

from hardware.signing import SigningKey
from truck.serve.door import Door
from truck.serve.tokens import Tokens, new_token, write_token

KEY = SigningKey(b"\5" * 32)
EVENT = "tour"


class Porter:
    """Makes tokens and doors; `now_s` moves the doors' clock."""

    def __init__(self, folder: Path) -> None:
        self.tokens = Tokens(folder / "tokens", KEY.public, EVENT)
        self.ahead_s = 0.0

    def now_s(self) -> float:
        return time.time() + self.ahead_s

    def door(self, **rules: object) -> Door:
        return Door(self.tokens, self.now_s, time.monotonic, **rules)  # type: ignore[arg-type]

    def token(self, role: str, event: str = EVENT, key: SigningKey = KEY) -> str:
        made = new_token(event, role, "Anna", 1.0, self.now_s())
        self.tokens.keep(made, "ben")
        return write_token(made, key)
