"""The operators' side of one truck: what they see, and what their acts work through."""

from collections.abc import Callable
from typing import Any

from truck.acts import Reach, acts
from truck.audit import Audit
from truck.config import TruckConfig, TruckHome
from truck.live import Live
from truck.packs.depot import put_in_force
from truck.picture import Picture, evidence
from truck.screen import Screen
from truck.serve.operator import Office
from truck.store.append import Store


def make_office(
    home: TruckHome,
    config: TruckConfig,
    audit: Audit,
    screen: Screen,
    live: Live,
    store: Callable[[], Store],
    *,
    status: Callable[[], dict[str, Any]],
    complete: Callable[[], dict[str, Any]],
    rule: Callable[[dict[str, Any]], dict[str, Any]],
    pause: Callable[[bool], None],
    freeze: Callable[[str | None, bool, str], None],
) -> Office:
    """See `Office`, `Picture` and `Reach` for what each is."""
    picture = Picture(
        home, config, status, lambda: screen.whole, lambda: live.hidden_bibs, audit
    )  # fmt: skip
    reach = Reach(
        rule, pause, picture.called,
        lambda version, by, note: put_in_force(home, config, version, by, note), freeze,
    )  # fmt: skip
    return Office(picture.now, lambda: evidence(store()), complete, acts(reach))
