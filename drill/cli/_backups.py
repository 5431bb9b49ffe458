"""`drill backups`: the judgement of backups before the disaster; read only."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import (
    AsOutput,
    Context,
    JUnit,
    Kubeconfig,
    Output,
    leave,
    print_json,
    say,
    settings,
    written_file,
)
from drill.cli._junit import junit as as_junit
from drill.cli._tables import COLOURS, console, counted

if TYPE_CHECKING:
    from drill.backup_evidence import BackupEvidence
    from drill.settings import Settings, VeleroTarget
    from drill.verdicts import Verdict


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(backups)


def backups(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[BACKUP]...", help="Backups to look into (default: see --all).")
    ] = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: AsOutput = Output.TEXT,
    everything: Annotated[
        bool, typer.Option("--all", help="Every completed backup, not the newest of each schedule only.")
    ] = False,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch every object, however large, and the volumes' data.")
    ] = False,
    rpo_hours: Annotated[
        float | None, typer.Option("--rpo-hours", min=0, help="How long ago the newest backup may have begun, h.")
    ] = None,
    allow_warning: Annotated[
        list[str] | None, typer.Option("--allow-warning", help="Regular expression of a warning that is none.")
    ] = None,
    junit: JUnit = None,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="Write what was seen here as well.", callback=written_file)
    ] = None,
    judged: Annotated[
        Path | None, typer.Option("--from", help="Judge evidence that was written before; no cluster is asked.")
    ] = None,
) -> None:
    """Judge the backups before the disaster, read only: are they made, are they there, are they whole?

    Example: drill backups --context drill-lab --download

    Exits with 1 when a check failed, with 3 when something could not be seen.
    """
    from drill import backup_evidence  # noqa: PLC0415 - lazy
    from drill.verdicts import WORST_FIRST, overall  # noqa: PLC0415 - lazy
    from recovery.backups import judge  # noqa: PLC0415 - lazy

    if judged is not None:
        seen = backup_evidence.read(judged)
        seen = seen.model_copy(update={"rules": _rules(seen.rules, rpo_hours, allow_warning)})
    else:
        chosen = settings(context=context, kubeconfig=kubeconfig)
        rules = _rules(chosen.velero, rpo_hours, allow_warning)
        seen = _collect(chosen, rules, names or (), everything=everything, download=download)
    if evidence is not None:
        backup_evidence.write(evidence, seen)
    verdicts = sorted(judge(seen), key=lambda each: WORST_FIRST.index(each.outcome))
    outcome = overall(verdicts)
    if junit is not None:
        lines = [
            (each.check, each.details["object"], each.outcome, each.reason, each.details["remedy"]) for each in verdicts
        ]
        junit.write_text(as_junit("backups", lines))
    if output is Output.JSON:
        told = [each.model_dump(mode="json") for each in verdicts]
        print_json({"outcome": outcome, "context": seen.context, "backups": _inventory(seen), "verdicts": told})
    else:
        _print(seen, verdicts)
        typer.echo(f"{outcome.upper()}  {counted(each.outcome for each in verdicts)}")
    leave(outcome.exit_code)


def _collect(
    chosen: "Settings", rules: "VeleroTarget", names: list[str] | tuple[()], *, everything: bool, download: bool
) -> "BackupEvidence":
    from drill.cluster import Cluster  # noqa: PLC0415 - lazy
    from experiments.backups import collect  # noqa: PLC0415 - lazy

    return collect(
        chosen,
        Cluster.connect(chosen),
        backups=names,
        everything=everything,
        download=download,
        rules=rules,
        say=lambda what: say(f"looking: {what}"),
    )


def _rules(rules: "VeleroTarget", rpo_hours: float | None, allowed: list[str] | None) -> "VeleroTarget":
    """The settings' rules with what the flags say instead."""
    from pydantic import ValidationError  # noqa: PLC0415 - lazy

    from drill.errors import UsageError  # noqa: PLC0415 - lazy
    from drill.settings import VeleroTarget  # noqa: PLC0415 - lazy

    wanted = rules.model_dump()
    if rpo_hours is not None:
        wanted |= {"rpo_hours": rpo_hours, "rpo_hours_of": {}}
    wanted["allowed_warnings"] = (*rules.allowed_warnings, *(allowed or ()))
    try:
        return VeleroTarget.model_validate(wanted)
    except ValidationError as error:
        options = {"rpo_hours": "--rpo-hours", "allowed_warnings": "--allow-warning"}
        told = (f"{options[str(each['loc'][0])]}: {each['msg']}" for each in error.errors())
        raise UsageError("; ".join(told)) from error


def _inventory(seen: "BackupEvidence") -> list[dict[str, object]]:
    """All backups, the newest first, and whether they were looked into."""
    from drill.velero import Backup  # noqa: PLC0415 - lazy

    found = [Backup.of(each) for each in seen.backups.items]
    ages = {each.name: (seen.taken - each.started).total_seconds() / 3600 for each in found if each.started}
    return [
        {
            "name": each.name,
            "schedule": each.schedule,
            "phase": each.phase or "New",
            "started": each.started and each.started.isoformat(),
            "age_hours": round(ages[each.name], 2) if each.name in ages else None,
            "expires": each.expires and each.expires.isoformat(),
            "looked_into": each.name in seen.judged,
        }
        for each in sorted(found, key=lambda each: ages.get(each.name, 0.0))
    ]


def _print(seen: "BackupEvidence", verdicts: "list[Verdict]") -> None:
    from rich.table import Table  # noqa: PLC0415 - lazy
    from rich.text import Text  # noqa: PLC0415 - lazy

    out = console()
    table = Table(title="backups", title_justify="left", box=None, pad_edge=False)
    for heading in ("name", "schedule", "phase", "began", "age", "looked into"):
        table.add_column(heading)
    for each in _inventory(seen):
        age = f"{each['age_hours']} h" if each["age_hours"] is not None else "-"
        cells = (each["name"], each["schedule"] or "-", each["phase"], each["started"] or "-", age)
        table.add_row(*map(str, cells), "yes" if each["looked_into"] else "no")
    out.print(table)
    out.print()
    table = Table(title="checks", title_justify="left", box=None, pad_edge=False)
    for heading, share in (
        ("", 0),
        ("check", 0),
        ("what", 2),
        ("found", 4),
        ("value", 2),
        ("objective", 2),
        ("remedy", 3),
    ):
        table.add_column(heading, ratio=share or None, no_wrap=not share)
    for verdict in verdicts:
        outcome = Text(verdict.outcome.upper(), style=COLOURS[verdict.outcome])
        cells = (verdict.details["object"], verdict.reason, verdict.actual, verdict.target, verdict.details["remedy"])
        table.add_row(outcome, verdict.check, *(Text(str(each or "")) for each in cells))
    out.print(table)
    out.print()
