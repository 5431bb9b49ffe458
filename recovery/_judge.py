"""All checks, and the judgement of a run by them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drill.errors import RecordIncompleteError, UsageError
from drill.record import RunRecord
from drill.verdicts import Verdict
from recovery import _own
from recovery._check import Check
from recovery._checks_baseline import baseline_sane
from recovery._checks_cluster import cluster_healthy_after, fault_effective, rollback_clean, steady_state
from recovery._checks_load import achieved_over_offered, latency_p99, offered_load_achieved
from recovery._checks_outage import client_outage, rto
from recovery._checks_phases import phases_within_budget, platform_restored
from recovery._checks_record import record_intact, run_complete
from recovery._checks_records import (
    accounting_adds_up,
    drain_complete,
    duplicates,
    no_acked_record_lost,
    no_anomaly,
    no_corrupt_record,
    order_kept,
)
from recovery._checks_stop import not_stopped
from recovery._run import Run
from recovery.lakehouse import CHECKS as LAKEHOUSE
from recovery.restores import CHECKS as RESTORES

OF_CLIENTS: tuple[Check, ...] = (
    no_acked_record_lost,
    duplicates,
    order_kept,
    no_corrupt_record,
    no_anomaly,
    client_outage,
    rto,
    platform_restored,
    latency_p99,
    achieved_over_offered,
)
"""What the platform's clients were promised."""
OF_LOAD: tuple[Check, ...] = (baseline_sane, offered_load_achieved, drain_complete, accounting_adds_up)
"""Whether the clients can tell."""
CHECKS: tuple[Check, ...] = (
    # what the platform promised
    *OF_CLIENTS,
    *RESTORES,
    *LAKEHOUSE,
    phases_within_budget,
    cluster_healthy_after,
    steady_state,
    rollback_clean,
    not_stopped,
    # whether the run can tell
    fault_effective,
    *OF_LOAD,
    run_complete,
    record_intact,
)


def judge(record: RunRecord) -> tuple[Verdict, ...]:
    """The verdicts on a finished run, in the order of CHECKS; without those for which it has no objective."""
    run = Run(record)
    # Where the scenario cannot even be read, every check says so.
    checks = CHECKS if _loaded(run) else tuple(each for each in CHECKS if each not in (*OF_CLIENTS, *OF_LOAD))
    own = (_own.verdict(name, run) for name in _brought(run))
    return tuple(verdict for verdict in (*(each(run) for each in checks), *own) if verdict is not None)


def _brought(run: Run) -> tuple[str, ...]:
    """The names of the checks that the scenario brings along."""
    with suppress(RecordIncompleteError):
        return tuple(run.record.scenario.get("checks") or ())
    return ()


def expected(scenario: Mapping[str, Any], experiment: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the checks that a run will be judged by, in their order, before it is made.

    They are asked of a record that is no more than its plan. What a check can't tell from it is expected: the run may
    turn out to have nothing that it is about, and then it gives no verdict.

    Args:
        scenario: As plain JSON types, every default filled in.
        experiment: As it will be run.
    """
    with TemporaryDirectory() as folder:
        planned = RunRecord(Path(folder))
        planned.write_text("scenario.yaml", json.dumps(scenario))
        planned.write_text("experiment.json", json.dumps(experiment))
        run = Run(planned)
        unloaded = () if run.loaded else (*OF_CLIENTS, *OF_LOAD)
        held = [each.name for each in CHECKS if each not in unloaded and each.expected(run)]
        for name in _brought(run):
            try:
                brought = _own.find(name)
            except UsageError:  # its verdict will say so
                held.append(_own.name_of(name))
            else:
                held += [brought.name] if brought.expected(run) else []
        return tuple(held)


def _loaded(run: Run) -> bool:
    with suppress(RecordIncompleteError):
        return run.loaded
    return True
