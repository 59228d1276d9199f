"""The truck's two doors: what the public sees, and what operators see and do.

They never share a listener. The public's takes tokens in a header alone; the operators' is on
loopback unless told otherwise, and by TLS wherever it is not.
"""

import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from hardware import clock
from hardware.errors import TruckError
from hardware.keys import Credentials
from hardware.signing import SigningKey
from truck.alarms import Alarms
from truck.audit import Actor, Audit
from truck.config import TruckConfig, TruckHome
from truck.serve.access import Refusal
from truck.serve.door import Door
from truck.serve.http import Serving, serve
from truck.serve.hub import Hub
from truck.serve.limits import Buckets
from truck.serve.operator import Office
from truck.serve.operator import routes as operator_routes
from truck.serve.tls import Certificate, names_in
from truck.serve.tokens import Tokens

Rule = Callable[[dict[str, Any]], dict[str, Any]]

_OPERATOR_LINES = 64
_COOKIE, _COOKIE_TLS = "truck", "__Host-truck"


class Doors:
    """Opens both, and keeps the log of who came to the operators'."""

    def __init__(
        self, home: TruckHome, config: TruckConfig, credentials: Credentials, event: str,
        key: SigningKey, alarms: Alarms,
    ) -> None:  # fmt: skip
        self._config, self._alarms = config, alarms
        _, certificate, tls_key = credentials.tls
        self._own = Certificate(config.tls_certificate or certificate, config.tls_key or tls_key)
        self.operator_tls = not is_loopback(config.operator_host)
        now_s = clock.Clock().now_s  # a token's hours are the wall's, whatever the race's pace
        tokens = Tokens(home.tokens, key.public, event)
        self.audit = Audit(home.folder, key, now_s)
        self._public = Door(tokens, now_s, clock.monotonic_s, is_public=True)
        self._operator = Door(
            tokens, now_s, clock.monotonic_s,
            cookie=_COOKIE_TLS if self.operator_tls else _COOKIE,
            names=names_in(self._own.certificate),
            by_address=Buckets(50.0, 500.0),
            by_token=Buckets(20.0, 200.0),
            lines_max=_OPERATOR_LINES,
            on_refused=self._refused,
        )  # fmt: skip

    @property
    def page(self) -> str:
        """The public page's address."""
        scheme = "https" if self._config.page_tls else "http"
        return f"{scheme}://{_host(self._config.page_host)}:{self._config.page_port}/"

    @property
    def operator_page(self) -> str:
        """The operator page's address; signing in there takes a token."""
        scheme = "https" if self.operator_tls else "http"
        return f"{scheme}://{_host(self._config.operator_host)}:{self._config.operators}/"

    def told(self, folder: Path) -> str:
        """Both addresses, and how to come in, for the terminal."""
        return (
            f"page: {self.page}\noperators: {self.operator_page} (a token to sign in with: "
            f"truck token new {folder} --role operator --for NAME)"
        )

    def open_public(self, hub: Hub, routes: Sequence[BaseRoute]) -> Serving:
        """Serve the public.

        Raises:
            Misconfigured: the address, port or certificate cannot be used.
        """
        own = self._own if self._config.page_tls else None
        config = self._config
        return serve(hub, config.page_host, config.page_port, routes, self._public, own)

    def open_operators(self, office: Office, more: Sequence[BaseRoute] = ()) -> Serving:
        """Serve operators their page, and what `more` there is for them alone.

        Raises:
            Misconfigured: the address, port or certificate cannot be used.
        """
        own_page = operator_routes(office, self.audit, self._operator, tls=self.operator_tls)
        routes = [*own_page, *more]
        own = self._own if self.operator_tls else None
        config = self._config
        return serve(None, config.operator_host, config.operators, routes, self._operator, own)

    def commanded(self, rule: Rule) -> Rule:
        """A ruling as a command on this machine asks for it: with its lines in the audit log."""

        def ruled(wish: dict[str, Any]) -> dict[str, Any]:
            actor = Actor(str(wish.get("by", "")), "command")
            return self.audit.do(actor, str(wish.get("kind", "")), wish, lambda: rule(wish))

        return ruled

    def turn(self) -> None:
        """Write down who was refused."""
        try:
            self.audit.turn()
        except TruckError as error:
            self._alarms.set("audit", str(error), "No operator can act until it is mended.")
        else:
            self._alarms.clear("audit")

    def refused(self) -> dict[str, dict[str, int]]:
        """How many requests each door has refused, by reason."""
        doors = {"public": self._public, "operator": self._operator}
        return {name: dict(sorted(door.refused.items())) for name, door in doors.items()}

    def _refused(self, refusal: Refusal) -> None:
        caller = refusal.caller
        who = Actor("", "", "", refusal.address)
        if caller is not None:
            who = Actor(caller.name, caller.role, caller.token_id, refusal.address)
        self.audit.refuse(who, f"{refusal.method} {refusal.path}", refusal.reason)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
