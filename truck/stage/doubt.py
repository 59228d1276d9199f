"""One thing about a stage that a person should look at."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Doubt:
    """What is doubtful, where, and what to do; a note is only worth knowing.

    Attributes:
        about: a short name that does not change ("gap", "laps", "finish", ...).
        where: file, line, kilometre.
        what: one clause.
        cure: one sentence.
        note: nothing need be done.
    """

    about: str
    where: str
    what: str
    cure: str
    note: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.cure}"

    def document(self) -> dict[str, str | bool]:
        """As JSON shows it."""
        return asdict(self)


def km(metres: float) -> str:
    """A distance as people say it."""
    return f"{metres / 1000.0:.1f} km"


def at_km(metres: float) -> str:
    """A place as people say it."""
    return f"km {metres / 1000.0:.1f}"
