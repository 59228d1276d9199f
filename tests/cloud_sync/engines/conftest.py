"""A folder remote, and what a pull of it left, for tests of the engines."""

import json
import pickle
import re
import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pyarrow as pa
import pytest
from odd_rows import odd_rows
from ridden_race import ride_race
from spark_cluster import Cluster, write_settings

from cloud_sync.batch import BatchName
from cloud_sync.engines.key_map import read_cluster_key
from cloud_sync.folder import Folder
from cloud_sync.outbox import Outbox
from cloud_sync.pull import pull_stream
from cloud_sync.push import put_proven
from cloud_sync.sealed_parquet import write_sealed
from hardware.rides import Ride, read_rides
from truck.store.export import Readings

DAY_S = 86_400.0
RACES = {"tour": "race-1", "giro": "race-2"}  # as the page calls them
COLUMNS = [field.name for field in fields(Ride) if field.name != "dropped"]


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


@pytest.fixture
def epochs_pulled(crew, tmp_path: Path) -> Path:
    """What a pull left of a truck that began two epochs, and of one that did not."""
    for stream in ("truck-1", "truck-1.e1", "truck-1.e2", "truck-2"):
        crew.seal(tmp_path / stream, [30], stream)
        put_all(tmp_path / stream, Folder(tmp_path / "copy"))
    return pull_all(Folder(tmp_path / "copy"), tmp_path / "out", crew)


@pytest.fixture(scope="session")
def odd_pulled(crew, odd_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pull of `odd_copy` left."""
    return pull_all(Folder(odd_copy), tmp_path_factory.mktemp("odd-pulled"), crew)


@dataclass(frozen=True)
class Races:
    """Two races of real rides, each a copy of its own with one stream.

    race-1 has two stages of five riders, race-2 one of two; rows are what the truck committed.
    """

    folder: Path
    rows: dict[str, pa.Table]

    def copy(self, race: str) -> Path:
        return self.folder / race / "copy"

    def pulled(self, race: str) -> Path:
        return self.folder / race / "out"


def rides_of(shared: Path) -> dict[str, list[dict[str, Ride]]]:
    """Stages by race: some minutes of rides that were ridden together."""
    five = read_rides(shared / "roubaix2020" / "five_riders.csv.gz")
    two = {}
    for file in sorted((shared / "dualdevice").glob("*.fit")):
        two |= read_rides(file)
    return {
        "race-1": [minutes(five, 600.0, 400.0), minutes(five, 1500.0, 200.0, days=1)],
        "race-2": [minutes(two, 300.0, 300.0)],
    }


def minutes(rides: dict[str, Ride], from_s: float, long_s: float, days: int = 0) -> dict[str, Ride]:
    """A part of each ride, counted from when all of them had begun; so many days later."""
    begun_s = max(ride.measured_at_s[0] for ride in rides.values()) + from_s
    parts = {}
    for name, ride in rides.items():
        at_s = ride.measured_at_s
        kept = (at_s >= begun_s) & (at_s < begun_s + long_s)
        columns = {c: getattr(ride, c)[kept] for c in COLUMNS}
        columns["measured_at_s"] = columns["measured_at_s"] + days * DAY_S
        parts[name] = replace(ride, **columns)
    return parts


@pytest.fixture(scope="session")
def races(crew, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Races:
    """Ridden, sealed in batches of some hundred rows, copied, pulled."""
    home, rows = tmp_path_factory.mktemp("races"), {}
    for race, stages in rides_of(shared).items():
        opened = ride_race(home / race, stages)
        source = Readings(lambda store=opened.store: store)
        rows[race] = source.rows(0, source.row_end())
        sealer = crew.sealer(home / race / "spool", race)
        for end in [*range(500, source.row_end(), 500), source.row_end()]:
            assert sealer.seal_due(_Until(source, end), 1_800_000_000.0, flush=True) == 1
        sealer.close()
        put_all(home / race / "spool", Folder(home / race / "copy"))
        pull_all(Folder(home / race / "copy"), home / race / "out", crew)
        opened.store.close()
        opened.journal.close()
    return Races(home, rows)


@dataclass(frozen=True)
class _Until:
    """A store as it was when it held so many rows."""

    source: Readings
    end: int

    def row_end(self) -> int:
        return self.end

    def rows(self, lo: int, hi: int) -> pa.Table:
        return self.source.rows(lo, hi)


@pytest.fixture(scope="session")
def desk(crew, races, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What docs/SPARK.md finds: two races, what was pulled of one, keys."""
    folder = tmp_path_factory.mktemp("desk")
    for name, race in RACES.items():
        (folder / name).symlink_to(races.folder / race)
    (folder / "out").symlink_to(races.pulled("race-1"))
    (folder / "operations.key").symlink_to(crew.key_file)
    (folder / "truck.pub").write_text(crew.truck.public.hex() + "\n")
    return folder


@pytest.fixture(scope="session")
def tables(desk: Path, spark_home: Path) -> Path:
    """What the commands of the page make, as they stand there: the job run by spark-submit."""
    cluster = Cluster(desk, spark_home)
    write_settings(desk)
    for command in shown("sh"):
        done = cluster.run("bash", "-euo", "pipefail", "-c", command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr[-4000:]}"
    return desk / "tables"


def shown(language: str) -> list[str]:
    """The blocks of docs/SPARK.md in one language."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "SPARK.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def spark(crew, tables, desk, races, odd_copy, odd_pulled, spark_home) -> dict:
    """All that Spark is asked but the job itself, in one session of it; answers by name."""
    cluster, home = Cluster(desk, spark_home), desk / "checks"
    home.mkdir()
    cluster.run(
        "openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072",
        "-out", "other.pem",
    ).check_returncode()  # fmt: skip
    cluster.map_keys(crew, odd_copy, home / "odd.json")
    both = [(str(desk / f"{name}.json"), str(desk / name / "copy")) for name in RACES]
    pulled = {"odd": (odd_pulled, "truck-1", odd_rows(0, 0))}
    pulled |= {race: (races.pulled(race), race, rows) for race, rows in races.rows.items()}
    own, recipients = home / "own.parquet", [crew.operations.recipient()]
    recipients.append(read_cluster_key(desk / "cluster.pub"))
    write_sealed(odd_rows(0, 300), own, BatchName("own", 0), recipients)
    todo = {
        "pulled": {
            f"pulled-{name}": (str(folder), stream, rows.column_names)
            for name, (folder, stream, rows) in pulled.items()
        },
        "sealed": {
            "sealed-odd": (
                [(str(home / "odd.json"), str(odd_copy))], str(desk / "cluster.pem"), "truck-1",
            ),
            **{f"sealed-{race}": (both, str(desk / "cluster.pem"), race) for race in races.rows},
            **spoilt_copies(home, odd_copy, desk),
        },
        "own": [str(own)],
        "shown": shown("python"),
    }  # fmt: skip
    (home / "todo").write_bytes(pickle.dumps(todo))
    script = Path(__file__).with_name("spark_checks.py")
    done = cluster.run(
        "spark-submit", "--jars", "cluster-keys.jar", "--py-files", "race_tables.py",
        script, home / "todo", home / "answers",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return pickle.loads((home / "answers").read_bytes())


def spoilt_copies(home: Path, copy: Path, desk: Path) -> dict[str, tuple]:
    """By name, what Spark must refuse: (races, key, race) as it is asked."""
    known = json.loads((home / "odd.json").read_text())
    second, key = known["batches"][1], str(desk / "cluster.pem")
    asked = {
        name: ([(str(home / "odd.json"), str(copy))], str(other), "truck-1")
        for name, other in (("other-key", desk / "other.pem"), ("no-key", desk / "none.pem"))
    }
    data = [batch["object"] for batch in known["batches"]]
    flipped = bytearray((copy / data[0]).read_bytes())
    flipped[400] ^= 1  # in a page; lengths and the envelope, which Spark does not read, are not
    for name, spoilt in (
        ("swapped", (copy / data[1]).read_bytes()),
        ("flipped", bytes(flipped)),
        ("cut", (copy / data[0]).read_bytes()[:-9]),
        ("missing", None),
    ):
        shutil.copytree(copy, home / name)
        (home / name / data[0]).unlink()
        if spoilt is not None:
            (home / name / data[0]).write_bytes(spoilt)
        asked[name] = ([(str(home / "odd.json"), str(home / name))], key, "truck-1")
    for name, field, value in (
        ("anothers-envelope", "envelope", second["envelope"]),
        ("no-envelope", "envelope", '{"keys": []}'),
        ("twice", "object", second["object"]),
    ):
        batches = [known["batches"][0] | {field: value}, *known["batches"][1:]]
        (home / f"{name}.json").write_text(json.dumps(known | {"batches": batches}))
        asked[name] = ([(str(home / f"{name}.json"), str(copy))], key, "truck-1")
    return asked
