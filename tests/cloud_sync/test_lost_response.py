"""A put whose answer is lost on the way: the store has it, the truck does not know."""

import contextlib
import secrets
import socket
import threading
from collections.abc import Iterator

import pytest

from cloud_sync.push import put_proven
from cloud_sync.remote import open_remote
from hardware.errors import Damaged


class Proxy:
    """Passes HTTP on to the real store; of `drop` PUTs it takes the answer and hangs up."""

    def __init__(self, target: int) -> None:
        self.dropped, self.drop = 0, 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            socket.create_connection(("127.0.0.1", self._target)) as server,
            contextlib.suppress(OSError),
        ):
            while head := _read_head(client):
                server.sendall(head + _read_body(client, head))
                answer = _read_head(server)
                answer += b"" if head.startswith(b"HEAD") else _read_body(server, answer)
                if head.startswith(b"PUT") and self.drop > 0:
                    assert answer.split()[1] in (b"200", b"412"), answer
                    self.drop -= 1
                    self.dropped += 1
                    return
                client.sendall(answer)


def _read_head(source: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = source.recv(1)
        if not byte:
            return b""
        head += byte
    return head


def _read_body(source: socket.socket, head: bytes) -> bytes:
    lines = head.lower().split(b"\r\n")
    length = next((int(x[15:]) for x in lines if x.startswith(b"content-length:")), 0)
    body = b""
    while len(body) < length:
        body += source.recv(length - len(body))
    return body


@pytest.fixture
def proxy(s3_env, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    proxy = Proxy(s3_env.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.close()


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_answer_is_a_success_once_the_bytes_are_seen(proxy: Proxy, lost: int) -> None:
    remote, data = open_remote(f"s3://cloud/{secrets.token_hex(6)}"), secrets.token_bytes(50_000)
    proxy.drop = lost
    put_proven(remote, "t/data/1.parquet", data)
    assert proxy.dropped == lost
    assert remote.get("t/data/1.parquet", 50_000) == data


def test_a_lost_answer_over_anothers_bytes_is_a_fork(proxy: Proxy) -> None:
    remote = open_remote(f"s3://cloud/{secrets.token_hex(6)}")
    remote.put_new("t/manifest/1.json", b"theirs")
    proxy.drop = 1
    with pytest.raises(Damaged, match="holds other bytes than ours"):
        put_proven(remote, "t/manifest/1.json", b"ours")
    assert remote.get("t/manifest/1.json", 100) == b"theirs"


def test_a_whole_push_with_lost_answers_stores_each_batch_once(
    cli, crew, proxy: Proxy, s3, tmp_path
) -> None:
    crew.seal(tmp_path / "spool", list(range(10, 70, 10)))
    url = f"s3://cloud/{secrets.token_hex(6)}"
    proxy.drop = 5
    push = cli("push", tmp_path / "spool", "--to", url, **s3.environment(port=proxy.port))
    assert push.code == 0, push.err
    assert proxy.dropped == 5
    remote = open_remote(url)
    assert len(remote.keys("truck-1/data/")) == len(remote.keys("truck-1/manifest/")) == 6
