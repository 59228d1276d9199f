"""The cast of a demo: every part of the line as a real process of its own, on loopback.

    bikes --UDP--> relays --MQTT, TLS--> broker and truck --outbox--> pusher --> cloud folder

Whoever plays with it may kill and start any part at any time.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hardware import clock
from hardware.clock import Clock
from hardware.errors import TruckError, Unavailable

RELAYS = ("moto-1", "moto-2", "heli")
_END_S_MAX = 30.0


@dataclass
class Cast:
    """The processes of one demo under one folder; `event` and `stage` are there already.

    Where relays and bikes come from images, `flashed` is the folder of these.
    """

    folder: Path
    clock: Clock = field(default_factory=Clock)
    relays: Sequence[str] = RELAYS
    page_port: int = 0
    flashed: Path | None = None
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = len(self.relays) + 3
        radio_ports = free_ports(len(self.relays), socket.SOCK_DGRAM)
        self._radio_port = dict(zip(self.relays, radio_ports, strict=True))
        ports = free_ports(wanted, socket.SOCK_STREAM)
        self._broker_port, page_port, self._operator_port = ports[:3]
        self.page_port = self.page_port or page_port

    @property
    def event(self) -> Path:
        """The event folder."""
        return self.folder / "event"

    @property
    def stage(self) -> Path:
        """The stage folder."""
        return self.folder / "stage"

    @property
    def truck_home(self) -> Path:
        """The truck's home."""
        return self.folder / "truck"

    @property
    def outbox(self) -> Path:
        """The truck's outbox, which the pusher uploads from."""
        return self.truck_home / "outbox"

    @property
    def cloud(self) -> Path:
        """The folder that stands for the cloud."""
        return self.folder / "cloud"

    @property
    def pulled(self) -> Path:
        """Where the cloud copy is pulled back to."""
        return self.folder / "pulled"

    @property
    def page(self) -> str:
        """The race-centre page."""
        return f"http://127.0.0.1:{self.page_port}/"

    @property
    def broker_port(self) -> int:
        """Where the truck's broker listens on loopback."""
        return self._broker_port

    @property
    def operator_page(self) -> str:
        """The operators' page."""
        return f"http://127.0.0.1:{self._operator_port}/"

    def relay_home(self, name: str) -> Path:
        """A relay's home."""
        return self.folder / "relays" / name

    def prepare(self, *, broker_tls: bool) -> None:
        """Make the homes of the truck and the relays; the cloud copy's recipients are there.

        Relays that come from images have made theirs in their first boot.
        """
        commands = [[
            "truck", "init", str(self.truck_home), "--credentials", str(self.event / "truck"),
            "--stage", str(self.stage), "--broker-port", str(self._broker_port),
            "--page-port", str(self.page_port), "--operator-port", str(self._operator_port),
            "--recipient", str(self.folder / "operations.pub"),
            "--recipient", str(self.folder / "recovery.pub"),
            "--bio-recipient", str(self.folder / "medical.pub"),
            "--bio-recipient", str(self.folder / "recovery.pub"),
        ]]  # fmt: skip
        for name, port in self._radio_port.items() if self.flashed is None else ():
            commands += [[
                "relay", "init", str(self.relay_home(name)),
                "--credentials", str(self.event / "relays" / name),
                "--broker", f"127.0.0.1:{self._broker_port}",
                "--radio", f"127.0.0.1:{port}",
                *([] if broker_tls else ["--no-broker-tls"]),
            ]]  # fmt: skip
        with ThreadPoolExecutor() as side_by_side:
            list(side_by_side.map(lambda command: self.call(*command), commands))

    def start_truck(self) -> None:
        """Start the truck, and with it the broker."""
        self._start("truck", "truck", "run", str(self.truck_home))

    def start_relay(self, name: str) -> None:
        """Start one relay."""
        radio = () if self.flashed is None else ("--radio", f"127.0.0.1:{self._radio_port[name]}")
        self._start(name, "relay", "run", str(self.relay_home(name)), *radio)

    def start_desk(self, port: int) -> None:
        """Open the enrolment desk; it ends when every relay has its answer."""
        self._start(
            "desk", "hardware", "enroll", "listen", str(self.event),
            "--listen", f"127.0.0.1:{port}", "--until", str(len(self.relays)),
        )  # fmt: skip

    def start_pusher(self) -> None:
        """Start replication to the cloud folder."""
        self._start(
            "pusher", "cloud_sync", "push", str(self.outbox), "--to", str(self.cloud), "--watch"
        )

    def start_bikes(self, *options: str) -> None:
        """Start the bikes, heard by the relays."""
        heard_by = [
            option
            for port in self._radio_port.values()
            for option in ("--relay", f"127.0.0.1:{port}")
        ]
        summary = ("--summary", str(self.folder / "bikes.json"))
        source = [str(self.event)] if self.flashed is None else ["--nvs", str(self.flashed)]
        self._start("bikes", "hardware", "bikes", *source, *heard_by, *summary, *options)

    def is_running(self, name: str) -> bool:
        """Whether a part lives."""
        return name in self._running and self._running[name].poll() is None

    def kill(self, name: str) -> None:
        """SIGKILL, as a cut cable or the kernel would."""
        self._running[name].kill()
        self._running[name].wait()

    def kill_broker(self) -> None:
        """SIGKILL the truck's broker, if the pid of the last status still is that."""
        pid = self.truck_status()["broker"]["pid"]
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return
        if os.fsencode(self.truck_home) in command:
            os.kill(int(pid), signal.SIGKILL)

    def end(self, name: str) -> int | None:
        """SIGTERM one part and wait for it; its exit code."""
        process = self._running.get(name)
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_END_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def end_all(self) -> None:
        """End whatever still runs."""
        for name in ("bikes", *self.relays, "pusher", "truck"):
            self.end(name)

    def wait_for(self, what: str, is_so: Callable[[], bool], wait_s: float) -> None:
        """Wait until `is_so`.

        Raises:
            Unavailable: not within `wait_s`, or a part ended meanwhile.
        """
        until_s = clock.monotonic_s() + wait_s
        while not is_so():
            if clock.monotonic_s() > until_s:
                raise Unavailable(f"{what} did not happen in {wait_s:.0f} s; see {self.folder}")
            self.check()
            clock.sleep_s(0.1)

    def check(self) -> None:
        """Whether every part that has ended was told to.

        Raises:
            Unavailable: with the last word of one that ended by itself.
        """
        for name, process in self._running.items():
            if process.poll() not in (None, 0, -signal.SIGKILL, -signal.SIGTERM):
                log = self.folder / f"{name}.log"
                lines = log.read_text(errors="replace").splitlines()
                said = [line.strip("│ ") for line in lines if any(map(str.isalnum, line))]
                raise Unavailable(f"{name} ended: {said[-1] if said else 'no word'}; see {log}")

    def truck_status(self) -> dict[str, Any]:
        """The truck's last status, or an empty one."""
        return _read_json(self.truck_home / "status.json")

    def relay_status(self, name: str) -> dict[str, Any]:
        """A relay's last status, or an empty one."""
        return _read_json(self.relay_home(name) / "status.json")

    def bikes_summary(self) -> dict[str, Any]:
        """What the bikes say they sent."""
        return _read_json(self.folder / "bikes.json")

    def is_up(self) -> bool:
        """Whether the page answers."""
        return self.is_open(self.page_port)

    def is_open(self, port: int) -> bool:
        """Whether somebody listens on a port of loopback."""
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                return True
        except OSError:
            return False

    def is_delivered(self) -> bool:
        """Whether the relays have handed over everything they heard."""
        return all(self.relay_status(n).get("spool", {}).get("bundles") == 0 for n in self.relays)

    def call(self, module: str, *arguments: str) -> str:
        """Run one command to its end; what it printed.

        Raises:
            TruckError: with its sentence, when it failed.
        """
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], env=self._environment(),
            capture_output=True, text=True, check=False, start_new_session=True,
        )  # fmt: skip
        if done.returncode:
            raise TruckError(
                f"`{module} {' '.join(arguments)}` ended with {done.returncode}: "
                f"{done.stderr.strip()}"
            )
        return done.stdout

    def _start(self, name: str, module: str, *arguments: str) -> None:
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,  # Ctrl-C is ours to hand on, in order
            )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        # on one machine: no receiver on a serial line, and nobody to hand on to
        alone = {"RELAY_RADIO_SERIAL": "", "RELAY_FORWARD_PORT": "0"} if self.flashed else {}
        return {**os.environ, **self.clock.environment(), **alone, "NO_COLOR": "1"}


def free_ports(count: int, kind: int) -> list[int]:
    """Ports on loopback that nobody uses now, all different."""
    probes = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
