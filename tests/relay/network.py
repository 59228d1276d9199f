"""The broker and the link to it, as tests crash, cut and mend them."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from truck.broker import mosquitto_acl


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        time.sleep(0.02)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A real mosquitto as the truck runs it; `crash` and `start` again at will."""

    def __init__(self, program: Path, truck: Path, folder: Path) -> None:
        self.port = free_port()
        self._command = [str(program), "-c", str(folder / "mosquitto.conf")]
        self._log = (folder / "mosquitto.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "acl").write_text(mosquitto_acl("truck"))
        (folder / "acl").chmod(0o700)
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"cafile {truck / 'ca.crt'}",
            f"certfile {truck / 'tls.crt'}",
            f"keyfile {truck / 'tls.key'}",
            "tls_version tlsv1.3",
            "require_certificate true",
            "use_identity_as_username true",
            "allow_anonymous false",
            f"acl_file {folder / 'acl'}",
            "persistence false",
            "max_queued_messages 0",
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        wait_until(self._listens, "mosquitto listens")

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _listens(self) -> bool:
        assert self.is_running(), "mosquitto ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def crash(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        self.crash()
        self._log.close()


class Link:
    """A TCP proxy that can be cut and mended."""

    def __init__(self, broker_port: int, host: str = "127.0.0.1") -> None:
        self._broker_port = broker_port
        self._mended = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def mend(self) -> None:
        self._mended.set()

    def cut(self) -> None:
        self._mended.clear()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._mended.is_set():
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._broker_port))
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for end in (self._listener, *self._open):
            end.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
