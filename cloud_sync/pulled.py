"""What pulls have left of one stream, as facts: files, and where each batch has rows; pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from cloud_sync.manifest import Manifest
from cloud_sync.partition import Place


@dataclass(frozen=True)
class PulledFile:
    """A published file: rows of some batches (by number) in one place; `size` in bytes."""

    file: str
    stage: str
    date: str
    rows: int
    size: int
    batches: tuple[int, ...]

    @property
    def place(self) -> Place:
        """Its partition."""
        return Place(self.stage, self.date)


@dataclass
class Pulled:
    """What earlier pulls have left: the chain they proved, their files, where batches have rows."""

    chain: list[Manifest] = field(default_factory=list)
    files: list[PulledFile] = field(default_factory=list)
    places: dict[int, list[Place]] = field(default_factory=dict)
    beat_s: float = 0.0
    sealed: bool | None = None
    erased: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Index what the files hold."""
        self._held = {(seq, file.place) for file in self.files for seq in file.batches}

    def covers(self, seq: int, place: Place) -> bool:
        """Whether a file holds that batch's rows of that place."""
        return (seq, place) in self._held


@dataclass(frozen=True)
class Part:
    """A file to be: its name below the stream's folder, and rows of batches, opened or sealed."""

    file: str
    place: Place
    batches: tuple[int, ...]
    rows: int
    content: pa.Table | bytes


Group = dict[str, Any]
"""What `group.json` says of parts that wait."""


def joined(pulled: Pulled, groups: Iterable[Group], *, sealed: bool) -> Pulled:
    """What is published together with what waits."""
    files = {file.file: file for file in pulled.files}
    places = dict(pulled.places)
    for group in groups:
        for entry in group["files"]:
            fields = {name: value for name, value in entry.items() if name != "staged"}
            file = PulledFile(**{**fields, "batches": tuple(fields["batches"])})
            files[file.file] = file
        places |= {int(seq): [Place(*p) for p in found] for seq, found in group["places"].items()}
    return replace(pulled, files=list(files.values()), places=places, sealed=sealed)


def words(place: Place) -> tuple[str, str]:
    """A place as JSON keeps it."""
    return place.stage, place.date


def runs_of(numbers: Sequence[int]) -> list[list[int]]:
    """Rising numbers as [first, last] of each run."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def spread(runs: Sequence[Sequence[int]]) -> Iterator[int]:
    """The numbers of runs."""
    for lo, hi in runs:
        yield from range(lo, hi + 1)


def runs_of_places(places: Mapping[int, Sequence[Place]]) -> list[list[Any]]:
    """[first, last, places] of each run of batches with rows in the same places."""
    runs: list[list[Any]] = []
    for seq in sorted(places):
        found = [list(words(place)) for place in places[seq]]
        if runs and runs[-1][1] == seq - 1 and runs[-1][2] == found:
            runs[-1][1] = seq
        else:
            runs.append([seq, seq, found])
    return runs
