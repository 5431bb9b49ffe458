"""The gate's plugin: what it collects, how it tells three outcomes apart, and with which code it ends; no cluster."""

import html
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import structlog

import recovery
import reports
from drill.cli import main
from drill.errors import RefusedError
from drill.exits import ExitCode
from drill.interruption import InterruptedRunError, Interruption
from drill.record import RunRecord
from drill.verdicts import Outcome, overall
from gate._drilled import RAN
from scenarios import runner
from scenarios.model import CATALOGUE
from scenarios.reader import Drill
from tests.unit.records import build_record

pytest_plugins = ["pytester"]

PASSES: dict[str, Any] = {}
FAILS: dict[str, Any] = {"lost": range(3000, 3040)}
UNPROVEN: dict[str, Any] = {"effective": False}
"""The fault was injected, and did not bite."""
RUN = {"refusals", "interrupted", "rollback_failed", "error"}
Play = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """A gate speaks to its children by environment: a test must hand it back."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _imports_are_kept(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session within the session forgets what it imported; numpy and altair can be imported but once a process."""

    def forget(_snapshot: Any) -> None:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(pytester.path)):
                del sys.modules[name]

    monkeypatch.setattr("_pytest.pytester.SysModulesSnapshot.restore", forget)


@pytest.fixture(autouse=True)
def _settings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makefile(
        ".toml",
        drill='[contexts.dev]\ndrillable = true\nnamespaces = ["kafka"]\nkafka = { bootstrap = "127.0.0.1:1" }\n',
    )
    for name in ("DRILL_CONTEXT", "DRILL_KUBECONFIG", "DRILL_RUNS", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRILL_SETTINGS", str(pytester.path / "drill.toml"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunRecord]:
    """Records of drills that ended in some way, each made and judged once."""
    made: dict[str, RunRecord] = {}

    def store(**ending: Any) -> RunRecord:
        key = repr(ending)
        if key not in made:
            made[key] = build_record(tmp_path_factory.mktemp("runs"), **ending)
            _write_verdicts(made[key])
        return RunRecord(made[key].path)

    return store


def _write_verdicts(record: RunRecord) -> None:
    verdicts = [verdict.model_dump(mode="json") for verdict in recovery.judge(record)]
    record.write_json("verdicts.json", {"verdicts": verdicts})


@pytest.fixture
def play(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, stored: Callable[..., RunRecord]) -> Play:
    """Play drills from stored records: `play(good=PASSES)` makes good.yaml, whose run ends so.

    Returns the names of the drills as they are run. A list of endings: those of one run after the other.
    """
    monkeypatch.setattr(reports, "conclude", lambda record: overall(record.verdicts))
    ran: list[str] = []
    endings: dict[str, Any] = {}

    def run(drill: Drill, _settings: Any, say: Callable[[str], None], _seed: Any = None, **more: Any) -> runner.Run:
        name = drill.scenario.name
        ran.append(name)
        say("load: warming up")
        ending = endings[name].pop(0) if isinstance(endings[name], list) else endings[name]
        if callable(ending):
            ending = ending(more["limit"])
        if isinstance(ending, Exception):
            raise ending
        of_run = {key: value for key, value in ending.items() if key in RUN}
        return runner.Run(stored(**{key: ending[key] for key in ending.keys() - of_run.keys()}), **of_run)

    monkeypatch.setattr(runner, "run", run)

    def make(**scenarios: Any) -> list[str]:
        text = (CATALOGUE / "broker-kill-leader.yaml").read_text()
        for name, ending in scenarios.items():
            endings[name] = list(ending) if isinstance(ending, list) else ending
            scenario = text.replace("name: broker-kill-leader\n", f"name: {name}\n")
            (pytester.path / f"{name}.yaml").write_text(scenario)
        return ran

    return make


def _run(pytester: pytest.Pytester, *arguments: str | Path) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "gate.plugin", "--drill-context", "dev", *map(str, arguments))


def _cases(path: Path) -> dict[str, ET.Element]:
    return {f"{case.get('classname')}::{case.get('name')}": case for case in ET.parse(path).iter("testcase")}  # noqa: S314


# -- sessions that do not drill ----------------------------------------------------------------------------------------


def test_it_collects_nothing_without_a_context(pytester: pytest.Pytester, play: Play) -> None:
    """YAML is YAML, and a session of somebody else's tests is as it was."""
    ran = play(good=PASSES)
    pytester.makepyfile("def test_of_somebody_else(): pass")
    result = pytester.runpytest_inprocess("-p", "gate.plugin", str(pytester.path))
    result.assert_outcomes(passed=1)
    assert not ran


def test_it_imports_nothing_without_a_context(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one module of drill's besides the plugin itself."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            rooms = {"drill", "experiments", "load", "recovery", "scenarios", "reports", "lab", "numpy", "pydantic"}
            assert not rooms & {name.partition(".")[0] for name in sys.modules}
            assert {name for name in sys.modules if name.startswith("gate")} == {"gate", "gate.plugin"}
        """
    )
    result = pytester.runpytest_subprocess("-p", "gate.plugin", "-p", "no:gevent")
    result.assert_outcomes(passed=1)


def test_a_test_that_needs_a_cluster_says_so(pytester: pytest.Pytester) -> None:
    """It is skipped, with what it needs, and does not pass."""
    pytester.makepyfile("def test_drill(drill_run): raise AssertionError")
    result = pytester.runpytest_inprocess("-p", "gate.plugin", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*give --drill-context*"])


# -- three outcomes ----------------------------------------------------------------------------------------------------


def test_a_drill_that_passes(pytester: pytest.Pytester, play: Play) -> None:
    """One item a check, one run, exit code 0."""
    ran = play(good=PASSES)
    result = _run(pytester, "good.yaml", "-v")
    assert result.ret == ExitCode.PASS
    result.stdout.fnmatch_lines(["*load: warming up", "good.yaml::no-acked-record-lost PASSED*", "exit code 0: pass"])
    assert ran == ["good"]


def test_a_drill_that_fails(pytester: pytest.Pytester, play: Play) -> None:
    """Exit code 1; the check says what was lost, and its file what was measured."""
    play(bad=FAILS)
    result = _run(pytester, "bad.yaml", "--junitxml", "junit.xml")
    assert result.ret == ExitCode.FAIL
    case = _cases(pytester.path / "junit.xml")["bad.yaml::no-acked-record-lost"]
    failure = case.find("failure")
    assert failure is not None
    assert "target: <= 0 records" in (failure.text or "")
    assert "record: " in (failure.text or "")
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert properties["drill_outcome"] == Outcome.FAIL


def test_a_drill_that_proves_nothing_does_not_pass(pytester: pytest.Pytester, play: Play) -> None:
    """Its own word, letter and count; an error in JUnit; exit code 3."""
    play(unproven=UNPROVEN)
    result = _run(pytester, "unproven.yaml", "-v", "--junitxml", "junit.xml")
    assert result.ret == ExitCode.INCONCLUSIVE
    result.stdout.fnmatch_lines(["*::fault-effective INCONCLUSIVE*", "*= INCONCLUSIVE =*", "*passed*inconclusive*"])
    assert "failed" not in result.stdout.lines[-1]
    case = _cases(pytester.path / "junit.xml")["unproven.yaml::fault-effective"]
    assert case.find("failure") is None
    error = case.find("error")
    assert error is not None
    assert "INCONCLUSIVE" in str(error.get("message"))


def test_failed_beats_inconclusive(pytester: pytest.Pytester, play: Play) -> None:
    """All three in one gate: all are run, and told apart."""
    ran = play(bad=FAILS, good=PASSES, unproven=UNPROVEN)
    result = _run(pytester, pytester.path)
    assert result.ret == ExitCode.FAIL
    assert ran == ["bad", "good", "unproven"]
    result.stdout.fnmatch_lines(["FAIL * bad *", "PASS * good *", "INCONCLUSIVE*unproven *", "exit code 1: fail"])


def test_inconclusive_is_allowed_only_where_somebody_said_so(pytester: pytest.Pytester, play: Play) -> None:
    """By name or pattern; it is shown as such all the same, and what is not named still fails the gate."""
    play(unproven=UNPROVEN)
    result = _run(pytester, "unproven.yaml", "-v", "--junitxml", "junit.xml", "--drill-allow-inconclusive")
    assert result.ret == ExitCode.PASS
    result.stdout.fnmatch_lines(["*::fault-effective INCONCLUSIVE (allowed)*", "*inconclusive but allowed*"])
    case = _cases(pytester.path / "junit.xml")["unproven.yaml::fault-effective"]
    skipped = case.find("skipped")
    assert skipped is not None
    assert "INCONCLUSIVE" in str(skipped.get("message"))


def test_what_is_not_allowed_still_fails_the_gate(pytester: pytest.Pytester, play: Play) -> None:
    """Of several inconclusive checks."""
    play(unproven=UNPROVEN)
    assert _run(pytester, "unproven.yaml", "--drill-allow-inconclusive=drain-*").ret == ExitCode.INCONCLUSIVE


def test_a_failed_check_is_never_allowed(pytester: pytest.Pytester, play: Play) -> None:
    """Only what is inconclusive is."""
    play(bad=FAILS)
    assert _run(pytester, "bad.yaml", "--drill-allow-inconclusive").ret == ExitCode.FAIL


# -- choosing ----------------------------------------------------------------------------------------------------------


def test_k_and_m_choose(pytester: pytest.Pytester, play: Play) -> None:
    """By check, by scenario, by the service that is loaded; what is not chosen is not run."""
    ran = play(bad=FAILS, good=PASSES)
    assert _run(pytester, pytester.path, "-k", "good and rto", "--strict-markers").ret == ExitCode.PASS
    assert ran == ["good"]
    result = _run(pytester, "good.yaml", "-m", "kafka and not postgres", "--collect-only", "-q")
    assert result.ret == ExitCode.PASS
    result.stdout.fnmatch_lines(["good.yaml::rto"])
    assert ran == ["good"], "collecting runs nothing"


def test_choosing_nothing_proves_nothing(pytester: pytest.Pytester, play: Play) -> None:
    """A gate without a check is inconclusive."""
    play(good=PASSES)
    assert _run(pytester, "good.yaml", "-k", "no-such-check").ret == ExitCode.INCONCLUSIVE


@pytest.mark.parametrize("arguments", [("empty",), ("good.yaml", "--", "-k", "no-such-check")])
def test_a_gate_of_nothing_says_so(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    play: Play,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    """An empty folder, or a choice that matches nothing: its exit code alone would be a riddle."""
    play(good=PASSES)
    (pytester.path / "empty").mkdir()
    assert _command(monkeypatch, "--context", "dev", *arguments) == ExitCode.INCONCLUSIVE
    assert f"nothing was run: {arguments[0]}" in capsys.readouterr().err


def test_scenarios_outside_of_the_root_are_told_apart(pytester: pytest.Pytester, play: Play) -> None:
    """By their files, as those inside are."""
    play(one=PASSES, other=PASSES)
    root = pytester.mkdir("root")
    files = [str(pytester.path / name) for name in ("one.yaml", "other.yaml")]
    result = _run(pytester, *files, "--rootdir", root, "--collect-only", "-q")
    result.stdout.fnmatch_lines([f"*{file}::drill-ran" for file in files])


def test_x_stops_at_what_was_not_proven(pytester: pytest.Pytester, play: Play) -> None:
    """As at what failed: the next drill is not begun."""
    ran = play(a=UNPROVEN, b=PASSES)
    assert _run(pytester, pytester.path, "-x").ret == ExitCode.INCONCLUSIVE
    assert ran == ["a"]


def test_what_is_no_scenario_is_named_and_left_out(pytester: pytest.Pytester, play: Play) -> None:
    """An experiment beside its scenario, a profile that nobody named, a manifest of somebody else."""
    play(good=PASSES)
    pytester.makefile(
        ".yaml", experiment="title: x\nmethod: []\n", other="kind: Pod\n", gate="scenarios: [good.yaml]\n"
    )
    result = _run(pytester, pytester.path, "--collect-only")
    result.stdout.fnmatch_lines_random(
        ["*an experiment: experiment.yaml", "*no scenario: other.yaml", "*a gate's profile: name it*gate.yaml"]
    )
    assert "gate.yaml::" not in result.stdout.str()


# -- before anything is touched ----------------------------------------------------------------------------------------


def test_a_broken_scenario_ends_the_gate_before_it_begins(pytester: pytest.Pytester, play: Play) -> None:
    """Found in a folder, too: one that can't be read is not one less to pass."""
    ran = play(good=PASSES)
    pytester.makefile(".yaml", broken="name: Broken Name\nobjectives: {rto: -1}\n")
    result = _run(pytester, pytester.path)
    assert result.ret == ExitCode.USAGE
    result.stdout.fnmatch_lines(["*broken.yaml:1: name:*", "*broken.yaml:2: objectives.rto:*"])
    assert not ran


def test_a_namespace_that_may_not_be_drilled_ends_it_too(pytester: pytest.Pytester, play: Play) -> None:
    """As for `drill run`."""
    ran = play(good=PASSES)
    path = pytester.path / "good.yaml"
    path.write_text(path.read_text().replace("namespaces: [kafka]", "namespaces: [kong]"))
    result = _run(pytester, "good.yaml")
    assert result.ret == ExitCode.USAGE
    result.stdout.fnmatch_lines(["*kong*"])
    assert not ran


def test_a_context_that_is_not_declared_is_refused(pytester: pytest.Pytester, play: Play) -> None:
    """With pytest's own code for it: `drill gate` makes drill's of it."""
    play(good=PASSES)
    result = pytester.runpytest_inprocess("-p", "gate.plugin", "--drill-context", "prod", "good.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*context 'prod' is not in *"])


@pytest.mark.parametrize("option", ["--numprocesses=2", "--reruns=1"])
def test_drills_are_not_spread_nor_repeated_until_they_pass(pytester: pytest.Pytester, play: Play, option: str) -> None:
    """One at a time on a cluster, and each counts."""
    ran = play(good=PASSES)
    pytester.makeconftest(
        "def pytest_addoption(parser):\n"
        "    if not any(each.dest == 'numprocesses' for each in parser._anonymous.options):\n"
        "        parser.addoption('--numprocesses', type=int)\n"
    )
    assert _run(pytester, "good.yaml", option).ret == pytest.ExitCode.USAGE_ERROR
    assert not ran


# -- what goes wrong on the way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ({"refusals": ("kafka: under-replicated already",), "effective": False}, ExitCode.INCONCLUSIVE),
        ({"rollback_failed": ("pods: no such pod",), "rollback": "failed"}, ExitCode.ROLLBACK_FAILED),
        ({"error": "ZeroDivisionError: oops"}, ExitCode.HARNESS_ERROR),
        (RefusedError("another drill runs on this cluster"), ExitCode.INCONCLUSIVE),
        (ZeroDivisionError("oops"), ExitCode.HARNESS_ERROR),
    ],
)
def test_each_way_to_end_has_its_exit_code(pytester: pytest.Pytester, play: Play, ending: Any, code: ExitCode) -> None:
    """As `drill run` would end, whichever checks were chosen."""
    play(good=ending)
    result = _run(pytester, "good.yaml", "-k", RAN)
    assert result.ret == code
    assert result.parseoutcomes().get("passed", 0) == 0


def test_nothing_is_begun_on_a_cluster_whose_fault_could_not_be_undone(pytester: pytest.Pytester, play: Play) -> None:
    """The rest of the gate is told as not run."""
    ran = play(a={"rollback_failed": ("pods: no such pod",), "rollback": "failed"}, b=PASSES)
    result = _run(pytester, pytester.path)
    assert result.ret == ExitCode.ROLLBACK_FAILED
    assert ran == ["a"]
    result.stdout.fnmatch_lines(
        ["*b.yaml::rto: INCONCLUSIVE: The drill was not run: a fault of a could not be undone*"]
    )


def test_an_interruption_ends_the_gate_after_the_drill_is_put_away(pytester: pytest.Pytester, play: Play) -> None:
    """Its checks are told; nothing more is begun; exit code 130."""
    ran = play(a={"interrupted": "SIGINT", "effective": False}, b=PASSES)
    pytester.makepyfile(test_z="def test_of_somebody_else(): pass")
    result = _run(pytester, pytester.path, "-v")
    assert result.ret == ExitCode.INTERRUPTED
    assert ran == ["a"]
    result.stdout.fnmatch_lines(["a.yaml::record-intact *"])
    assert "test_of_somebody_else PASSED" not in result.stdout.str()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_drills_ends_the_gate(pytester: pytest.Pytester, play: Play, number: int) -> None:
    """In order: the files are written."""
    ran = play(b=PASSES)
    pytester.makepyfile(test_a=f"import signal\ndef test_signal(): signal.raise_signal({int(number)})")
    result = _run(pytester, "test_a.py", "b.yaml", "--junitxml", "junit.xml")
    assert result.ret == ExitCode.INTERRUPTED
    assert (pytester.path / "junit.xml").exists()
    assert not ran


def test_a_signal_within_a_drill_is_the_runners(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, play: Play
) -> None:
    """It undoes; then the gate ends, and whoever had the signal before has it again."""

    def signalled(_limit: Any) -> dict[str, Any]:
        with Interruption() as interruption, suppress(InterruptedRunError):
            signal.raise_signal(signal.SIGINT)
        return {**UNPROVEN, "interrupted": interruption.reason}

    before = signal.getsignal(signal.SIGINT)
    ran = play(a=signalled, b=PASSES)
    assert pytester.path == Path.cwd()
    assert _command(monkeypatch, "a.yaml", "b.yaml", "--context", "dev", "--junit", "junit.xml") == ExitCode.INTERRUPTED
    assert ran == ["a"]
    assert _cases(Path("junit.xml")).keys() >= {"a.yaml::record-intact"}
    assert signal.getsignal(signal.SIGINT) is before


# -- tests in Python ---------------------------------------------------------------------------------------------------


def test_fixtures_say_what_yaml_can_t(pytester: pytest.Pytester, play: Play) -> None:
    """Settings, a drill's record and verdicts, its books."""
    ran = play(good=PASSES)
    pytester.makepyfile(
        """
        def test_drill(drill_run, ledger, drill_target):
            run = drill_run("good.yaml", seed=7)
            assert drill_target.kafka.bootstrap == "127.0.0.1:1"
            assert run.outcome == "pass"
            assert run.verdict("rto").outcome == "pass"
            assert ledger(run).lost == 0
            assert ledger(run, "commodities").acked > 0
        """
    )
    assert _run(pytester, "-k", "test_drill").ret == ExitCode.PASS
    assert ran == ["good"]


def test_a_drill_that_could_not_be_run_fails_its_test(pytester: pytest.Pytester, play: Play) -> None:
    """Whatever the test would have asserted."""
    play(good=RefusedError("another drill runs on this cluster"))
    pytester.makepyfile("def test_drill(drill_run): drill_run('good.yaml')")
    result = _run(pytester, "-k", "test_drill")
    assert result.ret == ExitCode.FAIL
    result.stdout.fnmatch_lines(["*another drill runs on this cluster*"])


@pytest.mark.parametrize(
    ("ending", "code", "told"),
    [
        ({"refusals": ("frozen by somebody",)}, ExitCode.FAIL, "*The drill was refused: frozen by somebody.*"),
        ({"error": "RuntimeError: x"}, ExitCode.HARNESS_ERROR, "*The harness broke: RuntimeError: x*"),
        ({"rollback_failed": ("it stays on",)}, ExitCode.ROLLBACK_FAILED, "*could not be undone: it stays on*"),
    ],
    ids=["refused", "broke", "not-undone"],
)
def test_a_drill_that_did_not_come_to_its_own_end_fails_its_test(
    pytester: pytest.Pytester, play: Play, ending: dict[str, Any], code: ExitCode, told: str
) -> None:
    """Preflight refused it and it has a record all the same; a test that asserts nothing must not pass on that."""
    play(good={**UNPROVEN, **ending})
    pytester.makepyfile("def test_drill(drill_run): drill_run('good.yaml')")
    result = _run(pytester, "-k", "test_drill")
    assert result.ret == code
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes().get("deselected", 0))
    result.stdout.fnmatch_lines([told])


# -- profiles ----------------------------------------------------------------------------------------------------------

SLOWER = {"outages": ((0, 25.0, 37.0),)}
"""The client outage, and with it the RTO, is twice as long."""


def _profile(pytester: pytest.Pytester, text: str) -> None:
    (pytester.path / "gate.yaml").write_text(f"name: release\n{text}")


def _result(pytester: pytest.Pytester) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((pytester.path / "result.json").read_text())
    return found


def test_a_profile_repeats_and_holds_all_runs_to_budgets(pytester: pytest.Pytester, play: Play) -> None:
    """Median and worst of three runs; the median is held, the worst is not."""
    ran = play(good=[PASSES, SLOWER, PASSES])
    _profile(pytester, "scenarios: [good.yaml]\nrepetitions: 3\nbudgets: {rto: {median: 8, worst: 9}}\n")
    result = _run(pytester, "gate.yaml", "-v", "--drill-result", "result.json")
    assert result.ret == ExitCode.FAIL
    assert ran == ["good", "good", "good"]
    result.stdout.fnmatch_lines(
        [
            "gate.yaml::good::run-1::rto PASSED*",
            "gate.yaml::good::run-3::rto PASSED*",
            "gate.yaml::good::rto-median PASSED*",
            "gate.yaml::good::rto-worst FAILED*",
            "*FAIL: The worst of 3 runs is not within the budget.",
            "*rto: median 6.31 s, worst 12.01 s",
        ]
    )
    found = _result(pytester)
    assert (found["outcome"], found["exit_code"]) == ("fail", 1)
    rto = next(each for each in found["scenarios"][0]["measures"] if each["name"] == "rto")
    assert rto["median"] == pytest.approx(6.31, abs=0.1)
    assert rto["worst"] == pytest.approx(12.01, abs=0.1)


def test_a_budget_on_what_was_not_measured_is_inconclusive(pytester: pytest.Pytester, play: Play) -> None:
    """One run of two has no RTO: what the median is nobody knows."""
    play(good=[PASSES, UNPROVEN])
    _profile(pytester, "scenarios: [good.yaml]\nrepetitions: 2\nbudgets: {rto: 30}\n")
    result = _run(pytester, "gate.yaml", "-v", "-k", "rto-worst")
    assert result.ret == ExitCode.INCONCLUSIVE
    result.stdout.fnmatch_lines(["*rto-worst INCONCLUSIVE*", "*not measured in every run: no fault was seen*"])


def test_a_profile_allows_what_it_names(pytester: pytest.Pytester, play: Play) -> None:
    """For one of its scenarios, and for no other."""
    play(a=UNPROVEN, b=UNPROVEN)
    _profile(pytester, "scenarios: [{scenario: a.yaml, allow_inconclusive: ['*']}, b.yaml]\n")
    assert _run(pytester, "gate.yaml", "-k", "a and fault-effective", "-v").ret == ExitCode.INCONCLUSIVE, "none passed"
    result = _run(pytester, "gate.yaml", "-v", "-k", "fault-effective")
    assert result.ret == ExitCode.INCONCLUSIVE
    result.stdout.fnmatch_lines(
        ["*::a::fault-effective INCONCLUSIVE (allowed)*", "*::b::fault-effective INCONCLUSIVE *"]
    )


BASELINE = "scenarios: [good.yaml]\nbaseline: {file: base.json, regression: {rto: 0.25, latency_p99: null}}\n"


@pytest.fixture
def with_baseline(pytester: pytest.Pytester, play: Play) -> None:
    """A baseline of a good run."""
    play(good=PASSES)
    _profile(pytester, BASELINE)
    result = _run(pytester, "gate.yaml", "--drill-save-baseline")
    assert result.ret == ExitCode.PASS
    assert (pytester.path / "base.json").is_file()


@pytest.mark.usefixtures("with_baseline")
def test_no_worse_than_the_baseline_passes(pytester: pytest.Pytester, play: Play) -> None:
    """The same again."""
    play(good=PASSES)
    result = _run(pytester, "gate.yaml", "-v")
    assert result.ret == ExitCode.PASS
    result.stdout.fnmatch_lines(["*rto-against-baseline PASSED*", "*throughput-against-baseline PASSED*"])
    assert "latency-p99-against-baseline" not in result.stdout.str()


@pytest.mark.usefixtures("with_baseline")
def test_worse_than_the_baseline_fails(pytester: pytest.Pytester, play: Play) -> None:
    """By more than is allowed, though every objective is met."""
    play(good=SLOWER)
    result = _run(pytester, "gate.yaml", "-v")
    assert result.ret == ExitCode.FAIL
    result.stdout.fnmatch_lines(
        ["*::rto PASSED*", "*rto-against-baseline FAILED*", "*throughput-against-baseline PASSED*"]
    )


@pytest.mark.usefixtures("with_baseline")
@pytest.mark.parametrize(
    ("may_differ", "code"), [("[]", ExitCode.INCONCLUSIVE), ("[harness]", ExitCode.PASS)], ids=["held", "may-differ"]
)
def test_other_conditions_can_not_be_compared(
    pytester: pytest.Pytester, play: Play, may_differ: str, code: ExitCode
) -> None:
    """Another version of the load generator: the numbers mean nothing beside each other, unless somebody says so."""
    base = pytester.path / "base.json"
    base.write_text(base.read_text().replace('"cpus": 2\n', '"cpus": 4\n').replace('"cpus": 2,', '"cpus": 4,'))
    _profile(pytester, BASELINE.replace("file: base.json", f"file: base.json, may_differ: {may_differ}"))
    play(good=PASSES)
    result = _run(pytester, "gate.yaml", "-v")
    assert result.ret == code
    if code is ExitCode.INCONCLUSIVE:
        result.stdout.fnmatch_lines(["*Not measured in the same conditions: harness.cpus is 2, and was 4*"])


@pytest.mark.usefixtures("with_baseline")
def test_a_result_of_a_gate_that_did_not_pass_is_refused_as_a_baseline(pytester: pytest.Pytester, play: Play) -> None:
    """Whoever put it there."""
    ran = play(good=PASSES)
    base = pytester.path / "base.json"
    base.write_text(
        re.sub(r'"outcome": "pass",\n  "exit_code": 0', '"outcome": "fail",\n  "exit_code": 1', base.read_text())
    )
    result = _run(pytester, "gate.yaml")
    assert result.ret == ExitCode.USAGE
    result.stdout.fnmatch_lines(["*gate.yaml:3: baseline.file: *is of a gate that did not pass*"])
    assert ran == ["good"], "that of the baseline"


@pytest.mark.usefixtures("with_baseline")
def test_a_scenario_that_the_baseline_has_not_is_inconclusive(pytester: pytest.Pytester, play: Play) -> None:
    """Nothing to compare with is no pass."""
    play(good=PASSES, other=PASSES)
    _profile(pytester, BASELINE.replace("[good.yaml]", "[other.yaml]"))
    result = _run(pytester, "gate.yaml", "-k", "baseline")
    assert result.ret == ExitCode.INCONCLUSIVE
    result.stdout.fnmatch_lines(["*rto-against-baseline: INCONCLUSIVE: The baseline has no run of this scenario.*"])


def test_a_gate_that_does_not_pass_is_no_baseline(pytester: pytest.Pytester, play: Play) -> None:
    """Nothing is written."""
    play(good=UNPROVEN)
    _profile(pytester, BASELINE)
    result = _run(pytester, "gate.yaml", "--drill-save-baseline")
    assert result.ret == ExitCode.INCONCLUSIVE
    result.stdout.fnmatch_lines(["no baseline was kept: the gate did not pass"])
    assert not (pytester.path / "base.json").exists()


def test_a_failed_run_is_no_baseline_though_its_failed_check_was_not_selected(
    pytester: pytest.Pytester, play: Play
) -> None:
    """Neither by -k nor by the check's own id, nor where a test in Python expects the failure."""
    play(good=FAILS)
    _profile(pytester, BASELINE)
    by_k = _run(pytester, "gate.yaml", "--drill-save-baseline", "-k", "drill-ran")
    assert by_k.ret == ExitCode.PASS
    by_k.stdout.fnmatch_lines(["no baseline was kept: * of its checks were deselected"])
    by_id = _run(pytester, "gate.yaml::good::drill-ran", "--drill-save-baseline")
    assert by_id.ret == ExitCode.PASS
    by_id.stdout.fnmatch_lines(["no baseline was kept: no-acked-record-lost of good is fail"])
    play(good=PASSES, bad=FAILS)
    pytester.makepyfile("def test_drill(drill_run): assert drill_run('bad.yaml').outcome == 'fail'")
    by_test = _run(pytester, "gate.yaml", *pytester.path.glob("test_*.py"), "--drill-save-baseline")
    assert by_test.ret == ExitCode.PASS
    by_test.stdout.fnmatch_lines(["no baseline was kept: no-acked-record-lost of bad is fail"])
    assert not (pytester.path / "base.json").exists()


def test_a_scenario_that_was_not_run_keeps_a_baseline_from_being_made(pytester: pytest.Pytester, play: Play) -> None:
    """One of two was asked for by its id: the other one would have nothing to be compared with."""
    play(good=PASSES, other=PASSES)
    _profile(pytester, BASELINE.replace("[good.yaml]", "[good.yaml, other.yaml]"))
    result = _run(pytester, "gate.yaml::good", "--drill-save-baseline")
    assert result.ret == ExitCode.PASS
    result.stdout.fnmatch_lines(["no baseline was kept: other was run 0 of 1 times"])


def test_what_may_be_inconclusive_keeps_no_baseline_from_being_made(pytester: pytest.Pytester, play: Play) -> None:
    """It is in the baseline as what it is."""
    play(good=UNPROVEN)
    _profile(pytester, f"allow_inconclusive: ['*']\n{BASELINE}")
    result = _run(pytester, "gate.yaml", "--drill-save-baseline")
    assert result.ret == ExitCode.PASS
    result.stdout.fnmatch_lines(["baseline: *base.json"])
    (of_good,) = json.loads((pytester.path / "base.json").read_text())["scenarios"]
    assert of_good["runs"][0]["outcome"] == Outcome.INCONCLUSIVE


@pytest.mark.usefixtures("with_baseline")
def test_a_result_with_a_failed_run_is_refused_as_a_baseline(pytester: pytest.Pytester, play: Play) -> None:
    """Its gate passed, because the check that failed was not asked for: `--result` keeps that as well."""
    play(good=FAILS)
    _run(pytester, "gate.yaml::good::drill-ran", "--drill-result", "base.json")
    assert json.loads((pytester.path / "base.json").read_text())["outcome"] == Outcome.PASS
    result = _run(pytester, "gate.yaml")
    assert result.ret == ExitCode.USAGE
    result.stdout.fnmatch_lines(["*gate.yaml:3: baseline.file: *has a failed run of good*"])


def test_a_time_limit_begins_nothing_more_when_it_has_passed(pytester: pytest.Pytester, play: Play) -> None:
    """What was not run is told as such."""
    ran = play(a=PASSES, b=PASSES)
    _profile(pytester, "scenarios: [a.yaml, b.yaml]\ntime_limit: 0.000001\n")
    result = _run(pytester, "gate.yaml", "-k", "drill-ran")
    assert result.ret == ExitCode.INCONCLUSIVE
    assert not ran
    result.stdout.fnmatch_lines(["*b::drill-ran: *was not run: the gate's time limit of 1e-06 s had passed.*"])


def test_a_time_limit_interrupts_the_drill_that_runs(pytester: pytest.Pytester, play: Play) -> None:
    """It is undone and proves nothing; and it is nobody's Ctrl-C."""

    def interrupted(limit: tuple[float, str]) -> dict[str, Any]:
        seconds, reason = limit
        assert 0 < seconds <= 1000
        return {**UNPROVEN, "interrupted": reason}

    play(a=interrupted)
    _profile(pytester, "scenarios: [a.yaml]\ntime_limit: 1000\n")
    result = _run(pytester, "gate.yaml", "-k", "drill-ran")
    assert result.ret == ExitCode.INCONCLUSIVE
    result.stdout.fnmatch_lines(["*a::drill-ran: INCONCLUSIVE: *interrupted*: the gate's time limit of 1000 s.*"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scenarios: []\n", "gate.yaml:2: scenarios: *"),
        ("scenarios: [good.yaml, nowhere]\n", "gate.yaml:2: scenarios.1: nowhere: no such file*"),
        ("scenarios: [good.yaml, good.yaml]\n", "gate.yaml:2: scenarios.1: good is there already*"),
        ("scenarios: [good.yaml]\nrepititions: 2\n", "gate.yaml:3: repititions: *Did you mean `repetitions`?"),
        ("scenarios: [good.yaml]\nbudgets: {rto: {}}\n", "gate.yaml:3: budgets.rto: *give median, worst*"),
        ("scenarios: [good.yaml]\nbudgets: {rto: fast}\n", "gate.yaml:3: budgets.rto: *"),
        ("scenarios: [good.yaml]\nbaseline: {file: none.json}\n", "gate.yaml:3: baseline.file: *--save-baseline*"),
        ("scenarios: [good.yaml]\nbaseline: {file: gate.yaml}\n", "gate.yaml: (document): not a gate's result*"),
        ("scenarios: [good.yaml]\ntime_limit: 0\n", "gate.yaml:3: time_limit: *"),
    ],
)
def test_mistakes_of_a_profile_are_told_before_anything_is_touched(
    pytester: pytest.Pytester, play: Play, text: str, told: str
) -> None:
    """Each with file, line, field and remedy."""
    ran = play(good=PASSES)
    _profile(pytester, text)
    result = _run(pytester, "gate.yaml")
    assert result.ret == ExitCode.USAGE
    result.stdout.fnmatch_lines([f"*{told}"])
    assert not ran


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_has_each_check_with_its_chart(pytester: pytest.Pytester, play: Play) -> None:
    """Self-contained; inconclusive is a word of its own, in a row that pytest-html's script does not hide."""
    play(bad=FAILS, unproven=UNPROVEN)
    chosen = (
        "bad and (drill-ran or no-acked or rto) or fault-effective"  # a record of which none is drawn costs nothing
    )
    result = _run(pytester, pytester.path, "--html", "out/gate.html", "-k", chosen)
    assert result.ret == ExitCode.FAIL
    page = (pytester.path / "out" / "gate.html").read_text()
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    tests = json.loads(html.unescape(blob[1]))["tests"]
    row = tests["unproven.yaml::fault-effective"][-1]
    assert row["result"] == "Error", "or else it is filtered away"
    assert ">Inconclusive</td>" in row["resultsTableRow"][0]
    assert "report.html" in row["resultsTableRow"][3]
    lost = next(each["content"] for each in tests["bad.yaml::no-acked-record-lost"][-1]["extras"])
    assert "40 of" in lost
    chart = next(each["content"] for each in tests["bad.yaml::rto"][-1]["extras"])
    assert "<svg" in chart
    whole = next(each["content"] for each in tests["bad.yaml::drill-ran"][-1]["extras"])
    assert "The run at a glance" in whole
    assert "@scope" in page
    assert "<link" not in page
    ids = re.findall(r'\bid="([^"]+)"', "".join(str(each["extras"]) for test in tests.values() for each in test[-1:]))
    assert len(ids) == len(set(ids)) > 10


# -- the command -------------------------------------------------------------------------------------------------------


def _command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["drill", "gate", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("good.yaml",), ExitCode.PASS),
        (("bad.yaml",), ExitCode.FAIL),
        (("unproven.yaml",), ExitCode.INCONCLUSIVE),
        (("unproven.yaml", "--allow-inconclusive", "*"), ExitCode.PASS),
        (("good.yaml", "--", "-k", "nothing"), ExitCode.INCONCLUSIVE),
        (("good.yaml", "--", "--no-such-option"), ExitCode.USAGE),
        (("nowhere.yaml",), ExitCode.USAGE),
        (("good.yaml", "--context", "prod"), ExitCode.USAGE),
    ],
)
def test_the_command_ends_with_drills_exit_codes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, play: Play, arguments: tuple[str, ...], code: ExitCode
) -> None:
    """Pytest's own usage errors too."""
    play(good=PASSES, bad=FAILS, unproven=UNPROVEN)
    monkeypatch.setenv("DRILL_CONTEXT", "dev")
    assert pytester.path == Path.cwd()
    assert _command(monkeypatch, *arguments) == code


def test_the_commands_data_is_the_result(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], play: Play
) -> None:
    """One JSON document on stdout; what pytest says goes to stderr."""
    play(good=PASSES)
    assert pytester.path == Path.cwd()
    assert _command(monkeypatch, "good.yaml", "--context", "dev", "-o", "json") == ExitCode.PASS
    out, err = capfd.readouterr()
    assert json.loads(out)["outcome"] == "pass"
    assert "passed" in err
