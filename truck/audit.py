"""The audit log: who did what to the truck, when and from where, done or refused.

A chained log (`hardware.chained_log`) in the truck's home, signed with its key: `audit.jsonl` and
`audit.head`. An action is written down before it is begun and again with its outcome, so that none
can happen without a line, whenever the truck is killed. Refused requests are written too, so many a
minute; of the others the next line says how many there were.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hardware.chained_log import ChainedLog, Head, Log
from hardware.errors import NotInitialised, TruckError, Unavailable
from hardware.signing import SigningKey
from truck.serve.limits import Buckets

_REFUSED_PER_S, _REFUSED_BURST = 0.5, 30.0
_WAITING_MAX = 256
_WORDS_MAX = 300


@dataclass(frozen=True)
class AuditEntry:
    """One line.

    Attributes:
        at_s: when, by the wall's time.
        by, role, token: who, as his token says; `token` is its id, empty for a command.
        address: where the request came from, empty for a command on the truck.
        action: what he asked for, as `swap`, `freeze`, `sign_in`.
        outcome: `asked`, then `done`, `failed` or, where it was not let through, `refused`.
        said: what it does, or why not, in words.
        detail: what was asked, as sent.
    """

    at_s: float
    by: str
    role: str
    token: str
    address: str
    action: str
    outcome: str
    said: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


AuditLog = Log[AuditEntry]
_LOG = ChainedLog(
    AuditEntry, "audit", "audit log", b"truck audit 1",
    "application/vnd.truck.audit-head+json", "truck.audit-head/1", "truck audit verify",
)  # fmt: skip


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where."""

    by: str
    role: str
    token: str = ""
    address: str = ""


class Audit:
    """The log of one home, open for adding; `do` from any thread."""

    def __init__(self, folder: Path, key: SigningKey, now_s: Callable[[], float]) -> None:
        self._folder, self._key, self._now_s = folder, key, now_s
        self._budget = Buckets(_REFUSED_PER_S, _REFUSED_BURST)
        self._waiting: deque[AuditEntry] = deque()
        self._passed_over = 0
        self.newest: deque[AuditEntry] = deque(maxlen=50)
        """The last lines of this run, for the operator's page."""

    def do(
        self, actor: Actor, action: str, detail: dict[str, Any], act: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Do something with a line before and a line behind it; what `act` returned.

        `act` may say what it did under `said`.

        Raises:
            Unavailable: the log cannot be written, and nothing was done.
            TruckError: of `act`; it is in the log.
        """
        try:
            self._add(self._entry(actor, action, "asked", "", detail))
        except TruckError as error:
            raise Unavailable(
                f"nothing was done, for it cannot be written down: {error}"
            ) from error
        try:
            result = act()
        except TruckError as error:
            self._add(self._entry(actor, action, "failed", str(error), {}))
            raise
        self._add(self._entry(actor, action, "done", str(result.get("said", "")), {}))
        return result

    def refuse(self, actor: Actor, action: str, reason: str) -> None:
        """Note a request that was not let through; `turn` writes it."""
        now_s = self._now_s()
        if len(self._waiting) >= _WAITING_MAX or self._budget.take("", now_s):
            self._passed_over += 1
            return
        detail = {"more_before": self._passed_over} if self._passed_over else {}
        self._passed_over = 0
        self._waiting.append(self._entry(actor, action, "refused", reason, detail))

    def turn(self) -> None:
        """Write what was refused meanwhile.

        Raises:
            TruckError: the log cannot be written.
        """
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if lines:
            self._add(*lines)

    def _entry(
        self, actor: Actor, action: str, outcome: str, said: str, detail: dict[str, Any]
    ) -> AuditEntry:
        return AuditEntry(
            self._now_s(), actor.by, actor.role, actor.token, actor.address, action[:_WORDS_MAX],
            outcome, said[:_WORDS_MAX], detail,
        )  # fmt: skip

    def _add(self, *entries: AuditEntry) -> Head:
        with _LOG.only_one(self._folder):
            if not _exists(self._folder):
                _LOG.begin(self._folder, self._key)
            head = _LOG.add(self._folder, self._key, entries)
        self.newest.extend(entries)
        return head


def read_audit(folder: Path, truck_public: bytes) -> AuditLog:
    """The audit log of a home, with every problem in it named.

    Raises:
        NotInitialised: nothing was done there yet.
        Damaged: one of its files is missing or cannot be read.
    """
    if not _exists(folder):
        raise NotInitialised(f"{folder} has no audit log: nobody has acted there yet")
    return _LOG.read(folder, truck_public)


def _exists(folder: Path) -> bool:
    """Whether there is a log; one file of the two is a damaged one."""
    return (folder / "audit.head").exists() or (folder / "audit.jsonl").exists()
