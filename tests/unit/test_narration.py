"""A person who watches a drill is told what happens in it, once."""

from pathlib import Path

from drill.record import RunRecord
from scenarios._narration import Narration


def test_what_happens_is_said_once_and_in_order(tmp_path: Path) -> None:
    """The fault, the phases of a runbook, and what did not go well; the observer's samples are not for a person."""
    record, said = RunRecord(tmp_path), list[str]()
    narration = Narration(record, said.append)
    narration.go_on()
    assert said == []
    target = {"kind": "Pod", "namespace": "kong", "name": "kong-postgres-0"}
    record.emit("experiment", "fault.effective", fault="delete_pods", target=target, proof={}, since=1.0)
    record.emit("observer", "observed.pods", pods=[])
    narration.go_on()
    record.emit("experiment", "phase.started", phase="assess", budget=300)
    record.emit("experiment", "phase.ended", phase="assess", budget=300, seconds=1.25, ok=False, reason="no answer")
    record.emit("experiment", "fault.unrecovered", fault="delete_pods", target=target, reason="Pending", waited=9)
    narration.go_on()
    narration.go_on()
    assert said == [
        "  on: delete_pods on kong-postgres-0",
        "  runbook: assess, budget 5 min",
        "  runbook: assess NOT done in 1.2 s",
        "  NOT whole again: kong-postgres-0: Pending",
    ]
