"""What is shown of the running truck: the race a second, and beside it how the truck fares."""

from collections.abc import Callable
from typing import Any

from hardware.clock import Clock
from truck.alarms import Alarms
from truck.custody import Custody
from truck.latency import Latency
from truck.live import Live
from truck.serve.feed import encode_frame
from truck.serve.hub import Hub


class Screen:
    """Frames of one truck into the hub; `publish` is called from one thread."""

    def __init__(
        self,
        hub: Hub,
        live: Live,
        custody: Custody,
        latency: Latency,
        alarms: Alarms,
        cloud: Callable[[], dict[str, Any]],
        clock: Clock,
    ) -> None:
        self._hub, self._live, self._custody = hub, live, custody
        self._latency, self._alarms = latency, alarms
        self._cloud, self._clock = cloud, clock

    def fares(self) -> dict[str, Any]:
        """Latency, packets, relays, cloud copy and alarms."""
        return {
            "latency": self._latency.summary(),
            "packets": {
                "stored": self._live.packets,
                "doubled": self._live.doubled,
                "refused": dict(self._live.refused),
            },
            "relays": self._custody.relay_rows(self._clock.now_us(), self._clock.wall_s),
            "cloud": self._cloud(),
            "alarms": self._alarms.rows(),
        }

    def publish(self) -> None:
        """Show the race at this instant, once a stage is known."""
        frame = self._live.frame()
        if frame is None:
            return
        number = self._hub.number_at(frame.at_us)
        self._hub.publish(number, {"frame": encode_frame(frame, self.fares())})
        self._latency.framed(self._clock.now_us())
