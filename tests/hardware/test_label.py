"""Labels: a scanner reads every one of a sheet back, and one of another event is told apart."""

import json
import shutil
import subprocess
from pathlib import Path

import pypdfium2
import pytest
from chip_event import CLOCK, crew_of, ignore, make_event
from hardware_command import hardware, refused
from hypothesis import given
from hypothesis import strategies as st

from hardware.crew import Role, read_crew
from hardware.errors import Reason, Refused
from hardware.flash_images import flash_images
from hardware.label import Label, label_of, read_label
from hardware.label_sheet import COLUMNS, ROWS, print_labels

DPI = 120
A_LABEL_MM, A_PAGE_MM = (66.0, 34.0), (210.0, 297.0)
ODD_NAMES = ("Éric Łukasz-Gößner", "Jonas Vingegaard Rasmussen Hansen", "山田 太郎", "a&b=c?d%e+f")


def scanned(pdf: bytes, folder: Path) -> list[str]:
    """What `zbarimg` reads from each label of a rendered sheet, held before it one by one."""
    zbarimg = shutil.which("zbarimg")
    assert zbarimg, "install Debian's zbar-tools: make system-packages"
    mm = DPI / 25.4
    left, top = (
        (page - number * label) / 2
        for page, label, number in zip(A_PAGE_MM, A_LABEL_MM, (COLUMNS, ROWS), strict=True)
    )
    files = []
    for number, page in enumerate(pypdfium2.PdfDocument(pdf)):
        image = page.render(scale=DPI / 72, grayscale=True).to_pil()
        for place in range(COLUMNS * ROWS):
            row, column = divmod(place, COLUMNS)
            x, y = left + column * A_LABEL_MM[0], top + row * A_LABEL_MM[1]
            box = (x * mm, y * mm, (x + A_LABEL_MM[0]) * mm, (y + A_LABEL_MM[1]) * mm)
            files.append(folder / f"{number:02}-{place:02}.png")
            image.crop(tuple(map(round, box))).save(files[-1], compress_level=1)
    done = subprocess.run(
        [zbarimg, "-q", "--raw", "-Sdisable", "-Sqrcode.enable", *files],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_a_scanner_reads_all_260_labels_back(tmp_path) -> None:
    rows = [f"relay,moto-{n},R-{n:03},,{n}" for n in range(1, 61)]
    rows += [f"transponder,Rider {n},T-{n:03},{n},{200}" for n in range(1, 197)]
    rows += [f'transponder,"{name}",X-{n},{900 + n},200' for n, name in enumerate(ODD_NAMES)]
    crew = read_crew("c", ("role,name,serial,bib,channel\n" + "\n".join(rows)).encode())
    labels = [label_of("tour-2027", member) for member in crew.members]
    assert len(labels) == 260
    read = [read_label(text) for text in scanned(print_labels(labels), tmp_path)]
    assert read == labels


def test_the_same_labels_are_the_same_bytes_and_an_empty_sheet_is_a_page_less_file() -> None:
    labels = [label_of("race", member) for member in crew_of(5).members]
    assert print_labels(labels) == print_labels(labels)
    assert print_labels([]).startswith(b"%PDF")


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=64).filter(str.isprintable),
    st.integers(0, 9999),
)
def test_any_name_is_read_back(name, bib) -> None:
    label = Label("tour-2027", Role.TRANSPONDER, name, "T-1", bib)
    assert read_label(label.text) == label


@given(st.text(max_size=80), st.integers(0, 60))
def test_hostile_text_is_a_label_or_one_refusal(junk, at) -> None:
    good = Label("e", "relay", "moto-1", "R-1").text
    for text in (junk, good[:at] + junk, f"truck.label/1?{junk}", good[:at]):
        try:
            assert read_label(text).text == text.strip()
        except Refused as refused:
            assert str(refused)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://example.org", Reason.VERSION),
        ("truck.label/2?event=a", Reason.VERSION),
        ("truck.label/1?event=a&role=relay&name=b", Reason.MALFORMED),
        ("truck.label/1?role=relay&event=a&name=b&serial=c", Reason.MALFORMED),
        ("truck.label/1?event=a&role=boss&name=b&serial=c", Reason.MALFORMED),
        ("truck.label/1?event=a&role=relay&name=b%0A&serial=c", Reason.MALFORMED),
        ("truck.label/1?event=a&role=relay&name=b&serial=c&bib=007", Reason.MALFORMED),
        ("truck.label/1?" + "a" * 2000, Reason.OVERSIZE),
    ],
)
def test_what_is_no_label_of_ours_is_refused_by_name(text, reason) -> None:
    with pytest.raises(Refused) as refused:
        read_label(text)
    assert refused.value.reason == reason


def test_the_commands_print_a_sheet_and_tell_whose_a_label_is(tmp_path) -> None:
    event, crew = make_event(tmp_path / "event", 3)
    sheet = tmp_path / "crew.csv"
    rows = "\n".join(
        f"{m.role},{m.name},{m.serial},{m.bib or ''},{m.channel}" for m in crew.members
    )
    sheet.write_text("role,name,serial,bib,channel\n" + rows)
    done = hardware("labels", sheet, "--event", event, "--out", tmp_path / "labels.pdf")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'labels.pdf'}\n"
    texts = scanned((tmp_path / "labels.pdf").read_bytes(), tmp_path)
    asked = ("label", texts[0], "--event", event)
    assert "bib 1 of event 'race'; nothing was flashed" in hardware(*asked).stdout
    flash_images(event, crew, tmp_path, by="Ana", clock=CLOCK, resume=False, told=ignore)
    assert "by Ana, file read back" in hardware(*asked).stdout
    told = json.loads(hardware(*asked, "--json").stdout)
    assert told["schema"] == "hardware.label/1"
    assert told["labels"][0]["wrong"] is None

    foreign = Label("tour-2026", "transponder", "Rider 1", "T-001", 1).text
    done = hardware("label", foreign, "--event", event)
    assert done.returncode == 78
    assert "is of event 'tour-2026', not of 'race'. Take that label off" in done.stderr
    renamed = Label("race", "transponder", "Rider 9", "T-001", 9).text
    assert (
        "was flashed as transponder Rider 1" in hardware("label", renamed, "--event", event).stderr
    )
    assert "no label of this race" in refused(65, "label", "Ana's bag", "--event", event)
    assert "cannot read the crew's sheet" in refused(
        78, "labels", tmp_path / "no", "--event", event
    )
