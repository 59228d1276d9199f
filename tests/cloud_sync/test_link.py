"""A slow link: both its ways are used at once, and nothing is sent twice."""

import threading
from pathlib import Path

import pytest
from slow_link import SlowLink

from cloud_sync.outbox import Outbox
from cloud_sync.push import Orders, Pusher
from cloud_sync.remote import open_remote
from hardware.clock import Clock


@pytest.mark.parametrize("kind", ["s3"])
def test_batches_are_sent_once_while_others_are_read_back(
    crew, start_cloud, reach, tmp_path: Path, kind: str
) -> None:
    crew.seal(tmp_path, list(range(2_000, 14_000, 2_000)))
    cloud = start_cloud(kind)
    link = SlowLink(cloud.port, 250_000, 0.05)
    try:
        with Outbox(tmp_path) as outbox:
            wire = sum(entry.size + len(entry.manifest) for entry in outbox.waiting())
            remote = open_remote(reach(cloud, link.port))
            Pusher(
                tmp_path, outbox, remote, Clock(), threading.Event(), lambda _: None, Orders()
            ).push()
            assert outbox.waiting() == []
    finally:
        link.close()
    assert wire < link.up.carried < 1.2 * wire, "headers, and a beat"
    assert link.up.carried < link.down.carried + 0.2 * wire, "all of it is read back"
    assert link.overlap_s > 0.0
