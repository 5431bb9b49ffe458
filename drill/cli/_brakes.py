"""`drill abort`, `drill rollback`, `drill freeze`, `drill unfreeze`: what stops drills, from any machine."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.actor import actor
from drill.cli._common import Context, Kubeconfig, leave, say, settings
from drill.errors import RefusedError, UsageError
from drill.exits import ExitCode

if TYPE_CHECKING:
    from drill.cluster import Cluster
    from drill.lease import Notice
    from drill.rollback import UndoResult
    from drill.settings import Settings

_EACH = 0.5
Reason = Annotated[str, typer.Option("--reason", help="Why; it is shown to whoever is stopped by it.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(abort)
    app.command()(rollback)
    app.command()(freeze)
    app.command()(unfreeze)


def abort(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    reason: Reason = "no reason is given",
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="How long to wait until the drill has let go of its fault, s.")
    ] = 30,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only ask.")] = False,
) -> None:
    """Stop the drill that runs on a cluster, from any machine that reaches it: its fault is undone within seconds.

    Example: drill abort --context staging --reason "customers are calling"

    The request is written on the cluster's drill Lease, where the running drill looks each second. The drill ends as
    an interrupted one does (exit code 130, its verdict is inconclusive, and its report says who asked and why).

    Exit codes: 0 the drill has let go of its fault; 2 no drill is running; 3 it has not answered in time;
    4 it could not undo its fault.
    """
    from drill import lease  # noqa: PLC0415 - lazy

    chosen, cluster = _connect(context, kubeconfig)
    where = chosen.target.lease_namespace
    seen = lease.look(cluster, where)
    if not seen.running:
        raise UsageError(f"no drill is running on {chosen.context}{_dead(seen)}")
    holder = str(seen.holder)
    lease.ask_to_abort(cluster, where, holder, actor(), reason)
    say(f"asked {holder} to stop")
    if no_wait:
        leave(ExitCode.PASS)
    deadline = time.monotonic() + wait
    while True:
        seen = lease.look(cluster, where)
        if seen.halted is not None and seen.halted.holder == holder:
            for failure in seen.halted.rollback_failed:
                typer.echo(f"NOT UNDONE {failure}")
            if seen.halted.rollback_failed:
                leave(ExitCode.ROLLBACK_FAILED)
            typer.echo(f"{holder} has let go of its fault, and puts its record away")
            leave(ExitCode.PASS)
        if seen.holder != holder:
            typer.echo(f"{holder} has ended")
            leave(ExitCode.PASS)
        if time.monotonic() >= deadline:
            raise RefusedError(f"{holder} has not let go of its fault within {wait:g} s; if it died: drill rollback")
        time.sleep(_EACH)


def rollback(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="A run record's folder; none: all that is pending in the cluster."),
    ] = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    force: Annotated[
        bool, typer.Option("--force", help="Without RUN: although a drill is running, or may be.")
    ] = False,
) -> None:
    """Undo what a drill that died has left: of a run's folder, or (from any machine) of all drills on a cluster.

    Example: drill rollback runs/broker-kill/20261123T060000Z

    Example: drill rollback --context staging

    Each fault's undo is written into the cluster before the fault is injected (ConfigMap drill-rollback beside the
    Lease), so nothing of the machine that died is needed. What is undone is seen to be undone before it is struck off.
    While the Lease of a drill is alive this refuses, since that drill would be undone under its feet; the Lease of one
    that died lapses within 30 s, which is waited for. Exit code 4: something could not be undone.
    """
    results = _of_cluster(context, kubeconfig, force=force) if run is None else _of_run(run, context, kubeconfig)
    for result in results:
        what = f"{result.undo} {result.arguments.get('target') or result.arguments}"
        whose = f" ({result.holder})" if result.holder else ""
        typer.echo(f"undone {what}{whose}" if result.ok else f"NOT UNDONE {what}{whose}: {result.error}")
    if not results:
        typer.echo("nothing to undo")
    leave(ExitCode.PASS if all(result.ok for result in results) else ExitCode.ROLLBACK_FAILED)


def freeze(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    reason: Reason = "no reason is given",
) -> None:
    """Refuse every drill on a cluster from now on, whoever starts it; one that is running is aborted.

    Example: drill freeze --context staging --reason "release until Thursday"

    Also without drill: kubectl annotate lease drill drill/freeze="release until Thursday". A file does the same for
    one machine: `freeze_file` in drill.toml.
    """
    from drill import lease  # noqa: PLC0415 - lazy

    chosen, cluster = _connect(context, kubeconfig)
    lease.freeze(cluster, chosen.target.lease_namespace, f"{reason} ({actor()})")
    typer.echo(f"drills are frozen on {chosen.context}: {reason}")
    leave(ExitCode.PASS)


def unfreeze(context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Allow drills on a cluster again.

    Example: drill unfreeze --context staging
    """
    from drill import lease  # noqa: PLC0415 - lazy

    chosen, cluster = _connect(context, kubeconfig)
    frozen = lease.look(cluster, chosen.target.lease_namespace).freeze is not None
    if frozen:
        lease.freeze(cluster, chosen.target.lease_namespace, None)
    typer.echo(f"drills are {'no longer' if frozen else 'not'} frozen on {chosen.context}")
    leave(ExitCode.PASS)


def _of_run(run: Path, context: str | None, kubeconfig: Path | None) -> "list[UndoResult]":
    from drill import rollback as log  # noqa: PLC0415 - lazy
    from drill.record import RECORD_VARIABLE, RunRecord  # noqa: PLC0415 - lazy

    record = RunRecord.open(run)
    settings(context=context or record.scenario["target"]["context"], kubeconfig=kubeconfig)
    os.environ[RECORD_VARIABLE] = str(record.path)
    return record.amend(lambda: log.undo_pending(record.path / log.FILE))


def _of_cluster(context: str | None, kubeconfig: Path | None, *, force: bool) -> "list[UndoResult]":
    from drill import lease  # noqa: PLC0415 - lazy
    from drill import rollback as log  # noqa: PLC0415 - lazy

    chosen, cluster = _connect(context, kubeconfig)
    before = seen = lease.look(cluster, chosen.target.lease_namespace)
    if seen.running and not force:
        say(f"{seen.holder} holds the Lease: waiting to see whether it still renews it")
    while seen.running and not force:
        if (seen.holder, seen.expires) != (before.holder, before.expires):
            raise RefusedError(
                f"{seen.holder} is running a drill: `drill abort` stops it in order (--force undoes it under its feet)"
            )
        time.sleep(_EACH)
        seen = lease.look(cluster, chosen.target.lease_namespace)
    return log.undo_pending_in_cluster()


def _connect(context: str | None, kubeconfig: Path | None) -> "tuple[Settings, Cluster]":
    from drill.cluster import Cluster  # noqa: PLC0415 - lazy

    chosen = settings(context=context, kubeconfig=kubeconfig)
    return chosen, Cluster.connect(chosen)


def _dead(seen: "Notice") -> str:
    if not seen.holder:
        return ""
    return f"; {seen.holder} did not release it and is dead: `drill rollback` undoes what it has left"
