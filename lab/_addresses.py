"""Names, addresses and paths of the lab: one place for what every part of it must agree on.

All addresses come from 198.18.0.0/15, the range reserved for benchmarking (RFC 2544), never from a private range that
the machine's own network could be using.
"""

import os
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

NAME = "drill-lab"
"""Cluster, context and user in the kubeconfig, and the root of the lab's cgroups."""

MAX_NODES = 5

RANGE = IPv4Network("198.18.0.0/15")
BRIDGE = "drill-br0"
BRIDGE_ADDRESS = IPv4Address("198.18.0.1")
NODE_NETWORK = IPv4Network("198.18.0.0/24")
POD_NETWORK = IPv4Network("198.19.0.0/16")
SERVICE_NETWORK = IPv4Network("198.18.64.0/20")
DNS_ADDRESS = IPv4Address("198.18.64.10")

API_PORT = 6443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
API_SERVER = f"https://{BRIDGE_ADDRESS}:{API_PORT}"

KAFKA_BOOTSTRAP_PORT = 30090
"""NodePort that reaches any ready broker through any node."""

STATE = Path("/var/lib/drill-lab")


def node_name(index: int) -> str:
    """The name of node `index` (from 1)."""
    return f"node{index}"


def node_address(index: int) -> IPv4Address:
    """The address of node `index` (from 1) on the lab's bridge."""
    return NODE_NETWORK[10 + index]


def pod_subnet(index: int) -> IPv4Network:
    """The addresses of the pods on node `index` (from 1)."""
    return IPv4Network((int(POD_NETWORK.network_address) + (index << 8), 24))


def kafka_bootstrap(nodes: int) -> str:
    """The bootstrap servers of the lab's Kafka as seen from the host."""
    return ",".join(f"{node_address(index)}:{KAFKA_BOOTSTRAP_PORT}" for index in range(1, nodes + 1))


def cache() -> Path:
    """The lab's folder in the user's cache: artifacts and the kubeconfig."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drill" / "lab"


def kubeconfig() -> Path:
    """The kubeconfig of the lab, at a stable path, while it is up."""
    return cache() / "kubeconfig"
