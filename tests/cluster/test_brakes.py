"""The brakes on the lab: what stops a fault in time, and what undoes it when the harness is gone."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException

from drill import kafka, lease, postgres
from drill.cluster import Cluster
from drill.cluster_log import NAME as UNDOS
from drill.exits import ExitCode
from drill.record import RunRecord
from drill.settings import FILE_VARIABLE, Settings
from drill.verdicts import Outcome
from experiments._watch import NotSeenError, await_seen
from scenarios.model import EXPERIMENTS
from tests.cluster.drills import DRILL, ROOT, Command, run, the_record, verdicts

NAMESPACE = "drill-brakes"
IN_TIME = 5.0
"""A fault is undone within so many seconds of what stops it."""
LONG = 60
"""How long a fault would be on, s, if nothing stopped it: its dead man comes later still."""


# -- scenarios, and another machine ------------------------------------------------------------------------------------


def scenario(
    folder: Path,
    experiment: str,
    configuration: dict[str, Any],
    namespaces: tuple[str, ...] = ("kafka",),
    stop: dict[str, Any] | None = None,
    arguments: dict[str, Any] | None = None,
    **limits: Any,
) -> str:
    """A scenario with a short warm-up and a light load; `arguments` replace those of the experiment's first action."""
    folder.mkdir(exist_ok=True)
    content = yaml.safe_load((EXPERIMENTS / f"{experiment}.yaml").read_text())
    content["method"][0]["provider"]["arguments"].update(arguments or {})
    (folder / "experiment.yaml").write_text(yaml.safe_dump(content))
    drill = {
        "name": experiment,
        "description": "A fault that something ends.",
        "owner": "platform-engineering",
        "target": {"namespaces": list(namespaces)},
        "load": {"rate": 200, "warm_up": 1, "baseline": 2, "duration": 240, "acks": "1", "idempotence": False},
        "experiment": {"file": "experiment.yaml", "configuration": configuration},
        "stop": stop or {},
        "objectives": {"duplicates": None, "recovery_timeout": 60},
        "blast_radius": limits,
    }
    (folder / "scenario.yaml").write_text(yaml.safe_dump(drill))
    return str(folder / "scenario.yaml")


@dataclass(frozen=True)
class Elsewhere:
    """Another machine, as far as drill can tell: another home, state and working folder; the same cluster."""

    folder: Path
    kubeconfig: Path

    def drill(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command there; returns exit code, stdout, stderr."""
        done = subprocess.run(
            [DRILL, *arguments, "--context", "drill-lab", "--kubeconfig", str(self.kubeconfig)],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "XDG_STATE_HOME": str(self.folder / "state"),
                "USER": "zoe",
                "NO_COLOR": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def toml(lab_kafka: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with a Lease and a rollback log of these tests' own: what else is pending on the lab is not theirs."""
    try:
        Cluster.connect(lab_kafka).core.create_namespace({"metadata": {"name": NAMESPACE}})
    except ApiException as error:
        if error.status != 409:
            raise
    path = tmp_path / "drill.toml"
    text = (ROOT / "drill.toml").read_text()
    path.write_text(text.replace("drillable = true\n", f'drillable = true\nlease_namespace = "{NAMESPACE}"\n'))
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    return path


@pytest.fixture
def elsewhere(lab_kafka: Settings, toml: Path, tmp_path: Path) -> Elsewhere:
    """With settings and a kubeconfig, and nothing else."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "drill.toml").write_text(toml.read_text())
    assert lab_kafka.kubeconfig_file is not None
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(lab_kafka.kubeconfig_file.read_text())
    return Elsewhere(folder, kubeconfig)


@pytest.fixture
def cluster(lab_kafka: Settings, toml: Path) -> Iterator[Cluster]:
    """The lab; what a dead harness holds expires by itself, but the next test need not wait for that."""
    assert toml.is_file()
    made = Cluster.connect(lab_kafka)
    yield made
    if lease.look(made, NAMESPACE).holder:
        made.coordination.delete_namespaced_lease(lease.NAME, NAMESPACE)


def _stopped_processes(settings: Settings) -> object:
    """How many processes are stopped (proc(5): T) in each broker's pod."""
    cluster, target = Cluster.connect(settings), settings.kafka
    count = ["sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null | grep -c '^State:.T' || true"]
    return {
        pod.name: cluster.exec(pod.namespace, pod.name, target.container, count).stdout.strip()
        for pod in cluster.pods(target.namespace, target.selector)
    }


def _halted(record: RunRecord) -> dict[str, Any]:
    """How soon it was over, printed too: these numbers are what a brake is."""
    data = RunRecord(record.path).first("stop.halted").data
    print({name: value for name, value in data.items() if name != "breach"})  # noqa: T201 - shown by `pytest -rP`
    return data


# -- stop conditions ---------------------------------------------------------------------------------------------------


def test_clients_without_answers_stop_a_drill(lab_kafka: Settings, cluster: Cluster, tmp_path: Path) -> None:
    """The error budget is used up: the fault is undone in time, the drill goes on to its end, and fails."""
    assert cluster.context == "drill-lab"
    before = _stopped_processes(lab_kafka)
    stop = {"error_budget": {"share": 0.5, "window": 5}}
    path = scenario(tmp_path / "s", "pause-brokers", {"seconds": LONG}, stop=stop, max_brokers_down=3)
    code, out, err = run(tmp_path / "runs", "run", path)
    record = the_record(tmp_path / "runs")
    assert code == ExitCode.FAIL, f"{out}\n{err}"
    verdict = verdicts(record)["not-stopped"]
    assert verdict.outcome is Outcome.FAIL
    assert "error budget of kafka" in verdict.reason
    assert 0 < _halted(record)["undo_begun"] < IN_TIME
    assert _stopped_processes(lab_kafka) == before
    assert record.first("run.phase").t < record.first("drain.finished").t
    assert "error budget of kafka" in (record.path / "report.html").read_text()


def test_within_its_limits_a_drill_is_not_stopped(lab_kafka: Settings, cluster: Cluster, tmp_path: Path) -> None:
    """The negative control: everything is watched, nothing is met, and that is a pass."""
    assert (lab_kafka.context, cluster.context) == ("drill-lab", "drill-lab")
    stop = {"error_budget": {"share": 0.9, "window": 30}, "under_replicated": {"max": 1000}}
    path = scenario(tmp_path / "s", "pause-brokers", {"seconds": 3}, stop=stop, max_brokers_down=3)
    code, out, err = run(tmp_path / "runs", "run", path)
    record = the_record(tmp_path / "runs")
    assert verdicts(record)["not-stopped"].outcome is Outcome.PASS, f"{code}\n{out}\n{err}"
    assert [event.data["looks"] > 0 for event in record.events_of("stop.watched")] == [True, True]


@pytest.mark.slow
def test_under_replicated_partitions_stop_a_drill(lab_kafka: Settings, cluster: Cluster, tmp_path: Path) -> None:
    """One broker stopped: some seconds later its replicas are out of sync."""
    assert (lab_kafka.context, cluster.context) == ("drill-lab", "drill-lab")
    stop = {"under_replicated": {"max": 0, "lasting": 2}}
    arguments = {"select": [0]}
    path = scenario(tmp_path / "s", "pause-brokers", {"seconds": LONG}, stop=stop, arguments=arguments)
    code, out, err = run(tmp_path / "runs", "run", path)
    record = the_record(tmp_path / "runs")
    assert code == ExitCode.FAIL, f"{out}\n{err}"
    assert "under-replicated" in verdicts(record)["not-stopped"].reason
    assert 0 < _halted(record)["undo_begun"] < IN_TIME


@pytest.mark.slow
@pytest.mark.parametrize(
    ("condition", "outcome", "says"),
    [
        ({"expr": "count(up)", "above": 0}, Outcome.FAIL, "Prometheus (count(up))"),
        ({"expr": "count(up)", "below": 0}, Outcome.PASS, "Nothing and nobody"),
        ({"expr": "nobody_has_this", "above": 0, "missing": "stop"}, Outcome.INCONCLUSIVE, "no data for nobody_has"),
        ({"expr": "nobody_has_this", "above": 0}, Outcome.INCONCLUSIVE, "could not be watched"),
    ],
)
def test_prometheus_stops_a_drill(
    lab_platform: Settings, cluster: Cluster, tmp_path: Path, condition: dict[str, Any], outcome: Outcome, says: str
) -> None:
    """By a number that it has; and a number that it has not is never ignored."""
    assert (lab_platform.context, cluster.context) == ("drill-lab", "drill-lab")
    ends = outcome is not Outcome.PASS and condition.get("missing") != "inconclusive"
    seconds = LONG if ends and says != "could not be watched" else 12
    stop = {"promql": [condition]}
    path = scenario(tmp_path / "s", "pause-brokers", {"seconds": seconds}, stop=stop, arguments={"select": [0]})
    _code, out, err = run(tmp_path / "runs", "run", path)
    verdict = verdicts(the_record(tmp_path / "runs"))["not-stopped"]
    assert verdict.outcome is outcome, f"{out}\n{err}"
    assert says in verdict.reason


# -- people ------------------------------------------------------------------------------------------------------------


def test_a_person_stops_a_drill_from_another_machine(
    lab_kafka: Settings, cluster: Cluster, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """The fault is undone in time; who asked and why is in the verdict. A rollback is refused while the drill runs."""
    before = _stopped_processes(lab_kafka)
    path = scenario(tmp_path / "s", "pause-brokers", {"seconds": LONG}, max_brokers_down=3)
    command = Command(tmp_path / "runs", "run", path)
    record = command.await_event("fault.effective")
    code, out, err = elsewhere.drill("rollback")
    assert code == ExitCode.INCONCLUSIVE, f"{out}\n{err}"
    assert "is running a drill" in err
    assert _stopped_processes(lab_kafka) != before
    code, out, err = elsewhere.drill("abort", "--reason", "customers are calling")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert "has let go of its fault" in out or "has ended" in out
    assert _stopped_processes(lab_kafka) == before
    code, out, err = command.finish()
    assert code == ExitCode.INTERRUPTED, f"{out}\n{err}"
    assert 0 < _halted(record)["undo_begun"] < IN_TIME
    verdict = verdicts(RunRecord.open(record.path))["not-stopped"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "customers are calling" in verdict.reason
    assert not lease.look(cluster, NAMESPACE).holder
    code, _out, err = elsewhere.drill("abort")
    assert code == ExitCode.USAGE
    assert "no drill is running" in err


def test_a_freeze_refuses_drills_and_ends_the_one_that_runs(
    lab_kafka: Settings, cluster: Cluster, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """Seen by whoever starts the next one; nothing is recorded of that."""
    before = _stopped_processes(lab_kafka)
    path = scenario(tmp_path / "s", "pause-brokers", {"seconds": LONG}, max_brokers_down=3)
    command = Command(tmp_path / "runs", "run", path)
    record = command.await_event("fault.effective")
    try:
        code, _out, err = elsewhere.drill("freeze", "--reason", "release week")
        assert code == ExitCode.PASS, err
        code, out, err = command.finish()
        assert code == ExitCode.INTERRUPTED, f"{out}\n{err}"
        assert 0 < _halted(record)["undo_begun"] < IN_TIME
        assert _stopped_processes(lab_kafka) == before
        assert "release week" in str(lease.frozen(cluster, NAMESPACE))
        code, _out, err = run(tmp_path / "refused", "run", path)
        assert code == ExitCode.INCONCLUSIVE
        assert "release week" in err
        assert not (tmp_path / "refused").exists()
    finally:
        code, _out, err = elsewhere.drill("unfreeze")
    assert code == ExitCode.PASS, err
    assert lease.frozen(cluster, NAMESPACE) is None


# -- kill -9 -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A fault to be killed in the middle of, and how what it changes is looked at by other means than its own."""

    experiment: str
    trace: Callable[[Settings], object]
    """What it changes, as it is now: the same before a fault and after its undo, another while it is on."""
    configuration: dict[str, Any] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ("kafka",)
    limits: dict[str, Any] = field(default_factory=dict)
    dies_with_harness: bool = False
    """Whether it is a process of the harness's own that ends with it, so that nothing is left to see."""


def _pgbouncer(settings: Settings) -> object:
    """What a Deployment says of its pods: how many, which image, which command."""
    spec = Cluster.connect(settings).apps.read_namespaced_deployment("kong-pgbouncer", "kong").spec
    container = spec.template.spec.containers[0]
    return spec.replicas, container.image, container.command, container.args


def _cordoned(settings: Settings) -> object:
    """The nodes that take no new pods."""
    nodes = Cluster.connect(settings).core.list_node().items
    return sorted(node.metadata.name for node in nodes if node.spec.unschedulable)


def _holders(settings: Settings) -> object:
    """How many sessions of faults PostgreSQL has, and how many of their temporary roles."""
    with postgres.connected(postgres.conninfo(settings)) as connection:
        return connection.execute(
            "select (select count(*) from pg_stat_activity where application_name like 'drill-holder-%'), "
            "(select count(*) from pg_roles where rolname like 'drill\\_holder\\_%')"
        ).fetchone()


def _counted_in_postgres(script: str) -> Callable[[Settings], object]:
    """What a shell in the pod of PostgreSQL counts."""

    def look(settings: Settings) -> object:
        argv = ["sh", "-c", f"{script} | grep -c ."]  # grep's status 1 says none
        return Cluster.connect(settings).exec("kong", "kong-postgres-0", "postgres", argv).stdout.strip()

    return look


def _answers(settings: Settings) -> object:
    """Whether Kafka answers its clients."""
    try:
        return len(kafka.describe(settings.kafka, timeout=3).brokers)
    except kafka.KafkaUnreachableError:
        return "no answer"


_POOL = {"workload": "deployment/kong-pgbouncer", "namespace": "kong", "hold": LONG}
FAULTS = (
    Fault("pause-brokers", _stopped_processes, {"seconds": LONG}, limits={"max_brokers_down": 3}),
    Fault("scale-to-zero", _pgbouncer, _POOL, ("kong",), {"max_pods": "100%"}),
    Fault("postgres-pool-exhausted", _holders, {"hold": LONG}, ("kong",)),
    Fault("node-cordon", _cordoned, {"hold": LONG}),
    Fault("image-unpullable", _pgbouncer, _POOL, ("kong",), {"max_pods": "100%"}),
    Fault("client-isolation", _answers, {"hold": LONG}, limits={"max_brokers_down": 3}),
    Fault("postgres-lock-contention", _holders, {"hold": LONG}, ("kong",), dies_with_harness=True),
    Fault("crash-loop", _pgbouncer, _POOL, ("kong",), {"max_pods": "100%"}),
    Fault(
        "volume-fill", _counted_in_postgres("ls -A /var/lib/postgresql | grep drill-fill"), {"hold": LONG}, ("kong",)
    ),
    Fault(
        "cpu-pressure",
        _counted_in_postgres("grep -als '[d]rill-burn' /proc/[0-9]*/cmdline"),
        {"workload": "statefulset/kong-postgres", "namespace": "kong", "hold": LONG, "share": 0.1},
        ("kong",),
    ),
    Fault("node-drain", _cordoned, {"hold": LONG}, ("kafka", "kong", "data-platform", "monitoring")),
)
"""Extend it with each fault that changes something which stays changed when the harness dies."""

SEED = 20261124
_chance = random.Random(SEED)
MOMENTS = [(FAULTS[turn % len(FAULTS)], round(_chance.uniform(0, 8), 2), turn % 2 == 0) for turn in range(20)]
"""Which fault, how long after its undo was written down the harness is killed, s, and whether its children are too."""


@pytest.mark.parametrize(
    ("fault", "moment", "children_too"),
    [
        pytest.param(*each, id=f"{turn}-{each[0].experiment}", marks=[pytest.mark.slow] if turn >= 3 else [])
        for turn, each in enumerate(MOMENTS)
    ],
)
def test_killed_at_a_random_moment_everything_is_undone(
    lab_platform: Settings,
    cluster: Cluster,
    elsewhere: Elsewhere,
    tmp_path: Path,
    fault: Fault,
    moment: float,
    children_too: bool,
) -> None:
    """From another machine, by what the cluster knows; and the record can be judged."""
    before = fault.trace(lab_platform)
    path = scenario(tmp_path / "s", fault.experiment, fault.configuration, fault.namespaces, **fault.limits)
    command = Command(tmp_path / "runs", "run", path)
    record = command.await_event("rollback.registered")
    time.sleep(moment)
    command.kill(children_too=children_too)
    command.finish()
    kinds = [event.kind for event in RunRecord(record.path).events if event.source == "experiment"]
    print(f"seed {SEED}: {fault.experiment} killed {moment} s after its undo was written; {kinds[-1:]}")  # noqa: T201
    on = "fault.effective" in kinds and not {"fault.undoing", "fault.undone"} & set(kinds)
    if children_too and on and not fault.dies_with_harness:
        assert fault.trace(lab_platform) != before, "nothing was on that could be undone"
    code, out, err = elsewhere.drill("rollback", "--force")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    if children_too and on:
        assert "undone experiments." in out
    _await_end(record.path)
    _await_restored(lambda: fault.trace(lab_platform), before)
    assert not cluster.core.read_namespaced_config_map(UNDOS, NAMESPACE).data
    code, out, _err = run(tmp_path / "runs", "judge", str(record.path))
    assert code in {ExitCode.FAIL, ExitCode.INCONCLUSIVE}
    assert "report:" in out


def _await_end(path: Path) -> None:
    """No process of that run is left: an orphan undoes what it had injected, and must not be met by the next test."""

    def look() -> None:
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(path) in command.read_text():
                    raise NotSeenError(f"{command.parent.name} still runs")
            except (FileNotFoundError, ProcessLookupError):
                continue

    await_seen(look, 120)


def _await_restored(look: Callable[[], object], before: object) -> None:
    """The undo has seen it restored already; an orphan that was undoing at the same time may be a moment later."""

    def same() -> None:
        if (now := look()) != before:
            raise NotSeenError(f"{now}, and it was {before}")

    await_seen(same, 30)
