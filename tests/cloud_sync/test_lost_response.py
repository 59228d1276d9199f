"""A put whose answer is lost on the way: the store has it, the truck does not know."""

import secrets
from collections.abc import Iterator

import pytest
from http_proxy import Lost, Proxy

from cloud_sync.put import put_proven
from cloud_sync.remote import open_remote
from hardware.errors import Damaged


@pytest.fixture
def lost() -> Lost:
    return Lost()


@pytest.fixture
def proxy(s3_env, lost: Lost, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy(s3_env.port, lost)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.close()


def test_a_lost_answer_is_a_success_once_the_bytes_are_seen(proxy: Proxy, lost: Lost) -> None:
    remote, data = open_remote(f"s3://cloud/{secrets.token_hex(6)}"), secrets.token_bytes(50_000)
    lost.drop = 1
    put_proven(remote, "t/data/1.parquet", data)
    assert lost.dropped == 1
    assert remote.get("t/data/1.parquet", 50_000) == data


def test_a_lost_answer_over_anothers_bytes_is_a_fork(proxy: Proxy, lost: Lost) -> None:
    remote = open_remote(f"s3://cloud/{secrets.token_hex(6)}")
    remote.put_new("t/manifest/1.json", b"theirs")
    lost.drop = 1
    with pytest.raises(Damaged, match="holds other bytes than ours"):
        put_proven(remote, "t/manifest/1.json", b"ours")
    assert remote.get("t/manifest/1.json", 100) == b"theirs"


def test_a_whole_push_with_lost_answers_stores_each_batch_once(
    cli, crew, proxy: Proxy, lost: Lost, s3, tmp_path
) -> None:
    crew.seal(tmp_path / "spool", list(range(10, 70, 10)))
    url = f"s3://cloud/{secrets.token_hex(6)}"
    lost.drop = 5
    push = cli("push", tmp_path / "spool", "--to", url, **s3.environment(port=proxy.port))
    assert push.code == 0, push.err
    assert lost.dropped == 5
    remote = open_remote(url)
    assert len(remote.keys("truck-1/data/")) == len(remote.keys("truck-1/manifest/")) == 6
