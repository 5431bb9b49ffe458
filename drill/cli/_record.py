"""`drill judge`, `report`, `compare`, `portfolio` and `verify-evidence`: they work on run records alone."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drill.cli._common import AsOutput, JUnit, Output, RunFolder, ensure_writable, leave, print_json, say, written_file
from drill.errors import InputError, Mistake, UsageError
from drill.exits import ExitCode

if TYPE_CHECKING:
    from drill.record import RunRecord
    from drill.verdicts import Verdict
    from reports.compare import Changed
    from reports.dr import Details
    from scenarios.model import Scenario

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of run records: runs/<scenario>/<UTC>.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(judge)
    app.command()(report)
    app.command(name="verify-evidence")(verify_evidence)
    app.command()(portfolio)
    app.command()(compare)


def judge(
    run: RunFolder,
    output: AsOutput = Output.TEXT,
    junit: JUnit = None,
) -> None:
    """Judge a run record again, with no cluster; its report is written anew.

    Example: drill judge runs/broker-kill-leader/20261123T060000Z
    """
    from drill.cli._judging import judge_and_report  # noqa: PLC0415 - lazy
    from drill.record import RunRecord  # noqa: PLC0415 - lazy

    outcome = judge_and_report(RunRecord.open(run), output=output, junit=junit)
    leave(outcome.exit_code)


def report(
    runs: Runs,
    dr: Annotated[bool, typer.Option("--dr", help="One report of all of them, for leadership and auditors.")] = False,
    into: Annotated[
        Path | None,
        typer.Option("-o", "--into", help="With --dr: folder for the report and its evidence; not there yet."),
    ] = None,
    details: Annotated[
        Path | None,
        typer.Option("--details", help="With --dr: YAML file of what no record knows (who, findings, retest)."),
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option("--history", help="With --dr: folder of earlier runs (default: where the runs are)."),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="As PDF as well, printed by Chromium.")] = False,
) -> None:
    """Write HTML reports from run records and their verdicts, with no cluster; prints each page's path.

    Example: drill report runs/broker-kill-leader/20261123T060000Z

    Example: drill report --dr runs/platform-down/20261124T194554Z --details exercise.yaml -o dr-2026-q4 --pdf
    """
    import reports  # noqa: PLC0415 - lazy
    from drill.record import RunRecord  # noqa: PLC0415 - lazy
    from reports import pdf as printer  # noqa: PLC0415 - lazy

    stray = {"--into": into, "--details": details, "--history": history}
    if not dr and (given := [name for name, value in stray.items() if value]):
        raise UsageError(f"{given[0]} is of the DR report; add --dr")
    records = [RunRecord.open(run) for run in runs]
    if pdf:
        printer.browser()  # before anything is written
    if dr:
        if into is None:
            raise UsageError("the DR report is a folder with its evidence; name it with -o")
        pages = [_dr(records, into, details, history)]
    else:
        pages = [reports.write(record) for record in records]
    for page in pages:
        typer.echo(page)
        if pdf:
            typer.echo(printer.print_page(page, page.with_suffix(".pdf")))
    if dr and into is not None:
        say(f"SHA-256 of {into / 'REPORT.SHA256'}, which covers the report and all of its evidence:")
        say(reports.dr.seal(into))
    leave(ExitCode.PASS)


def _dr(records: "list[RunRecord]", into: Path, details: Path | None, history: list[Path] | None) -> Path:
    from reports import dr  # noqa: PLC0415 - lazy

    stated = dr.Details() if details is None else _details(details)
    folders = history or list(dict.fromkeys(record.path.parent for record in records))
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of runs")
    return dr.write(records, stated, into, history=folders, stated=details)


def _details(path: Path) -> "Details":
    from reports.dr import Details  # noqa: PLC0415 - lazy
    from scenarios._locate import Document  # noqa: PLC0415 - lazy
    from scenarios._validated import validated  # noqa: PLC0415 - lazy

    found, mistakes = validated(Details, Document(path))
    if mistakes or found is None:
        raise InputError(mistakes)
    return found


def verify_evidence(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A DR report's folder, or a run record.")],
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="A digest that was kept elsewhere: as `report --dr` printed it, or the page's."),
    ] = None,
    output: AsOutput = Output.TEXT,
) -> None:
    """Re-check a DR report's evidence, or a run record, by its sums: what was changed, is missing or was added.

    Verdicts are under no sum of a record: it is judged again, with no cluster, and they must be the same.

    Exit code 1: something was, or they are not.

    Example: drill verify-evidence dr-2026-q4
    """
    from reports import dr  # noqa: PLC0415 - lazy

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    if sha256 is not None and re.fullmatch(r"\s*[0-9a-fA-F]{64}\s*", sha256) is None:
        raise UsageError(f"--sha256 {sha256}: not a SHA-256: give the 64 hexadecimal digits that the report shows")
    troubles = dr.verify(folder, sha256)
    files = dr.checked(folder)
    if output is Output.JSON:
        print_json({"files": files, "troubles": [{"path": each.path, "what": each.what} for each in troubles]})
    for each in troubles if output is Output.TEXT else ():
        typer.echo(f"{each.path}: {each.what}")
    amiss = len({each.path for each in troubles})
    say(f"{files} files checked, {amiss} not as they were" if troubles else f"{files} files checked, all as they were")
    if sha256 is not None and (what := dr.covered(folder, sha256)):
        say(f"the digest covers {what}")
    leave(ExitCode.FAIL if troubles else ExitCode.PASS)


def portfolio(
    runs: Annotated[Path, typer.Argument(metavar="RUNS", help="Folder of run records, at any depth.")],
    into: Annotated[Path | None, typer.Option("-o", "--into", help="The page (default: RUNS/portfolio.html).")] = None,
    fresh: Annotated[float, typer.Option("--fresh", min=1, help="Days for which a pass keeps all its worth.")] = 90,
    scenarios: Annotated[
        list[Path] | None,
        typer.Option("--scenarios", help="Scenario file, or folder of them, that counts though it was never run."),
    ] = None,
    context: Annotated[str | None, typer.Option("--context", help="Leave out runs on other contexts.")] = None,
) -> None:
    """Draw all scenarios by system: newest verdict, age, trends, untested risks, and a score; prints the page's path.

    Of a scenario that was run on several contexts the worst counts.

    Example: drill portfolio runs --scenarios my-scenarios --context staging
    """
    from drill import clock  # noqa: PLC0415 - lazy
    from reports import portfolio as page  # noqa: PLC0415 - lazy
    from scenarios import reader  # noqa: PLC0415 - lazy

    if not runs.is_dir():
        raise UsageError(f"{runs}: no such folder of runs")
    target = into or runs / "portfolio.html"
    ensure_writable(target, "--into")
    found = [reader.read(path).scenario for path in reader.catalogue()]
    # A control must fail: it shows that drill would see a loss, and nothing of the platform.
    controls = [each.name for each in found if each.name.endswith("-control")]
    catalogue = {each.name: each.description for each in (*found, *_own(scenarios or []))}
    typer.echo(
        page.write(
            runs, catalogue, into=target, now=clock.now(), fresh=fresh * 86_400, controls=controls, context=context
        )
    )
    leave(ExitCode.PASS)


def _own(places: list[Path]) -> "list[Scenario]":
    """The scenarios in files and below folders; those that run records keep a copy of are none.

    Raises:
        InputError: with every mistake found in all of them.
    """
    from scenarios import reader  # noqa: PLC0415 - lazy

    found: list[Scenario] = []
    mistakes: list[Mistake] = []
    for place in places:
        if not place.exists():
            raise UsageError(f"{place}: no such scenario file or folder")
        files = [place]
        if place.is_dir():
            files = [each for each in reader.below(place) if not (each.parent / "events.jsonl").is_file()]
        if not files:
            raise UsageError(f"{place}: no scenario is there")
        for file in files:
            try:
                found.append(reader.read(file).scenario)
            except InputError as error:
                mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    return found


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="A run record's folder.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="The one to hold beside it.")],
    output: AsOutput = Output.TEXT,
    html: Annotated[
        Path | None, typer.Option("--html", help="Draw it as a page here as well.", callback=written_file)
    ] = None,
) -> None:
    """Hold two runs beside each other: what was not alike, what each measured, which checks came out differently.

    Example: drill compare runs/platform-down/20261124T194554Z runs/platform-down/20261201T090000Z --html both.html
    """
    from dataclasses import asdict  # noqa: PLC0415 - lazy

    from rich.markup import escape  # noqa: PLC0415 - lazy
    from rich.table import Table  # noqa: PLC0415 - lazy

    from drill.cli._tables import COLOURS, console  # noqa: PLC0415 - lazy
    from drill.record import RunRecord  # noqa: PLC0415 - lazy
    from reports import compare as page  # noqa: PLC0415 - lazy

    found = page.compare(*(RunRecord.open(each) for each in (first, second)))
    if html is not None:
        say(str(page.write(found, html)))
    if output is Output.JSON:
        rows = {name: [asdict(each) for each in getattr(found, name)] for name in ("conditions", "rows")}
        checks = [
            {"check": each.check, **{name: verdict and verdict.outcome for name, verdict in _both(each)}}
            for each in found.checks
        ]
        runs = [{"run": each.identity, "outcome": each.outcome} for each in found.runs]
        print_json({"runs": runs, **rows, "checks": checks})
        leave(ExitCode.PASS)
    table = Table("", "", *(escape(each.identity) for each in found.runs), "from first to second", box=None)
    table.add_row("outcome", "", *(f"[{COLOURS[each.outcome]}]{each.outcome}[/]" for each in found.runs), "")
    for row in found.rows:
        table.add_row(*map(escape, (row.measure, row.of, row.first, row.second, row.change)))
    console().print(table)
    for changed in found.checks:
        said = (verdict.outcome if verdict else "not made" for _, verdict in _both(changed))
        typer.echo(f"check {changed.check}: {', then '.join(said)}")
    for each in found.conditions:
        typer.echo(f"not alike: {each.name}: {each.first} | {each.second}")
    leave(ExitCode.PASS)


def _both(changed: "Changed") -> "tuple[tuple[str, Verdict | None], ...]":
    return ("first", changed.first), ("second", changed.second)
