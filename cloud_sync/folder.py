"""A folder as remote: a disk, a stick, a network mount.

A file is written under a temporary name, fsynced, and linked to its key: `link` fails when the
name is taken, so the first writer wins, and a kill leaves a whole file or none.
"""

import errno
import os
import threading
from pathlib import Path

from cloud_sync.remote import AlreadyThere, NotThere, check_key, names_a_stream
from hardware.errors import Misconfigured, TruckError, Unavailable

_OPERATOR = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ELOOP,
    errno.ENAMETOOLONG,
}  # fmt: skip


class Folder:
    """A remote below one folder; it is made when the first object arrives."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()
        self.name = str(self._root)

    def put_new(self, key: str, data: bytes) -> None:
        """See Remote."""
        path = self._path(key)
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            if path.exists():
                _sweep(path)
                raise AlreadyThere(f"{path} exists")
            self._make_folder(path.parent)
            try:
                _write_durably(temporary, data)
                _link_new(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_folder(path.parent)
            _sweep(path)
        except OSError as error:
            raise self._named(error) from error

    def get(self, key: str, limit: int) -> bytes:
        """See Remote."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                return file.read(limit + 1)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotThere(f"{path} does not exist") from error
        except OSError as error:
            raise self._named(error) from error

    def keys(self, prefix: str) -> list[str]:
        """See Remote."""
        folder = self._path(prefix.rstrip("/"))
        return sorted(
            f"{prefix}{Path(place, name).relative_to(folder).as_posix()}"
            for place, _, names in os.walk(folder)
            for name in names
            if not name.startswith(".")
        )

    def streams(self) -> list[str]:
        """See Remote."""
        try:
            return sorted(
                entry.name
                for entry in os.scandir(self._root)
                if entry.is_dir() and names_a_stream(entry.name)
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._named(error) from error

    def stored_at_s(self, key: str) -> float:
        """See Remote; a network mount stamps with its server's clock."""
        try:
            return self._path(key).stat().st_mtime
        except FileNotFoundError as error:
            raise NotThere(f"{self._path(key)} does not exist") from error
        except OSError as error:
            raise self._named(error) from error

    def remove(self, key: str) -> int:
        """Destroy a key and what a kill left beside it; whether it was there. See Eraser."""
        path = self._path(key)
        try:
            there = path.exists()
            path.unlink(missing_ok=True)
            _sweep(path)
            if path.parent.is_dir():
                _sync_folder(path.parent)
        except OSError as error:
            raise self._named(error) from error
        return int(there)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder such that its name survives a power cut too."""
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            _sync_folder(folder.parent)

    def _named(self, error: OSError) -> TruckError:
        what = f"the folder {self.name} failed: {error.strerror}"
        if error.errno in _OPERATOR:
            return Misconfigured(what, "Choose a folder this user may write.")
        return Unavailable(f"{what}. What is sealed is kept; free some space or mount it again.")


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _link_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise AlreadyThere(f"{path} exists") from error
    except FileNotFoundError as error:
        if path.exists():  # another writer won and swept ours away
            raise AlreadyThere(f"{path} exists") from error
        raise


def _sweep(path: Path) -> None:
    """Remove what a kill left beside a key; once that is taken, nobody needs it."""
    for stale in path.parent.glob(f".{path.name}.*.tmp"):
        stale.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
