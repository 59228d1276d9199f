"""Streams over real sockets: channels, resuming, gaps said, gzip, and a bound on listeners."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
from feed_race import FeedRace
from served import Events, get

from truck.serve import stream
from truck.serve.channels import CHANNELS
from truck.serve.http import Serving, serve
from truck.serve.hub import KEPT_FRAMES, Hub

BOTH = "/api/v1/stream?channels=groups,riders"


@pytest.fixture
def hub() -> Hub:
    return Hub(listeners_max=3)


@pytest.fixture
def served(hub: Hub) -> Iterator[Serving]:
    serving = serve(hub, "127.0.0.1", 0, stream.routes(hub))
    yield serving
    serving.stop()


def show(hub: Hub, *numbers: int) -> None:
    for number in numbers:
        line = json.dumps({"number": number}).encode()
        hub.publish(number, dict.fromkeys((*CHANNELS, "frame"), line))


def test_a_listener_gets_the_channels_he_asked_for_and_the_number_with_the_last(
    hub: Hub, served: Serving
) -> None:
    show(hub, 5)
    for path, names in ((BOTH, ["groups", "riders"]), ("/api/v1/stream", list(CHANNELS)),
                        ("/api/stream", ["frame"])):  # fmt: skip
        events = Events(served.port, path)
        got = events.take(len(names))
        assert [name for name, _, _ in got] == names
        assert [number for _, number, _ in got] == [*[""] * (len(names) - 1), "5"]
        events.close()


def test_who_comes_back_gets_what_he_missed(hub: Hub, served: Serving) -> None:
    show(hub, *range(10, 20))
    events = Events(served.port, BOTH, Last_Event_ID="16")
    assert [d["number"] for _, _, d in events.take(6)] == [17, 17, 18, 18, 19, 19]
    show(hub, 20)
    assert events.next()[2] == {"number": 20}
    events.close()


@pytest.mark.parametrize("said", ["16", "19", "100", "9" * 30, "-1", "x", "²"])
def test_a_last_event_id_of_any_kind_begins_no_older_than_it_says(
    hub: Hub, served: Serving, said: str
) -> None:
    show(hub, *range(10, 20))
    events = Events(served.port, BOTH, Last_Event_ID=said.encode("utf-8").decode("latin-1"))
    threading.Timer(0.2, show, (hub, 20)).start()
    first = events.next()
    assert first[:2] == ("groups", "")
    assert first[2]["number"] == {"16": 17, "19": 20}.get(said, 19)
    events.close()


def test_a_gap_too_old_is_said(hub: Hub, served: Serving) -> None:
    show(hub, *range(1, KEPT_FRAMES + 11))
    events = Events(served.port, BOTH, Last_Event_ID="3")
    said = events.next()
    assert said == ("gap", "", {"schema": "truck.feed.gap/1", "after": 3, "before": 11})
    assert events.next()[2] == {"number": 11}
    events.close()


def test_who_reads_slowly_skips_ahead_and_is_told(hub: Hub, served: Serving) -> None:
    events = Events(served.port, "/api/v1/stream?channels=riders")
    line = json.dumps({"number": 0, "padding": "x" * 400_000}).encode()
    for number in range(1, 41):
        hub.publish(number, {"riders": line.replace(b'"number": 0', b'"number": %d' % number)})
        time.sleep(0.01)
    last, gaps = 0, 0
    while last < 40:
        event, _, document = events.next()
        if event == "gap":
            assert document["after"] == last
            gaps += 1
            expected = document["before"]
        else:
            assert document["number"] == (expected if gaps and expected > last else last + 1)
            last = document["number"]
    assert gaps >= 1
    events.close()


def test_gzip_is_one_stream_of_parts_made_once_for_everybody(hub: Hub, served: Serving) -> None:
    race = FeedRace(seconds=12)
    seconds = race.seconds
    hub.publish(seconds[0] * 1_000_000, race.at(seconds[0]))
    packed = [Events(served.port, BOTH, Accept_Encoding="gzip, br") for _ in range(2)]
    plain = Events(served.port, BOTH, Accept_Encoding="gzip;q=0")
    assert plain.answer.headers.get("Content-Encoding") is None
    for second in seconds[1:]:
        got = [events.take(2) for events in (*packed, plain)]
        assert got[0] == got[1] == got[2]
        hub.publish(second * 1_000_000, race.at(second))
    newest = hub.latest
    assert newest is not None
    names = ("groups", "riders")
    assert newest.packed_events(names) is newest.packed_events(names)
    assert len(newest.packed_events(names)) < 0.4 * len(newest.events(names))
    for events in (*packed, plain):
        events.close()


def test_one_listener_too_many_is_told_so_and_has_his_place_when_another_leaves(
    hub: Hub, served: Serving
) -> None:
    show(hub, 1)
    held = [Events(served.port, BOTH) for _ in range(3)]
    for events in held:
        events.take(2)
    answer, body = get(served.port, BOTH)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["title"] == "Too many listeners"
    assert hub.listeners.turned_away == 1
    held.pop().close()
    deadline = time.monotonic() + 10
    while hub.listeners.count == 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    again = Events(served.port, BOTH)
    assert again.next()[2] == {"number": 1}
    for events in (*held, again):
        events.close()


def test_a_channel_that_is_none_is_refused_and_head_ends(hub: Hub, served: Serving) -> None:
    show(hub, 1)
    answer, body = get(served.port, "/api/v1/stream?channels=riders,gaps")
    assert answer.status == 400
    assert "'gaps' is none of state, groups" in json.loads(body)["detail"]
    answer, body = get(served.port, "/api/v1/stream", "HEAD")
    assert (answer.status, answer.headers["Content-Type"], body) == (
        200, "text/event-stream; charset=utf-8", b"",
    )  # fmt: skip


def test_numbers_rise_whatever_the_clock_does() -> None:
    hub = Hub()
    for at_us in (1000, 2000, 1500, 1500, 3000):
        hub.publish(hub.number_at(at_us), {"frame": b"{}"})
    shown, _ = hub.since(0)
    assert [one.number for one in shown] == [1000, 2000, 2001, 2002, 3000]
    with pytest.raises(ValueError, match="frame 3000 after frame 3000"):
        hub.publish(3000, {})


def test_two_doors_may_show_one_hub_and_either_closes_by_itself(hub: Hub, served: Serving) -> None:
    other = serve(hub, "127.0.0.1", 0, stream.routes(hub))
    both = [Events(one.port, "/api/stream") for one in (served, other)]
    show(hub, 1)
    assert [events.next()[2]["number"] for events in both] == [1, 1]
    other.stop()
    show(hub, 2)
    assert both[0].next()[2] == {"number": 2}
    with pytest.raises(AssertionError, match="the stream ended"):
        both[1].next()
    for events in both:
        events.close()
