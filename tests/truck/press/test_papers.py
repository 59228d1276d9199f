"""A journalist's path: the report from a simulated day, its pages, its embargo, and HTTP."""

import csv
import io
import itertools
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pypdfium2 as pdfium
import pytest
from doors import Porter
from typer.testing import CliRunner

from hardware.errors import Misconfigured
from truck.cli import app
from truck.press.day import Day
from truck.press.papers import papers_of
from truck.press.report import UNOFFICIAL
from truck.press.results import clock_text
from truck.press.shelf import PAPERS, REPORT_PDF, RESULTS_CSV, Shelf
from truck.serve.http import serve
from truck.serve.hub import Hub
from truck.serve.press import routes

MADE_AT_S = 1_800_000_000.0


def pages(data: bytes) -> list[str]:
    document = pdfium.PdfDocument(data)
    try:
        return [document[k].get_textpage().get_text_bounded() for k in range(len(document))]
    finally:
        document.close()


def test_the_report_from_a_replay_reads_well(
    simulated: Path, replayed: Path, tmp_path: Path, day: Day
) -> None:
    asked = ["press", "report", str(replayed), "--stage", "4", "--out", str(tmp_path / "out")]
    asked += ["--stage-folder", str(simulated / "stage"), "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["stage"] == "scenario-4-mountain"
    assert said["finished"] == sum(one.rank is not None for one in day.results) > 5
    texts = pages((tmp_path / "out" / REPORT_PDF).read_bytes())
    whole = "\n".join(texts)
    assert all(UNOFFICIAL in text and "EMBARGO" in text for text in texts)
    for words in ("Groups over the stage", "Gaps of the first", "Result", "VAM", "classification"):
        assert words in whole
    winner = day.results[0]
    assert winner.time_s is not None
    assert winner.name in texts[0]
    assert clock_text(winner.time_s) in texts[0]
    for one in day.results:
        assert str(one.bib) in whole


def test_the_pages_show_pictures_and_are_not_blank(day: Day) -> None:
    document = pdfium.PdfDocument(papers_of(day, MADE_AT_S, embargoed=False)[REPORT_PDF])
    image = np.asarray(document[0].render(scale=1.0).to_pil().convert("RGB"), np.int16)
    document.close()
    upper = image[image.shape[0] // 5 : image.shape[0] * 3 // 5]
    coloured = (upper.max(axis=2) - upper.min(axis=2)) > 40
    assert 0.001 < coloured.mean() < 0.2


def test_the_same_day_gives_the_same_papers(day: Day) -> None:
    assert papers_of(day, MADE_AT_S, embargoed=False) == papers_of(day, MADE_AT_S, embargoed=False)


def test_the_winner_is_who_truly_crossed_first_in_his_true_time(simulated: Path, day: Day) -> None:
    truth = pq.read_table(simulated / "truth" / "standings.parquet").to_pylist()
    true_s = {row["bib"]: row["finish_at"].timestamp() for row in truth if row["finish_at"]}
    heard = [one for one in day.results if one.rank is not None]
    assert len(heard) == len(true_s) >= 8
    for one in heard:
        assert one.time_s is not None
        assert (
            0.0 <= true_s[one.bib] - day.began_s - one.time_s < 6.0
        )  # a bunch has its first one's time
    ranks = sorted(heard, key=lambda one: true_s[one.bib])
    for earlier, later in itertools.pairwise(ranks):
        assert earlier.time_s <= later.time_s + 1  # who comes within a second is not told apart


def test_another_stage_is_named_and_nothing_is_written(
    simulated: Path, replayed: Path, tmp_path: Path
) -> None:
    asked = ["press", "report", str(replayed), "--stage", "12", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*asked, "--stage-folder", str(simulated / "stage")])
    assert isinstance(done.exception, Misconfigured)
    assert "'Scenario 4, mountain', not '12'" in str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def shelf(tmp_path: Path, day: Day) -> Shelf:
    shelf = Shelf(tmp_path / "press")
    shelf.put("stage-4", papers_of(day, MADE_AT_S, embargoed=False))
    return shelf


class PressRoom:
    """The routes behind a door, asked with a token of some role."""

    def __init__(self, folder: Path, shelf: Shelf) -> None:
        self._porter, hub = Porter(folder), Hub()
        self.serving = serve(hub, "127.0.0.1", 0, routes(hub, shelf), self._porter.door())

    def get(self, path: str, role: str = "press") -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._porter.token(role)}"} if role else {}
        connection = HTTPConnection("127.0.0.1", self.serving.port, timeout=10)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body


@pytest.fixture
def page(shelf: Shelf, tmp_path: Path) -> Iterator[PressRoom]:
    room = PressRoom(tmp_path, shelf)
    yield room
    room.serving.stop()


def test_nobody_gets_a_paper_before_an_operator_releases_it(shelf: Shelf, page: PressRoom) -> None:
    for name in PAPERS:
        status, body = page.get(f"/press/stage-4/{name}")
        assert (status, json.loads(body)["title"]) == (403, "Embargo")
    shelf.decide("stage-4", "anna", "2027-07-16T17:00:00Z", released=True)
    assert page.get(f"/press/stage-4/{RESULTS_CSV}", role="")[0] == 401
    assert page.get(f"/press/stage-4/{RESULTS_CSV}", role="tv")[0] == 403
    status, body = page.get(f"/press/stage-4/{RESULTS_CSV}")
    assert status == 200
    assert next(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))["Rank"] == "1"
    assert json.loads(page.get("/press/")[1])["stages"][0]["embargo"] is False
    # papers made again are others: somebody has to look at them first
    shelf.put("stage-4", {REPORT_PDF: b"%PDF another"})
    assert page.get(f"/press/stage-4/{REPORT_PDF}")[0] == 403
    shelf.decide("stage-4", "anna", "2027-07-16T17:10:00Z", released=False)
    assert page.get(f"/press/stage-4/{RESULTS_CSV}")[0] == 403
    assert [one["released"] for one in shelf.decisions("stage-4")] == [True, False]


@pytest.mark.parametrize(
    "path",
    ["/press/stage-4/release.json", "/press/none/report.pdf", "/press/..%2F..%2Fetc/passwd",
     "/press/stage-4/..%2F..%2Ftruck.toml"],
)  # fmt: skip
def test_nothing_else_of_the_folder_is_served(shelf: Shelf, page: PressRoom, path: str) -> None:
    shelf.decide("stage-4", "anna", "2027-07-16T17:00:00Z", released=True)
    assert page.get(path)[0] == 404


def test_a_damaged_record_of_releases_holds_back(shelf: Shelf, page: PressRoom) -> None:
    (shelf.folder / "stage-4" / "release.json").write_text("{")
    assert page.get(f"/press/stage-4/{RESULTS_CSV}")[0] == 503
    assert json.loads(page.get("/press/")[1])["stages"][0]["papers"] == []
