"""Content is kept line by line, moderated, and reaches nobody before; by command and over HTTP."""

import io
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from doors import Porter
from photos import shot
from PIL import Image

from hardware.errors import Damaged, Misconfigured
from truck.content.gallery import Gallery
from truck.content.item import Item, check_item
from truck.content.photo import photo_of
from truck.serve.content import routes
from truck.serve.http import serve
from truck.serve.hub import Hub


def words(text: str = "Attack!", **fields: Any) -> Item:
    row = {"item_id": 0, "kind": "comment", "at_s": 1.8e9, "km": 12.5, "link": "", "author": "Ann",
           "media": "", "state": "", "added_by": "ben", "decided_by": ""}  # fmt: skip
    return Item(**{**row, "text": text, **fields})


def test_what_waits_is_not_shown_and_what_is_taken_away_is_no_longer_served(
    tmp_path: Path,
) -> None:
    gallery = Gallery(tmp_path / "content")
    photo = photo_of(shot())
    kept = gallery.add(words(kind="photo"), photo, at_once=False)
    assert gallery.shown() == []
    assert gallery.photo(photo.name) is None
    assert gallery.decide(kept.item_id, "eve", show=True).decided_by == "eve"
    assert gallery.photo(photo.name) == photo.data
    gallery.decide(kept.item_id, "eve", show=False)
    assert gallery.photo(photo.name) is None
    assert gallery.photo("../items.jsonl") is None


def test_another_process_sees_it_and_a_torn_end_loses_only_itself(tmp_path: Path) -> None:
    one, other = Gallery(tmp_path), Gallery(tmp_path)
    assert one.add(words("a"), None, at_once=True).item_id == 1
    assert other.add(words("b"), None, at_once=True).item_id == 2
    with (tmp_path / "items.jsonl").open("ab") as file:
        file.write(b'{"item_id": 3, "ki')
    assert [item.text for item in Gallery(tmp_path).items()] == ["a", "b"]
    assert Gallery(tmp_path).add(words("c"), None, at_once=True).item_id == 3
    assert [item.text for item in one.items()] == ["a", "b", "c"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    Gallery(tmp_path).add(words(), None, at_once=True)
    path = tmp_path / "items.jsonl"
    path.write_bytes(b"junk\n" + path.read_bytes())
    with pytest.raises(Damaged, match=r"items\.jsonl"):
        Gallery(tmp_path).items()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"kind": "advert"}, "kind 'advert' is unknown"), ({"km": 4000.0}, "not on a stage"),
        ({"at_s": float("nan")}, "time is none"), ({"text": "x" * 1001}, "1001 letters"),
        ({"text": "  "}, "empty comment"), ({"kind": "video"}, "without a link"),
        ({"link": "javascript:alert(1)"}, "not taken"), ({"link": "http://a.bc/"}, "not taken"),
        ({"link": "https://user:pw@a.example/"}, "not taken"), ({"kind": "photo"}, "without a pic"),
    ],
)  # fmt: skip
def test_each_wrong_field_has_its_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence.replace("(", r"\(")):
        check_item(words(**{"text": "words", **fields}))


def test_letters_that_turn_text_around_are_taken_out() -> None:
    assert check_item(words("gone \u202ekcatta\x07")).text == "gone kcatta"


class Site:
    """The routes behind a door."""

    def __init__(self, folder: Path) -> None:
        self.gallery, self._porter = Gallery(folder / "content"), Porter(folder)
        self.serving = serve(Hub(), "127.0.0.1", 0, routes(self.gallery), self._porter.door())

    def ask(
        self, method: str, path: str, role: str = "", body: bytes = b"", kind: str = ""
    ) -> tuple[int, bytes]:
        headers = {"Content-Type": kind} if kind else {}
        if role:
            headers["Authorization"] = f"Bearer {self._porter.token(role)}"
        line = HTTPConnection("127.0.0.1", self.serving.port, timeout=10)
        line.request(method, path, body, headers)
        answer = line.getresponse()
        data = answer.read()
        line.close()
        return answer.status, data


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.serving.stop()


def form(photo: bytes, **fields: str) -> tuple[bytes, str]:
    parts = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode()
             for n, v in fields.items()]  # fmt: skip
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="../../p.jpg"\r\n'
    parts += [head, b"Content-Type: image/jpeg\r\n\r\n", photo, b"\r\n--x--\r\n"]
    return b"".join(parts), "multipart/form-data; boundary=x"


def test_an_editor_adds_a_photo_and_another_look_lets_it_through(site: Site) -> None:
    body, kind = form(shot(), text="The col", km="12.4")
    for role, status in (("", 401), ("viewer", 403), ("tv", 403), ("press", 403)):
        assert site.ask("POST", "/content", role, body, kind)[0] == status
    status, answer = site.ask("POST", "/content", "editor", body, kind)
    kept = json.loads(answer)
    assert (status, kept["state"], kept["km"]) == (201, "waiting", 12.4)
    assert site.ask("GET", kept["media"])[0] == 404
    assert json.loads(site.ask("GET", "/api/v1/content")[1])["items"]["item_id"] == []
    shown = f"/content/{kept['item_id']}/show"
    assert site.ask("POST", shown, "viewer", b"{}", "application/json")[0] == 403
    assert site.ask("POST", shown, "editor", b"{}", "application/json")[0] == 200
    status, picture = site.ask("GET", kept["media"])
    with Image.open(io.BytesIO(picture)) as image:
        assert not image.getexif()
    items = json.loads(site.ask("GET", "/api/v1/content")[1])["items"]
    assert items["text"] == ["The col"]
    assert "added_by" not in items


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"), (b"[]", "application/json"), (b'{"x":1}', "application/json"),
        (b'{"text":["a"]}', "application/json"), (b'{"text":"a","at":"noon"}', "application/json"),
        (b'{"text":"a","at":"2027-07-16T14:05:00"}', "application/json"),
        (b'{"text":"a","km":"far"}', "application/json"), (b"text=a", "text/plain"),
        (b"--y\r\n", "multipart/form-data; boundary=x"), (b"", "multipart/form-data"),
        form(b"no photo"),
    ],
)  # fmt: skip
def test_hostile_bodies_get_one_sentence_and_leave_nothing(
    site: Site, body: bytes, kind: str
) -> None:
    status, answer = site.ask("POST", "/content", "editor", body, kind)
    assert status == 422, answer
    assert json.loads(answer)["detail"]
    assert site.gallery.items() == []
