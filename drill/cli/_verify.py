"""`drill fingerprint` and `drill verify`: what a system holds, and whether it holds it again after a restore."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from drill.cli._common import (
    AsOutput,
    Context,
    Kubeconfig,
    Output,
    leave,
    print_json,
    say,
    settings,
    written_file,
)
from drill.exits import ExitCode

if TYPE_CHECKING:
    from drill.fingerprints import (
        BucketFingerprint,
        BucketSelection,
        Fingerprint,
        KafkaFingerprint,
        KafkaSelection,
        PostgresFingerprint,
        PostgresSelection,
    )
    from drill.verdicts import Verdict

fingerprint = typer.Typer(
    no_args_is_help=True,
    help="Capture what a system holds now, read only, to verify a restore by.\n\n"
    "Example: drill fingerprint postgres --context drill-lab -o before.json",
)
verify = typer.Typer(
    no_args_is_help=True,
    help="Prove that a system holds what a fingerprint says, whoever restored it and however; read only.\n\n"
    "Example: drill verify postgres --against before.json --context drill-lab",
)

File = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where to write it; none: stdout.", callback=written_file),
]
Against = Annotated[
    Path,
    typer.Option("--against", metavar="FILE", help="The fingerprint that the system is held to.", show_default=False),
]
Found = Annotated[
    Path | None,
    typer.Option(
        "--found", metavar="FILE", help="Write the fingerprint of what was found here, too.", callback=written_file
    ),
]
Dsn = Annotated[
    str | None, typer.Option("--dsn", help="libpq parameters that replace the settings' (host=10.0.0.7 port=5432).")
]
Bootstrap = Annotated[
    str | None, typer.Option("--bootstrap", help="Bootstrap servers, instead of the settings' (host:port[,host:port]).")
]
Bucket = Annotated[
    str | None, typer.Option("--bucket", help="Which bucket, instead of the settings' or the fingerprint's.")
]

F = TypeVar("F", bound="Fingerprint")


def register(app: typer.Typer) -> None:
    """Add this module's commands, and those of its neighbour."""
    from drill.cli import _verify_iceberg  # noqa: F401, PLC0415 - it adds its own to these two

    app.add_typer(fingerprint, name="fingerprint")
    app.add_typer(verify, name="verify")


@fingerprint.command("postgres")
def fingerprint_postgres(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    dsn: Dsn = None,
    database: Annotated[
        list[str] | None, typer.Option("--database", help="Only this one; may be repeated. None: every database.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            help="Pattern (database.schema.table) of tables whose rows never stand still, such as heartbeats; "
            "may be repeated.",
        ),
    ] = None,
    output: File = None,
) -> None:
    """Count and sum every row of every table in the server, with definitions, sequences and roles.

    Example: drill fingerprint postgres --context drill-lab --exclude 'dolphinscheduler.*heartbeat' -o before.json
    """
    from drill.fingerprints import PostgresSelection  # noqa: PLC0415 - lazy

    selection = PostgresSelection(databases=tuple(database) if database else None, exclude=tuple(exclude or ()))
    _give(_capture_postgres(context, kubeconfig, dsn, selection), output)


@fingerprint.command("kafka")
def fingerprint_kafka(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    bootstrap: Bootstrap = None,
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", help="Only this one; may be repeated. None: all that are not internal."),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Only this consumer group; may be repeated. None: all.")
    ] = None,
    content_records: Annotated[
        int,
        typer.Option("--content-records", min=0, help="Read and digest so many offsets at the end of each partition."),
    ] = 0,
    output: File = None,
) -> None:
    """Note cluster id, topics, settings, offsets and consumers' positions; and contents, where asked for.

    Example: drill fingerprint kafka --context drill-lab --content-records 100000 -o before.json
    """
    from drill.fingerprints import KafkaSelection  # noqa: PLC0415 - lazy

    selection = KafkaSelection(
        topics=tuple(sorted(topic)) if topic else None,
        groups=tuple(sorted(group)) if group else None,
        content_records=content_records,
    )
    _give(_capture_kafka(context, kubeconfig, bootstrap, selection=selection), output)


@fingerprint.command("bucket")
def fingerprint_bucket(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    bucket: Bucket = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Only objects whose key begins so.")] = "",
    sha256: Annotated[
        bool, typer.Option("--sha256/--no-sha256", help="Download every object, too: size and ETag say less.")
    ] = False,
    output: File = None,
) -> None:
    """List every object with its size and ETag and, where asked for, its content's SHA-256.

    Example: drill fingerprint bucket --bucket lakehouse --sha256 --context drill-lab -o before.json
    """
    from drill.fingerprints import BucketSelection  # noqa: PLC0415 - lazy

    def select(declared: str) -> BucketSelection:
        return BucketSelection(bucket=bucket or declared, prefix=prefix, sha256=sha256)

    _give(_capture_bucket(context, kubeconfig, select), output)


@verify.command("postgres")
def verify_postgres(
    against: Against,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    dsn: Dsn = None,
    output: AsOutput = Output.TEXT,
    found: Found = None,
) -> None:
    """Hold a PostgreSQL server to a fingerprint: equal in every database, definition, row, sequence and role.

    Example: drill verify postgres --against before.json --context drill-lab

    After a restore beside the original: drill verify postgres --against before.json --dsn 'host=10.0.0.7 port=5432'

    Exits with 1 when something differs, with 3 when something could not be compared, with 2 when FILE is damaged.
    """
    from drill.fingerprints import PostgresFingerprint  # noqa: PLC0415 - lazy
    from recovery.fingerprints import judge_postgres  # noqa: PLC0415 - lazy

    before = _held_to(against, PostgresFingerprint)
    after = _capture_postgres(context, kubeconfig, dsn, before.selection)
    _judged(judge_postgres, before, after, output, found)


@verify.command("kafka")
def verify_kafka(
    against: Against,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    bootstrap: Bootstrap = None,
    allow_growth: Annotated[
        bool, typer.Option("--allow-growth", help="Records, consumers' progress and topics may have come since.")
    ] = False,
    allow_retention: Annotated[
        bool, typer.Option("--allow-retention", help="Records at the front may have been deleted since.")
    ] = False,
    rpo_records: Annotated[
        int | None,
        typer.Option("--rpo-records", min=0, help="So many records since the backup may be lost. None: not one."),
    ] = None,
    output: AsOutput = Output.TEXT,
    found: Found = None,
) -> None:
    """Hold a Kafka cluster to a fingerprint; records that are missing at the ends are the measured RPO.

    Example: drill verify kafka --against before.json --rpo-records 5000 --context drill-lab

    Exits with 1 when something differs, with 3 when something could not be compared, with 2 when FILE is damaged.
    """
    from functools import partial  # noqa: PLC0415 - lazy

    from drill.fingerprints import KafkaFingerprint  # noqa: PLC0415 - lazy
    from recovery.fingerprints import judge_kafka  # noqa: PLC0415 - lazy

    before = _held_to(against, KafkaFingerprint)
    after = _capture_kafka(context, kubeconfig, bootstrap, like=before)
    judge = partial(judge_kafka, allow_growth=allow_growth, allow_retention=allow_retention, rpo_records=rpo_records)
    _judged(judge, before, after, output, found)


@verify.command("bucket")
def verify_bucket(
    against: Against,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    bucket: Bucket = None,
    allow_extra: Annotated[bool, typer.Option("--allow-extra", help="Objects may have come since.")] = False,
    output: AsOutput = Output.TEXT,
    found: Found = None,
) -> None:
    """Hold a bucket to a fingerprint: the same objects by size and ETag, and by content where that was read.

    Example: drill verify bucket --against before.json --context drill-lab

    Exits with 1 when something differs, with 3 when something could not be compared, with 2 when FILE is damaged.
    """
    from functools import partial  # noqa: PLC0415 - lazy

    from drill.fingerprints import BucketFingerprint  # noqa: PLC0415 - lazy
    from recovery.fingerprints import judge_bucket  # noqa: PLC0415 - lazy

    before = _held_to(against, BucketFingerprint)
    was = before.selection
    after = _capture_bucket(context, kubeconfig, lambda _: was.model_copy(update={"bucket": bucket or was.bucket}))
    _judged(partial(judge_bucket, allow_extra=allow_extra), before, after, output, found)


def _capture_postgres(
    context: str | None, kubeconfig: Path | None, dsn: str | None, selection: "PostgresSelection"
) -> "PostgresFingerprint":
    from psycopg import ProgrammingError  # noqa: PLC0415 - lazy
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - lazy

    from drill import postgres  # noqa: PLC0415 - lazy
    from drill.errors import UsageError  # noqa: PLC0415 - lazy
    from experiments.fingerprints.postgres import capture  # noqa: PLC0415 - lazy

    chosen = settings(context=context, kubeconfig=kubeconfig)
    try:
        other: dict[str, Any] = conninfo_to_dict(dsn or "")
    except ProgrammingError as error:
        raise UsageError(f"--dsn: libpq can't read it: {str(error).strip()}") from error
    return capture(postgres.conninfo(chosen, **other), selection, context=chosen.context)


def _capture_kafka(
    context: str | None,
    kubeconfig: Path | None,
    bootstrap: str | None,
    *,
    selection: "KafkaSelection | None" = None,
    like: "KafkaFingerprint | None" = None,
) -> "KafkaFingerprint":
    from pydantic import ValidationError  # noqa: PLC0415 - lazy

    from drill.errors import UsageError  # noqa: PLC0415 - lazy
    from drill.settings import KafkaTarget  # noqa: PLC0415 - lazy
    from experiments.fingerprints.kafka import capture  # noqa: PLC0415 - lazy

    chosen = settings(context=context, kubeconfig=kubeconfig)
    target = chosen.kafka
    if bootstrap:
        try:
            target = KafkaTarget.model_validate({**target.model_dump(), "bootstrap": bootstrap})
        except ValidationError as error:
            raise UsageError(f"--bootstrap {bootstrap}: give host:port[,host:port]") from error
    return capture(target, selection, like=like, context=chosen.context)


def _capture_bucket(
    context: str | None, kubeconfig: Path | None, select: "Callable[[str], BucketSelection]"
) -> "BucketFingerprint":
    """Capture what `select` makes of the bucket that the settings declare."""
    from drill.errors import UsageError  # noqa: PLC0415 - lazy
    from drill.object_store import ObjectMissingError, ObjectStore  # noqa: PLC0415 - lazy
    from experiments.fingerprints.bucket import capture  # noqa: PLC0415 - lazy

    chosen = settings(context=context, kubeconfig=kubeconfig)
    store, selection = ObjectStore.connect(chosen), select(chosen.object_store.bucket)
    try:
        return capture(store, selection, context=chosen.context)
    except ObjectMissingError as error:
        where = store.target.endpoint or "AWS"
        raise UsageError(
            f"bucket {selection.bucket!r}: not in the store at {where}: name another by --bucket"
        ) from error


def _held_to(path: Path, kind: type[F]) -> F:
    from drill import fingerprints  # noqa: PLC0415 - lazy

    return fingerprints.read(path, kind)


def _give(made: "Fingerprint", output: Path | None) -> None:
    from drill import fingerprints  # noqa: PLC0415 - lazy

    if output is None:
        print_json(fingerprints.document(made))
    else:
        fingerprints.write(output, made)
        say(f"fingerprint: {output}")
    leave(ExitCode.PASS)


def _judged(
    judge: Callable[[Any, Any], Sequence["Verdict"]], before: F, after: F, output: Output, found: Path | None
) -> None:
    """Judge, tell, and leave with the outcome's exit code."""
    from drill import fingerprints  # noqa: PLC0415 - lazy
    from drill.cli._judging import line  # noqa: PLC0415 - lazy
    from drill.verdicts import WORST_FIRST, overall  # noqa: PLC0415 - lazy
    from recovery.fingerprints import not_verified  # noqa: PLC0415 - lazy

    if found is not None:
        fingerprints.write(found, after)
    verdicts, limits = judge(before, after), not_verified(before, after)
    outcome = overall(verdicts)
    if output is Output.JSON:
        print_json(
            {
                "outcome": outcome,
                "system": before.system,
                "captured": {"before": before.finished, "after": after.finished},
                "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
                "not_verified": limits,
            }
        )
    else:
        for verdict in sorted(verdicts, key=lambda each: WORST_FIRST.index(each.outcome)):
            typer.echo(line(verdict))
        for limit in limits:
            typer.echo(f"not verified: {limit}")
        typer.echo(f"{outcome.upper()}  {before.system}")
    leave(outcome.exit_code)
