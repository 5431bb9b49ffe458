"""Which parts of the platform the lab runs, what they are made from, and whose passwords they have."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import lab
from drill.cli import _lab, app
from lab import _cgroups, _manifests, _parts, _secrets, node
from lab._parts import DOLPHINSCHEDULER, KAFKA, MINIO, MONITORING, PARTS, POSTGRES, TRINO, VELERO
from lab.node import Node

KAFKA_POOL = "datahub-kafka-kafka-pool"
ARCHIVES = [Path("/cache/images/core/images.tar"), Path("/cache/images/platform/images.tar")]
EXTRAS = {part.name: Path(f"/cache/images-{part.name}/own/images.tar") for part in PARTS}


def rendered(*parts: _parts.Part) -> list[dict[str, object]]:
    """The objects of these parts."""
    text = _manifests.render(parts, [Node(1), Node(2)], ARCHIVES, 4, EXTRAS)
    assert "LAB_" not in text
    return list(yaml.safe_load_all(text))


def names(objects: list[dict[str, object]], kind: str) -> set[str]:
    """Namespace and name of each object of a kind."""
    metadata = [each["metadata"] for each in objects if each["kind"] == kind]
    return {f"{each['namespace']}/{each['name']}" for each in metadata if isinstance(each, dict)}


def test_parts_bring_what_they_need_in_an_order_that_works() -> None:
    """DolphinScheduler keeps its state in Postgres, which therefore comes first, once."""
    assert _parts.chosen(["dolphinscheduler"]) == (POSTGRES, DOLPHINSCHEDULER)
    assert _parts.chosen(["monitoring", "kafka", "kafka"]) == (KAFKA, MONITORING)
    assert _parts.chosen(["velero"]) == (MINIO, VELERO)
    assert _parts.chosen(["trino"]) == (POSTGRES, MINIO, TRINO)
    assert _parts.chosen([]) == ()


def test_a_scenario_gets_the_parts_of_its_namespaces() -> None:
    """Each namespace of the platform stands for one part, whoever else is in it; others stand for none."""
    assert _parts.for_namespaces(["kong", "kafka"]) == ("kafka", "postgres")
    assert _parts.for_namespaces(["default"]) == ()
    assert _parts.for_namespaces(["data-platform"]) == ("dolphinscheduler",)
    hosts = {part.namespace: part.name for part in PARTS if not part.guest}
    assert set(_parts.for_namespaces(part.namespace for part in PARTS)) == set(hosts.values())
    assert len(hosts) == len(PARTS) - 1


def test_parts_that_share_a_namespace_have_their_own_pods() -> None:
    """A lab without Trino is not told to have it because DolphinScheduler runs, nor the other way round."""
    pods = ("dolphinscheduler-api-6f-x", "dolphinscheduler-worker-7d-y", "trino-worker-5c-z", "something-else")
    assert [DOLPHINSCHEDULER.owns("data-platform", pod) for pod in pods] == [True, True, False, True]
    assert [TRINO.owns("data-platform", pod) for pod in pods] == [False, False, True, True]
    assert MONITORING.owns("monitoring", "postgres-exporter-5f")
    assert not MONITORING.owns("kafka", "prometheus-0")


def test_parts_that_were_asked_for_are_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the lab's state, which goes with the lab."""
    monkeypatch.setattr(_parts, "_FILE", tmp_path / "parts")
    assert _parts.recorded() == ()
    _parts.record([KAFKA, MONITORING])
    assert _parts.recorded() == (KAFKA, MONITORING)


@pytest.mark.parametrize("part", [part for part in PARTS if part != VELERO])  # which brings its own
def test_manifests_have_the_workloads_that_are_waited_for(part: _parts.Part) -> None:
    """All of them, and no others, in the namespace of the part."""
    objects = rendered(part)
    found = {kind: names(objects, kind) for kind in ("StatefulSet", "Deployment")}
    wanted = {f"{kind.lower()}/{name.partition('/')[2]}" for kind, each in found.items() for name in each}
    assert wanted == set(part.workloads)
    assert {name.partition("/")[0] for each in found.values() for name in each} == {part.namespace}


def test_kafka_exports_metrics_only_for_somebody_who_reads_them() -> None:
    """Because the exporter costs time at each start of a broker."""
    for parts, state in (((KAFKA,), "off"), ((KAFKA, MONITORING), "on")):
        (broker,) = [each for each in rendered(*parts) if names([each], "StatefulSet") == {f"kafka/{KAFKA_POOL}"}]
        assert f"'METRICS', 'value': '{state}'" in str(broker)


def test_postgres_exporter_comes_with_both_of_its_sides() -> None:
    """Neither Prometheus alone nor PostgreSQL alone has one."""
    exporter = "monitoring/postgres-exporter"
    assert exporter in names(rendered(POSTGRES, MONITORING), "Deployment")
    assert exporter not in names(rendered(POSTGRES), "Deployment") | names(rendered(MONITORING), "Deployment")


def test_node_that_runs_is_given_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each archive once, and again when what it is made from has changed; of one that fails nothing is remembered."""
    given: list[Path] = []
    monkeypatch.setattr(node, "STATE", tmp_path)
    monkeypatch.setattr(node, "load", lambda _, archive: given.append(archive))
    monkeypatch.setattr(_cgroups, "pids", lambda _: {7, 8})
    machine, newer = Node(1), Path("/cache/images/newer/images.tar")
    machine.load(ARCHIVES)
    machine.load([*ARCHIVES, newer])
    assert given == [*ARCHIVES, newer]
    assert Node(2).lacks(ARCHIVES) == ARCHIVES

    def refuse(*_: object) -> None:
        raise lab.LabError("no room")

    monkeypatch.setattr(node, "load", refuse)
    with pytest.raises(lab.LabError, match="no room"):
        Node(2).load(ARCHIVES)
    assert Node(2).lacks(ARCHIVES) == ARCHIVES


def test_secrets_are_kept_once_they_are_made() -> None:
    """The server has its passwords in its volume, so that another `up` must not make others."""
    first = _secrets.contents(PARTS, {})
    assert _secrets.contents(PARTS, first) == first
    assert _secrets.contents(PARTS, {}) != first


def test_without_servers_there_is_nothing_to_keep_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster is not even asked, because `up` for Kafka alone is to be quick; with it, it is asked first."""
    asked = []

    def kubectl(*arguments: object, text: str = "") -> str:
        asked.append((arguments[1], text))
        return '{"items": []}'

    monkeypatch.setattr(_secrets, "kubectl", kubectl)
    _secrets.apply_secrets(Path("kube"), [KAFKA, MONITORING])
    assert asked == []
    _secrets.apply_secrets(Path("kube"), [KAFKA, POSTGRES])
    assert [what for what, _ in asked] == ["get", "apply"]
    assert '"kong-pgbouncer"' in asked[1][1]


def test_secrets_of_one_database_agree() -> None:
    """The same password on the server, in the pool and in the client's namespace, and none used for two users."""
    made = _secrets.contents(PARTS, {})
    server = made["kong", "kong-postgres"]
    assert len(set(server.values())) == len(server) == 4
    assert made["data-platform", "dolphinscheduler-database"]["password"] == server["dolphinscheduler"]
    pool = dict(line.replace('"', "").split() for line in made["kong", "kong-pgbouncer"]["userlist.txt"].splitlines())
    assert pool == {"postgres": server["password"], **{name: server[name] for name in ("kong", "dolphinscheduler")}}
    assert f":{server['exporter']}@" in made["monitoring", "postgres-exporter"]["data-source"]


def test_secrets_of_the_object_store_agree() -> None:
    """Velero and Trino have MinIO's keys, and passwords of their own for the rest; none comes without its part."""
    made = _secrets.contents([MINIO, VELERO], {})
    keys = made["minio", "minio"]
    lines = made["velero", "cloud-credentials"]["cloud"].splitlines()
    secret = [f"aws_access_key_id={keys['access-key']}", f"aws_secret_access_key={keys['secret-key']}"]
    assert lines == ["[default]", *secret]
    password = made["velero", "velero-repo-credentials"]["repository-password"]
    # What Velero takes where there is none (pkg/repository/keys/keys.go).
    assert password not in ("static-passw0rd", *keys.values())
    assert _secrets.contents([MINIO, VELERO], made) == made
    assert set(_secrets.contents([MINIO], {})) == {("minio", "minio")}
    lake = _secrets.contents([MINIO, TRINO], made)
    assert lake["data-platform", "trino-object-store"] == keys
    assert lake["data-platform", "trino-catalogue"]["password"] not in keys.values()


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ([], {"kafka"}),
        (["--all"], set(lab.PARTS)),
        (["--with", "postgres", "--with", "monitoring"], {"kafka", "postgres", "monitoring"}),
        (["--with", "all"], set(lab.PARTS)),
    ],
)
def test_command_line_adds_parts_to_kafka(given: list[str], parts: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part that the lab has can be asked for, one by one or all at once."""
    asked = []
    monkeypatch.setattr(lab, "up", lambda nodes, parts: asked.append((nodes, set(parts))))
    result = CliRunner().invoke(app, ["lab", "up", *given])
    assert result.exit_code == 0, result.output
    assert asked == [(3, parts)]
    assert {str(part) for part in _lab.Part} == {*lab.PARTS, "all"}


def test_command_line_refuses_parts_that_there_are_not() -> None:
    """As any wrong option."""
    assert CliRunner().invoke(app, ["lab", "up", "--with", "oracle"]).exit_code == 2


def test_a_drill_brings_the_parts_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of its namespaces, and of the systems that it asks for; what is no part is not asked for."""
    asked: list[set[str]] = []
    monkeypatch.setattr(lab, "up", lambda parts: asked.append(set(parts)))
    with _lab.on_the_lab(["data-platform"], {"kafka", "platform"}):
        pass
    with _lab.on_the_lab(["minio"], {"trino", "velero"}):
        pass
    assert asked == [{"dolphinscheduler", "kafka"}, {"minio", "trino", "velero"}]
