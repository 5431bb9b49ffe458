"""`drill publish`: records and reports into a bucket, by date."""

from pathlib import Path
from typing import Annotated

import typer

from drill.cli._common import AsOutput, Context, Kubeconfig, Output, leave, print_json, settings
from drill.exits import ExitCode


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(publish)


def publish(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run records: runs/<scenario>/<UTC>.")],
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    output: AsOutput = Output.TEXT,
) -> None:
    r"""Put run records into the context's bucket, by date, with a page of all of them; delete those that are too old.

    Example: drill publish runs/broker-kill/20261123T060000Z --context staging

    The bucket is `\[contexts.<name>.publish]` in drill.toml. A run that is half there is not listed; the newest run of
    a scenario on a context is never deleted, and nothing that is not named as runs are.
    """
    from drill.object_store import ObjectStore  # noqa: PLC0415 - lazy
    from drill.record import RunRecord  # noqa: PLC0415 - lazy
    from reports import published  # noqa: PLC0415 - lazy

    records = [RunRecord.open(run) for run in runs]
    chosen = settings(context=context, kubeconfig=kubeconfig)
    target = chosen.publish
    store = ObjectStore.connect(chosen, target=target)
    done = [published.publish(record, store, target) for record in records]
    index = f"{target.bucket}/{target.prefix}/{published.INDEX}"
    if output is Output.JSON:
        print_json({"index": index, "runs": [vars(each) for each in done]})
    else:
        for each in done:
            typer.echo(f"{target.bucket}/{target.prefix}/{each.run}: {each.files} files")
            for old in each.deleted:
                typer.echo(f"deleted {target.bucket}/{target.prefix}/{old}: older than {target.keep_days} days")
        typer.echo(f"index: {index}")
    leave(ExitCode.PASS)
