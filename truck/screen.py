"""What is shown of the running truck: the race a second, and beside it how the truck fares."""

from collections.abc import Callable
from typing import Any

from hardware.clock import Clock
from hardware.stage import Stage
from truck.alarms import Alarms
from truck.custody import Custody
from truck.latency import Latency
from truck.live import Live
from truck.race.frame import Frame
from truck.serve.channels import Channels
from truck.serve.hidden import without
from truck.serve.hub import Hub
from truck.serve.moments import FIRST, Moments, Passed
from truck.store.append import Store
from truck.store.passed import first_over, incidents_said

_PUBLIC_S_MAX = 15.0


class Screen:
    """Frames of one truck into the hub; `publish` is called from one thread."""

    def __init__(
        self,
        hub: Hub,
        channels: Channels,
        live: Live,
        custody: Custody,
        latency: Latency,
        alarms: Alarms,
        cloud: Callable[[], dict[str, Any]],
        clock: Clock,
        on_air: Callable[[Frame], None],
    ) -> None:
        self._hub, self._channels = hub, channels
        self._live, self._custody = live, custody
        self._latency, self._alarms = latency, alarms
        self._cloud, self._clock, self._on_air = cloud, clock, on_air
        self.whole: Frame | None = None
        """The last frame with everybody in it: for operators alone."""

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
            "cloud": self._of_cloud(),
            "alarms": self._alarms.rows(),
        }

    def _of_cloud(self) -> dict[str, Any]:
        """The cloud copy and the public one; an alarm where the public one stands still."""
        cloud = self._cloud()
        public = cloud.get("public") or {"state": "off"}
        away = ""
        if public["state"] == "publishing":
            away = public["error"]
            if public["age_s"] > _PUBLIC_S_MAX:
                away = f"nothing was heard of it for {public['age_s']:.0f} s"
        if away:
            self._alarms.set(
                "public", f"the public copy stands still: {away}",
                "See `cloud-sync publish`; the race and the truck's own page go on.",
            )  # fmt: skip
        else:
            self._alarms.clear("public")
        return cloud

    def publish(self) -> None:
        """Show the race at this instant, once a stage is known."""
        self.whole = self._live.frame()
        if self.whole is None:
            return
        frame = without(self.whole, self._live.hidden_bibs)
        number = self._hub.number_at(frame.at_us)
        said = self._channels.of(number, frame, self._live.rulings(), self.fares())
        self._hub.publish(number, said)
        self._on_air(frame)
        self._latency.framed(self._clock.now_us())


def moments_of(stage: Stage, store: Store) -> Moments:
    """A stage's moments so far, as the view tells of them at a start."""
    points = [(number, point.km * 1000.0) for number, point in enumerate(stage.checkpoints)]
    passed = [Passed(*row) for row in first_over(store, stage.label, points, FIRST)]
    return Moments(stage.checkpoints, passed, incidents_said(store, stage.label))
