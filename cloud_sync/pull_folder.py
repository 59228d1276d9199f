"""A pull's folder: what was proven and published of one stream, and what waits to be.

    DEST/stream=<stream>/_pull.json            what was proven, and every file with its batches
    DEST/stream=<stream>/stage=.../*.parquet   published
    DEST/.pull/<stream>/chain.jsonl            the proven manifests, a line each
    DEST/.pull/<stream>/<group>/               opened and not yet published, under other endings

`_pull.json` is written last, whole, and names what belongs together: whoever reads by it never sees
half a pull. A group waits with a `group.json` that was written last too; one without is swept.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloud_sync.audit import SUMMARY, Audit
from cloud_sync.batch import BatchName
from cloud_sync.manifest import Manifest
from cloud_sync.partition import Place
from cloud_sync.pulled import (
    Group,
    Part,
    Pulled,
    PulledFile,
    runs_of,
    runs_of_places,
    spread,
    words,
)
from cloud_sync.sealed_parquet import write_plain
from hardware import keys
from hardware.errors import Misconfigured

SCHEMA = "cloud-sync.pull/2"
_ENDING = ".staged"  # of no Parquet file, so that no engine takes it for one


class PullFolder:
    """DEST of one stream; one pull at a time."""

    def __init__(self, dest: Path, stream: str) -> None:
        self.stream = stream
        self.home = dest / f"stream={stream}"
        self._aside = dest / ".pull" / stream
        self._chain = self._aside / "chain.jsonl"

    def read(self) -> Pulled:
        """What is there; a file that is not as it was left counts as not pulled.

        Raises:
            Misconfigured: when the folder holds something else.
        """
        path = self.home / SUMMARY
        if not path.exists():
            return Pulled()
        try:
            told = json.loads(keys.read_file(path, "the last pull's summary"))
            if told["schema"] != SCHEMA:
                raise ValueError
            files = [
                PulledFile(**{**entry, "batches": tuple(spread(entry["batches"]))})
                for entry in told["files"]
            ]
            places = {
                seq: [Place(*place) for place in found]
                for lo, hi, found in told["places"]
                for seq in range(lo, hi + 1)
            }
            chain = self._read_chain(told["batches"])
            if chain and chain[-1].digest != told["head"]["digest"]:
                raise ValueError
            whole = [file for file in files if _size(self.home / file.file) == file.size]
            return Pulled(chain, whole, places, told["beat_s"], told["sealed"], told["erased"])
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise Misconfigured(
                f"{path} is not what a pull left there", "Pull into an empty folder."
            ) from error

    def forget_staged(self) -> None:
        """Let what waits go."""
        for folder in self._aside.glob("*-*"):
            shutil.rmtree(folder)

    def staged(self, chain: Sequence[Manifest]) -> list[Group]:
        """The groups that an earlier pull opened and did not publish; what is not whole goes."""
        groups = []
        digests = {str(manifest.batch.seq): manifest.digest for manifest in chain}
        for folder in sorted(self._aside.glob("*-*")):
            try:
                group = json.loads((folder / "group.json").read_bytes())
                if group["schema"] != SCHEMA or not group["digests"].items() <= digests.items():
                    raise ValueError
                for entry in group["files"]:  # a kill may have come when some were renamed
                    places = folder / entry["staged"], self.home / entry["file"]
                    if entry["size"] not in map(_size, places):
                        raise ValueError
                groups.append(group)
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                shutil.rmtree(folder)
        return groups

    def stage(
        self,
        manifests: Sequence[Manifest],
        places: dict[int, list[Place]],
        parts: Sequence[Part],
    ) -> Group:
        """Write a group aside, whole and durable; `places` says where each batch has rows."""
        first, last = manifests[0].batch.seq, manifests[-1].batch.seq
        folder = self._aside / f"{first:012d}-{last:012d}"
        while folder.exists():
            folder = folder.with_name(f"{folder.name}-more")
        folder.mkdir(parents=True)
        files = []
        for number, one in enumerate(parts):
            temporary = folder / f"{number}{_ENDING}"
            if isinstance(one.content, bytes):
                temporary.write_bytes(one.content)
            else:
                write_plain(one.content, temporary)
            keys.sync(temporary)
            place, size = one.place, _size(temporary)
            file = PulledFile(one.file, place.stage, place.date, one.rows, size, one.batches)
            files.append({"staged": temporary.name, **asdict(file)})
        group = {
            "schema": SCHEMA,
            "folder": folder.name,
            "digests": {str(m.batch.seq): m.digest for m in manifests},
            "places": {str(seq): [words(p) for p in found] for seq, found in places.items()},
            "files": files,
        }
        keys.write_file(folder / "group.json", json.dumps(group).encode(), 0o644)
        return group

    def publish(self, audit: Audit, with_groups: Pulled, groups: Iterable[Group]) -> None:
        """Rename what waits into place, then say so in `_pull.json`, then sweep.

        Args:
            audit: what was proven.
            with_groups: what earlier pulls left together with the groups, see `joined`.
            groups: what waits.
        """
        touched = {self.home, self.home.parent}
        for group in groups:
            for entry in group["files"]:
                staged = self._aside / group["folder"] / entry["staged"]
                path = self.home / entry["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                if staged.exists():
                    staged.replace(path)
                touched |= {path.parent, path.parent.parent}
        for folder in touched:
            if folder.exists():
                keys.sync(folder)
        self._append_chain(audit.chain, len(with_groups.chain))
        beat_s = audit.beat.at_s if audit.beat else 0.0
        document = {
            "schema": SCHEMA,
            **audit.summary(),
            "rows_pulled": sum(file.rows for file in with_groups.files),
            "sealed": with_groups.sealed,
            "erased": list(with_groups.erased),
            "beat_s": max(with_groups.beat_s, beat_s),
            "files": [
                {**asdict(file), "batches": runs_of(file.batches)}
                for file in sorted(with_groups.files, key=lambda file: file.file)
            ],
            "places": runs_of_places(with_groups.places),
        }
        keys.write_file(self.home / SUMMARY, json.dumps(document, indent=1).encode(), 0o644)
        self.forget_staged()
        named = {file.file for file in with_groups.files}
        for path in self.home.glob("stage=*/**/part-*.parquet"):
            if str(path.relative_to(self.home)) not in named:
                path.unlink()  # cut or edited since, and pulled again under another name

    def _read_chain(self, count: int) -> list[Manifest]:
        if not count:
            return []
        lines = self._chain.read_bytes().splitlines()[:count] if self._chain.exists() else []
        if len(lines) != count:
            raise ValueError
        return [_manifest(json.loads(line)) for line in lines]

    def _append_chain(self, chain: Sequence[Manifest], known: int) -> None:
        """Add what is new; what a kill left behind the known part is cut off first."""
        self._chain.parent.mkdir(parents=True, exist_ok=True)
        with self._chain.open("ab+") as file:
            file.seek(0)
            kept = sum(len(file.readline()) for _ in range(known))
            file.truncate(kept)
            file.write(b"".join(json.dumps(asdict(m)).encode() + b"\n" for m in chain[known:]))
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """A disk that fails is one sentence.

        Raises:
            Misconfigured: what failed, and what to do.
        """
        try:
            yield
        except OSError as error:
            raise Misconfigured(
                f"cannot write {self.home}: {error.strerror or error}",
                "Free some space, or choose another --to.",
            ) from error


def _manifest(fields: dict[str, Any]) -> Manifest:
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return Manifest(**{**fields, **lists, "batch": BatchName(**fields["batch"])})


def _size(path: Path) -> int:
    """A file's size in bytes, or -1."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
