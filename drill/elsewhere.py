"""Reads a secret value from where the settings say that it is."""

import os
from typing import TYPE_CHECKING

from drill.errors import UsageError
from drill.settings import Elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from drill.cluster import Cluster


def value(place: Elsewhere, field: str, connect: "Callable[[], Cluster]") -> str:
    """The value, without the space around it: for whoever needs it, and for nothing that is shown.

    Args:
        place: where it is.
        field: of the settings, for who is to mend it.
        connect: to the cluster; called where a Secret has it.

    Raises:
        UsageError: the environment variable is not set.
        ClusterError: the Secret can't be read.
    """
    if place.secret is not None:
        return connect().secret(str(place.secret.namespace), place.secret.name, place.secret.key).strip()
    found = os.environ.get(str(place.env), "").strip()
    if not found:
        raise UsageError(
            f"{field}: the environment variable {place.env} is not set: set it, or take this out of the settings"
        )
    return found
