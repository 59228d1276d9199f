"""What goes on air from one truck: a pack's boards, records, and changes in its audit log."""

import socket
import time
from itertools import islice
from pathlib import Path

import pytest
from board_race import board_race, frames
from doors import KEY
from truck_home import SmallTruck

from hardware.errors import Unavailable
from truck.alarms import Alarms
from truck.audit import Audit, read_audit
from truck.onair import OnAir

LOOPS = "WITH RECURSIVE t AS (SELECT 1 a UNION ALL SELECT a + 1 FROM t) SELECT max(a) AS a FROM t"


def test_packs_boards_records_and_audit_are_on_air_together(tmp_path: Path) -> None:
    truck, race, alarms = SmallTruck(tmp_path), board_race(), Alarms()
    boards = truck.config.stage / "boards"
    boards.mkdir()
    (boards / "count.sql").write_text("-- rows: 1\nSELECT count(*) AS riders FROM riders")
    (boards / "loops.sql").write_text(LOOPS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = truck.config.model_copy(update={"tv_port": port})
    log = tmp_path / "log"
    log.mkdir()
    on_air = OnAir(config, race.stage, race.course, Audit(log, KEY, time.time), alarms)
    close = on_air.open()
    try:
        (alarm,) = alarms.rows()
        assert alarm["name"] == "board-loops"
        assert "runs longer than 0.5 s" in alarm["what"]
        for frame in islice(frames(race, 5), 5):
            on_air.show(frame)
        until_s = time.monotonic() + 20
        while on_air.boards.sheet("count").quality == "none" and time.monotonic() < until_s:
            time.sleep(0.05)
        assert on_air.boards.sheet("count").rows[0][0] == "24"
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            assert client.recv(3) == b"H01"
        on_air.boards.freeze("leaders", True, "anna")
        entries = read_audit(log, KEY.public).entries
        assert [(e.by, e.action, e.outcome) for e in entries] == [
            ("anna", "board_freeze", "asked"), ("anna", "board_freeze", "done"),
        ]  # fmt: skip
        (log / "audit.head").unlink()
        with pytest.raises(Unavailable, match="nothing was done"):
            on_air.boards.freeze("leaders", False, "anna")
        assert on_air.boards.sheet("leaders").quality == "frozen"
    finally:
        close()
