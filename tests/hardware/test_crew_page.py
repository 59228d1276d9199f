"""docs/CREW.md, followed by somebody who has never seen it: empty folder, sheet, six commands."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "CREW.md"
COMMANDS_MAX = 6


def blocks(language: str) -> list[str]:
    """What the page fences as that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def said_by_the_tools() -> str:
    """Every piece of every sentence in the code."""
    pieces = []
    for room in sorted((ROOT / "hardware").rglob("*.py")):
        pieces += [
            node.value
            for node in ast.walk(ast.parse(room.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    return "\n".join(pieces)


def sentences() -> list[str]:
    """The first column of the table of red lines."""
    return re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)


def test_six_commands_lead_from_an_empty_folder_to_a_proven_batch(tmp_path: Path) -> None:
    tools, folder = tmp_path / "bin", tmp_path / "hall"
    tools.mkdir()
    folder.mkdir()
    hardware = tools / "hardware"
    hardware.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m hardware "$@"\n')
    hardware.chmod(0o755)
    (sheet,) = blocks("csv")
    (folder / "crew.csv").write_text("\ufeff" + sheet)  # as a spreadsheet saves it
    devices = len(sheet.splitlines()) - 1
    commands = blocks("sh")
    assert sum(len(text.strip().splitlines()) for text in commands) <= COMMANDS_MAX
    said = []
    for text in commands:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder, capture_output=True, text=True, timeout=120, check=False,
            env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "NO_COLOR": "1"},
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        said.append(done.stdout + done.stderr)
    page = PAGE.read_text()
    for shown, printed in (
        ("event tour-2027: 0 transponders, 0 relays", said[0]),
        ("2 relays, 3 transponders: no fault", said[1]),
        ("PROVEN  moto-1  flashed/moto-1.img  configuration 1, read back", said[2]),
        ("ALL PROVEN", said[2]),
        ("5 labels on 1 pages", said[3]),
        ("5 entries, each as it was written; key ", said[5]),
    ):
        assert shown in page
        assert shown in printed
    proven = re.findall(r"^PROVEN .*every byte is as it was flashed$", said[4], re.MULTILINE)
    assert len(proven) == devices
    assert (folder / "labels.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("sentence", sentences())
def test_each_red_line_of_the_page_is_what_a_tool_says(sentence: str) -> None:
    said = said_by_the_tools()
    parts = re.split(r"\.\.\.|: No space left on device|(?<=[a-z8])\. ", sentence)
    parts = [part.strip(" ,:'") for part in parts]
    assert any(parts)
    for part in parts:
        assert part in said, part


def test_the_pages_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE.read_text())
    assert len(pictures) == 2
    for picture in pictures:
        assert (PAGE.parent / picture).is_file()
