"""Every command and program shown on docs/CLOUD*.md runs, in the page's order, on a fresh desk.

A block fenced as `sh` or `python` is run as it stands; one fenced otherwise (`text`) is to be read.
The block's first words may be a comment `# exit 65`: then it must end so.
"""

import re
import sys
from pathlib import Path

import pytest
from cloud_desk import lay_desk

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(DOCS.glob("CLOUD*.md"))
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"# exit (\d+)\b")


def blocks(page: Path) -> list[tuple[str, str]]:
    """The (language, text) of all that a page says to run."""
    return _BLOCK.findall(page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_runs(page: Path, tmp_path: Path) -> None:
    desk = lay_desk(tmp_path / "desk")
    shown = blocks(page)
    assert shown, f"{page.name} shows nothing that runs"
    for language, text in shown:
        command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
        done = desk.run(*command, text)
        due = _EXIT.match(text)
        assert done.returncode == int(due[1] if due else 0), f"{text}\n{done.stdout}{done.stderr}"
