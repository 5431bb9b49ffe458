"""`drill fingerprint iceberg`, `drill verify iceberg`: the lakehouse's tables, and the bucket that has their files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import AsOutput, Context, Kubeconfig, Output, settings
from drill.cli._verify import Against, File, Found, _give, _held_to, _judged, fingerprint, verify

if TYPE_CHECKING:
    from drill.iceberg import IcebergFingerprint, IcebergSelection


@fingerprint.command("iceberg")
def fingerprint_iceberg(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Only this one; may be repeated. None: all of the schema.")
    ] = None,
    output: File = None,
) -> None:
    """Note snapshots, files and every partition's rows by count and checksum, through Trino.

    Example: drill fingerprint iceberg --table prices --context drill-lab -o before.json
    """
    _give(_capture(context, kubeconfig, tuple(sorted(table)) if table else None), output)


@verify.command("iceberg")
def verify_iceberg(
    against: Against,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: AsOutput = Output.TEXT,
    found: Found = None,
) -> None:
    """Hold Iceberg tables to a fingerprint, and the bucket to what their metadata names.

    Example: drill verify iceberg --against before.json --context drill-lab

    Exits with 1 when something differs, with 3 when something could not be compared, with 2 when FILE is damaged.
    """
    from drill.iceberg import IcebergFingerprint  # noqa: PLC0415 - lazy
    from recovery.fingerprints import judge_iceberg  # noqa: PLC0415 - lazy

    before = _held_to(against, IcebergFingerprint)
    _judged(judge_iceberg, before, _capture(context, kubeconfig, before.selection), output, found)


def _capture(
    context: str | None, kubeconfig: Path | None, wanted: "IcebergSelection | tuple[str, ...] | None"
) -> "IcebergFingerprint":
    """Capture a selection, or tables of the schema that the settings name (None: all).

    Where the context declares no object store, no bucket is listed, and the verdict on files is inconclusive.
    """
    from drill.iceberg import IcebergSelection  # noqa: PLC0415 - lazy
    from drill.object_store import ObjectStore  # noqa: PLC0415 - lazy
    from drill.trino import Trino  # noqa: PLC0415 - lazy
    from experiments.fingerprints.iceberg import capture  # noqa: PLC0415 - lazy

    chosen = settings(context=context, kubeconfig=kubeconfig)
    target = chosen.trino
    selection = (
        wanted
        if isinstance(wanted, IcebergSelection)
        else IcebergSelection(catalog=target.catalog, schema_name=target.schema_, tables=wanted)
    )
    store = ObjectStore.connect(chosen) if chosen.target.object_store else None
    return capture(Trino(target), selection, store, context=chosen.context, named=wanted is not selection)
