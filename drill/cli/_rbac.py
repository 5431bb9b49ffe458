"""`drill rbac`: the least that scenarios need, as RBAC manifests."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import Context, Kubeconfig, leave, say, settings
from drill.exits import ExitCode

if TYPE_CHECKING:
    from drill.cluster import Permission

_CHECK, _BACKUPS = "check", "backups"
"""Beside scenarios: the commands that only look, which are none."""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(rbac)


def rbac(
    scenarios: Annotated[
        list[str],
        typer.Argument(metavar="SCENARIO...", help="Names of `drill list`, files, families, `check` or `backups`."),
    ],
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Where the service account lives (default: the Lease's namespace)."),
    ] = None,
    service_account: Annotated[str, typer.Option("--service-account", help="Who may drill.")] = "drill",
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print a service account with the least that scenarios need, resolved on a real cluster; touches nothing.

    Example: drill rbac kafka --context drill-lab > kafka-drills.yaml

    `drill rbac check` prints what `drill check` needs, `drill rbac backups` what `drill backups` needs: both only read.

    Run it as an administrator: it resolves the targets, which the account that it describes can do only afterwards.
    """
    import yaml  # noqa: PLC0415 - lazy

    from drill.cluster import Cluster  # noqa: PLC0415 - lazy
    from experiments import backups, checklist  # noqa: PLC0415 - lazy
    from scenarios import rbac as room  # noqa: PLC0415 - lazy

    drills = room.find([each for each in scenarios if each not in {_CHECK, _BACKUPS}])
    chosen = settings(context=context, kubeconfig=kubeconfig)
    cluster = Cluster.connect(chosen)
    permissions: list[Permission] = [*checklist.permissions(chosen)] if _CHECK in scenarios else []
    if _BACKUPS in scenarios:
        permissions += backups.permissions(chosen, cluster)
    for drill in drills:
        say(f"resolving: {drill.scenario.name}")
        permissions += room.needed(drill, chosen, cluster)
    where = namespace or chosen.target.lease_namespace
    name = f"drill-{Path(scenarios[0]).stem}" if len(scenarios) == 1 else "drill-scenarios"
    objects = room.manifest(dict.fromkeys(permissions), name, service_account, where)
    looks = [f"`drill {each}`" for each in (_CHECK, _BACKUPS) if each in scenarios]
    needy = [*looks, *(drill.scenario.name for drill in drills)]
    typer.echo(f"# The least that is needed by: {', '.join(needy)}.")
    typer.echo(f"# Made by `drill rbac {' '.join(scenarios)}`: make it anew for your own cluster's names.")
    typer.echo(yaml.safe_dump_all(objects, sort_keys=False, default_flow_style=None, width=120), nl=False)
    leave(ExitCode.PASS)
