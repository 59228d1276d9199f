"""One connection, with patience that ends: a request's head has 10 s, an address so many lines.

uvicorn bounds how long a head may be and how long a line may idle after an answer; it waits for
ever for a head that trickles in, or never comes (slow loris).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from truck.serve.door import Access, Door
from truck.serve.limits import neighbourhood

HEAD_S_MAX = 10.0


class Connection(H11Protocol):
    """uvicorn's connection before an `Access`, whose door counts it."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        app = self.config.app
        if not isinstance(app, Access):
            raise TypeError("a connection is served behind a door")
        self._door: Door = app.door
        self._place = ""
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the line, or hang up where its address holds too many."""
        super().connection_made(transport)
        place = neighbourhood(self.client[0] if self.client else "")
        if self._door.lines[place] >= self._door.lines_max:
            self._door.refused["lines"] += 1
            transport.abort()
            return
        self._place = place
        self._door.lines[place] += 1
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the line."""
        self._calm()
        if self._place:
            self._door.lines[self._place] -= 1
            if not self._door.lines[self._place]:
                del self._door.lines[self._place]
            self._place = ""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come: a whole head ends the wait, the begin of one starts it."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._calm()
        elif self._patience is None:
            self._wait()

    def on_response_complete(self) -> None:
        """The next head, or the rest of a body nobody wants, has its time from now on."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._wait()

    def _wait(self) -> None:
        self._calm()
        self._patience = self.loop.call_later(HEAD_S_MAX, self._hang_up)

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _hang_up(self) -> None:
        self._door.refused["slow"] += 1
        self.transport.abort()
