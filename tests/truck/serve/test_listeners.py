"""A hundred listeners, five of whom never read, in short; the thousand are `make bench`'s."""

from pathlib import Path

import numpy as np
import pytest

FRAMES, LISTENERS, STALLED = 4, 100, 5


def test_every_listener_hears_every_frame_in_order_and_who_stalls_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    from listeners import run

    took_s, heard, core, _ = run(tmp_path, FRAMES - 0.5, LISTENERS, STALLED)
    assert heard is not None
    assert not heard.out_of_order
    assert len(took_s) == FRAMES
    assert heard.fewest > FRAMES, "these, and the one with which he began"
    assert np.quantile(heard.late_s, 0.95) < 1.0, "0.3 s where nothing else runs"
    assert core < 0.15
