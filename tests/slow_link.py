"""A slow link: a TCP proxy that carries so many bytes a second each way, so many seconds late.

All connections share the link, as on a road; its queue is short, so that a small request waits for
a tenth of a second behind large ones and no longer.
"""

import contextlib
import queue
import socket
import threading
import time

_CHUNK = 2048
_QUEUE_S = 0.1


class _Way:
    """One direction."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s, self.free_s = bytes_per_s, 0.0
        self._lock = threading.Lock()
        self.carried = 0

    def room(self) -> None:
        """Wait until the queue is short enough to take more."""
        while (ahead := self.free_s - time.monotonic()) > _QUEUE_S:
            time.sleep(ahead - _QUEUE_S)

    def send(self, size: int) -> float:
        """When `size` bytes have left."""
        with self._lock:
            self.free_s = max(self.free_s, time.monotonic()) + size / self._bytes_per_s
            self.carried += size
            return self.free_s


class SlowLink:
    """Listens on loopback for what goes to `target`; full duplex."""

    def __init__(self, target: int, bytes_per_s: float, latency_s: float) -> None:
        self._target, self._latency_s = target, latency_s
        self.up, self.down = _Way(bytes_per_s), _Way(bytes_per_s)
        self.overlap_s, self._noted_s = 0.0, 0.0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for source, sink, way in ((client, server, self.up), (server, client, self.down)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._carry(source, sink, way)

    def _note_overlap(self) -> None:
        """How long both ways were at work, as far as it is known now."""
        both_until_s = min(self.up.free_s, self.down.free_s)
        self.overlap_s += max(0.0, both_until_s - max(self._noted_s, time.monotonic()))
        self._noted_s = max(self._noted_s, both_until_s)

    def _carry(self, source: socket.socket, sink: socket.socket, way: _Way) -> None:
        road: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

        def enter() -> None:
            data = b"x"
            while data:
                way.room()
                try:
                    data = source.recv(_CHUNK)
                except OSError:
                    data = b""
                left_s = way.send(len(data))
                self._note_overlap()
                road.put((left_s + self._latency_s, data))

        def leave() -> None:
            with contextlib.suppress(OSError), sink:
                while True:
                    at_s, data = road.get()
                    time.sleep(max(0.0, at_s - time.monotonic()))
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                        return
                    sink.sendall(data)

        for work in (enter, leave):
            threading.Thread(target=work, daemon=True).start()
