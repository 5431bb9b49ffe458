"""`drill init`: a first settings file, made by asking the cluster what it runs; read only."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import AsOutput, Context, Kubeconfig, Output, ensure_writable, leave, print_json, say
from drill.errors import UsageError
from drill.exits import ExitCode

if TYPE_CHECKING:
    from drill.cluster import Cluster
    from drill.discovery import Seen
    from drill.settings import ContextSettings

_STDOUT = Path("-")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(init)


def init(
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write it (default: drill.toml); -: stdout.")
    ] = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: AsOutput = Output.TEXT,
) -> None:
    """Write a first drill.toml for a cluster, by what it runs, and tell which scenarios fit; only reads.

    Example: drill init --context staging

    Finds Kafka, PostgreSQL, PgBouncer, DolphinScheduler, Velero, MinIO, Prometheus and Trino by their images, labels,
    ports and resources. Lists pods, Services, nodes and Velero's storage locations, and reads no Secret. Nothing is
    drillable until you say so in the file. A file that is there is never overwritten.
    """
    import tomllib  # noqa: PLC0415 - lazy

    from drill import discovery  # noqa: PLC0415 - lazy
    from drill.settings import ContextSettings, settings_file  # noqa: PLC0415 - lazy

    if context is None:
        raise UsageError("no context: give --context; `kubectl config get-contexts` lists those of your kubeconfig")
    file = path or settings_file()
    if file != _STDOUT and file.exists():
        raise UsageError(f"{file} is there, and is not overwritten: give another FILE, or - to see it")
    if file != _STDOUT:
        ensure_writable(file, "FILE")
    seen = discovery.see(_connect(context, kubeconfig), say)
    found = discovery.recognise(seen)
    declared = discovery.declare(seen, found)
    text = discovery.settings_text(context, declared, str(kubeconfig) if kubeconfig else None, datetime.now(UTC))
    fits = _fitting(ContextSettings.model_validate(tomllib.loads(text)["contexts"][context]), seen)
    if file != _STDOUT:
        with file.open("x", encoding="utf-8") as new:  # not even one that came just now
            new.write(text)
    if output is Output.JSON:
        systems = {name: {"is": each.group.ref, "by": each.why} for name, each in found.items()}
        told = {"file": str(file), "settings": text, "systems": systems, "missing": declared.missing, "scenarios": fits}
        print_json(told)
    else:
        for each in found.values():
            say(f"found {each.name}: {each.group.ref}, by {each.why}")
        for reason in declared.missing:
            say(reason)
        if file == _STDOUT:
            typer.echo(text, nl=False)
        else:
            typer.echo(f"{file} is written. Look it over, and set drillable = true where faults may be injected.")
        _tell(fits, context)
    leave(ExitCode.PASS)


def _connect(context: str, kubeconfig: Path | None) -> "Cluster":
    """A cluster that no settings file knows yet."""
    from drill.cluster import Cluster  # noqa: PLC0415 - lazy
    from drill.settings import ContextSettings, Settings  # noqa: PLC0415 - lazy

    unread = Settings.model_construct(context=context, kubeconfig=kubeconfig, contexts={context: ContextSettings()})
    return Cluster.connect(unread)


def _fitting(context: "ContextSettings", seen: "Seen") -> dict[str, tuple[str, ...]]:
    """What each scenario of the catalogue lacks here; nothing where it fits."""
    from scenarios import needs, reader  # noqa: PLC0415 - lazy

    there = {(f"{each.kind.lower()}/{each.name}", each.namespace) for each in seen.groups}
    lacks: dict[str, tuple[str, ...]] = {}
    for path in reader.catalogue():
        drill = reader.read(path)
        absent = (
            f"the workload {name} in {where}" for name, where in needs.workloads(drill) if (name, where) not in there
        )
        lacks[drill.scenario.name] = (*needs.lacking(drill, context), *absent)
    return lacks


def _tell(lacks: dict[str, tuple[str, ...]], context: str) -> None:
    if fitting := [name for name, missing in lacks.items() if not missing]:
        say("\nscenarios that fit what is declared:")
        for name in fitting:
            say(f"  {name}")
        say(f"`drill plan {fitting[0]} --context {context}` resolves one on the cluster, once it is drillable.")
    if others := {name: missing for name, missing in lacks.items() if missing}:
        say("\nscenarios that want more:")
        for name, missing in others.items():
            say(f"  {name:<24}{'; '.join(missing)}")
