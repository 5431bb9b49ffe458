"""The runner, as far as it goes without a cluster."""

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from drill import settings
from drill.record import RunRecord
from scenarios import reader, runner


class _Breaks:
    """A witness that can do nothing."""

    def opened(self, record: RunRecord) -> None:
        """No."""
        raise KeyError(f"hunter2 of {record.path}")

    def closing(self) -> None:
        """Nor that."""
        raise RuntimeError("hunter2")


def test_a_witness_that_breaks_stops_no_drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill goes on to its sealed record, which tells of it; without the error's text, which may hold a secret."""
    monkeypatch.setattr(runner.Cluster, "connect", lambda _settings: SimpleNamespace(coordination=None))
    monkeypatch.setattr(runner.lease, "held", lambda *_: nullcontext())
    monkeypatch.setattr(runner, "services", lambda *_: ())
    monkeypatch.setattr(runner, "facts", lambda *_, **__: {})
    monkeypatch.setattr(runner._Runner, "_preflight", lambda _self: ("asked to refuse",))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    here = settings.ContextSettings(
        drillable=True, namespaces=("kafka",), kafka=settings.KafkaTarget(bootstrap="127.0.0.1:1")
    )
    chosen = settings.Settings(context="lab", contexts={"lab": here}, runs=tmp_path)
    said: list[str] = []
    done = runner.run(reader.read(reader.find("broker-kill")), chosen, said.append, witnesses=(_Breaks(),))
    assert (done.refusals, done.error) == (("asked to refuse",), None)
    record = RunRecord(done.record.path)
    told = [each.data for each in record.events if each.kind == "witness.failed"]
    assert [(each["witness"], each["error"].split(",")[0]) for each in told] == [
        ("_Breaks", "KeyError in opened"),
        ("_Breaks", "RuntimeError in closing"),
    ]
    assert record.altered_files() == ()
    assert any("goes on without it" in line for line in said)
    assert not any(b"hunter2" in path.read_bytes() for path in record.path.rglob("*") if path.is_file())
