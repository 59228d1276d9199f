"""The MQTT broker as a private child process.

Debian's mosquitto with TLS 1.3, client certificates (the CN is the user) and an ACL by which a
relay may publish on its own lanes and read its own acknowledgements, nothing else. It keeps no
state: custody is the relays' until the truck's journal has it, so a broker that dies loses nothing.

Where mosquitto is not installed, iotcore on loopback stands in for demos and quick tests. It
checks neither certificates nor rights, so it is refused for any other address.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware.bundle import BUNDLE_BYTES_MAX
from hardware.errors import Misconfigured, Unavailable
from hardware.keys import Credentials, write_file

START_S_MAX = 10.0
MESSAGE_BYTES_MAX = BUNDLE_BYTES_MAX + 1024  # what is larger is never forwarded; topic included
_QUEUED_BYTES_MAX = 256 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Listener:
    """Where the broker listens, and whether it is one that proves who connects."""

    host: str
    port: int
    tls: bool

    @property
    def near(self) -> str:
        """Where this machine reaches it; its certificate names loopback."""
        return "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104


def find_mosquitto() -> Path | None:
    """Debian's mosquitto, or None."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    return None if found is None else Path(found)


def mosquitto_config(
    host: str, port: int, credentials: Credentials, acl: Path, *, as_root: bool
) -> str:
    """The configuration text."""
    ca, certificate, key = (path.resolve() for path in credentials.tls)
    lines = [
        f"listener {port} {host}",
        f"cafile {ca}",
        f"certfile {certificate}",
        f"keyfile {key}",
        "tls_version tlsv1.3",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",  # a stolen relay's key must not take the truck's session
        f"max_packet_size {MESSAGE_BYTES_MAX}",
        "allow_anonymous false",
        f"acl_file {acl.resolve()}",
        "persistence false",
        "retain_available true",  # for heads; the truck asks for no bundle that was retained
        "max_queued_messages 0",  # the default of 1,000 drops the rest in silence
        f"max_queued_bytes {_QUEUED_BYTES_MAX}",  # what is dropped was not acknowledged: it returns
        "max_inflight_messages 0",  # the truck's ReceiveMaximum is the bound
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        # mosquitto started by root would change to a user that cannot read the owner-only keys
        *(["user root"] if as_root else []),
    ]
    return "\n".join(lines) + "\n"


def mosquitto_acl(truck: str) -> str:
    """The ACL text: the truck reads all lanes, writes what relays and the cloud copy hear."""
    return (
        f"user {truck}\ntopic read up/#\ntopic write ack/#\ntopic write seen/#\n"
        "topic write node/#\ntopic write head/#\ntopic write roster\n\n"
        "pattern write up/l/%u\npattern write up/b/%u\n"  # four topics, so four retained at most
        "pattern write up/f/%u\npattern write up/h/%u\n"
        "pattern read ack/%u\npattern read seen/%u\npattern read node/%u\npattern read head/#\n"
        "pattern read roster\n"
    )


class Broker:
    """The child process; start, watch with `is_running`, stop."""

    def __init__(self, folder: Path, host: str, port: int, credentials: Credentials) -> None:
        """Prepare for `host`:`port`; configuration and log go to `folder`.

        Raises:
            Misconfigured: no mosquitto, and an address that is not loopback.
        """
        self._folder, self._credentials = folder, credentials
        self._mosquitto = find_mosquitto()
        if self._mosquitto is None and host not in _LOOPBACK:
            raise Misconfigured(
                f"mosquitto is not installed, and without it the broker must not listen on {host}",
                "Install it (apt-get install mosquitto), or set broker_host to 127.0.0.1.",
            )
        self.listener = Listener(host, port, tls=self._mosquitto is not None)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Where the broker writes what it has to say."""
        return self._folder / "broker.log"

    def start(self, wait: Callable[[float], None]) -> None:
        """Start the child and wait until it accepts connections.

        Args:
            wait: sleeps that many seconds.

        Raises:
            Misconfigured: the port is in use, or the broker refuses its configuration.
            Unavailable: it does not come up.
        """
        self._check_port()
        command = self._mosquitto_command() if self.listener.tls else self._iotcore_command()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                _dying_with_us(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        for _ in range(int(START_S_MAX / 0.05)):
            if self._process.poll() is not None:
                raise Misconfigured(
                    f"the broker ended at once with code {self._process.returncode}: "
                    f"{_last_line(self.log)}",
                    f"See {self.log}.",
                )
            if self._answers():
                return
            wait(0.05)
        self.stop()
        raise Unavailable(f"the broker did not come up in {START_S_MAX:.0f} s; see {self.log}")

    def is_running(self) -> bool:
        """Whether the child lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """End the child."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(3.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _check_port(self) -> None:
        host, port = self.listener.host, self.listener.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise Misconfigured(
                    f"the broker cannot listen on {host}:{port}: {error.strerror}",
                    "Stop what uses that port, or set broker_port to another.",
                ) from error

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.listener.near, self.listener.port), 0.5):
                return True
        except OSError:
            return False

    def _mosquitto_command(self) -> list[str]:
        self._credentials.check_tls()
        acl, config = self._folder / "broker.acl", self._folder / "broker.conf"
        write_file(acl, mosquitto_acl("truck").encode())
        text = mosquitto_config(
            self.listener.host, self.listener.port, self._credentials, acl,
            as_root=os.geteuid() == 0,
        )  # fmt: skip
        write_file(config, text.encode())
        return [str(self._mosquitto), "-c", str(config)]

    def _iotcore_command(self) -> list[str]:
        config = self._folder / "broker.toml"
        address = f"{self.listener.host.replace('localhost', '127.0.0.1')}:{self.listener.port}"
        write_file(config, _IOTCORE_CONFIG.format(address=address).encode())
        return [sys.executable, "-c", _IOTCORE_CHILD, str(config)]


def _dying_with_us(command: list[str]) -> list[str]:
    """The command, run so that the kernel ends it when the truck is killed outright."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "no word"


_IOTCORE_CHILD = "import sys, iotcore; iotcore.Broker(config_path=sys.argv[1]).run_forever()"
# max_payload_size: 2 MiB, and a little for the topic, which it counts as well
_IOTCORE_CONFIG = """\
id = 0
[router]
id = 0
max_connections = 256
max_outgoing_packet_count = 1000
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5"
listen = "{address}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 2098176
max_inflight_count = 1000
dynamic_filters = true
"""
