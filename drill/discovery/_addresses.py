"""How a system's Services are reached from outside of the cluster, as far as the cluster itself can say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drill.discovery._seen import Group, Seen

_NODES = 3
"""So many nodes' addresses are enough for a client to find one that answers."""
INSIDE = "inside the cluster only: put here how the machine that drills reaches it"
NO_SERVICE = "no Service leads to it: put here how the machine that drills reaches it"


@dataclass(frozen=True)
class Address:
    """Where clients go; several hosts are several ways to the same."""

    hosts: tuple[str, ...]
    port: int
    warning: str | None = None

    @property
    def first(self) -> str:
        """One of its ways, as `host:port`."""
        return f"{self.hosts[0]}:{self.port}"

    @property
    def all(self) -> str:
        """All of them, as `host:port,host:port`."""
        return ",".join(f"{host}:{self.port}" for host in self.hosts)


def address(seen: Seen, group: Group, ports: tuple[int, ...]) -> Address:
    """The best way to one of a group's ports: by a load balancer, a node's port, or inside; the earlier port first."""
    ways = (way for place, port in enumerate(ports) for way in _ways(seen, group, port, place))
    rank_and_way = min(ways, key=lambda way: way[0], default=None)
    return rank_and_way[1] if rank_and_way else Address((f"{group.name}.invalid",), ports[0], NO_SERVICE)


def _ways(seen: Seen, group: Group, port: int, place: int) -> Iterator[tuple[tuple[int, bool, int], Address]]:
    """Each way with its rank, the less the better: how it goes, whether it is no bootstrap Service, which port."""
    for service in seen.services_of(group):
        name, spec = service["metadata"]["name"], service["spec"]
        for each in spec.get("ports") or []:
            if _target(group, each) != port or each.get("protocol", "TCP") != "TCP":
                continue
            if outside := [str(way.get("ip") or way.get("hostname")) for way in _ingress(service)]:
                how, way = 0, Address(tuple(outside), each["port"])
            elif each.get("nodePort") and seen.node_addresses:
                how, way = 1, Address(seen.node_addresses[:_NODES], each["nodePort"])
            else:
                how = 3 if spec.get("clusterIP") == "None" else 2
                way = Address((f"{name}.{group.namespace}.svc.cluster.local",), each["port"], INSIDE)
            yield (how, "bootstrap" not in name, place), way


def _ingress(service: dict[str, Any]) -> list[dict[str, Any]]:
    return ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []


def _target(group: Group, port: dict[str, Any]) -> int | None:
    """The container's port that a Service's port leads to, which may be said by name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    named = {each.get("name"): each["containerPort"] for one in group.containers for each in one.get("ports") or []}
    return named.get(target)
