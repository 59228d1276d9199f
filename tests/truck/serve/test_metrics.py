"""Metrics as Prometheus reads them, of a status as the truck gives it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doors import Porter
from prometheus_client.parser import text_string_to_metric_families
from served import Events, get

from truck.serve import metrics, stream
from truck.serve.http import Serving, serve
from truck.serve.hub import Hub

STATUS: dict[str, Any] = {
    "latency": {"p50_s": 0.8, "p99_s": 1.4, "p99_9_s": None,
                "by_hop": {"radio": {"p50_s": 0.1, "p99_s": 0.2, "p99_9_s": 0.3}}},
    "packets": {"stored": 1234, "doubled": 5, "refused": {"signature": 3, "replay": 1}},
    "relays": [
        {"name": "moto-1", "last_heard_age_s": 0.4, "bundles": 10, "backfill": 3},
        {"name": 'odd"\n', "last_heard_age_s": None, "bundles": 0, "backfill": 0},
    ],
    "behind": {"live_records": 2, "view_records": 7},
    "cloud": {"lag_s": 2.5, "pending": {"batches": 4, "bytes": 100},
              "public": {"age_s": 0.5, "failures": 6}},
    "alarms": [{"name": "disk", "what": "full", "cure": "free"}],
}  # fmt: skip


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def porter(tmp_path: Path) -> Porter:
    return Porter(tmp_path)


@pytest.fixture
def served(hub: Hub, porter: Porter) -> Iterator[Serving]:
    rooms = [*stream.routes(hub), *metrics.routes(hub, lambda: STATUS)]
    serving = serve(hub, "127.0.0.1", 0, rooms, porter.door())
    yield serving
    serving.stop()


def samples(served: Serving, token: str) -> dict[tuple[str, ...], float]:
    answer, body = get(served.port, "/metrics", Authorization=f"Bearer {token}")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *dict(sorted(sample.labels.items())).values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_every_figure_of_the_status_is_a_sample_and_what_is_unknown_is_none(
    hub: Hub, served: Serving, porter: Porter
) -> None:
    token = porter.token("viewer")
    before = samples(served, token)
    assert ("truck_frame_age_seconds",) not in before
    hub.publish(1, {"frame": b"{}"})
    events = Events(served.port, "/api/stream")
    events.next()
    found = samples(served, token)
    events.close()
    assert 0.0 <= found.pop(("truck_frame_age_seconds",)) < 5.0
    assert found == {
        ("truck_latency_seconds", "radio", "0.5"): 0.1,
        ("truck_latency_seconds", "radio", "0.99"): 0.2,
        ("truck_latency_seconds", "radio", "0.999"): 0.3,
        ("truck_latency_seconds", "total", "0.5"): 0.8,
        ("truck_latency_seconds", "total", "0.99"): 1.4,
        ("truck_packets_total", "stored"): 1234,
        ("truck_packets_total", "doubled"): 5,
        ("truck_packets_refused_total", "signature"): 3,
        ("truck_packets_refused_total", "replay"): 1,
        ("truck_relay_last_heard_age_seconds", "moto-1"): 0.4,
        ("truck_relay_bundles_total", "live", "moto-1"): 7,
        ("truck_relay_bundles_total", "backfill", "moto-1"): 3,
        ("truck_relay_bundles_total", "live", 'odd"\n'): 0,
        ("truck_relay_bundles_total", "backfill", 'odd"\n'): 0,
        ("truck_behind_records", "live_records"): 2,
        ("truck_behind_records", "view_records"): 7,
        ("truck_cloud_lag_seconds",): 2.5,
        ("truck_cloud_pending", "batches"): 4,
        ("truck_cloud_pending", "bytes"): 100,
        ("truck_public_copy_age_seconds",): 0.5,
        ("truck_public_copy_failures_total",): 6,
        ("truck_alarm", "disk"): 1,
        ("truck_listeners",): 1,
        ("truck_listeners_turned_away_total",): 0,
    }


def test_nobody_without_a_token_is_told(served: Serving) -> None:
    assert get(served.port, "/metrics")[0].status == 401
