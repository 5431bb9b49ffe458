"""`drill lab up|down|status` and `drill doctor`: the embedded cluster."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from drill.cli._common import AsOutput, Output, leave, print_json, say
from drill.errors import InterruptedEarlyError, UsageError
from drill.exits import ExitCode
from drill.interruption import InterruptedRunError, deferred

LAB_CONTEXT = "drill-lab"

_lab = typer.Typer(
    no_args_is_help=True, help="The embedded cluster: a real Kubernetes with a real platform, no Docker."
)


class Part(StrEnum):
    """What `--with` takes."""

    KAFKA = "kafka"
    POSTGRES = "postgres"
    DOLPHINSCHEDULER = "dolphinscheduler"
    MONITORING = "monitoring"
    MINIO = "minio"
    TRINO = "trino"
    VELERO = "velero"
    ALL = "all"


_node = typer.Typer(no_args_is_help=True, help="The power of one node of the lab.")
_lab.add_typer(_node, name="node")
_cluster = typer.Typer(no_args_is_help=True, help="The lab's cluster as a whole: lost for good, and built anew.")
_lab.add_typer(_cluster, name="cluster")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_lab, name="lab")
    app.command()(doctor)


@contextmanager
def clear_errors() -> Iterator[None]:
    """The lab's errors as one line and an exit code; it knows of no other room, so not of `DrillError` either."""
    import lab  # noqa: PLC0415 - lazy

    try:
        yield
    except lab.LabPreflightError as error:
        say(f"drill: {error}")
        leave(ExitCode.USAGE)
    except lab.LabError as error:
        say(f"drill: {error}")
        leave(ExitCode.HARNESS_ERROR)


def lab_kubeconfig() -> Path:
    """Where the lab's kubeconfig is, or will be."""
    import lab  # noqa: PLC0415 - lazy

    return lab.kubeconfig()


@contextmanager
def on_the_lab(namespaces: Iterable[str], systems: Iterable[str]) -> Iterator[None]:
    """The lab is up for the block, and stays up after it; whatever interrupts takes it down again.

    Args:
        namespaces: what is in them is up.
        systems: of these the lab's parts are up, too, wherever they are.
    """
    import lab  # noqa: PLC0415 - lazy

    try:
        with clear_errors():
            lab.up(parts=[*lab.for_namespaces(namespaces), *(set(systems) & set(lab.PARTS))])
        yield
    except (InterruptedRunError, InterruptedEarlyError) as error:
        say(f"interrupted ({error}): taking the lab down")
        with deferred():
            take_down()
        raise
    except typer.Exit as left:
        if left.exit_code == ExitCode.INTERRUPTED:
            say("taking the lab down")
            with deferred():
                take_down()
        else:
            say("the lab stays up for the next drill; `drill lab down` removes it")
        raise


def take_down() -> None:
    """The lab is gone after this, whoever brought it up."""
    import lab  # noqa: PLC0415 - lazy

    with clear_errors():
        lab.down()


@_lab.command()
def up(
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=5, help="How many nodes.")] = 3,
    more: Annotated[
        list[Part] | None, typer.Option("--with", help="A part of the platform beside Kafka; may be repeated.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All parts, as with --with all.")] = False,
) -> None:
    """Bring the lab up; idempotent, cached, goes on where a killed one stopped, and grows by what is asked for.

    Example: drill lab up --with postgres --with monitoring
    """
    import lab  # noqa: PLC0415 - lazy

    with clear_errors():
        lab.up(nodes, _chosen([Part.ALL] if everything else more))


def _chosen(more: Iterable[Part] | None) -> set[Part]:
    asked = {Part.KAFKA, *(more or ())}
    return set(Part) - {Part.ALL} if Part.ALL in asked else asked


@_lab.command()
def down() -> None:
    """Take the lab down; nothing is left behind but the cache.

    Example: drill lab down
    """
    take_down()


@_node.command()
def stop(
    name: Annotated[str, typer.Argument(help="The node: node2.")],
    seconds: Annotated[
        float | None, typer.Option("--for", min=0, help="Seconds after which it starts again by itself.")
    ] = None,
) -> None:
    """Take the power from a node: all that runs on it is killed, and it is off the network.

    Example: drill lab node stop node2 --for 300
    """
    import lab  # noqa: PLC0415 - lazy

    with clear_errors():
        lab.stop_node(name, seconds)


@_node.command()
def start(name: Annotated[str, typer.Argument(help="The node: node2.")]) -> None:
    """Give a node its power back, with the disk that it had; does nothing where it runs.

    Example: drill lab node start node2
    """
    import lab  # noqa: PLC0415 - lazy

    with clear_errors():
        lab.start_node(name)


@_cluster.command()
def lose(
    yes: Annotated[bool, typer.Option("--yes", help="Destroy it.")] = False,
) -> None:
    """Destroy the lab's cluster: etcd's data, and the disks of all nodes but the object store's.

    Example: drill lab cluster lose --yes

    What it held is gone for good, and only a backup in the object store brings it back. The object store's disks stay,
    as they stand for one that is outside of the cluster; and so do the certificates, so that the same kubeconfig opens
    the cluster that `drill lab cluster rebuild` starts.
    """
    import lab  # noqa: PLC0415 - lazy

    if not yes:
        raise UsageError("this destroys all that the lab's cluster holds: give --yes if that is meant")
    with clear_errors():
        lab.lose_cluster()


@_cluster.command()
def rebuild(
    parts: Annotated[
        list[Part] | None, typer.Option("--with", help="A part that the lab had, to be started empty; repeatable.")
    ] = None,
) -> None:
    """Start a fresh cluster in the place of the lost one: its nodes, DNS, volumes, and no part but what is named.

    Example: drill lab cluster rebuild --with minio --with velero

    Idempotent. The other parts are for a restore to bring back (`drill lab up` would start them empty).
    """
    import lab  # noqa: PLC0415 - lazy

    with clear_errors():
        lab.rebuild_cluster(lab.PARTS if Part.ALL in (parts or ()) else parts or ())


@_lab.command()
def image() -> None:
    """Make drill's own image from the checkout and load it into the lab's nodes, for drills that run in the cluster.

    Example: drill lab image && kubectl apply -k deploy/lab
    """
    import lab  # noqa: PLC0415 - lazy

    with clear_errors():
        typer.echo(lab.load_own_image())
    leave(ExitCode.PASS)


@_lab.command()
def status(output: AsOutput = Output.TEXT) -> None:
    """Show what of the lab is up, where its kubeconfig is, and what it uses.

    Example: drill lab status -o json
    """
    import lab  # noqa: PLC0415 - lazy

    with clear_errors():
        found = lab.status()
    if output is Output.JSON:
        print_json(asdict(found))
        return
    typer.echo(f"{found.state}, {found.memory / 1e9:.2f} GB ({found.control_plane_memory / 1e9:.2f} GB control plane)")
    for problem in found.problems:
        typer.echo(f"  problem: {problem}")
    for node in found.nodes:
        ready = "Ready" if node.ready else "not ready" if node.running else "not running"
        typer.echo(f"{node.name:<8}{node.address:<16}{ready:<13}{node.memory / 1e9:.2f} GB")
    for pod in found.pods:
        ready = "Ready" if pod.ready else "not ready"
        typer.echo(f"{pod.namespace}/{pod.name}  {pod.node}  {pod.phase}  {ready}  {pod.restarts} restarts")
    for part in found.parts:
        note = f"  ({part.note})" if part.note else ""
        typer.echo(f"{part.name:<18}{part.ready}/{part.pods} pods Ready in {part.namespace}{note}")
    if found.object_store:
        typer.echo(f"object store: {found.object_store}")
    typer.echo(f"kafka: {found.kafka}\nkubeconfig: {found.kubeconfig} (context {LAB_CONTEXT})")


def doctor(
    more: Annotated[
        list[Part] | None, typer.Option("--with", help="A part of the platform that the lab is to have; repeatable.")
    ] = None,
    output: AsOutput = Output.TEXT,
) -> None:
    """Show what this machine has of what the lab needs, and the one command that installs what is missing.

    Example: drill doctor --with velero
    """
    import lab  # noqa: PLC0415 - lazy

    findings = lab.doctor(_chosen(more))
    if output is Output.JSON:
        print_json([asdict(each) for each in findings])
    else:
        for each in findings:
            typer.echo(f"{'ok' if each.ok else 'MISSING':<9}{each.name:<28}{each.detail}")
            if not each.ok:
                typer.echo(f"{'':<9}{'':<28}{each.remedy}")
    leave(ExitCode.PASS if all(each.ok for each in findings) else ExitCode.USAGE)
