"""Drop rules in the network of a pod, written by nft from a helper container inside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal

from drill.errors import UsageError

Direction = Literal["in", "out", "both"]

# Before connection tracking (-200), so that connections that are open already are cut too.
_PRIORITY = -300


@dataclass(frozen=True)
class Rules:
    """What is dropped in a pod: packets from or to peers, at the ports of whoever is called."""

    peers: tuple[str, ...]
    """Addresses; none: everybody but the pod itself."""
    ports: tuple[int, ...]
    """TCP ports; none: all traffic."""
    direction: Direction
    """`in`: peers can't call the pod; `out`: the pod can't call them; `both`."""

    def __post_init__(self) -> None:
        """Refuse rules that mean nothing.

        Raises:
            UsageError: they do.
        """
        if self.direction not in {"in", "out", "both"}:
            raise UsageError(f"direction is {self.direction!r}: give in, out or both")
        if wrong := [port for port in self.ports if not 0 < port < 1 << 16]:
            raise UsageError(f"{wrong[0]} is no port")

    def ruleset(self, table: str) -> str:
        """As `nft -f -` reads it; made in one step, or not at all."""
        chains = []
        for chain, hook, side, face in (("in", "input", "saddr", "iifname"), ("out", "output", "daddr", "oifname")):
            if self.direction in {chain, "both"}:
                rules = "".join(f"    {rule}\n" for rule in self._rules(side, face))
                head = f"type filter hook {hook} priority {_PRIORITY}; policy accept;"
                chains.append(f"  chain {chain} {{\n    {head}\n{rules}  }}\n")
        return f"table inet {table} {{\n{''.join(chains)}}}\n"

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"peers": list(self.peers), "ports": list(self.ports), "direction": self.direction}

    def _rules(self, side: str, face: str) -> Iterator[str]:
        ports = f"tcp dport {{ {', '.join(map(str, self.ports))} }} " if self.ports else ""
        for whom in self._whom(side) or [f'{face} != "lo"']:
            yield f"{whom} {ports}counter drop"

    def _whom(self, side: str) -> list[str]:
        families: dict[str, list[str]] = {}
        for peer in self.peers:
            families.setdefault("ip" if ip_address(peer).version == 4 else "ip6", []).append(peer)  # noqa: PLR2004
        return [f"{family} {side} {{ {', '.join(peers)} }}" for family, peers in families.items()]


def dropped(listing: str) -> int:
    """How many packets the rules of a table have dropped, in what `nft list table` says."""
    words = listing.split()
    return sum(int(words[index + 1]) for index, word in enumerate(words[:-1]) if word == "packets")


def addresses(pods: Sequence[Any]) -> tuple[str, ...]:
    """Where these pods are."""
    return tuple(sorted(pod.address for pod in pods if pod.address))
