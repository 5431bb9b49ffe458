"""The lab itself: what is in it when it is up, and that nothing is left of it when it is down.

The tests that take it down are the last of a session.
"""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from kubernetes import client, config

import lab
from lab import _cgroups, _volumes
from lab._addresses import NAME, STATE, kafka_bootstrap, kubeconfig
from lab._artifacts import build
from lab._group import Group
from lab._kubectl import kubectl
from lab._parts import PARTS
from lab._run import run, until

BROKER = "datahub-kafka-kafka-pool"


@pytest.fixture
def core(lab_up: None) -> Iterator[client.CoreV1Api]:  # noqa: ARG001 - order only
    """The lab as anyone sees it who has its kubeconfig."""
    api = config.new_client_from_config(str(kubeconfig()), context=NAME)
    yield client.CoreV1Api(api)
    api.rest_client.pool_manager.clear()


def brokers(core: client.CoreV1Api) -> dict[str, str]:
    """Container id by broker pod."""
    pods = core.list_namespaced_pod("kafka", label_selector="app.kubernetes.io/name=kafka").items
    return {pod.metadata.name: pod.status.container_statuses[0].container_id for pod in pods}


def in_broker(script: str) -> str:
    """What a shell script prints in the first broker's container, by the lab's own kubectl; failing is no error."""
    kube = build(lambda _: nullcontext()).kube
    return kubectl(kube, "exec", "--namespace=kafka", f"{BROKER}-0", "--", "sh", "-c", f"({script}) 2>&1 || true")


def test_status_is_up(core: client.CoreV1Api) -> None:
    """All nodes and pods are ready, and the memory of every part is seen."""
    status = lab.status()
    assert (status.state, status.problems) == ("up", ())
    assert [node.ready for node in status.nodes] == [True] * len(core.list_node().items)
    assert min(status.control_plane_memory, *(node.memory for node in status.nodes)) > 50 << 20
    assert status.kafka == kafka_bootstrap(len(status.nodes))


def test_second_up_changes_nothing(core: client.CoreV1Api) -> None:
    """The same containers run before and after."""
    before = brokers(core)
    lab.up(len(lab.status().nodes))
    assert len(before) == 3
    assert brokers(core) == before


def test_brokers_are_on_nodes_of_their_own_with_local_volumes(core: client.CoreV1Api) -> None:
    """No node takes two brokers down, and a volume is of the type that Velero backs up."""
    pods = core.list_namespaced_pod("kafka", label_selector="app.kubernetes.io/name=kafka").items
    assert len({pod.spec.node_name for pod in pods}) == 3
    volumes = [each for each in core.list_persistent_volume().items if each.spec.claim_ref.namespace == "kafka"]
    assert len(volumes) == 3
    assert all(volume.spec.local.path for volume in volumes)


def test_kafka_answers_on_the_host(core: client.CoreV1Api) -> None:
    """Each broker is reachable at the address that it advertises, and the platform's topic is there."""
    assert len(brokers(core)) == 3
    metadata = AdminClient({"bootstrap.servers": kafka_bootstrap(3)}).list_topics(timeout=10)
    assert sorted(metadata.brokers) == [0, 1, 2]
    for broker in metadata.brokers.values():
        socket.create_connection((broker.host, broker.port), timeout=5).close()
    assert [len(each.replicas) for each in metadata.topics["commodities"].partitions.values()] == [3, 3, 3]


@pytest.mark.usefixtures("lab_up")
def test_names_and_services_work_in_pods() -> None:
    """DNS, a Service on another node's pods, and the API server, all from inside a pod."""
    connect = "bash -c '</dev/tcp/{}' && echo reached"
    services = ("datahub-kafka-kafka-bootstrap.kafka.svc/9092", "kubernetes.default.svc/443")
    others = tuple(f"{BROKER}-{index}.{BROKER}-headless.kafka.svc.cluster.local/9092" for index in (1, 2))
    for address in services + others:
        assert "reached" in in_broker(connect.format(address)), address
    assert "reached" not in in_broker(connect.format("no-such-service.kafka.svc/9092"))


@pytest.mark.usefixtures("lab_up")
def test_signals_reach_the_broker_in_its_container() -> None:
    """The JVM is not process 1 of its container, and the tools that find it are there."""
    assert in_broker("ps -o comm= -p 1").strip() == "tini"
    assert int(in_broker("pgrep -x java")) > 1


@pytest.mark.usefixtures("lab_up")
def test_group_that_fails_says_why_and_leaves_nothing() -> None:
    """Its first process's last words are in the error, however it fails."""
    group = Group("trial")
    with pytest.raises(lab.LabError, match="does not start: dear me"):
        group.start({}, prologue="echo dear me; false")
    with pytest.raises(lab.LabError, match="exit code 3: oh dear"):
        group.run("echo oh dear; sleep 600 & exit 3")
    with pytest.raises(lab.LabError, match="still not done"):
        group.run("sleep 600", timeout=0.1)
    group.run("true")
    assert "trial" not in _cgroups.groups()


def test_what_dies_is_brought_back(core: client.CoreV1Api) -> None:
    """Without a node, or without the control plane, the lab is partial until another `up`; brokers keep their data."""
    identity = "cat /var/lib/kafka/data/meta.properties"
    before = in_broker(identity)
    assert "directory.id=" in before
    node = core.read_namespaced_pod(f"{BROKER}-0", "kafka").spec.node_name
    for group, problem in ((node, f"{node} does not run"), ("control-plane", "the control plane does not run")):
        _cgroups.kill(group)
        status = lab.status()
        assert status.state == "partial"
        assert problem in status.problems
        lab.up(len(status.nodes))
        until(lambda: lab.status().state == "up", timeout=120, what="a lab that is up")
    assert in_broker(identity) == before


def test_volumes_are_bounded(core: client.CoreV1Api) -> None:
    """A broker's volume is as large as its node's file system for volumes, and not as the machine's disk."""
    assert len(brokers(core)) == 3
    size = int(in_broker("stat --file-system --format='%b %S' /var/lib/kafka | { read n s; echo $((n * s)); }"))
    assert 0.95 * _volumes.SIZE < size <= _volumes.SIZE
    assert len(_volumes.attached(STATE)) == len(lab.status().nodes) * len(_volumes.FOLDERS)


@pytest.mark.usefixtures("platform_up")
def test_every_part_is_up_and_the_stand_in_says_what_it_is() -> None:
    """All pods of all parts are ready, and whoever looks at the lab sees which of them is not the real thing."""
    status = lab.status()
    assert (status.state, status.problems) == ("up", ())
    parts = {part.name: part for part in status.parts}
    assert {"kafka", "postgres", "dolphinscheduler", "monitoring"} <= parts.keys()
    assert all(part.pods == part.ready > 0 for part in parts.values())
    assert [part.name for part in parts.values() if "stand-in" in part.note] == ["dolphinscheduler"]


@pytest.mark.usefixtures("platform_up")
def test_up_with_fewer_parts_leaves_what_is_there(core: client.CoreV1Api) -> None:
    """The same pods are there before and after."""

    def pods() -> set[str]:
        return {pod.metadata.uid for part in PARTS for pod in core.list_namespaced_pod(part.namespace).items}

    before = pods()
    lab.up(len(lab.status().nodes))
    assert pods() == before
    assert len(before) >= 16


@pytest.mark.usefixtures("platform_up")
def test_postgres_and_its_pool_answer_who_knows_the_password(core: client.CoreV1Api) -> None:
    """On the host, with the Secret's password and with no other; and Kong's tables have rows."""
    secret = core.read_namespaced_secret("kong-postgres", "kong").data
    password = base64.b64decode(secret["password"]).decode()
    hosts = ",".join(node.address for node in lab.status().nodes)
    for port in (30432, 30632):
        target = f"host={hosts} port={port} user=postgres dbname=kong connect_timeout=5"
        with psycopg.connect(target, password=password, prepare_threshold=None) as connection:
            assert connection.execute("SHOW max_connections").fetchone() == ("300",)
            assert connection.execute(
                "SELECT count(*) FROM routes JOIN services ON service_id = services.id"
            ).fetchone() == (3,)
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            psycopg.connect(target, password="guessed")  # noqa: S106 - no password


@pytest.mark.usefixtures("platform_up")
def test_prometheus_sees_every_part() -> None:
    """Each kind of target answers, with what stop conditions ask for; of what nobody exports it has nothing."""
    nodes = len(lab.status().nodes)

    def up() -> bool:
        found = {job: len(values) for job in jobs if (values := ask(f'up{{job="{job}"}} == 1'))}
        return found == jobs

    jobs = {"apiserver": 1, "cadvisor": nodes, "kafka": 3, "kubelet": nodes, "postgres": 1, "prometheus": 1}
    until(up, timeout=60, what=f"targets that answer: {jobs}")
    for broker in ("underreplicatedpartitions", "offlinereplicacount", "isrshrinks_total"):
        assert ask(f"kafka_server_replicamanager_{broker}") == [0, 0, 0]
    assert max(ask("kafka_controller_kafkacontroller_offlinepartitionscount")) == 0
    assert len(ask('kafka_network_request_milliseconds{request="Produce", quantile="0.99"}')) == 3
    assert ask("pg_settings_max_connections") == [300]
    assert ask("no_such_metric") == []


def ask(query: str) -> list[float]:
    """The values that Prometheus has for a query now."""
    address = lab.status().nodes[0].address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    question = urllib.parse.urlencode({"query": query})
    with opener.open(f"http://{address}:30909/api/v1/query?{question}", timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return [float(each["value"][1]) for each in result]


@pytest.mark.usefixtures("platform_up")
def test_postgres_comes_back_with_its_rows(core: client.CoreV1Api) -> None:
    """A pod that was killed outright finds its volume again; the passwords are still those of the Secret."""
    name, namespace = "kong-postgres-0", "kong"
    secret = core.read_namespaced_secret("kong-postgres", namespace).data
    password = base64.b64decode(secret["password"]).decode()
    hosts = ",".join(node.address for node in lab.status().nodes)
    target = f"host={hosts} port=30432 user=postgres dbname=kong connect_timeout=5"
    mark = uuid.uuid4()
    with psycopg.connect(target, password=password) as connection:
        connection.execute("INSERT INTO consumers (id, username) VALUES (%s, %s)", [mark, str(mark)])
    old = core.read_namespaced_pod(name, namespace).metadata.uid
    core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)

    def back() -> bool:
        try:
            pod = core.read_namespaced_pod(name, namespace)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return False
        ready = any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())
        return ready and pod.metadata.uid != old

    until(back, timeout=60, what=f"another {name} that is ready")

    def found() -> str | None:
        """What the row has; the way through the nodes is open a moment after the pod is ready."""
        try:
            with psycopg.connect(target, password=password) as connection:
                row = connection.execute("DELETE FROM consumers WHERE id = %s RETURNING username", [mark]).fetchone()
        except psycopg.OperationalError:
            return None
        return row[0] if row else "no row"

    assert until(found, timeout=30, what="an answer of PostgreSQL") == str(mark)


def inventory() -> dict[str, list[str]]:
    """Everything of this machine that a lab could leave behind."""
    files = ("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/etc/cni", "/opt/cni", "/opt/containerd")
    runs = ("/run/containerd", "/run/netns", "/var/log/pods", "/var/log/containers", STATE, kubeconfig())
    sysctls = ("kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "net/ipv4/ip_forward")
    return {
        "processes": sorted(_processes()),
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "links": sorted(run("ip", "-brief", "link").split("\n")),
        "routes": sorted(run("ip", "route", "show", "table", "all").split("\n")),
        "rules": run("nft", "list", "ruleset").split("\n"),
        "loops": sorted(_volumes.attached(STATE)),
        "cgroups": [str(root / NAME) for root in _cgroups.hierarchies() if (root / NAME).exists()],
        "files": [str(file) for file in (*files, *runs) if Path(file).exists()],
        "sysctls": [Path("/proc/sys", name).read_text() for name in sysctls],
    }


def _processes() -> Iterator[str]:
    """What runs from the lab's cache or state, or in a namespace that is not the host's."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            spaces = {(process / "ns" / kind).readlink() for kind in ("net", "mnt", "pid")}
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # gone, or not even root may look
            continue
        host = {Path("/proc/self/ns", kind).readlink() for kind in ("net", "mnt", "pid")}
        if spaces != host or command.startswith(str(STATE)) or "/drill/lab/programs" in command:
            yield f"{process.name} {command}"


@pytest.fixture(scope="module")
def lab_down(lab_up: None) -> Iterator[dict[str, list[str]]]:  # noqa: ARG001 - order only
    """The inventory of the machine without the lab, as each test leaves it."""
    lab.down()
    yield inventory()
    lab.down()


def test_lab_grows_and_down_leaves_nothing(lab_down: dict[str, list[str]]) -> None:
    """The machine is as it was before `up`; a second `down` and a status of nothing are no errors."""
    assert not lab_down["cgroups"]
    assert not {str(STATE), str(kubeconfig())}.intersection(lab_down["files"])
    assert not lab_down["loops"]
    lab.up(1)
    lab.up(2)
    assert [node.ready for node in lab.status().nodes] == [True, True]
    with pytest.raises(lab.LabPreflightError, match="2 nodes already"):
        lab.up(1)
    up = inventory()
    for kind in ("processes", "links", "routes", "loops", "cgroups", "files"):
        assert up[kind] != lab_down[kind], kind
    lab.down()
    lab.down()
    assert inventory() == lab_down
    assert lab.status().state == "down"


def test_port_in_use_stops_up_before_it_starts(lab_down: dict[str, list[str]]) -> None:
    """The message names the port, and nothing has been started."""
    with socket.create_server(("0.0.0.0", 6443)), pytest.raises(lab.LabPreflightError, match="port 6443"):  # noqa: S104
        lab.up()
    assert inventory() == lab_down


@pytest.mark.slow
def test_half_killed_up_can_be_completed_or_removed(lab_down: dict[str, list[str]]) -> None:
    """SIGKILL while nodes are starting: `status` says partial, and another `up` goes on, or `down` removes it."""
    for finish, state in ((lab.up, "up"), (lab.down, "down")):
        with subprocess.Popen([sys.executable, "-c", "import lab; lab.up()"], stderr=subprocess.DEVNULL) as up:
            until(lambda: _cgroups.pids("node1"), timeout=60, what="the first process of a node")
            os.kill(up.pid, signal.SIGKILL)
        assert lab.status().state == "partial"
        finish()
        assert lab.status().state == state
        lab.down()
        assert inventory() == lab_down


@pytest.mark.slow
def test_down_leaves_nothing_of_the_whole_platform(lab_down: dict[str, list[str]]) -> None:
    """Pods of every part, images that came later, volumes with data: all of it goes."""
    lab.up(parts=lab.PARTS)
    assert lab.status().state == "up"
    lab.down()
    assert inventory() == lab_down
    assert lab.status().state == "down"
