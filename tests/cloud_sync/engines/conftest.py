"""A folder remote, and what a pull of it left, for tests of the engines."""

from pathlib import Path

import pytest

from cloud_sync.folder import Folder
from cloud_sync.outbox import Outbox
from cloud_sync.pull import pull_stream
from cloud_sync.push import put_proven


def put_all(spool: Path, remote: Folder) -> None:
    """What a push does, without a process of its own."""
    with Outbox(spool) as outbox:
        for entry in outbox.waiting():
            put_proven(remote, entry.key, (spool / entry.key).read_bytes())
            put_proven(remote, entry.batch.manifest_key(), entry.manifest)


def pull_all(remote: Folder, to: Path, crew) -> Path:
    """All streams of a remote, proven and pulled."""
    for stream in remote.streams():
        done = pull_stream(
            remote, stream, to, crew.truck.public, crew.operations, lambda *_: None
        )  # fmt: skip
        assert not done.failures
    return to


@pytest.fixture(scope="session")
def odd_copy(crew, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder remote with two streams of awkward rows."""
    home = tmp_path_factory.mktemp("odd")
    for stream, ends in (("truck-1", [100, 250, 300]), ("truck-2", [40])):
        crew.seal(home / stream, ends, stream)
        put_all(home / stream, Folder(home / "copy"))
    return home / "copy"


@pytest.fixture(scope="session")
def odd_pulled(crew, odd_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pull of `odd_copy` left."""
    return pull_all(Folder(odd_copy), tmp_path_factory.mktemp("odd-pulled"), crew)
