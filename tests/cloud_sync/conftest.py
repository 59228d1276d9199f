import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from clouds import (
    Cloud,
    google_variables,
    s3_variables,
    speak_xml,
    start_azurite,
    start_fake_gcs,
    start_moto,
    start_weed,
)
from http_proxy import Proxy
from odd_rows import OddRows

from cloud_sync.cli import main
from cloud_sync.folder import Folder
from cloud_sync.keyring import RecipientKey, create_key, read_recipient, read_recipient_key
from cloud_sync.outbox import Outbox
from cloud_sync.replicate import Sealer
from hardware.signing import SigningKey

ENDS = [30, 31, 200, 350, 351]
IDENTITIES = [
    {
        "name": name,
        "credentials": [{"accessKey": name, "secretKey": f"{name}-secret"}],
        "actions": actions,
    }
    for name, actions in {
        "truck": ["Admin"],
        "reader": ["Read", "List"],
        "writer": ["Write:cloud", "Read:cloud", "List:cloud"],
    }.items()
]


@dataclass
class Crew:
    """One truck's keys and the folder they lie in."""

    folder: Path
    truck: SigningKey
    operations: RecipientKey
    recovery: RecipientKey

    @property
    def key_file(self) -> str:
        return str(self.folder / "operations.key")

    def sealer(self, spool: Path, stream: str = "truck-1") -> Sealer:
        both = [self.operations.recipient(), self.recovery.recipient()]
        return Sealer(spool, stream, self.truck, both)

    def seal(self, spool: Path, ends: list[int], stream: str = "truck-1") -> None:
        """One batch for each row end."""
        sealer = self.sealer(spool, stream)
        for end in ends:
            assert sealer.seal_due(OddRows(end), 1_800_000_000.0, flush=True) == 1
        sealer.close()

    def push(self, home: Path, stream: str, ends: list[int]) -> Path:
        """A folder remote of one stream, as a push leaves it."""
        self.seal(home / "spool", ends, stream)
        remote = Folder(home / "remote")
        with Outbox(home / "spool") as outbox:
            for entry in outbox.waiting():
                remote.put_new(entry.key, (home / "spool" / entry.key).read_bytes())
                remote.put_new(entry.batch.manifest_key(), entry.manifest)
        return home / "remote"


@pytest.fixture(scope="session")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Crew:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("operations", "recovery"):
        create_key(folder / name)
        read_recipient(folder / f"{name}.pub")
    operations, recovery = (
        read_recipient_key(folder / f"{name}.key") for name in ("operations", "recovery")
    )
    return Crew(folder, SigningKey(bytes(range(32))), operations, recovery)


@dataclass
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict:
        return json.loads(self.out)


Cli = Callable[..., Run]


COMMAND = [sys.executable, "-c", "from cloud_sync.cli import main; main()"]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """`cloud-sync`; keyword arguments are environment variables.

    It runs in this process, because starting one takes half a second; `push`, which sets signal
    handlers, and `process=True` in their own.
    """

    def own(arguments: list[str], environment: dict[str, str]) -> Run:
        done = subprocess.run(
            COMMAND + arguments,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", **environment},
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Run(done.returncode, done.stdout, done.stderr)

    def run(*arguments: object, process: bool = False, **environment: str) -> Run:
        words = [str(argument) for argument in arguments]
        if process or words[0] == "push":
            return own(words, environment)
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            patch.setattr(sys, "argv", ["cloud-sync", *words])
            for name, value in {"NO_COLOR": "1", **environment}.items():
                patch.setenv(name, value)
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        return Run(int(ended.value.code or 0), printed.out, printed.err)

    return run


@dataclass
class S3:
    """A SeaweedFS on loopback, and the variables that reach it."""

    port: int

    def environment(self, who: str = "truck", port: int | None = None) -> dict[str, str]:
        return s3_variables(port or self.port, who)


@pytest.fixture(scope="session")
def s3(weed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    server, port = start_weed(weed, tmp_path_factory.mktemp("weed"), IDENTITIES)
    store = S3(port)
    try:
        _await_writable(store)
        yield store
    finally:
        server.kill()
        server.wait()


def _await_writable(store: S3) -> None:
    from cloud_sync.remote import open_remote
    from hardware.errors import TruckError

    deadline = time.monotonic() + 60
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment().items():
            patch.setenv(name, value)
        while True:
            try:
                open_remote("s3://cloud/start").put_new("a/b", b"up")
            except TruckError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return


@pytest.fixture(scope="session")
def start_cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Cloud]]:
    """A real store of a kind, s3, az, gs or moto; each is started once, when it is asked for."""
    clouds: dict[str, Cloud] = {}
    servers: list[subprocess.Popen] = []

    def start(kind: str) -> Cloud:
        home = tmp_path_factory.mktemp(kind)
        if kind == "s3":
            return Cloud("s3://cloud", request.getfixturevalue("s3").port, s3_variables)
        if kind == "az":
            server, cloud = start_azurite(request.getfixturevalue("azurite"), home)
        elif kind == "gs":
            server, port = start_fake_gcs(request.getfixturevalue("fake_gcs"), home)
            cloud = Cloud("gs://cloud", Proxy(port, speak_xml(port)).port, google_variables)
        else:
            server, cloud = start_moto(request.getfixturevalue("moto_server"), home)
        servers.append(server)
        return cloud

    def once(kind: str) -> Cloud:
        if kind not in clouds:
            clouds[kind] = start(kind)
        return clouds[kind]

    yield once
    for server in servers:
        server.kill()
        server.wait()


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Sets the variables of a store, or of a proxy before it; gives an address nobody has used."""

    def set_variables(cloud: Cloud, port: int | None = None) -> str:
        for name, value in cloud.environment(port).items():
            monkeypatch.setenv(name, value)
        return cloud.url(secrets.token_hex(6))

    return set_variables


@pytest.fixture
def s3_env(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The same store, reachable from this process."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture
def outbox_states() -> Callable[[Path], list[str]]:
    def states(spool: Path) -> list[str]:
        with Outbox(spool) as outbox:
            rows = outbox._run("SELECT state FROM batch ORDER BY stream, seq")
        return [state for (state,) in rows]

    return states


@pytest.fixture(scope="session")
def pushed(crew: Crew, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder remote with five batches; tests tamper with copies of it."""
    return crew.push(tmp_path_factory.mktemp("pushed"), "truck-1", ENDS)


@pytest.fixture
def remote(pushed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pushed, tmp_path / "remote"))


@pytest.fixture
def pull(cli: Cli, crew: Crew, tmp_path: Path) -> Callable[..., Run]:
    """`cloud-sync pull` into tmp_path/out with the operations key."""

    def run(url: object, *more: object, to: str = "out", **environment: str) -> Run:
        truck = crew.truck.public.hex()
        command = ["pull", url, "--to", tmp_path / to, "--truck", truck]
        key = [] if "--key" in more or "--encrypted" in more else ["--key", crew.key_file]
        return cli(*command, *key, *more, **environment)

    return run
