"""SIGKILL while packs are staged and activated: the old one or the new one, whole; never half."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from packed_truck import PackedTruck

KILLS = int(os.environ.get("TRUCK_CHAOS_KILLS", "3"))
SEED = int(os.environ.get("TRUCK_CHAOS_SEED", "1"))

WORK = """
import sys
from pathlib import Path
from hardware.home import load_settings
from hardware.pack import open_pack
from truck.config import TruckConfig, TruckHome
from truck.packs.depot import Depot

home = TruckHome(Path(sys.argv[1]))
depot = Depot(home, load_settings(TruckConfig, home.config, {}))
packs = [open_pack(Path(path).read_bytes(), depot.team) for path in sys.argv[2:]]
print("go", flush=True)
for pack in packs:
    depot.shelf.put(pack)
    digest = pack.manifest.digest
    depot.record.activate(pack.manifest.version, digest, by="anna", note="", now_us=1)
    print(pack.manifest.version, flush=True)
print("end", flush=True)
"""


def test_a_kill_leaves_the_old_pack_or_the_new_one(packed: PackedTruck, tmp_path: Path) -> None:
    truck = packed.copy(tmp_path)
    chance = random.Random(SEED)
    paths = []
    for version in range(1, 31):
        path = tmp_path / f"{version}.pack"
        path.write_bytes(truck.pack_bytes(version, {"model/weights": bytes(100_000)}))
        paths.append(str(path))
    done, killed = 0, 0
    while done < len(paths) and killed < KILLS:
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, str(truck.home.folder), *paths[done:]],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate(timeout=30)
        killed += "end" not in said
        told = [int(word) for word in said.split() if word.isdecimal()]
        staged, in_force = truck.state  # which proves every file of every pack
        newest = max([done, *told])
        assert (in_force or 0) in (newest, newest + 1), "what was told stays, what was not may"
        assert staged in ([*range(1, newest + 1)], [*range(1, newest + 2)])
        assert len(staged) >= (in_force or 0)
        done = in_force or 0
    assert killed
    truck.depot().shelf.put(truck.pack(99))
    assert not list(truck.home.packs.glob(".*.tmp"))  # what kills left was swept
    assert truck.state[0][-1] == 99
