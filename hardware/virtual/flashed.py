"""Virtual transponders that start from real NVS images, as `hardware flash` writes them.

They know what a flashed transponder knows and nothing else: no roster, no event folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.errors import Misconfigured, Refused
from hardware.flash_images import read_image
from hardware.nvs import TransponderConfig
from hardware.packet import SUITE_CCM8
from hardware.virtual.transponder import DeviceSecret, Transponder, next_boot


@dataclass(frozen=True)
class FlashedEvent:
    """What an image says of its event, as a transponder uses it."""

    event_id: bytes
    epoch_s: float
    event_box_public: bytes


def read_images(folder: Path) -> dict[int, TransponderConfig]:
    """The configurations of riders' transponders in a folder of images, by bib; spares sleep.

    Raises:
        Misconfigured: there is none, two have one bib, or they are of two events.
        Refused: an image that is damaged, named by its file.
    """
    configs: dict[int, TransponderConfig] = {}
    for path in sorted(folder.glob("*.bin")):
        try:
            config = read_image(path)
        except Refused as refused:
            raise Refused(refused.reason, f"{path}: {refused}") from refused
        if not config.bib:
            continue
        other = configs.setdefault(config.bib, config)
        if other is not config:
            raise Misconfigured(
                f"{path.name} and {other.serial}.bin have both bib {config.bib}",
                "Take away the one that is not worn.",
            )
        if config.event != next(iter(configs.values())).event:
            raise Misconfigured(
                f"{path.name} is of event {config.event!r}", "Keep each event's images apart."
            )
    if not configs:
        raise Misconfigured(
            f"{folder} holds no rider's transponder", "Make them: `hardware flash --image`."
        )
    return dict(sorted(configs.items(), key=lambda item: item[1].device))


def flashed_transponders(
    folder: Path,
    configs: dict[int, TransponderConfig],
    bibs: Sequence[int],
    suite: int = SUITE_CCM8,
) -> list[Transponder]:
    """The transponders of `bibs`, started once more; the folder counts the starts.

    Raises:
        Misconfigured: a bib without an image, or the starts are used up.
    """
    for bib in bibs:
        if bib not in configs:
            raise Misconfigured(
                f"no image in {folder} has bib {bib}",
                "Flash that rider's transponder, or ride with fewer riders.",
            )
    started = next_boot(folder / "boot")
    return [_transponder(configs[bib], started, suite) for bib in bibs]


def _transponder(config: TransponderConfig, started: int, suite: int) -> Transponder:
    boot = config.boot + started
    if boot > 0xFFFF:
        raise Misconfigured(f"the starts of {config.serial} are used up", "Flash it again.")
    secret = DeviceSecret(config.device, config.generation, config.sign_seed, config.box_private)
    event = FlashedEvent(config.event.encode(), config.epoch_ms / 1000, config.event_box_public)
    return Transponder(secret, event, boot, suite)
