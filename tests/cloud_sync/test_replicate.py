import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from odd_rows import OddRows, odd_rows

from cloud_sync import replicate
from cloud_sync.batch import BatchName
from cloud_sync.envelope import unwrap_data_key
from cloud_sync.manifest import check_chain
from cloud_sync.outbox import Outbox
from cloud_sync.replicate import Sealer
from cloud_sync.sealed_parquet import is_same, read_sealed
from hardware.errors import Damaged, Locked, Misconfigured

NOW_S = 1_800_000_000.0


def entries(spool: Path) -> list:
    with Outbox(spool) as outbox:
        return outbox.waiting()


def test_what_is_sealed_is_the_rows_signed_and_chained(crew, tmp_path: Path) -> None:
    crew.seal(tmp_path, [40, 41, 300])
    sealed = entries(tmp_path)
    chain = check_chain("truck-1", [e.manifest for e in sealed], crew.truck.public)
    assert [(m.lo, m.hi) for m in chain] == [(0, 40), (40, 41), (41, 300)]
    for manifest in chain:
        data = (tmp_path / manifest.key).read_bytes()
        assert len(data) == manifest.size
        unwrap = lambda text, b=manifest.batch: unwrap_data_key(text, b, crew.recovery)  # noqa: E731
        rows = read_sealed(data, manifest.batch, unwrap)
        assert is_same(rows, odd_rows(manifest.lo, manifest.hi))


def test_a_batch_is_due_by_size_by_age_or_on_demand(crew, tmp_path: Path) -> None:
    sealer, rows = crew.sealer(tmp_path), OddRows(0)
    assert sealer.seal_due(rows, NOW_S, flush=True) == 0
    rows.end = 10
    assert sealer.seal_due(rows, NOW_S + 4.9) == 0
    assert sealer.seal_due(rows, NOW_S + 5.0) == 1
    rows.end = 20
    assert sealer.seal_due(rows, NOW_S + 6.0) == 0
    assert sealer.status()["pending_rows"] == 10
    assert sealer.seal_due(rows, NOW_S + 6.0, flush=True) == 1
    rows.end = 20 + 3 * replicate.ROWS_MAX
    assert sealer.seal_due(rows, NOW_S + 7.0) >= 3
    assert all(e.size < 1.3 * replicate.BYTES_MAX for e in entries(tmp_path))
    assert sealer.status()["error"] == ""
    sealer.close()


def test_a_restart_goes_on_where_the_outbox_ends(crew, tmp_path: Path) -> None:
    for end in (10, 20, 30):
        crew.seal(tmp_path, [end])
    assert [(e.batch.seq, e.lo, e.hi) for e in entries(tmp_path)] == [
        (0, 0, 10), (1, 10, 20), (2, 20, 30),
    ]  # fmt: skip


def test_what_a_kill_left_without_a_row_is_swept(crew, tmp_path: Path) -> None:
    crew.seal(tmp_path, [10])
    data = tmp_path / "truck-1" / "data"
    (data / BatchName("truck-1", 1).object_key("f" * 64).rpartition("/")[2]).write_bytes(b"orphan")
    (data / ".sealing.tmp").write_bytes(b"half")
    crew.seal(tmp_path, [20])
    assert {path.name for path in data.iterdir()} == {
        entry.key.rpartition("/")[2] for entry in entries(tmp_path)
    }


def test_fewer_than_two_recipients_are_refused(crew, tmp_path: Path) -> None:
    one = crew.operations.recipient()
    with pytest.raises(Misconfigured, match="two different recipients"):
        Sealer(tmp_path, "truck-1", crew.truck, [one, one])


@pytest.mark.parametrize("stream", ["", "..", "a/b", ".x", "x" * 65, "a b"])
def test_a_stream_that_cannot_name_a_folder_is_refused(crew, tmp_path: Path, stream: str) -> None:
    with pytest.raises(Misconfigured, match="cannot name a stream"):
        crew.sealer(tmp_path, stream)


def test_a_second_sealer_finds_the_spool_locked(crew, tmp_path: Path) -> None:
    sealer = crew.sealer(tmp_path)
    with pytest.raises(Locked):
        crew.sealer(tmp_path)
    sealer.close()
    crew.sealer(tmp_path).close()


def test_a_store_that_lost_rows_stops_the_stream(crew, tmp_path: Path) -> None:
    crew.seal(tmp_path, [50])
    sealer = crew.sealer(tmp_path)
    with pytest.raises(Damaged, match="new epoch"):
        sealer.seal_due(OddRows(49), NOW_S, flush=True)
    assert "new epoch" in sealer.status()["error"]
    sealer.close()


class Liar(OddRows):
    """A store with a fault of its own."""

    def __init__(self, end: int, fault: str) -> None:
        super().__init__(end)
        self.fault = fault

    def rows(self, lo: int, hi: int) -> pa.Table:
        table = odd_rows(lo, hi)
        return {
            "short": table.slice(0, hi - lo - 1),
            "shifted": odd_rows(lo + 1, hi + 1),
            "unnamed": table.drop_columns(["row_id"]),
            "empty": pa.table({}),
        }[self.fault]


@pytest.mark.parametrize("fault", ["short", "shifted", "unnamed", "empty"])
def test_rows_other_than_asked_for_are_not_sealed(crew, tmp_path: Path, fault: str) -> None:
    sealer = crew.sealer(tmp_path)
    with pytest.raises(Damaged, match="rows 0 to 9"):
        sealer.seal_due(Liar(9, fault), NOW_S, flush=True)
    sealer.close()
    assert entries(tmp_path) == []


_SEAL_IN_A_FULL_FOLDER = """
import sys
sys.path.insert(0, {tests!r})
import resource
from pathlib import Path
from odd_rows import OddRows
from cloud_sync.keyring import RecipientKey
from cloud_sync.replicate import Sealer
from hardware.errors import Unavailable
from hardware.signing import SigningKey
pair = [RecipientKey(n, n.encode() * 32).recipient() for n in "ab"]
sealer = Sealer(Path({spool!r}), "t", SigningKey(b"s" * 32), pair)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    sealer.seal_due(OddRows(15000), 1.0, flush=True)
except Unavailable as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(sealer.seal_due(OddRows(15000), 2.0, flush=True))
"""


def test_a_full_spool_loses_nothing(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent.parent)
    script = _SEAL_IN_A_FULL_FOLDER.format(tests=tests, spool=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    sentence, count = done.stdout.splitlines()
    assert "cannot seal into" in sentence
    assert count == "1"
    assert [(e.lo, e.hi) for e in entries(tmp_path)] == [(0, 15000)]
    assert len(list((tmp_path / "t" / "data").iterdir())) == 1


def test_a_spool_that_cannot_be_made_is_named(crew, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="file/spool"):
        crew.sealer(tmp_path / "file" / "spool")


def test_an_outbox_that_is_none_is_damaged(crew, tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").write_bytes(b"not a database, but long enough to be read as one")
    with pytest.raises(Damaged, match=r"outbox\.sqlite"):
        crew.sealer(tmp_path)
    (tmp_path / "outbox.sqlite").unlink()
    crew.sealer(tmp_path).close()
