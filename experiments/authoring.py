"""What a fault of one's own is made of: the parts that the faults of this room are made of too.

`drill new fault NAME` writes an example that works; docs/faults.md says what each part is for. An undo must be a
function of this package: what an undo log in a cluster names is run by whoever runs `drill rollback`, and whoever can
write there must not thereby choose what is run.
"""

from drill.cluster import Cluster, Permission, PodState
from drill.errors import RefusedError, UsageError
from experiments._fault import Injection, Proof, fault
from experiments._guard import drillable, ensure_within
from experiments._watch import NotSeenError
from experiments.pods._site import Site, drillable_site, ensure_pods_within, see_replaced
from experiments.pods.rollouts import scale_back

__all__ = [
    "Cluster",
    "Injection",
    "NotSeenError",
    "Permission",
    "PodState",
    "Proof",
    "RefusedError",
    "Site",
    "UsageError",
    "drillable",
    "drillable_site",
    "ensure_pods_within",
    "ensure_within",
    "fault",
    "scale_back",
    "see_replaced",
]
