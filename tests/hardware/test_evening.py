"""A whole evening's sheet: what it makes is read by everybody's tools, and in time."""

import os
import subprocess
from pathlib import Path

import pytest
from evening import Evening, spend

from hardware.fat import read_volume
from hardware.seed import FILES, read_seed

RELAYS = int(os.environ.get("TRUCK_EVENING_RELAYS", "60"))
TRANSPONDERS = int(os.environ.get("TRUCK_EVENING_TRANSPONDERS", "200"))
AIM_S = 60.0
_JUDGE = """
import sys
from cloudinit.config.schema import get_schema, validate_cloudconfig_file
for file in sys.argv[1:]:
    validate_cloudconfig_file(file, get_schema())
    print("valid", file)
"""


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Evening:
    return spend(tmp_path_factory.mktemp("evening"), RELAYS, TRANSPONDERS)


@pytest.mark.long
def test_it_is_over_in_time(evening: Evening) -> None:
    load = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # others keep the machine busy
    assert evening.seconds < AIM_S * load, vars(evening)


@pytest.mark.long
def test_mtools_reads_every_image_and_fsck_finds_no_fault(evening: Evening) -> None:
    names = set()
    for image in evening.images:
        listed = subprocess.check_output(["mdir", "-b", "-i", image, "::"], text=True)
        assert {line.removeprefix("::/") for line in listed.split()} == set(FILES)
        seed = read_seed(read_volume(image, FILES))
        names.add(seed.name)
        told = subprocess.check_output(["minfo", "-i", image, "::"], text=True)
        assert 'disk label="CIDATA     "' in told
        subprocess.run(["fsck.vfat", "-n", image], check=True, capture_output=True)
    assert names == {f"moto-{k}" for k in range(1, RELAYS + 1)}


@pytest.mark.long
def test_cloud_init_accepts_every_user_data(
    evening: Evening, cloud_init: Path, tmp_path: Path
) -> None:
    for image in evening.images:
        data = read_volume(image, ("user-data",))["user-data"]
        (tmp_path / f"{image.stem}.yaml").write_bytes(data)
    files = sorted(map(str, tmp_path.iterdir()))
    python = cloud_init.read_text().split("\n", 1)[0].removeprefix("#!").strip()
    # its own judge, started once for all of them; the command itself for one
    judged = subprocess.run([python, "-c", _JUDGE, *files], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.split("\n")[:-1] == [f"valid {file}" for file in files]
    subprocess.run([cloud_init, "schema", "-c", files[0]], check=True, capture_output=True)
