"""Recovery: what a store, a disk or a rival may do to a stream, and what the truck does then."""

import dataclasses
import shutil
from pathlib import Path

import pytest
from clouds import Cloud
from http_proxy import Answer, Proxy, Request
from odd_rows import OddRows

from cloud_sync.ack import Ack, ack_key, sign_ack
from cloud_sync.batch import BatchName, epoch_of
from cloud_sync.beat import beat_prefix, open_beat
from cloud_sync.folder import Folder
from cloud_sync.outbox import Outbox
from cloud_sync.put import Forked, put_proven
from cloud_sync.remote import AlreadyThere, NotThere
from hardware.errors import Unavailable
from hardware.signing import SigningKey

NOW_S = 1_800_000_000.0
ENDS = [10, 20, 30]
CLOUD = SigningKey(b"c" * 32)


@pytest.fixture
def spool(crew, tmp_path: Path) -> Path:
    crew.seal(tmp_path / "spool", ENDS)
    return tmp_path / "spool"


def pulled_rows(cli, crew, remote: Path, out: Path, stream: str) -> int:
    done = cli(
        "pull", remote, "--to", out, "--json", "--stream", stream,
        "--truck", crew.truck.public.hex(), "--key", crew.key_file,
    )  # fmt: skip
    assert done.code == 0, done.err
    return done.json()["rows"]


# one object


def squat(remote: Path, key: str, data: bytes) -> None:
    path = remote / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("theirs", "words"),
    [(b"", "is empty"), (b"our", "is cut short after 3 bytes"), (b"theirs", "holds other bytes")],
)
def test_a_taken_key_is_named_for_what_is_there(tmp_path: Path, theirs: bytes, words: str) -> None:
    squat(tmp_path, "t/data/1", theirs)
    with pytest.raises(Forked, match=words):
        put_proven(Folder(tmp_path), "t/data/1", b"our bytes")


class Trouble(Folder):
    """A folder that fails as told: the answer to a put is lost, or nothing of it arrives."""

    def __init__(self, root: Path, plan: str) -> None:
        super().__init__(root)
        self.plan, self.puts = list(plan), 0

    def put_new(self, key: str, data: bytes) -> None:
        self.puts += 1
        kind = self.plan.pop(0) if self.plan else ""
        if kind == "n":
            raise Unavailable("reset mid-body")
        super().put_new(key, data)
        if kind == "l":
            raise Unavailable("the answer was lost")
        if kind == "c":
            raise AlreadyThere("409")


@pytest.mark.parametrize(("plan", "puts"), [("l", 1), ("n", 2), ("nn", 3), ("nl", 2), ("c", 1)])
def test_an_object_is_sent_again_only_when_it_is_not_there(
    tmp_path: Path, plan: str, puts: int
) -> None:
    remote = Trouble(tmp_path, plan)
    put_proven(remote, "t/data/1", b"ours", pause=lambda _: None)
    assert (remote.puts, remote.get("t/data/1", 10)) == (puts, b"ours")


def test_it_gives_up_after_three_and_loses_nothing(tmp_path: Path) -> None:
    remote = Trouble(tmp_path, "nnn")
    with pytest.raises(Unavailable, match="mid-body"):
        put_proven(remote, "t/data/1", b"ours", pause=lambda _: None)
    with pytest.raises(NotThere):
        remote.get("t/data/1", 10)


def test_what_may_be_there_is_looked_for_before_it_is_sent(tmp_path: Path) -> None:
    remote = Trouble(tmp_path, "")
    Folder(tmp_path).put_new("t/data/1", b"ours")
    put_proven(remote, "t/data/1", b"ours", perhaps_there=True)
    assert remote.puts == 0


@pytest.mark.parametrize(("kind", "status"), [("s3", 409), ("az", 409), ("gs", 409), ("s3", 503)])
def test_an_answer_of_the_store_is_retried_with_the_same_bytes(
    start_cloud, reach, kind: str, status: int
) -> None:
    from cloud_sync.remote import open_remote

    cloud: Cloud = start_cloud(kind)
    refused: list[str] = []

    def once(request: Request, pass_on) -> Answer:
        if request.method == "PUT" and not refused:
            refused.append(request.target)
            return Answer(status, [], b"<Error><Code>OperationAborted</Code></Error>")
        return pass_on(request)

    proxy = Proxy(cloud.port, once)
    try:
        remote = open_remote(reach(cloud, proxy.port))
        put_proven(remote, "t/data/1", b"ours", pause=lambda _: None)
    finally:
        proxy.close()
    assert len(refused) == 1
    assert remote.get("t/data/1", 10) == b"ours"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("s3", b"<Error><Code>RequestTimeTooSkewed</Code></Error>"),
        (
            "az",
            b"<Error><Message>Request date header too old</Message></Error>",
        ),
    ],
)
def test_a_skewed_clock_is_named_where_the_store_says_so(
    start_cloud, reach, kind: str, body: bytes
) -> None:
    from cloud_sync.remote import open_remote
    from hardware.errors import Misconfigured

    proxy = Proxy(start_cloud(kind).port, lambda *_: Answer(403, [], body))
    try:
        remote = open_remote(reach(start_cloud(kind), proxy.port))
        with pytest.raises(Misconfigured, match="finds our clock wrong"):
            put_proven(remote, "t/data/1", b"ours", pause=lambda _: None)
    finally:
        proxy.close()


# a stream whose place is taken


def test_a_squatter_on_the_next_number_is_an_alarm_and_a_new_epoch_brings_all_rows(
    cli, crew, spool: Path, tmp_path: Path
) -> None:
    squat(tmp_path / "r", "truck-1/manifest/000000000001.json", b"{}")
    done = cli("push", spool, "--to", tmp_path / "r")
    assert done.code == 65
    assert "somebody squats on our next number" in done.err
    status = cli("status", spool, "--json")
    assert (status.code, status.json()["forks"][0]["stream"]) == (75, "truck-1")
    sealer = crew.sealer(spool)
    assert sealer.seal_due(OddRows(30), NOW_S + 2e9, flush=True) == 1
    assert sealer.status()["stream"] == "truck-1.e1"
    sealer.close()
    assert cli("push", spool, "--to", tmp_path / "r").code == 0
    assert cli("status", spool, "--json").json()["error"] == ""
    assert pulled_rows(cli, crew, tmp_path / "r", tmp_path / "out", "truck-1.e1") == 30
    assert len(list((spool / "truck-1" / "data").iterdir())) == 2, "evidence is kept"


def test_an_empty_object_under_our_key_is_an_alarm(cli, spool: Path, tmp_path: Path) -> None:
    with Outbox(spool) as outbox:
        entry = outbox.entry(BatchName("truck-1", 1))
    assert entry is not None
    squat(tmp_path / "r", entry.key, b"")
    done = cli("push", spool, "--to", tmp_path / "r")
    assert done.code == 65
    assert "somebody stored an empty object there" in done.err


def test_a_restored_disk_is_known_by_the_head_in_the_remote(
    cli, crew, spool: Path, tmp_path: Path
) -> None:
    shutil.copytree(spool, tmp_path / "backup")
    crew.seal(spool, [40, 50])
    assert cli("push", spool, "--to", tmp_path / "r").code == 0
    shutil.rmtree(spool)
    (tmp_path / "backup").rename(spool)
    done = cli("push", spool, "--to", tmp_path / "r")
    assert done.code == 65
    assert "000000000004.json is ahead of all this truck has sealed" in done.err
    assert "its disk was restored" in done.err
    sealer = crew.sealer(spool)
    sealer.seal_due(OddRows(35), NOW_S + 2e9, flush=True)
    sealer.close()
    assert cli("push", spool, "--to", tmp_path / "r").code == 0
    assert pulled_rows(cli, crew, tmp_path / "r", tmp_path / "out", "truck-1.e1") == 35
    assert pulled_rows(cli, crew, tmp_path / "r", tmp_path / "out", "truck-1") == 50


def test_rows_that_the_store_lost_begin_an_epoch_too(crew, spool: Path) -> None:
    from hardware.errors import Damaged

    sealer = crew.sealer(spool)
    with pytest.raises(Damaged, match="has sealed 30 rows and the store holds 20"):
        sealer.seal_due(OddRows(20), NOW_S, flush=True)
    assert sealer.seal_due(OddRows(20), NOW_S, flush=True) == 1
    assert sealer.status()["stream"] == "truck-1.e1"
    assert "its disk was restored" in sealer.status()["forked"]
    sealer.close()


def test_one_stream_that_is_stuck_hinders_no_other(cli, crew, spool: Path, tmp_path: Path) -> None:
    crew.seal(spool, ENDS, stream="truck-2")
    squat(tmp_path / "r", "truck-1/manifest/000000000000.json", b"junk")
    assert cli("push", spool, "--to", tmp_path / "r").code == 65
    assert pulled_rows(cli, crew, tmp_path / "r", tmp_path / "out", "truck-2") == 30


def test_epochs_do_not_go_on_for_ever(crew, tmp_path: Path) -> None:
    from hardware.errors import Damaged

    crew.seal(tmp_path, [5])
    with Outbox(tmp_path) as outbox:
        for number in range(10):
            outbox.close_stream(epoch_of("truck-1", number), "taken", NOW_S)
    with pytest.raises(Damaged, match="no more are begun"):
        crew.sealer(tmp_path)


def test_the_biometrics_of_an_epoch_are_still_biometrics() -> None:
    assert epoch_of("truck-1.bio", 2) == "truck-1.e2.bio"
    assert epoch_of("truck-1", 0) == "truck-1"


# order, room, pause


def test_the_stream_that_began_last_goes_first(crew, tmp_path: Path) -> None:
    for day, stream in enumerate(("monday", "tuesday")):
        sealer = crew.sealer(tmp_path, stream)
        for end in (5, 10):
            sealer.seal_due(OddRows(end), NOW_S + day * 86_400, flush=True)
        sealer.close()
    with Outbox(tmp_path) as outbox:
        names = [(entry.batch.stream, entry.batch.seq) for entry in outbox.waiting()]
    assert names == [("tuesday", 0), ("tuesday", 1), ("monday", 0), ("monday", 1)]


def test_a_full_spool_stops_sealing_and_deletes_nothing(
    cli, crew, spool: Path, tmp_path: Path
) -> None:
    from cloud_sync.replicate import Sealer

    pair = [crew.operations.recipient(), crew.recovery.recipient()]
    sealer = Sealer(spool, "truck-1", crew.truck, pair, spool_bytes_max=20_000)
    with pytest.raises(Unavailable, match="nothing more is sealed until the cloud has taken some"):
        sealer.seal_due(OddRows(40), NOW_S, flush=True)
    status = cli("status", spool, "--json").json()
    assert status["spool"]["full"]
    assert "sealing stops and rows wait in the store" in cli("status", spool).out
    assert len(list((spool / "truck-1" / "data").iterdir())) == 3
    assert cli("push", spool, "--to", tmp_path / "r").code == 0
    assert sealer.seal_due(OddRows(40), NOW_S, flush=True) == 1
    sealer.close()


def test_paused_nothing_goes_until_resumed(cli, spool: Path, tmp_path: Path) -> None:
    assert cli("pause", spool).code == 0
    push = cli("push", spool, "--to", tmp_path / "r", "--json").json()
    assert (push["batches"], push["waiting"]) == (0, 3)
    assert cli("status", spool, "--json").json()["paused"]
    assert cli("resume", spool).code == 0
    assert cli("push", spool, "--to", tmp_path / "r", "--json").json()["batches"] == 3
    assert not cli("status", spool, "--json").json()["paused"]


# acks and heads


def ack_of(spool: Path, seq: int) -> Ack:
    with Outbox(spool) as outbox:
        entry = outbox.entry(BatchName("truck-1", seq))
    assert entry is not None
    return Ack("truck-1", seq, entry.digest, entry.hi, NOW_S)


def test_with_the_clouds_key_a_file_goes_at_its_ack_and_not_before(
    cli, spool: Path, tmp_path: Path, outbox_states
) -> None:
    push = ("push", spool, "--to", tmp_path / "r", "--cloud", CLOUD.public.hex())
    assert cli(*push).code == 0
    assert outbox_states(spool) == ["committed"] * 3
    Folder(tmp_path / "r").put_new(ack_key("truck-1", 1), sign_ack(ack_of(spool, 1), CLOUD))
    assert cli(*push).code == 0
    assert outbox_states(spool) == ["released", "released", "committed"]
    assert len(list((spool / "truck-1" / "data").iterdir())) == 1
    assert cli("status", spool, "--json").json()["acks"][0]["seq"] == 1


@pytest.mark.parametrize("wrong", ["key", "digest", "rows", "stream", "junk", "unknown"])
def test_an_ack_that_is_none_releases_nothing_and_is_shown(
    cli, spool: Path, tmp_path: Path, outbox_states, wrong: str
) -> None:
    push = ("push", spool, "--to", tmp_path / "r", "--cloud", CLOUD.public.hex())
    assert cli(*push).code == 0
    ack = ack_of(spool, 2)
    envelope = {
        "key": sign_ack(ack, SigningKey(b"x" * 32)),
        "digest": sign_ack(dataclasses.replace(ack, digest="0" * 64), CLOUD),
        "rows": sign_ack(dataclasses.replace(ack, rows=29), CLOUD),
        "stream": sign_ack(dataclasses.replace(ack, stream="truck-2"), CLOUD),
        "junk": b"junk",
        "unknown": sign_ack(dataclasses.replace(ack, seq=7), CLOUD),
    }[wrong]
    remote = Folder(tmp_path / "r")
    remote.put_new(ack_key("truck-1", 2), envelope)
    remote.put_new(ack_key("truck-1", 0), sign_ack(ack_of(spool, 0), CLOUD))
    assert cli(*push).code == 0
    assert outbox_states(spool) == ["released", "committed", "committed"]
    assert "refused" in cli("status", spool, "--json").json()["acks"][0]["refused"]


def test_the_newest_beat_goes_to_the_remote_and_to_a_second_store(
    cli, crew, spool: Path, tmp_path: Path
) -> None:
    assert cli("push", spool, "--to", tmp_path / "r", "--also", tmp_path / "s").code == 0
    for store in (tmp_path / "r", tmp_path / "s"):
        remote = Folder(store)
        (key,) = remote.keys(beat_prefix("truck-1"))
        beat = open_beat(remote.get(key, 4096), crew.truck.public)
        assert (beat.seq, beat.rows, beat.at_s) == (0, 10, NOW_S)
        assert beat.is_fresh(NOW_S + 299)
        assert not beat.is_fresh(NOW_S + 300)


def test_the_second_store_hears_of_a_head_the_remote_does_not_hold(
    cli, spool: Path, tmp_path: Path
) -> None:
    cli("pause", spool)
    assert cli("push", spool, "--to", tmp_path / "r", "--also", tmp_path / "s").code == 0
    assert Folder(tmp_path / "r").keys(beat_prefix("truck-1")) == []
    assert len(Folder(tmp_path / "s").keys(beat_prefix("truck-1"))) == 1


def test_a_second_store_that_fails_hinders_nothing_and_is_shown(
    cli, spool: Path, tmp_path: Path
) -> None:
    (tmp_path / "s").write_text("in the way")
    push = cli("push", spool, "--to", tmp_path / "r", "--also", tmp_path / "s", "--json")
    assert (push.code, push.json()["batches"]) == (0, 3)
    assert "Choose a folder" in cli("status", spool, "--json").json()["second_error"]
