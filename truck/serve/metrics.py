"""Metrics for Prometheus, from the truck's status at the moment of asking."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truck.serve.access import needs
from truck.serve.hub import Hub

_Values = Mapping[Any, float | None]  # by the labels' values
_QUANTILES = {"p50_s": "0.5", "p99_s": "0.99", "p99_9_s": "0.999"}


class _Status(Collector):
    """The metrics of one truck; nothing is kept between two questions."""

    def __init__(self, health: Callable[[], dict[str, Any]], hub: Hub) -> None:
        self._health, self._hub = health, hub

    def describe(self) -> Iterator[Metric]:
        """None, so that registering asks for no status."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Everything, as it is now."""
        status = self._health()
        yield from _latency(status.get("latency", {}))
        yield from _packets(status.get("packets", {}))
        yield from _relays(status.get("relays", ()))
        yield from _cloud(status.get("cloud", {}))
        yield _gauge(
            "truck_behind_records", "Journal records that are durable and not yet worked in.",
            ("of",), {(of,): n for of, n in status.get("behind", {}).items()},
        )  # fmt: skip
        yield _gauge(
            "truck_alarm", "1 for an alarm that stands.", ("name",),
            {(alarm["name"],): 1 for alarm in status.get("alarms", ())},
        )  # fmt: skip
        yield _gauge(
            "truck_listeners", "Who listens to the feed.", (), {(): self._hub.listeners.count}
        )
        yield _counter(
            "truck_listeners_turned_away", "Who was told that too many listen.", (),
            {(): self._hub.listeners.turned_away},
        )  # fmt: skip
        yield _gauge(
            "truck_frame_age_seconds", "Since a frame was shown.", (), {(): self._hub.age_s}
        )


def routes(hub: Hub, health: Callable[[], dict[str, Any]]) -> list[Route]:
    """GET /metrics, for whoever has a token.

    Args:
        hub: where frames are published.
        health: the truck's status; called in a worker thread.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Status(health, hub))

    async def metrics(_: Request) -> Response:
        body = await run_in_threadpool(generate_latest, registry)
        return Response(body, 200, {"Cache-Control": "no-store"}, CONTENT_TYPE_PLAIN_0_0_4)

    return [Route("/metrics", needs("view")(metrics))]


def _latency(latency: Mapping[str, Any]) -> Iterator[Metric]:
    hops = {**latency.get("by_hop", {}), "total": latency}
    yield _gauge(
        "truck_latency_seconds",
        "Age of a reading at each hop of its way; total is from the bike to the first frame.",
        ("hop", "quantile"),
        {
            (hop, quantile): found.get(name)
            for hop, found in hops.items()
            for name, quantile in _QUANTILES.items()
        },
    )


def _packets(packets: Mapping[str, Any]) -> Iterator[Metric]:
    outcomes = {(name,): packets.get(name) for name in ("stored", "doubled")}
    yield _counter("truck_packets", "Packets that were taken.", ("outcome",), outcomes)
    refused = {(reason,): count for reason, count in packets.get("refused", {}).items()}
    yield _counter("truck_packets_refused", "Packets that were not.", ("reason",), refused)


def _relays(relays: Any) -> Iterator[Metric]:
    yield _gauge(
        "truck_relay_last_heard_age_seconds", "Since a relay was heard.", ("relay",),
        {(one["name"],): one["last_heard_age_s"] for one in relays},
    )  # fmt: skip
    bundles = {
        (one["name"], kind): one["backfill"]
        if kind == "backfill"
        else one["bundles"] - one["backfill"]
        for one in relays
        for kind in ("live", "backfill")
    }
    yield _counter("truck_relay_bundles", "Bundles of a relay.", ("relay", "kind"), bundles)


def _cloud(cloud: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge(
        "truck_cloud_lag_seconds", "Age of the oldest batch that is not in the cloud.", (),
        {(): cloud.get("lag_s")},
    )  # fmt: skip
    pending = cloud.get("pending", {})
    yield _gauge(
        "truck_cloud_pending", "What waits to be uploaded.", ("of",),
        {(of,): pending.get(of) for of in ("batches", "bytes")},
    )  # fmt: skip
    public = cloud.get("public") or {}
    yield _gauge(
        "truck_public_copy_age_seconds", "Since the public copy's publisher was heard.", (),
        {(): public.get("age_s")},
    )  # fmt: skip
    yield _counter(
        "truck_public_copy_failures", "Documents that were not fetched or not put.", (),
        {(): public.get("failures")},
    )  # fmt: skip


def _gauge(name: str, says: str, labels: tuple[str, ...], values: _Values) -> Metric:
    return _filled(GaugeMetricFamily(name, says, labels=labels), values)


def _counter(name: str, says: str, labels: tuple[str, ...], values: _Values) -> Metric:
    return _filled(CounterMetricFamily(name, says, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: _Values) -> Metric:
    """With a sample for each value that is known."""
    for labels, value in values.items():
        if value is not None:
            family.add_metric(list(labels), value)
    return family
