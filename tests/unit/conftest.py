"""What every unit test is spared: a cluster."""

import pytest

from drill import lease, rollback


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """No undo is written into a cluster, and none is asked for its Lease, unless a test plays it."""
    monkeypatch.setattr(rollback, "_cluster_log", lambda: None)
    monkeypatch.setattr(lease, "frozen", lambda _cluster, _namespace: None)
    monkeypatch.setattr(lease, "taken", lambda _cluster, _namespace, _holder=None: None)
