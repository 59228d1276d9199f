"""Errors named for what happens next, and the exit codes that go with them.

`Refused` is counted and kept as evidence, `Unavailable` is retried, `Damaged` stops one unit
with an alarm, `Misconfigured` goes to the operator as one sentence with the cure.
"""

from enum import IntEnum, StrEnum


class Exit(IntEnum):
    """Exit codes of all four commands (sysexits where one fits)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    UNSAFE = 5
    NOT_INITIALISED = 10
    LOCKED = 11
    DAMAGED = 65
    UNAVAILABLE = 75
    MISCONFIGURED = 78


class Reason(StrEnum):
    """Why a packet, bundle or document was refused; the names users see and count by."""

    MALFORMED = "malformed"
    VERSION = "version"
    LENGTH = "length"
    UNKNOWN_KEY = "unknown_key"
    GENERATION = "generation"
    REVOKED = "revoked"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    FUTURE = "future"
    TOO_OLD = "too_old"
    REPLAY = "replay"
    CIPHERTEXT = "ciphertext"
    SIGNATURE = "signature"
    VALUE = "value"
    RATE = "rate"
    WRONG_SENDER = "wrong_sender"
    OVERSIZE = "oversize"
    OTHER_EVENT = "other_event"
    OTHER_NODE = "other_node"
    OLDER = "older"
    ROLLED_BACK = "rolled_back"
    HOPS = "hops"


class TruckError(Exception):
    """The base of all errors a user can meet; the message is one sentence."""

    exit_code: Exit = Exit.FAILED


class Refused(TruckError):
    """Hostile or broken bytes: count by `reason`, keep as evidence, go on."""

    exit_code = Exit.DAMAGED

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"refused ({reason}){': ' + detail if detail else ''}")
        self.reason = reason


class Unavailable(TruckError):
    """The other side is not there now: keep custody, back off, retry."""

    exit_code = Exit.UNAVAILABLE


class Damaged(TruckError):
    """Bytes we should be able to trust are wrong: stop this unit, keep the evidence, alarm."""

    exit_code = Exit.DAMAGED


class Misconfigured(TruckError):
    """The operator can mend it: `what` is wrong and `hint` says what to do."""

    exit_code = Exit.MISCONFIGURED

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what.rstrip('.')}. {hint}".strip())
        self.hint = hint


class NotInitialised(Misconfigured):
    """The folder holds no home yet."""

    exit_code = Exit.NOT_INITIALISED


class Locked(Misconfigured):
    """Another process holds this home."""

    exit_code = Exit.LOCKED


class Unsafe(Misconfigured):
    """It could destroy what is not ours to write on: nothing was touched."""

    exit_code = Exit.UNSAFE
