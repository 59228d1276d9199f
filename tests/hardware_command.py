"""Runs the `hardware` command as its users do, in this process."""

import contextlib
import io
import signal
import sys
from typing import NamedTuple

import pytest

from hardware import cli


class Done(NamedTuple):
    """What a user sees of one run."""

    returncode: int
    stdout: str
    stderr: str


def hardware(*arguments: object) -> Done:
    """Run the command's own entry point."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hardware", *map(str, arguments)])
        patch.setenv("NO_COLOR", "1")
        patch.setenv("COLUMNS", "200")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return Done(code, out.getvalue(), err.getvalue())


def refused(code: int, *arguments: object) -> str:
    """What the command says on stderr when it refuses, in one sentence or two."""
    done = hardware(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr
