"""Captures: what a system holds now, read only, as the fingerprint that a restore is held to.

Besides, the markers that a drill writes before and after a backup. `recovery.fingerprints` judges both.
"""

from collections.abc import Collection

from drill.errors import UsageError


def all_there(kind: str, wanted: Collection[str] | None, there: Collection[str]) -> None:
    """Refuse a selection by a name that nothing has: a fingerprint of nothing would be held to nothing.

    Raises:
        UsageError: one that is wanted is not there.
    """
    if missing := sorted(set(wanted or ()).difference(there)):
        raise UsageError(f"no {kind} {', '.join(missing)}; there are: {', '.join(sorted(there)) or 'none'}")
