"""What the lab's parts agree on before anything runs: addresses, configuration, manifests."""

import json
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from lab import _addresses, _artifacts, _extras, _manifests, _node_config, _volumes
from lab._addresses import MAX_NODES
from lab.control_plane import ControlPlane

STATEFULSET = "datahub-kafka-kafka-pool"


def documents() -> list[dict[str, Any]]:
    """Every object of every manifest."""
    return [
        each for file in sorted(_manifests.MANIFESTS.glob("*.yaml")) for each in yaml.safe_load_all(file.read_text())
    ]


def find(kind: str, name: str) -> dict[str, Any]:
    """The one object of that kind and name."""
    (found,) = [each for each in documents() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def test_networks_are_apart_and_in_the_benchmarking_range() -> None:
    """No two of the lab's networks overlap, and all are in the range that no real network uses."""
    pods = [_addresses.pod_subnet(index) for index in range(1, MAX_NODES + 1)]
    networks = [_addresses.NODE_NETWORK, _addresses.SERVICE_NETWORK, *pods]
    assert all(network.subnet_of(_addresses.RANGE) for network in networks)
    assert not any(one.overlaps(other) for one, other in combinations(networks, 2))
    assert all(subnet.subnet_of(_addresses.POD_NETWORK) for subnet in pods)


def test_bootstrap_names_every_node() -> None:
    """Clients may ask any node."""
    assert _addresses.kafka_bootstrap(2) == "198.18.0.11:30090,198.18.0.12:30090"


def test_node_configuration_is_of_its_own_node() -> None:
    """Name, address, cgroup and pod subnet of a node are in its files, and no other node's are."""
    address, pods = _addresses.node_address(2), _addresses.pod_subnet(2)
    files = _node_config.configuration("node2", address, pods, Path("/var/lib/drill-node"))
    kubelet = yaml.safe_load(files["drill-node/kubelet.yaml"])
    assert (kubelet["address"], kubelet["cgroupRoot"]) == ("198.18.0.12", "/drill-lab/node2")
    assert kubelet["clusterDNS"] == ["198.18.64.10"]
    assert yaml.safe_load(files["drill-node/kube-proxy.yaml"])["hostnameOverride"] == "node2"
    (bridge,) = json.loads(files["drill-node/cni/10-bridge.conflist"])["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "198.19.2.0/24"}]]


def test_containerd_asks_no_registry_and_leaves_the_host_alone() -> None:
    """The image that every pod needs is one of the lab's, and the plugin that writes to the host's /opt is off."""
    address, pods = _addresses.node_address(1), _addresses.pod_subnet(1)
    files = _node_config.configuration("node1", address, pods, Path("/var/lib/drill-node"))
    containerd = tomllib.loads(files["drill-node/containerd.toml"])
    kubernetes = containerd["plugins"]["io.containerd.grpc.v1.cri"]
    assert f'"{kubernetes["sandbox_image"]}"' in Path(_artifacts.__file__).read_text()
    assert kubernetes["restrict_oom_score_adj"] is True
    assert kubernetes["cni"]["conf_dir"] == "/var/lib/drill-node/cni"
    assert containerd["disabled_plugins"] == ["io.containerd.internal.v1.opt"]


def test_control_plane_listens_on_the_bridge_only() -> None:
    """Nothing of the lab listens on an address that others could reach."""
    processes = ControlPlane(Path("kube"))._processes()
    flags = [str(flag) for argv in processes.values() for flag in argv]
    listening = [flag.partition("=")[2] for flag in flags if flag.startswith(("--listen", "--bind-address"))]
    assert len(listening) == 3
    assert all("198.18.0.1" in value for value in listening)
    assert all("--secure-port=0" in processes[name] for name in ("kube-controller-manager", "kube-scheduler"))


def test_manifests_use_images_of_the_lab_only() -> None:
    """Every image is one that the lab builds, and none is ever asked of a registry."""

    def containers(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            yield from value.get("containers", ())
            for child in value.values():
                yield from containers(child)
        elif isinstance(value, list):
            for child in value:
                yield from containers(child)

    built = Path(_artifacts.__file__).read_text() + Path(_extras.__file__).read_text()
    found = list(containers(documents()))
    helper = yaml.safe_load(find("ConfigMap", "local-path-config")["data"]["helperPod.yaml"])
    found += helper["spec"]["containers"]
    assert len(found) > 4
    for container in found:
        assert f'"{container["image"]}"' in built
        assert container["imagePullPolicy"] == "Never"


def test_kafka_is_durable() -> None:
    """What the drills take for granted of the platform's Kafka is in its configuration."""
    text = find("ConfigMap", "datahub-kafka-kafka-config")["data"]["server.properties"]
    pairs = [line.split("=", 1) for line in text.splitlines() if not line.startswith("#")]
    properties = dict(pairs)
    assert properties["default.replication.factor"] == "3"
    assert properties["min.insync.replicas"] == "2"
    assert properties["unclean.leader.election.enable"] == "false"
    assert properties["auto.create.topics.enable"] == "false"
    assert len(properties) == len(pairs)


def test_every_broker_has_its_own_way_in() -> None:
    """Broker N is advertised at port 30092+N, where a service of its own leads to it alone, through its own node."""
    for broker in range(4):
        service = find("Service", f"{STATEFULSET}-external-{broker}")["spec"]
        assert service["ports"][0]["nodePort"] == 30092 + broker
        assert service["selector"] == {"statefulset.kubernetes.io/pod-name": f"{STATEFULSET}-{broker}"}
        assert service["externalTrafficPolicy"] == "Local"


def test_jvm_is_not_process_one() -> None:
    """The kernel keeps SIGKILL and SIGSTOP from a namespace's process 1, and drills send both."""
    (container,) = find("StatefulSet", STATEFULSET)["spec"]["template"]["spec"]["containers"]
    assert container["command"][:2] == ["/usr/bin/tini", "--"]


def test_every_storage_class_has_a_bounded_file_system_of_its_own() -> None:
    """No class is left to chance among the paths, and what drills fill is not what PostgreSQL writes to."""
    classes = {each["metadata"]["name"]: each for each in documents() if each["kind"] == "StorageClass"}
    paths = [each["parameters"]["nodePath"] for each in classes.values()]
    assert paths == [f"/var/lib/{folder}" for folder in _volumes.FOLDERS]
    (known,) = json.loads(find("ConfigMap", "local-path-config")["data"]["config.json"])["nodePathMap"]
    assert known["paths"] == paths
    (claim,) = find("StatefulSet", "kong-postgres")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] in classes
    (other,) = find("StatefulSet", STATEFULSET)["spec"]["volumeClaimTemplates"]
    assert "storageClassName" not in other["spec"]
    default = "storageclass.kubernetes.io/is-default-class"
    assert [name for name, each in classes.items() if default in each["metadata"]["annotations"]] == ["local-path"]
