"""What a cluster runs is recognised by what it is, and written down so that nothing in it is drillable."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drill.cli import _init, app
from drill.discovery import Declared, Seen, declare, recognise, see, settings_text
from drill.discovery._declare import selector
from drill.discovery._seen import groups
from drill.discovery._systems import image_name
from drill.exits import ExitCode
from drill.settings import ContextSettings
from load.plan import PROFILES
from scenarios import needs, reader

NOW = datetime(2026, 11, 24, tzinfo=UTC)
Json = dict[str, Any]


def pod(  # noqa: D103 - a pod of which only what discovery reads is there
    name: str, owner: tuple[str, str], image: str, *ports: int, namespace: str = "apps", **more: Any
) -> Json:
    named = [{"name": f"p{port}", "containerPort": port} for port in ports]
    container = {"name": more.get("container", "main"), "image": image, "ports": named, "env": more.get("env", [])}
    reference = {"kind": owner[0], "name": owner[1], "controller": True}
    metadata = {"namespace": namespace, "name": name, "ownerReferences": [reference], "labels": more.get("labels", {})}
    return {
        "metadata": metadata,
        "spec": {"containers": [container]},
        "status": {"phase": more.get("phase", "Running")},
    }


def service(name: str, selector: Json, port: int, *, namespace: str = "apps", **spec: Any) -> Json:
    """A Service of one port."""
    status = spec.pop("status", {})
    target, node_port = spec.pop("target", port), spec.pop("node_port", None)
    ports = [{"port": port, "targetPort": target, "protocol": "TCP", **({"nodePort": node_port} if node_port else {})}]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": selector, "ports": ports, **spec},
        "status": status,
    }


def location(**spec: Any) -> Json:
    """A storage location of Velero."""
    content = {"provider": "aws", "objectStorage": {"bucket": "backups"}, **spec}
    return {"metadata": {"namespace": "velero", "name": "default"}, "spec": content}


def seen(pods: list[Json], *services: Json, locations: tuple[Json, ...] = (), nodes: tuple[str, ...] = ()) -> Seen:
    """A cluster of these."""
    return Seen(groups(pods), services, nodes, locations)


def declared(world: Seen) -> Declared:
    """What it would declare."""
    return declare(world, recognise(world))


KAFKA = {"app.kubernetes.io/name": "kafka", "strimzi.io/cluster": "events", "strimzi.io/kind": "Kafka"}
STRIMZI = [
    pod(f"events-pool-{n}", ("StrimziPodSet", "events-pool"), "quay.io/strimzi/kafka:0.48.0-kafka-4.1.0", 9092, 9094)
    | {"metadata": {
        "namespace": "streams",
        "name": f"events-pool-{n}",
        "labels": {**KAFKA, "strimzi.io/pod-name": f"events-pool-{n}"},
        "ownerReferences": [{"kind": "StrimziPodSet", "name": "events-pool", "controller": True}],
    }}
    for n in range(3)
]  # fmt: skip
POSTGRES = pod(
    "db-0",
    ("StatefulSet", "db"),
    "docker.io/bitnami/postgresql:17",
    5432,
    container="postgresql",
    labels={"app.kubernetes.io/name": "postgresql", "controller-revision-hash": "1"},
    env=[
        {"name": "POSTGRES_DATABASE", "value": "shop"},
        {"name": "POSTGRES_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "postgres-password"}}},
    ],
)


def test_strimzis_kafka_is_found_by_its_image() -> None:
    """Though no StatefulSet owns its pods; its bootstrap Service is taken, at the port for outside."""
    outside = service("events-kafka-external-bootstrap", {"strimzi.io/kind": "Kafka"}, 9094, namespace="streams")
    inside = service("events-kafka-bootstrap", {"strimzi.io/kind": "Kafka"}, 9092, namespace="streams")
    outside["status"] = {"loadBalancer": {"ingress": [{"hostname": "kafka.example"}]}}
    table = declared(seen(STRIMZI, inside, outside)).tables["kafka"]
    assert table.values["bootstrap"] == "kafka.example:9094"
    assert (table.values["statefulset"], table.values["namespace"]) == ("events-pool", "streams")


@pytest.mark.parametrize(
    ("owner", "image"),
    [
        (("Deployment", "events-kafka-exporter"), "quay.io/strimzi/kafka:0.48.0-kafka-4.1.0"),
        (("StrimziPodSet", "events-connect"), "quay.io/strimzi/kafka:0.48.0-kafka-4.1.0"),
        (("Deployment", "kafka-ui"), "provectuslabs/kafka-ui:latest"),
        (("StatefulSet", "db"), "prometheuscommunity/postgres-exporter:v0.17"),
        (("Job", "nightly-dump"), "postgres:17"),
        (("DaemonSet", "node-agent"), "velero/velero:v1.18"),
    ],
)
def test_what_goes_with_a_system_is_not_the_system(owner: tuple[str, str], image: str) -> None:
    """Exporters, connectors, consoles and dumps are often made of its very image."""
    assert recognise(seen([pod("x-1", owner, image, 9187)])) == {}


def test_a_house_image_takes_two_signs_that_agree() -> None:
    """A label and a port are two; a port alone is none."""
    one = pod("db-0", ("StatefulSet", "db"), "registry.example/house/base:7", 5432)
    assert recognise(seen([one])) == {}
    one["metadata"]["labels"] = {"app.kubernetes.io/name": "shop-postgres"}
    found = recognise(seen([one]))["postgres"]
    assert found.why == "label app.kubernetes.io/name=shop-postgres and port 5432"


def test_a_deployment_is_seen_through_its_replica_set() -> None:
    """Two of its revisions are one workload, and its hashes are no labels to select by."""
    pods = [
        pod(f"web-{n}", ("ReplicaSet", f"web-7f9c{n}"), "nginx", labels={"app": "web", "pod-template-hash": str(n)})
        for n in range(2)
    ]
    (group,) = groups(pods)
    assert (group.kind, group.name, group.pods, group.labels) == ("Deployment", "web", 2, {"app": "web"})


def test_what_has_ended_runs_nowhere() -> None:
    """A pod of a finished dump, say."""
    assert groups([pod("x", ("StatefulSet", "db"), "postgres:17", phase="Succeeded")]) == ()


def test_the_password_is_named_and_not_read() -> None:
    """By what the pod's environment says of it."""
    values = declared(seen([POSTGRES])).tables["postgres"].values
    assert values["password"] == {"name": "db", "key": "postgres-password"}
    assert values["database"] == "shop"


def test_a_password_in_plain_text_is_not_written_down() -> None:
    """Which a pod may have in its environment."""
    bare = pod(
        "db-0", ("StatefulSet", "db"), "postgres:17", 5432, env=[{"name": "POSTGRES_PASSWORD", "value": "s3cret"}]
    )
    made = declared(seen([bare]))
    assert "password" not in made.tables["postgres"].values
    assert "s3cret" not in settings_text("c", made, None, NOW)


def test_a_node_port_is_reached_at_several_nodes() -> None:
    """So that one may be down."""
    nodes = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
    by_name = service("db", {"app.kubernetes.io/name": "postgresql"}, 5432, target="p5432", node_port=30432)
    dsn = declared(seen([POSTGRES], by_name, nodes=nodes)).tables["postgres"].values["dsn"]
    assert dsn.startswith("host=192.0.2.1,192.0.2.2,192.0.2.3 port=30432,30432,30432 user=postgres dbname=shop")


def test_what_only_the_inside_reaches_says_so() -> None:
    """A cluster's own address is no address for who drills from outside."""
    inside = service("db", {"app.kubernetes.io/name": "postgresql"}, 5432)
    table = declared(seen([POSTGRES], inside)).tables["postgres"]
    assert "host=db.apps.svc.cluster.local" in table.values["dsn"]
    assert any("inside the cluster only" in note for note in table.notes)
    assert any("no Service leads to it" in note for note in declared(seen([POSTGRES])).tables["postgres"].notes)


def test_a_second_one_is_told_of() -> None:
    """The one with more pods is declared."""
    other = pod("aa-0", ("StatefulSet", "aa"), "apache/kafka:4.1.0", 9092)
    table = declared(seen([other, *STRIMZI])).tables["kafka"]
    assert table.values["statefulset"] == "events-pool"
    assert "also found, and not declared: StatefulSet apps/aa" in table.notes


def test_a_selector_takes_the_pods_of_one_workload_only() -> None:
    """As many labels as that needs, and no more."""
    web = pod("web-0", ("StatefulSet", "web"), "a", labels={"app.kubernetes.io/name": "x", "part": "web", "zone": "z"})
    api = pod("api-0", ("StatefulSet", "api"), "a", labels={"app.kubernetes.io/name": "x", "part": "api", "zone": "z"})
    world = seen([web, api])
    assert selector(world, world.groups[1]) == "app.kubernetes.io/name=x,part=web"


MINIO = pod(
    "minio-0",
    ("StatefulSet", "minio"),
    "quay.io/minio/minio:RELEASE.2026-01-01",
    9000,
    namespace="minio",
    labels={"app": "minio"},
    env=[
        {"name": "MINIO_ROOT_USER", "valueFrom": {"secretKeyRef": {"name": "minio", "key": "user"}}},
        {"name": "MINIO_ROOT_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "minio", "key": "password"}}},
    ],
)


def test_the_bucket_is_veleros_and_the_way_to_it_is_minios() -> None:
    """Velero's own URL is for the inside."""
    at = location(config={"s3Url": "http://minio.minio.svc:9000", "region": "minio"})
    way = service("minio", {"app": "minio"}, 9000, namespace="minio", node_port=30900)
    values = declared(seen([MINIO], way, locations=(at,), nodes=("192.0.2.1",))).tables["object_store"].values
    assert values["endpoint"] == "http://192.0.2.1:30900"
    assert (values["bucket"], values["secret_key"]) == ("backups", {"name": "minio", "key": "password"})


def test_a_bucket_of_aws_has_no_endpoint() -> None:
    """And a store that drill can't read is not declared, but told of."""
    values = declared(seen([], locations=(location(config={"region": "eu-central-1"}),))).tables["object_store"].values
    assert values == {"bucket": "backups", "region": "eu-central-1", "path_style": False}
    made = declared(seen([], locations=(location(provider="gcp"),)))
    assert "object_store" not in made.tables
    assert any("no object store" in each for each in made.missing)


def test_the_file_is_valid_and_nothing_in_it_is_drillable() -> None:
    """Whatever was found, and whatever a context is called."""
    world = seen([*STRIMZI, POSTGRES, MINIO], locations=(location(),))
    name = "arn:aws:eks:eu-central-1:1:cluster/data"
    text = settings_text(name, declared(world), "~/.kube/config", NOW)
    context = ContextSettings.model_validate(tomllib.loads(text)["contexts"][name])
    assert context.drillable is False
    assert context.restore_drills is False
    assert set(context.namespaces) == {"apps", "streams"}
    assert context.kafka is not None
    assert context.postgres is not None


def test_no_name_in_the_cluster_becomes_a_setting() -> None:
    """A pod's image is text that anybody who may make pods can choose."""
    evil = 'evil/kafka:1"\n[contexts.c]\ndrillable = true\n#'
    one = pod("k-0", ("StatefulSet", "k"), "apache/kafka:4", 9092, labels={"app": "kafka"})
    one["spec"]["containers"][0]["image"] = evil
    one["spec"]["containers"][0]["name"] = "kafka"
    text = settings_text("c", declared(seen([one])), None, NOW)
    assert tomllib.loads(text)["contexts"]["c"]["drillable"] is False


def test_images_are_known_by_their_last_name() -> None:
    """Whatever the registry, the tag and the digest are."""
    assert image_name("registry.example:5000/mirror/kafka:4.1@sha256:0123") == "kafka"
    assert image_name("postgres") == "postgres"


class _Listing:
    """A cluster of which nothing but lists can be had."""

    def listed(self, plural: str, group: str = "") -> list[Json] | None:
        """What Kubernetes would answer."""
        if group:
            return None
        return {"pods": [POSTGRES], "services": [], "nodes": [{"status": {"addresses": []}}]}[plural]


def test_it_only_lists() -> None:
    """And a cluster without Velero's resources is no mistake."""
    said: list[str] = []
    world = see(_Listing(), said.append)  # type: ignore[arg-type]
    assert [group.name for group in world.groups] == ["db"]
    assert world.locations == ()
    assert said[0] == "listing: pods"


def test_init_writes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is there stays as it is, and the cluster is not asked again."""
    monkeypatch.setattr(_init, "_connect", lambda *_: _Listing())
    path = tmp_path / "drill.toml"
    runner = CliRunner()
    done = runner.invoke(app, ["init", str(path), "--context", "here"])
    assert done.exit_code == ExitCode.PASS, done.output
    assert "found postgres: StatefulSet apps/db" in done.stderr
    assert "postgres-pool-exhausted" in done.stderr
    before = path.read_text()
    monkeypatch.setattr(_init, "_connect", lambda *_: pytest.fail("the cluster was asked"))
    again = runner.invoke(app, ["init", str(path), "--context", "here"])
    assert "not overwritten" in str(again.exception)
    assert path.read_text() == before


def test_init_connects_to_nothing_by_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to the kubeconfig's current context, either."""
    monkeypatch.delenv("DRILL_CONTEXT", raising=False)
    assert "give --context" in str(CliRunner().invoke(app, ["init", str(tmp_path / "x")]).exception)


def test_scenarios_fit_by_what_they_need() -> None:
    """Tables, namespaces, a helper's image, hooks; and each lack is named."""
    base = ContextSettings.model_validate({"namespaces": ["kafka"], "kafka": {"bootstrap": "k:1"}})
    assert needs.lacking(_drill("broker-kill"), base) == ()
    assert needs.lacking(_drill("broker-isolation"), base) == ("a helper_image",)
    assert needs.lacking(_drill("restore-drill"), base)[-1] == "restore_drills = true"
    elsewhere = base.model_copy(update={"namespaces": ("streams",)})
    assert "kafka is not among" in needs.lacking(_drill("broker-kill"), elsewhere)[0]
    assert "hooks that stop and start a node" in needs.lacking(_drill("node-loss"), base)
    assert any("cluster_loss = true" in each for each in needs.lacking(_drill("cluster-loss"), base))


def test_a_bucket_has_to_be_declared_drillable() -> None:
    """As a namespace has to be."""
    store = {"bucket": "velero", "lakehouse": "lake"}
    declared = {"namespaces": ["data-platform"], "trino": {"url": "http://t:1"}, "object_store": store}
    closed = ContextSettings.model_validate(declared)
    (said,) = needs.lacking(_drill("object-store-loss"), closed)
    assert "lakehouse is not among the object_store's drillable ones" in said
    opened = ContextSettings.model_validate(declared | {"object_store": store | {"drillable": ["lakehouse"]}})
    assert needs.lacking(_drill("object-store-loss"), opened) == ()
    assert needs.systems(_drill("object-store-loss")) == ("trino", "object_store")


def test_what_a_scenario_needs_is_told_by_its_loads_and_its_activities() -> None:
    """With what a system is of no use without."""
    assert needs.systems(_drill("platform-down")) == ("kafka", "postgres", "dolphinscheduler")
    assert {"velero", "object_store", "postgres"} <= set(needs.systems(_drill("data-loss")))
    assert needs.workloads(_drill("runbook-crashloop")) == (("deployment/dolphinscheduler-api", "data-platform"),)


def test_no_system_is_overlooked() -> None:
    """Each that a load is on, and each that a context can declare, is one that a scenario may need."""
    loads = {plan.system for plan in PROFILES.values()}
    assert loads <= set(needs._SYSTEMS) <= ContextSettings.model_fields.keys()


def _drill(name: str) -> reader.Drill:
    return reader.read(reader.find(name))
