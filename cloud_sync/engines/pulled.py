"""What pulls left in a folder, as files to read: proven, and each as the pull left it.

A pull says in _pull.json that it proved a stream whole, and which files hold its rows. Everything
here goes by that list, never by the names in the folder.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_sync.audit import SUMMARY
from cloud_sync.batch import check_stream, last_epochs
from hardware import keys
from hardware.errors import Damaged, Misconfigured

_SCHEMA = "cloud-sync.pull/"


@dataclass(frozen=True)
class PulledStream:
    """One stream, proven; `files` hold its rows, their stage and day stand in the path."""

    name: str
    files: tuple[Path, ...]


def read_pulled(folder: Path) -> list[PulledStream]:
    """The streams pulled into a folder, or the one whose own folder it is.

    Of a stream whose place in the remote was once taken only the last epoch, which holds all rows
    anew: else each would be answered twice.

    Raises:
        Misconfigured: nothing was pulled there, or what is there was not proven.
        Damaged: a file is missing or is not as the pull left it.
    """
    homes = [path.parent for path in (folder / SUMMARY, *sorted(folder.glob(f"*/{SUMMARY}")))]
    streams = [_read_stream(home) for home in homes if (home / SUMMARY).is_file()]
    if not streams:
        raise Misconfigured(
            f"{folder} holds no pulled stream",
            f"Pull into it first: `cloud-sync pull URL --to {folder}`.",
        )
    last = last_epochs(stream.name for stream in streams)
    return [stream for stream in streams if stream.name in last]


def pulled_files(folder: str | Path) -> list[str]:
    """The files of all streams pulled into a folder, for an engine to read.

    Raises:
        Misconfigured, Damaged: as `read_pulled`.
    """
    return [str(path) for stream in read_pulled(Path(folder)) for path in stream.files]


def _read_stream(home: Path) -> PulledStream:
    path = home / SUMMARY
    summary = keys.read_file(path, "the pull's summary")
    try:
        told = json.loads(summary)
        known = str(told["schema"]).startswith(_SCHEMA)
        verified = told["verified"] is True
        sealed = told["sealed"] is not False
        stream = PulledStream(check_stream(told["stream"]), tuple(_files(home, told["files"])))
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"{path} is not what a pull left there", "Pull into an empty folder."
        ) from error
    if not (known and verified):
        raise Misconfigured(
            f"{path} does not say that stream {stream.name} was verified",
            "Pull it again; what was not proven is not answered from.",
        )
    if sealed:
        raise Misconfigured(
            f"{home} holds sealed files", "Pull with --key into another folder to ask of them."
        )
    return stream


def _files(home: Path, listed: list[dict[str, Any]]) -> list[Path]:
    files = []
    for entry in listed:
        path = home / entry["file"]
        if not path.resolve().is_relative_to(home.resolve()):
            raise ValueError
        if not path.is_file() or path.stat().st_size != entry["size"]:
            raise Damaged(f"{path} is not as the pull left it. Pull again into {home.parent}.")
        files.append(path)
    return files
