"""Comparing two copies of a stream: which is ahead, where they part, what one lacks; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cloud_sync.manifest import Manifest


class Verdict(StrEnum):
    """How one copy stands to another."""

    SAME = "same"
    BEHIND = "behind"
    AHEAD = "ahead"
    FORKED = "forked"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Difference:
    """One stream in two copies; `common` batches are the same in both."""

    stream: str
    verdict: Verdict
    one: int
    other: int
    common: int
    missing: tuple[str, ...] = ()

    def sentence(self) -> str:
        """As people read it."""
        said = {
            Verdict.SAME: f"the same {self.one} batches",
            Verdict.BEHIND: f"{self.other - self.one} batches behind the other",
            Verdict.AHEAD: f"{self.one - self.other} batches ahead of the other",
            Verdict.FORKED: f"the copies part at batch {self.common}",
            Verdict.INCOMPLETE: f"{len(self.missing)} objects are missing in one of them",
        }
        return f"{self.stream}: {said[self.verdict]}"


def compare(
    stream: str,
    one: Sequence[Manifest],
    other: Sequence[Manifest],
    missing: Sequence[str] = (),
) -> Difference:
    """The difference of two proven chains, and of the objects that either copy lacks."""
    shorter = min(len(one), len(other))
    common = next((n for n in range(shorter) if one[n].digest != other[n].digest), shorter)
    if common < shorter:
        verdict = Verdict.FORKED
    elif missing:
        verdict = Verdict.INCOMPLETE
    elif len(one) == len(other):
        verdict = Verdict.SAME
    else:
        verdict = Verdict.BEHIND if len(one) < len(other) else Verdict.AHEAD
    return Difference(stream, verdict, len(one), len(other), common, tuple(missing))
