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
cluster = typer.Typer(
    no_args_is_help=True, help="Hand encrypted batches to a Spark cluster: keys, client, job."
)
app.add_typer(cluster, name="cluster")
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


@cluster.command("keys")
def cluster_keys(
    url: Annotated[str, typer.Argument(help="The remote that holds the batches.")],
    to: Annotated[Path, typer.Option(help="The key map to write.")],
    cluster_key: Annotated[
        Path, typer.Option("--cluster", help="The cluster's public RSA key, PEM or .pub.")
    ],
    key: Annotated[str | None, typer.Option(help="Your private key, or kms:ARN.")] = None,
    truck: Annotated[str | None, typer.Option(help="The truck's public key.")] = None,
    stream: Annotated[str | None, typer.Option(help="One stream only; else all readings.")] = None,
    as_json: Json = False,
) -> None:
    """Prove batches and seal their data keys again, for the cluster's own key; data untouched.

    Nothing is written unless every batch held (exit code 65 names what did not).
    """
    from cloud_sync.audit import find_streams, raise_failures
    from cloud_sync.batch import is_biometrics, stream_of
    from cloud_sync.config import load_settings
    from cloud_sync.engines.key_map import SCHEMA, map_stream, read_cluster_key
    from cloud_sync.keyring import open_holder, read_truck_public
    from cloud_sync.remote import open_remote
    from cloud_sync.terminal import required

    settings = load_settings(None, key, truck)
    private = open_holder(required(settings.key, "key"))
    public = read_truck_public(required(settings.truck, "truck"))
    recipient, remote = read_cluster_key(cluster_key), open_remote(url)
    batches, audits = list[dict[str, Any]](), []
    streams = [
        name
        for name in find_streams(remote, stream)
        if stream or not (is_biometrics(name) or stream_of(name))
    ]
    for name in streams:
        audit, entries = map_stream(
            remote, name, public, private, recipient, lambda *_: None
        )  # fmt: skip
        batches += entries
        audits.append(audit)
    raise_failures(audits)
    rows = sum(audit.summary()["rows"] for audit in audits)
    document = {"schema": SCHEMA, "cluster_key": recipient.key_id, "batches": batches}
    keys.write_file(to, json.dumps(document, indent=1).encode(), 0o644)
    if as_json:
        told = {"to": str(to), "cluster_key": recipient.key_id, "streams": streams}
        schema = "cloud-sync.cluster-keys/1"
        typer.echo(
            json.dumps({"schema": schema, **told, "batches": len(batches), "rows": rows}, indent=1)
        )
    else:
        typer.echo(f"{to}: {len(batches)} batches, {rows} rows for cluster key {recipient.key_id}")


@cluster.command()
def kit(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them.")],
    spark: Annotated[
        Path, typer.Option(envvar="SPARK_HOME", help="The Spark to make the client for.")
    ],
) -> None:
    """Write what goes to the cluster: the key client (cluster-keys.jar) and race_tables.py."""
    from cloud_sync.engines.kit import write_kit

    typer.echo(" ".join(str(path) for path in write_kit(spark, to)))


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
