"""Publishing and following a feed: real servers, what fails is counted, and no frame goes back."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from clouds import free_ports, s3_variables
from feed_race import FeedRace

from cloud_sync.bucket import open_bucket
from cloud_sync.follow import PATIENCE_S, Follower
from cloud_sync.publish import Publisher
from cloud_sync.site import Site
from cloud_sync.status import public_status
from hardware.errors import Misconfigured, Unavailable
from truck.serve.answer import Body
from truck.serve.channels import CHANNELS
from truck.serve.http import Serving, serve
from truck.serve.hub import Hub
from truck.serve.v1 import routes


class Feed:
    """A served feed, always of the same second of a race; only its numbers rise."""

    def __init__(self, channels: dict[str, bytes], course: bytes) -> None:
        self.hub, self._channels, self._course = Hub(), channels, Body(course)
        self.port = 0
        self.serve()

    def serve(self) -> None:
        self.serving: Serving = serve(
            self.hub, "127.0.0.1", self.port, routes(self.hub, self._course)
        )
        self.port = self.serving.port

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def show(self, number: int) -> None:
        was = b'"number":%d,' % json.loads(self._channels["state"])["number"]
        now = b'"number":%d,' % number
        self.hub.publish(number, {n: d.replace(was, now) for n, d in self._channels.items()})


@pytest.fixture(scope="module")
def second() -> tuple[dict[str, bytes], bytes]:
    race = FeedRace(seconds=2)
    return race.at(race.seconds[0]), race.course


@pytest.fixture
def two(second: tuple[dict[str, bytes], bytes]) -> Iterator[tuple[Feed, Feed]]:
    feeds = Feed(*second), Feed(*second)
    yield feeds
    for feed in feeds:
        feed.serving.stop()


@pytest.fixture
def site() -> Iterator[Callable[[str], Site]]:
    with ExitStack() as held:

        def open_site(base: str) -> Site:
            found = Site(base)
            held.callback(found.close)
            return found

        yield open_site


class Shelf:
    """A store that keeps what it was given last."""

    name = "shelf"

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, dict[str, str]]] = {}

    def put_over(self, key: str, data: bytes, attributes: dict[str, str]) -> None:
        self.kept[key] = data, attributes


def test_a_follower_takes_the_next_site_and_comes_back_and_never_goes_back_in_time(
    two: tuple[Feed, Feed], site: Callable[[str], Site]
) -> None:
    truck, cloud = two
    follower = Follower([site(truck.base), site(cloud.base)], "riders")
    assert follower.turn(0.0) is None, "neither has a frame yet"
    truck.show(10), cloud.show(9)
    seen = follower.turn(4.0)
    assert seen is not None
    assert (seen.base, seen.number) == (truck.base, 10)
    cloud.show(11)
    assert follower.turn(4.5) is None, "the truck answers, and its next frame is on its way"
    seen = follower.turn(4.0 + PATIENCE_S)
    assert seen is not None
    assert (seen.base, seen.number) == (cloud.base, 11)
    truck.serving.stop()
    cloud.show(12)
    seen = follower.turn(8.0)
    assert seen is not None
    assert (seen.base, seen.number) == (cloud.base, 12)
    assert "does not answer" in follower.errors[truck.base]
    truck.serve()
    truck.show(13), cloud.show(13)
    seen = follower.turn(20.0)
    assert seen is not None
    assert seen[:2] == (truck.base, 13)
    assert follower.turn(30.0) is None, "the same frame from the other is no other frame"


def test_a_publisher_copies_what_the_index_names_and_only_what_is_new(
    two: tuple[Feed, Feed], site: Callable[[str], Site]
) -> None:
    truck, copy = two
    shelf = Shelf()
    with Publisher(site(truck.base), shelf) as publisher:
        assert not publisher.turn(0.0), "no frame yet"
        assert (publisher.failures, shelf.kept) == (1, {})
        truck.show(10)
        copy.show(10)
        assert publisher.turn(1.0), publisher.error
        index = site(copy.base).get("v1/index.json")
        assert index is not None
        names = [f"v1/{name}" for name in json.loads(index.body)["documents"]]
        assert set(shelf.kept) == {*names, "v1/index.json"}
        first, objects = dict(shelf.kept), publisher.objects
        assert publisher.turn(2.0)
        assert publisher.objects == objects, "nothing is put twice"
        truck.show(11)
        assert publisher.turn(3.0)
        changed = {name for name, kept in shelf.kept.items() if kept != first[name]}
        assert changed == {f"v1/{name}.json" for name in (*CHANNELS, "geo")}
        assert publisher.number == 11
    assert shelf.kept["v1/riders.json"][1]["Cache-Control"] == "max-age=1"
    assert shelf.kept["v1/schemas/riders.json"][1]["Cache-Control"] == "max-age=60"


def test_a_store_that_is_away_is_counted_and_said(
    two: tuple[Feed, Feed], site: Callable[[str], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_variables(free_ports(1)[0]).items():
        monkeypatch.setenv(name, value)
    two[0].show(10)
    with Publisher(site(two[0].base), open_bucket("s3://cloud/live")) as publisher:
        assert not publisher.turn(0.0)
        assert publisher.failures >= len(CHANNELS)
        assert publisher.error.startswith("s3://cloud/live does not answer")
        assert publisher.number == 0


def test_what_is_no_feed_is_one_sentence(
    two: tuple[Feed, Feed], site: Callable[[str], Site]
) -> None:
    for base in ("truck", "ftp://truck/api", "http://truck:x/api", "http:///api"):
        with pytest.raises(Misconfigured, match="is no address of a feed"):
            Site(base)
    with pytest.raises(Unavailable, match=r"/none\.json answers with 404"):
        site(two[0].base).get("none.json")


def test_a_note_that_is_none_is_no_status(tmp_path: Path) -> None:
    assert public_status(tmp_path, 10.0) is None
    for data in (b"", b"[]", b"{}", b'{"at_s":"x"}', b"\xff"):
        (tmp_path / "public.json").write_bytes(data)
        assert public_status(tmp_path, 10.0) is None
    (tmp_path / "public.json").write_bytes(b'{"at_s":7.5,"number":3}')
    assert public_status(tmp_path, 10.0) == {"at_s": 7.5, "number": 3, "age_s": 2.5}
