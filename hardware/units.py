"""systemd units, from the templates that lie with their machine.

Both share one list of what a service must not do; `systemd-analyze security` judges the result.
"""

import shutil
import string
import sys
from importlib import resources
from pathlib import Path

from hardware import keys
from hardware.errors import Misconfigured


def write_unit(machine: str, folder: Path) -> Path:
    """Write the unit of `machine`, relay or truck, for the command that is installed here.

    Raises:
        Misconfigured: the command is not installed, or the folder cannot be written.
    """
    beside = Path(sys.executable).parent / machine
    command = str(beside) if beside.exists() else shutil.which(machine)
    if command is None:
        raise Misconfigured(
            f"the command `{machine}` is not installed here", "Install the package first."
        )
    template = string.Template(_text(machine, f"systemd/{machine}.service"))
    unit = template.substitute(command=command, hardening=_text("hardware", "hardening.conf"))
    path = folder / f"{machine}.service"
    keys.write_file(path, unit.encode(), 0o644)
    return path


def _text(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text("utf-8")
