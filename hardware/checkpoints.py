"""checkpoints.csv: the named points of the road book."""

from dataclasses import dataclass

from hardware.sheet import read_sheet

# an intermediate is a time check; other kinds are kept as they are written
KINDS = ("climb", "sprint", "bonus", "feed", "crossing", "intermediate")


@dataclass(frozen=True)
class Checkpoint:
    """A named point of the road book, in kilometres after the flag."""

    km: float
    kind: str
    name: str


def read_checkpoints(data: bytes | None) -> tuple[Checkpoint, ...]:
    """The checkpoints in the order of the road; none without the file.

    Raises:
        Misconfigured: with line, field and the cure.
    """
    if data is None:
        return ()
    checkpoints = [
        Checkpoint(
            row.needed_number("km", -100.0, 1000.0),
            row.needed("kind").lower(),
            row.text("name") or "",
        )
        for row in read_sheet("checkpoints.csv", data, ("km", "kind", "name"))
    ]
    return tuple(sorted(checkpoints, key=lambda checkpoint: checkpoint.km))
