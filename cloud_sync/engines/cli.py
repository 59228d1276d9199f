"""What `cloud-sync` says of engines: `sql` over what was pulled."""

import json
import math
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from hardware import keys
from hardware.errors import Misconfigured

app = typer.Typer()
ROWS_SHOWN = 200
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def sql(
    select: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `pull --to` filled.")],
    to: Annotated[
        Path | None, typer.Option(help="Write the answer to NAME.csv or NAME.parquet.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask what was pulled and proven one question, in DuckDB's SQL.

    Views: readings, and biometrics where they were pulled; `stream` is their first column.
    Example: cloud-sync sql "SELECT bib, max(distance_m) FROM readings GROUP BY bib" out
    """
    from cloud_sync.engines.question import ask  # a pusher needs no DuckDB

    if to is not None and to.suffix not in {".csv", ".parquet"}:
        raise Misconfigured(f"{to} has no ending we write", "Name it .csv or .parquet.")
    table = ask(folder, select)
    if to is not None:
        keys.write_file(to, _file(table, to.suffix), 0o644)
        typer.echo(f"{table.num_rows} rows written to {to}", err=True)
    elif as_json:
        rows = [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]
        typer.echo(json.dumps({"schema": "cloud-sync.sql/1", "rows": rows}, default=str))
    else:
        _print_rows(table)


def _file(table: pa.Table, ending: str) -> bytes:
    import pyarrow.csv
    import pyarrow.parquet

    sink = pa.BufferOutputStream()
    try:
        if ending == ".csv":
            pyarrow.csv.write_csv(table, sink)
        else:
            pyarrow.parquet.write_table(table, sink, compression="zstd")
    except pa.ArrowException as error:
        raise Misconfigured(
            f"the answer does not fit into {ending}: {str(error).splitlines()[0]}",
            "Cast that column, or choose the other ending.",
        ) from error
    return bytes(sink.getvalue())


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity; they become the words."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _print_rows(rows: pa.Table) -> None:
    # as Text, because brackets in a value are its own
    table = Table(*(Column(Text(name)) for name in rows.column_names))
    for row in rows.slice(0, ROWS_SHOWN).to_pylist():
        table.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    Console().print(table)
    if rows.num_rows > ROWS_SHOWN:
        typer.echo(f"{rows.num_rows} rows, the first {ROWS_SHOWN} shown; all with --to", err=True)
