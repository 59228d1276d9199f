"""The terminal: JSON on stdout, progress on stderr, a missing setting in one sentence."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from hardware.errors import Misconfigured

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Url = Annotated[
    str, typer.Argument(help="A folder, file:///folder, s3://, az:// or gs://bucket/prefix.")
]


def print_json(document: dict[str, Any]) -> None:
    """One object, for another program."""
    typer.echo(json.dumps(document, indent=1))


def open_bar() -> Progress:
    """A progress bar where somebody looks, else nothing."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def count_in(bar: Progress, what: str) -> Callable[[int, int], None]:
    """What takes (done, total) and moves the bar."""
    task = bar.add_task(what, total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def required(value: Any, name: str) -> Any:
    """A setting that must be given.

    Raises:
        Misconfigured: when it was not.
    """
    if value is None:
        variable = f"CLOUD_SYNC_{name.upper().replace('-', '_')}"
        raise Misconfigured(f"--{name} is missing", f"Give it, set {variable}, or cloud-sync.toml.")
    return value
