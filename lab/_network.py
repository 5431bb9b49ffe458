"""The lab's network: one bridge on the host, and a network namespace with one leg on it for each node."""

import subprocess
from pathlib import Path

from lab._addresses import (
    BRIDGE,
    BRIDGE_ADDRESS,
    MAX_NODES,
    NODE_NETWORK,
    STATE,
    node_address,
    node_name,
    pod_subnet,
)
from lab._run import run


def namespace(index: int) -> Path:
    """The file that holds node `index`'s network namespace (not under /run/netns: see `detach`)."""
    return STATE / "netns" / node_name(index)


def create_bridge() -> None:
    """Make the lab's bridge, or make the one that is there right."""
    if not _exists(BRIDGE):
        run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "replace", f"{BRIDGE_ADDRESS}/{NODE_NETWORK.prefixlen}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


def attach(index: int) -> None:
    """Make node `index`'s network namespace afresh and connect it; every node and the host have a route to its pods."""
    detach(index)
    file, host_end = namespace(index), _host_end(index)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    run("unshare", f"--net={file}", "true")
    run("ip", "link", "add", host_end, "type", "veth", "peer", "name", "eth0", "netns", file)
    run("ip", "link", "set", host_end, "master", BRIDGE, "up")
    others = [other for other in range(1, MAX_NODES + 1) if other != index]
    commands = [
        "link set lo up",
        f"address add {node_address(index)}/{NODE_NETWORK.prefixlen} dev eth0",
        "link set eth0 up",
        *(f"route add {pod_subnet(other)} via {node_address(other)}" for other in others),
    ]
    run("nsenter", f"--net={file}", "ip", "-batch", "-", text="\n".join(commands) + "\n")
    run("nsenter", f"--net={file}", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    run("ip", "route", "replace", pod_subnet(index), "via", node_address(index), "dev", BRIDGE)


def detach(index: int) -> None:
    """Take node `index` off the network; its namespace ends with its last process.

    `ip netns` would leave /run/netns behind, mounted on itself, so the namespace is held by a file of our own.
    """
    if _exists(_host_end(index)):
        run("ip", "link", "delete", _host_end(index))
    if (file := namespace(index)).exists():
        subprocess.run(["umount", file], check=False, capture_output=True)  # not mounted when `up` was killed just here
        file.unlink()


def remove() -> None:
    """Remove all of it; the bridge takes the host's routes with it."""
    for index in range(1, MAX_NODES + 1):
        detach(index)
    if _exists(BRIDGE):
        run("ip", "link", "delete", BRIDGE)


def present() -> bool:
    """Whether the bridge is there."""
    return _exists(BRIDGE)


def _host_end(index: int) -> str:
    return f"drill-v{index}"


def _exists(link: str) -> bool:
    return Path("/sys/class/net", link).exists()
