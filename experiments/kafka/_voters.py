"""Who votes in the KRaft quorum, and whether one of them can lose its log and come back."""

import re
from dataclasses import dataclass
from typing import Any

from drill.cluster import ClusterError
from drill.errors import RefusedError
from experiments._watch import NotSeenError
from experiments.kafka._brokers import Site

_VOTERS = "exec kafka-metadata-quorum.sh --bootstrap-server localhost:9092 describe --replication"
_ROW = re.compile(
    r"^(?P<id>\d+)\s+(?P<directory>\S+)\s+(?P<end>\d+)\s+(?P<lag>\d+)\s.*\s(?P<role>\w+)\s*$", re.MULTILINE
)
NOBODY = "AAAAAAAAAAAAAAAAAAAAAA"
"""The directory id of a voter that is known by its number only (Uuid.ZERO_UUID): the quorum is a static one."""
_BEHIND = 1000
"""Records of metadata; a voter within so many is taken to keep up, since the log grows while it is looked at."""


@dataclass(frozen=True)
class Voter:
    """A member of the KRaft quorum, or an observer of it."""

    directory: str
    end: int
    """Of its metadata log."""
    lag: int
    """Records behind the leader."""
    role: str
    """Leader, Follower or Observer."""


def quorum(here: Site) -> dict[int, Voter]:
    """Who replicates the metadata log, as its leader has it.

    Raises:
        ClusterError: no ready pod, or Kafka's tool gave no answer in it.
    """
    answer = here.tool(_VOTERS)
    found = {
        int(row["id"]): Voter(row["directory"], int(row["end"]), int(row["lag"]), row["role"])
        for row in _ROW.finditer(answer.stdout)
    }
    if not any(each.role == "Leader" for each in found.values()):
        raise ClusterError(f"kafka-metadata-quorum.sh: {answer.stderr or answer.stdout}")
    return found


def ensure_replaceable(here: Site, broker: int) -> bool:
    """Refuse to take the log of a voter that could not simply come back without it; returns whether it is one.

    A voter without its log has forgotten what it acknowledged: while another one is behind, the two together could
    elect a leader that lacks committed metadata. And the voters of a dynamic quorum (KIP-853) are known by the ids of
    their directories: a new one has to be added, and the old one removed, by an administrator.

    Raises:
        RefusedError: it could not.
    """
    found = quorum(here)
    voters = {each: voter for each, voter in found.items() if voter.role != "Observer"}
    if broker not in voters:
        return False
    if len(voters) < 3:  # noqa: PLR2004 - with one of two gone there is no majority
        raise RefusedError(f"broker {broker} is one of {len(voters)} voters: without its log there is no majority")
    if voters[broker].directory != NOBODY:
        raise RefusedError(
            f"broker {broker} is a voter of a dynamic quorum, by the id of its directory ({voters[broker].directory}): "
            "with a new volume it would have to be removed and added again (kafka-metadata-quorum.sh)"
        )
    if late := [each for each, voter in voters.items() if voter.lag > _BEHIND]:
        raise RefusedError(f"controller {late[0]} is {voters[late[0]].lag} records of metadata behind already")
    return True


def see_voting(here: Site, broker: int) -> dict[str, Any]:
    """Look whether a voter has its metadata log back.

    Raises:
        NotSeenError: it has not.
    """
    voter = quorum(here).get(broker)
    if voter is None or voter.role == "Observer" or voter.lag > _BEHIND:
        raise NotSeenError(f"controller {broker} does not keep up with the quorum: {voter}")
    return {"role": voter.role, "lag": voter.lag, "end": voter.end}
