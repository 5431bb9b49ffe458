"""The active part of the plugin: what is collected, how it is reported, and with which exit code it ends."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from drill import clock
from drill import settings as settings_module
from drill.errors import DrillError, InputError, UsageError
from drill.exits import ExitCode
from drill.verdicts import Outcome
from gate import profile
from gate._drilled import RAN, Drilled, not_run, perform
from gate._items import Asked, CheckItem, NotHeldError, NotProvenError, ProfileFile, ScenarioFile, unproven, what_is
from gate._over_runs import result_of
from gate._result import Result, ScenarioResult, write_result
from gate._rows import Rows
from gate.signals import EXIT_CODE, keyboard_interrupts
from scenarios import reader
from scenarios.preflight import guard
from scenarios.reader import Drill

if TYPE_CHECKING:
    from drill.settings import Settings

GRAVEST_FIRST = (
    ExitCode.ROLLBACK_FAILED,
    ExitCode.INTERRUPTED,
    ExitCode.HARNESS_ERROR,
    ExitCode.USAGE,
    ExitCode.FAIL,
    ExitCode.INCONCLUSIVE,
)
OF_PYTEST = {
    int(pytest.ExitCode.INTERNAL_ERROR): ExitCode.HARNESS_ERROR,
    int(pytest.ExitCode.USAGE_ERROR): ExitCode.USAGE,
    int(pytest.ExitCode.NO_TESTS_COLLECTED): ExitCode.INCONCLUSIVE,
}
"""What those of pytest's own exit codes mean that say something by themselves."""
INCONCLUSIVE, ALLOWED = "inconclusive", "inconclusive but allowed"


class Gate:
    """One session that drills."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        _refuse_repetition(config)
        if config.pluginmanager.hasplugin("html"):
            config.option.self_contained_html = True
        options = config.option
        try:
            self.settings: Settings = settings_module.load(
                context=options.drill_context,
                kubeconfig=_path(options.drill_kubeconfig),
                runs=_path(options.drill_runs),
            )
            self.settings.target  # noqa: B018 - raises where the context is not declared
        except DrillError as error:
            raise pytest.UsageError(str(error)) from error
        # Where every room and every child looks for them.
        os.environ.update(self.settings.environment())
        given: str = options.drill_allow_inconclusive
        self.allowed = tuple(pattern.strip() for pattern in given.split(",") if pattern.strip())
        self.planned: list[Asked] = []
        self.by_tests: list[Drilled] = []
        self.file: profile.GateFile | None = None
        self.rows = Rows(config)
        self._others: dict[str, list[str]] = {}
        places = (config.invocation_params.dir / arg.partition("::")[0] for arg in config.args)
        self._folders = tuple(place.resolve() for place in places if place.is_dir())
        self._codes: set[ExitCode] = set()
        self._passed = 0
        self._deselected = 0
        self._no_baseline: str | None = None
        self._stop: str | None = None
        self._none_more: str | None = None
        self._begun = time.monotonic()
        self._started = _utc()
        if config.pluginmanager.hasplugin("html"):
            config.pluginmanager.register(self.rows, "drill-gate-rows")

    # -- collecting --------------------------------------------------------------------------------------------------

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """YAML files that are scenarios, and profiles that the user named."""
        if file_path.suffix not in reader.YAML:
            return None
        kind = what_is(file_path, named=parent.session.isinitpath(file_path))
        if kind not in ("scenario", "profile"):
            # Pytest asks for what lies beside a file that was named, too.
            if any(folder in file_path.parents for folder in self._folders):
                self._others.setdefault(kind, []).append(file_path.name)
            return None
        made = (ScenarioFile if kind == "scenario" else ProfileFile).from_parent(parent, path=file_path)
        made.gate = self
        return made

    def read(self, path: Path) -> Drill:
        """A scenario, which may be drilled on this context.

        Raises:
            CollectError: with every mistake, or why it may not.
        """
        with _told_to_pytest():
            drill = reader.read(path)
            guard(drill.scenario, self.settings)
            return drill

    def read_profile(self, path: Path) -> tuple[profile.Planned, ...]:
        """The scenarios of a profile, all of which may be drilled on this context.

        Raises:
            CollectError: with every mistake, or why one may not.
        """
        with _told_to_pytest():
            if self.file is not None and self.file.path != path:
                raise UsageError(f"{path}: one gate at a time; {self.file.path} is named as well")
            self.file = profile.read(path, compare=not self.config.option.drill_save_baseline)
            for planned in self.file.planned:
                guard(planned.drill.scenario, self.settings)
            return self.file.planned

    @property
    def baseline(self) -> profile.Baseline | None:
        """What the profile asks to be compared with; None: nothing, or this gate is to be the baseline."""
        if self.file is None or self.config.option.drill_save_baseline:
            return None
        return self.file.profile.baseline

    def before(self, scenario: str) -> ScenarioResult | None:
        """The baseline's own runs of a scenario."""
        baseline = None if self.file is None else self.file.baseline
        return None if baseline is None else baseline.scenario(scenario)

    def know_marker(self, name: str) -> None:
        """Make a marker known, so that `--strict-markers` takes it."""
        line = f"{name}: drills of {name}"
        if line not in self.config.getini("markers") and name != "drill":
            self.config.addinivalue_line("markers", line)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """What can't be collected is bad input."""
        if report.failed:
            self._codes.add(ExitCode.USAGE)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """What is not asked for by `-k`, `-m` or `--deselect`."""
        self._deselected += len(items)

    def pytest_report_header(self) -> str:
        """Where drills go."""
        return f"drill: context {self.settings.context}, runs in {self.settings.runs}"

    def pytest_report_collectionfinish(self) -> list[str]:
        """What is there and was not taken for a scenario."""
        return [f"drill: not run, {kind}: {_listed(names)}" for kind, names in self._others.items()]

    # -- running -----------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Iterator[None]:
        """A SIGTERM between two drills ends the session as Ctrl-C does; within a drill the runner sees to both."""
        with keyboard_interrupts():
            return (yield)

    def perform(self, drill: Drill, seed: int | None = None) -> Drilled:
        """Run a drill, unless nothing more may be begun."""
        limit = None if self.file is None else self.file.profile.time_limit
        reason = f"the gate's time limit of {limit:g} s" if limit is not None else ""
        left = None if limit is None else limit - (time.monotonic() - self._begun)
        if left is not None and left <= 0:
            return not_run(drill.scenario.name, f"{reason} had passed.")
        if self._none_more is not None:
            return not_run(drill.scenario.name, self._none_more)
        self._say(f"drill {drill.scenario.name}")
        begun = time.monotonic()

        def narrate(line: str) -> None:
            self._say(f"[{time.monotonic() - begun:6.1f} s] {line}")

        done = perform(drill, self.settings, narrate, seed, None if left is None else (left, reason))
        if done.exit_code is not ExitCode.INTERRUPTED or done.interrupted != reason:
            self._note(done.exit_code, done)
        return done

    def _note(self, code: ExitCode, done: Drilled) -> None:
        """What of a drill counts whichever of its checks were selected, and whether more may be begun."""
        if code not in (ExitCode.PASS, ExitCode.FAIL, ExitCode.INCONCLUSIVE):
            self._codes.add(code)
        if code is ExitCode.ROLLBACK_FAILED:
            self._none_more = f"a fault of {done.scenario} could not be undone: look at the cluster first."
        elif code is ExitCode.INTERRUPTED:
            self._none_more = f"the gate was interrupted ({done.interrupted})."
            self._stop = f"interrupted ({done.interrupted})"

    def run_named(self, scenario: str | Path, *, seed: int | None = None) -> Drilled:
        """What the fixture `drill_run` calls; a drill that did not come to its own end fails the test."""
        drill = reader.read(reader.find(str(scenario)))
        guard(drill.scenario, self.settings)
        done = self.perform(drill, seed)
        self.by_tests.append(done)
        self.rows.by_test(done)
        if done.ran.outcome is not Outcome.PASS:
            pytest.fail(done.ran.reason, pytrace=False)
        return done

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """An inconclusive check is neither failed nor passed; where it is allowed, it fails nothing."""
        report: pytest.TestReport = yield  # type: ignore[assignment]  # what the other hooks made
        if not isinstance(item, CheckItem):
            return report  # type: ignore[return-value]
        raised = None if call.excinfo is None else call.excinfo.value
        known = report.failed and not hasattr(report, "wasxfail")
        if isinstance(raised, NotProvenError | NotHeldError) and known:
            report.longrepr = str(raised)
        if known and isinstance(raised, NotProvenError):
            if item.may_be_inconclusive:
                report.outcome, report.longrepr = "skipped", (str(item.path), 0, str(raised))
            vars(report)["drill_category"] = ALLOWED if item.may_be_inconclusive else INCONCLUSIVE
        elif known and not isinstance(raised, NotHeldError):
            self._codes.add(ExitCode.HARNESS_ERROR)
        if report.when == "setup" and item.name == RAN and item.drills and (log := item.drills[-1].log):
            report.sections.append(("drill", log))
        return report  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Which exit code a report asks for."""
        if getattr(report, "drill_category", None) == INCONCLUSIVE:
            self._codes.add(ExitCode.INCONCLUSIVE)
        elif report.failed:
            self._codes.add(ExitCode.FAIL)
        elif report.passed and report.when == "call":
            self._passed += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> Any:
        """A word, a letter and a count of its own."""
        category = getattr(report, "drill_category", None)
        if category == INCONCLUSIVE:
            return INCONCLUSIVE, "I", ("INCONCLUSIVE", {"yellow": True, "bold": True})
        if category == ALLOWED:
            return ALLOWED, "i", ("INCONCLUSIVE (allowed)", {"yellow": True})
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        """After an interruption the checks of the drill that it ended are told, and nothing more is run."""
        result = yield
        if self._stop is not None and (nextitem is None or nextitem.parent is not item.parent):
            item.session.shouldstop = self._stop
        return result

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C between two drills."""
        if not isinstance(excinfo.value, pytest.Session.Interrupted | pytest.exit.Exception):
            self._codes.add(ExitCode.INTERRUPTED)

    # -- telling -----------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """End with drill's exit code, and keep the result."""
        if exitstatus in OF_PYTEST:
            self._codes.add(OF_PYTEST[exitstatus])
        if not self._codes and exitstatus == pytest.ExitCode.TESTS_FAILED:
            self._codes.add(ExitCode.FAIL)  # somebody else called it off
        if not self._codes and exitstatus == pytest.ExitCode.INTERRUPTED:
            self._codes.add(ExitCode.INTERRUPTED)
        if not self._passed and not self.config.option.collectonly:
            self._codes.add(ExitCode.INCONCLUSIVE)  # nothing was proven
        code = next((each for each in GRAVEST_FIRST if each in self._codes), ExitCode.PASS)
        self.config.stash[EXIT_CODE] = code
        session.exitstatus = int(code)
        if self.config.option.collectonly:
            return
        result = self.result(code)
        self.rows.result = result
        if (path := self.config.option.drill_result) is not None:
            write_result(Path(path), result)
        if self.config.option.drill_save_baseline:
            self._no_baseline = next(self._against_baseline(code), None)
            if self._no_baseline is None and self.file is not None and self.file.baseline_file is not None:
                write_result(self.file.baseline_file, result)

    def _against_baseline(self, code: ExitCode) -> Iterator[str]:
        """Why the result is not to be the profile's baseline; nothing: it is to be."""
        if self.file is None or self.file.baseline_file is None:
            yield "the profile names no baseline"
        if code is not ExitCode.PASS:
            yield "the gate did not pass"
        if self._deselected:
            yield f"{self._deselected} of its checks were deselected"
        for asked in self.planned:
            yield from asked.unproven()
        for done in self.by_tests:
            yield from unproven(done.scenario, (done.ran, *done.verdicts), self.allowed)

    def result(self, code: ExitCode) -> Result:
        """What was measured, and what came out."""
        runs: dict[str, list[Drilled]] = {}
        together: dict[str, ScenarioResult] = {}
        for asked in self.planned:
            done = [slot.done for slot in asked.slots if slot.done is not None]
            runs.setdefault(asked.scenario, []).extend(done)
            if asked.together is not None and len(done) == len(asked.slots):
                together[asked.scenario] = asked.together.get()
        for each in self.by_tests:
            runs.setdefault(each.scenario, []).append(each)
        found = {
            name: result_of(name, done, together[name].verdicts if name in together else ())
            for name, done in runs.items()
            if done
        }
        return Result(
            gate=None if self.file is None else self.file.profile.name,
            context=str(self.settings.context),
            started=self._started,
            finished=_utc(),
            outcome={ExitCode.PASS: Outcome.PASS, ExitCode.FAIL: Outcome.FAIL}.get(code, Outcome.INCONCLUSIVE),
            exit_code=int(code),
            scenarios=tuple(found.values()),
        )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What was not proven, what was measured, and what the exit code means."""
        for category in (INCONCLUSIVE, ALLOWED):
            if reports := terminalreporter.stats.get(category, []):
                terminalreporter.write_sep("=", category.upper(), yellow=True, bold=True)
                for report in reports:
                    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
                    terminalreporter.write_line(f"{report.nodeid}: {' '.join(text.split())}")
        result = self.rows.result
        if result is None:
            return
        terminalreporter.write_sep("=", "drills")
        for scenario in result.scenarios:
            for run in scenario.runs:
                terminalreporter.write_line(f"{run.outcome.upper():<13}{scenario.scenario}  {run.record or run.reason}")
            for each in scenario.measures:
                known = each.why
                if each.median is not None and each.worst is not None:
                    known = f"median {each.text(each.median)}, worst {each.text(each.worst)}"
                terminalreporter.write_line(f"{'':<13}{each.words}: {known}")
        if self.config.option.drill_save_baseline:
            why, file = self._no_baseline, None if self.file is None else self.file.baseline_file
            terminalreporter.write_line(f"no baseline was kept: {why}" if why else f"baseline: {file}")
        code = ExitCode(result.exit_code)
        terminalreporter.write_line(f"exit code {int(code)}: {code.name.lower().replace('_', ' ')}")

    def _say(self, line: str) -> None:
        """Tell who watches, at once, though pytest keeps what tests print."""
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        capture: Any = self.config.pluginmanager.get_plugin("capturemanager")
        if terminal is None or self.config.option.verbose < 0:
            return
        if capture is None:
            terminal.ensure_newline()
            terminal.write_line(line)
            return
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(line)
            terminal.flush()


@contextmanager
def _told_to_pytest() -> Iterator[None]:
    """A drill's own error becomes one that pytest tells without a traceback, before anything is touched."""
    try:
        yield
    except (InputError, UsageError) as error:
        raise pytest.Collector.CollectError(str(error)) from error


def _refuse_repetition(config: pytest.Config) -> None:
    """One drill at a time on a cluster, and none again until it passes.

    Raises:
        UsageError: pytest-xdist or pytest-rerunfailures is asked to do so.
    """
    options = config.option
    spread = getattr(options, "numprocesses", None) or getattr(options, "tx", None) or hasattr(config, "workerinput")
    if spread or getattr(options, "dist", "no") not in ("no", None):
        raise pytest.UsageError("drills can't be spread over processes (-n): one drill at a time on a cluster")
    if getattr(options, "reruns", None):
        raise pytest.UsageError("drills are not run again until they pass (--reruns): say `repetitions` in a profile")


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _utc() -> str:
    return datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec="seconds")
