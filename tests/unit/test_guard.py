"""Where and when a fault may be injected, before a drill and again at the moment of each injection."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from drill import guard, lease, settings
from drill.cluster import Cluster
from drill.errors import InputError, RefusedError, UsageError
from experiments import _guard
from experiments._fault import Injection, fault
from scenarios import preflight, reader
from tests.unit.kafka_world import SETTINGS

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCENARIO = reader.read(reader.find("broker-kill")).scenario


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file in which all is allowed."""
    path = tmp_path / "drill.toml"
    path.write_text(SETTINGS.format(drillable="true", namespaces='["kafka", "kube-system", "default"]'))
    monkeypatch.setenv("DRILL_SETTINGS", str(path))
    monkeypatch.setenv("DRILL_CONTEXT", "here")
    monkeypatch.setattr(Cluster, "connect", lambda _settings: None)
    return path


def _say(file: Path, line: str) -> None:
    """Put a line of a context's table, or of the whole file."""
    text = file.read_text()
    head, here = text.split("[contexts.here]\n")
    top = line.startswith(("protected =", "freeze_file"))
    file.write_text(f"{line}\n{text}" if top else f"{head}[contexts.here]\n{line}\n{here}")


def test_what_is_declared_may_be_drilled(file: Path) -> None:
    """And `default`, though the Lease lives there: a fault on its pods does the Lease no harm."""
    assert file.exists()
    assert guard.refusal(settings.load(), ("kafka", "default"), MONDAY_NOON) is None
    preflight.guard(SCENARIO, settings.load())
    _guard.drillable("kafka")
    _guard.drillable(None)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('protected = ["prod-*", "her?"]', "context 'here' is protected"),
        ('protected_namespaces = ["kaf*"]', "namespace 'kafka' is protected"),
        ('windows = ["Sat 03:00-03:01 UTC"]', "drills are allowed here in Sat 03:00-03:01 UTC only"),
    ],
)
def test_it_is_refused_before_a_drill_and_at_the_injection(
    file: Path, line: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same words: bad usage before, a refused fault at the injection."""
    _say(file, line)

    class Noon(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "datetime":  # type: ignore[override]
            assert tz is UTC
            return MONDAY_NOON

    monkeypatch.setattr(guard, "datetime", Noon)
    with pytest.raises(UsageError, match=says):
        preflight.guard(SCENARIO, settings.load())
    with pytest.raises(RefusedError, match=says):
        _guard.drillable("kafka")


def test_kubernetes_own_namespaces_are_refused_though_declared(file: Path) -> None:
    """Whatever the settings say."""
    assert file.exists()
    assert "Kubernetes' own" in str(guard.refusal(settings.load(), ("kube-system",), MONDAY_NOON))


def test_a_freeze_file_refuses_with_its_first_line(file: Path) -> None:
    """Seen from the folder of the settings file; gone, it refuses nothing."""
    _say(file, 'freeze_file = "FREEZE"')
    freeze = file.with_name("FREEZE")
    preflight.guard(SCENARIO, settings.load())
    freeze.write_text("release week\nask Ana\n")
    with pytest.raises(UsageError, match=r"frozen by .*FREEZE: release week$"):
        preflight.guard(SCENARIO, settings.load())
    with pytest.raises(RefusedError, match="release week"):
        _guard.drillable("kafka")
    freeze.write_text("")
    with pytest.raises(UsageError, match="gives no reason"):
        preflight.guard(SCENARIO, settings.load())
    freeze.unlink()
    preflight.guard(SCENARIO, settings.load())


def test_a_freeze_file_that_cannot_be_read_refuses(file: Path) -> None:
    """Who can't look does not know that there is none."""
    _say(file, 'freeze_file = "FREEZE"')
    file.with_name("FREEZE").mkdir()
    with pytest.raises(UsageError, match="can't be read"):
        preflight.guard(SCENARIO, settings.load())


def test_a_frozen_cluster_refuses_at_the_injection(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever injects: a drill, or a bare `chaos run`."""
    assert file.exists()
    monkeypatch.setattr(lease, "frozen", lambda _cluster, namespace: f"frozen, says {namespace}")
    with pytest.raises(RefusedError, match="frozen, says default"):
        _guard.drillable("kafka")


def test_a_window_that_cannot_be_meant_is_a_mistake_in_the_file(file: Path) -> None:
    """With its field; never `always`."""
    _say(file, 'windows = ["Mon-Fri 9-17 Berlin"]')
    with pytest.raises(InputError, match=r"contexts\.here\.windows: .*is not a window"):
        settings.load()


def test_the_blast_radius_is_asked_again_at_the_injection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was within it when it was planned may be beyond it when it comes: nothing is done, nothing written down."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("DRILL_RECORD", raising=False)
    down = {"others": 0}
    done: list[str] = []

    @fault
    def hurt(max_pods: int | str) -> Injection:
        _guard.ensure_within(1 + down["others"], 3, max_pods, "pods")
        return Injection(
            fault="hurt",
            method="by hand",
            targets=({"kind": "Pod", "namespace": "kafka", "name": "a"},),
            permissions=(),
            inject=lambda: done.append("injected"),
            effect=dict,
            undo=dict,
            undo_arguments={},
            recovered=dict,
        )

    for limit in (1, "50%"):
        down["others"] = 0
        assert len(hurt.plan(limit).targets) == 1
        down["others"] = 1
        with pytest.raises(RefusedError, match="2 of 3 pods would be broken at once"):
            hurt(limit)
    assert done == []
    assert not (tmp_path / "drill").exists()


def test_a_scratch_namespace_needs_its_own_word_and_name(file: Path) -> None:
    """A context that no fault may touch can allow restore drills; when drills are frozen, none is allowed."""
    where = "drill-restore-kong"
    assert "does not allow restore drills" in str(guard.scratch_refusal(settings.load(), where))
    _say(file, "restore_drills = true")
    assert guard.scratch_refusal(settings.load(), where) is None
    assert "must be called drill-restore-..." in str(guard.scratch_refusal(settings.load(), "kong"))
    frozen = file.with_name("frozen")
    frozen.write_text("release week")
    _say(file, f'freeze_file = "{frozen}"')
    assert "drills are frozen" in str(guard.scratch_refusal(settings.load(), where))


CLUSTER_HOOKS = """
[contexts.here.hooks]
cluster_lose = ["away"]
cluster_rebuild = ["again"]
velero_install = ["velero"]
"""


def test_a_cluster_is_lost_only_where_that_is_said(file: Path) -> None:
    """Beside all that holds for any fault: a word of its own, and each of the hooks."""
    kafka = ("kafka",)
    assert "does not allow that its cluster is destroyed" in str(guard.cluster_refusal(settings.load(), kafka))
    _say(file, "cluster_loss = true")
    assert "declares no hook cluster_lose" in str(guard.cluster_refusal(settings.load(), kafka))
    file.write_text(file.read_text() + CLUSTER_HOOKS)
    assert guard.cluster_refusal(settings.load(), kafka) is None
    assert "'kong' is not declared drillable" in str(guard.cluster_refusal(settings.load(), ("kong",)))
    file.write_text(file.read_text().replace('cluster_rebuild = ["again"]', ""))
    assert "declares no hook cluster_rebuild" in str(guard.cluster_refusal(settings.load(), kafka))
    _say(file, 'protected = ["her*"]')
    assert "is protected" in str(guard.cluster_refusal(settings.load(), kafka))


def test_the_scenario_of_a_lost_cluster_is_refused_before_any_connection(file: Path) -> None:
    """Though its namespaces are drillable: that a fault may be injected does not mean that all may be lost."""
    scenario = reader.read(reader.find("cluster-loss")).scenario
    file.write_text(SETTINGS.format(drillable="true", namespaces='["kafka", "kong", "data-platform", "monitoring"]'))
    with pytest.raises(UsageError, match="does not allow that its cluster is destroyed"):
        preflight.guard(scenario, settings.load())
