"""The air between bikes and relays, from a seed: what is lost, doubled, late, or in the dark.

Pure: each decision hangs on the seed and on (bike, packet, relay) alone, not on what else was
asked, so that a run can be made again packet by packet.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

# Late enough that the bike's next packet of a second later overtakes
_REORDER_S = (1.02, 1.3)
_DOUBLE_S = (0.005, 0.2)


class Delivery(NamedTuple):
    """One datagram for one relay, in order of time."""

    send_at_s: float
    relay: int
    raw: bytes


@dataclass(frozen=True)
class Dark:
    """No packet passes in [from_s, to_s): to `relay`, from `bike`; None is every one."""

    from_s: float = 0.0
    to_s: float = math.inf
    relay: int | None = None
    bike: int | None = None

    def hides(self, bike: int, relay: int, at_s: float) -> bool:
        """Whether this link is dark at `at_s`."""
        return (
            self.from_s <= at_s < self.to_s
            and self.relay in (None, relay)
            and self.bike in (None, bike)
        )


@dataclass(frozen=True)
class Radio:
    """The links of all bikes to `relays` relays, `reach` of which hear any one bike.

    loss, double and reorder are shares of the packets on each link.
    """

    relays: int
    seed: int
    loss: float = 0.0
    double: float = 0.0
    reorder: float = 0.0
    reach: int = 2
    dark: tuple[Dark, ...] = ()

    def carry(self, bike: int, number: int, at_s: float, raw: bytes) -> Iterator[Delivery]:
        """Where and when the `number`-th packet of `bike`, sent at `at_s`, arrives."""
        for k in range(min(self.reach, self.relays)):
            relay = (bike + k) % self.relays
            draw = random.Random(f"{self.seed}/{bike}/{number}/{relay}")  # noqa: S311 (simulation)
            lost, doubled, late = (draw.random() for _ in range(3))
            delay_s = draw.uniform(*_REORDER_S) if late < self.reorder else 0.0
            hidden = any(dark.hides(bike, relay, at_s) for dark in self.dark)
            if lost < self.loss or hidden:
                continue
            yield Delivery(at_s + delay_s, relay, raw)
            if doubled < self.double:
                yield Delivery(at_s + delay_s + draw.uniform(*_DOUBLE_S), relay, raw)
