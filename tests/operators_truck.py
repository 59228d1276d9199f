"""A real truck, in this process, on whose road two of three riders have just fallen."""

import contextlib
import json
import socket
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import truck_home
from small_event import NOW_S
from truck_home import SmallTruck

from cloud_sync.keyring import create_key
from hardware import clock
from hardware import home as homes
from truck.cast import free_ports
from truck.config import TruckConfig
from truck.serve.tokens import Tokens, new_token, write_token
from truck.service import Service

RIDDEN_S, FELL_S = 130, 100


class OperatorsTruck:
    """`truck run` as a thread; `token` makes tokens, `ask` asks at the operators' door."""

    def __init__(self, folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(truck_home, "NOW_S", NOW_S + (time.time() - NOW_S) - RIDDEN_S)
            self.small = SmallTruck(folder)
            self.small.close(self.small.ride(RIDDEN_S, falls={2: FELL_S, 3: FELL_S}))
        for name in ("operations", "recovery"):
            create_key(folder / name)
        broker, page, self.port = free_ports(3, socket.SOCK_STREAM)
        self.home = self.small.home.folder
        config = self.small.config.model_copy(
            update={
                "broker_port": broker, "page_port": page, "operator_port": self.port,
                "recipients": [folder / "operations.pub", folder / "recovery.pub"],
            }
        )  # fmt: skip
        self.config = homes.load_settings(TruckConfig, self.small.home.config, dict(config))
        self.page, self.url = f"http://127.0.0.1:{page}/", f"http://127.0.0.1:{self.port}/"
        roster = self.small.event.truck.roster()
        self.event = roster.event
        self.tokens = Tokens(self.small.home.tokens, roster.truck_sign_public, roster.event)
        self.service = Service(self.small.home, self.config)
        self._thread = threading.Thread(target=self.service.run)
        self._thread.start()
        until_s = time.monotonic() + 60
        while not self.incidents():
            assert time.monotonic() < until_s, "no incident"
            assert self._thread.is_alive()
            time.sleep(0.2)

    def incidents(self) -> list[dict[str, Any]]:
        try:
            _, picture, _ = self.ask("GET", "/api/picture", self.token("operator"))
        except OSError:
            return []
        return list(picture["race"]["incidents"])

    def token(self, role: str, hours: float = 1.0, event: str = "") -> str:
        made = new_token(event or self.event, role, "Anna", hours, clock.Clock().now_s())
        self.tokens.keep(made, "ben")
        return write_token(made, self.small.keys.signing)

    def ask(
        self, method: str, path: str, token: str = "", body: object = None, **headers: str
    ) -> tuple[int, Any, Any]:
        """Status, JSON and headers of one request."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        line = HTTPConnection("127.0.0.1", self.port, timeout=20)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(line):
            line.request(method, path, None if body is None else data, sent)
            answer = line.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers

    def stop(self) -> None:
        self.service.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()
