"""Probes of backups: they only read."""

from drill import settings
from drill.velero import Velero
from experiments.velero import _scratch


def backup_location_available(location: str = "default") -> bool:
    """Probe: whether Velero can reach a storage location, as it says itself.

    Args:
        location: Name of the BackupStorageLocation.
    """
    return Velero.connect(settings.load()).location(location).phase == "Available"


def scratch_absent(scratch: str) -> bool:
    """Probe: whether there is no namespace of that name.

    Args:
        scratch: Name of the namespace.
    """
    loaded = settings.load()
    return _scratch.find(Velero.connect(loaded).cluster, scratch) is None
