"""A synthetic but complete record of a broker-kill-leader run, written by the real writers, and ways to spoil it.

The run, in seconds after START: load 0 to 60 at 200 records/s over 3 partitions, baseline 5 to 20, the leader of
partition 0 dies at 25, that partition has no acks until 31.3, its backlog is drained 1.5 s later, the broker is Ready
again at 38, everything is seen at the drain.
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from drill import rollback as undo_log
from drill.ledger import Ledger, LedgerHeader
from drill.record import RunRecord
from drill.series import SeriesWriter

START = 1_750_000_000.0
"""The first arrival, epoch seconds."""
FAULT, RECOVERED, BROKER_BACK, END = 25.0, 31.3, 38.0, 60.0
DELIVERY_TIMEOUT = 60.0
TOPIC = "commodities"
RUN_ID = "01980000-0000-7000-8000-000000000001"

Outage = tuple[int, float, float]
"""(partition, from, to) in seconds after START; `to` may be infinite."""


def build_record(  # noqa: C901, PLR0912, PLR0915 - one run from top to bottom
    tmp_path: Path,
    *,
    rate: float = 200.0,
    partitions: int = 3,
    producers: int = 1,
    outages: Sequence[Outage] = ((0, FAULT, RECOVERED),),
    drained_after: float = 1.5,
    latency: float = 0.006,
    slow: tuple[float, float, float] | None = None,
    lag: float = 0.0,
    achieved: float = 1.0,
    load_stops: float = END,
    load_dies: bool = False,
    baseline: bool = True,
    baseline_outage: bool = False,
    faults: Sequence[float] = (FAULT,),
    effective: bool = True,
    proven_after: float = 0.8,
    recovered: bool | None = True,
    lost: Iterable[int] = (),
    twice: Iterable[int] = (),
    failed: Iterable[int] = (),
    failed_seen: Iterable[int] = (),
    never_sent: Iterable[int] = (),
    timed_out: Iterable[int] = (),
    timed_out_seen: Iterable[int] = (),
    unbooked: Iterable[int] = (),
    reordered: int = 0,
    corrupt: int = 0,
    drained: bool = True,
    action: str | None = "succeeded",
    undo_action: str | None = "succeeded",
    steady_state: tuple[bool | None, bool | None] = (True, True),
    pod_after: dict[str, Any] | None = None,
    isr_after: Sequence[int] = (0, 1, 2),
    rollback: str = "done",
    interrupted: bool = False,
    stopped_by: str | None = None,
    conditions: dict[str, Any] | None = None,
    watched: Sequence[dict[str, Any]] = (),
    killed: float | None = None,
    omit: Iterable[str] = (),
    altered: bool = False,
    objectives: dict[str, Any] | None = None,
) -> RunRecord:
    """Write the record of one run.

    Args:
        tmp_path: the `runs` folder.
        rate: records/s of all producers together.
        partitions: of the topic.
        producers: load workers, each with its own ledger; sequence numbers below are those of producer 1.
        outages: when which partition acknowledges nothing.
        drained_after: seconds from an outage's end until its backlog is gone.
        latency: usual completion - intended time, s.
        slow: (from, to, latency): records due in that window take so long.
        lag: how late the scheduler hands over the records due in the second after 40 s.
        achieved: share of the planned records that are sent (the last ones are not).
        load_stops: when arrivals end.
        load_dies: the producers are killed then: no flush, ledger not closed.
        baseline: whether there was one.
        baseline_outage: partition 1 is silent from 10 to 12 s.
        faults: when each fault is injected (a rolling kill has several).
        effective: whether they took effect.
        proven_after: seconds until the effect was proven.
        recovered: whether the broker came back; None: it did, but nobody saw it.
        lost: acked records that the drain does not see.
        twice: records that it sees twice.
        failed: records that failed definitely.
        failed_seen: those of them that are seen nevertheless.
        never_sent: records for which the client's queue had no room: failed, and never handed over.
        timed_out: records without an answer (indeterminate).
        timed_out_seen: those of them that are seen.
        unbooked: acked records that the clients' series has not counted.
        reordered: records of partition 0 that were read out of order.
        corrupt: records of partition 0 with a wrong checksum.
        drained: whether the drain reached the end offsets.
        action: how the method's action ended in the journal; None: it is not there.
        undo_action: how that of the rollbacks did.
        steady_state: met before and after; None: not looked at.
        pod_after: what is different about pod 0 at the end.
        isr_after: in-sync replicas of partition 0 at the end.
        rollback: done, failed, pending, or none (nothing had to be undone).
        interrupted: Ctrl-C at 40 s.
        stopped_by: what ended the fault at 27 s (a stop's condition); `missing`, `blind`: its number could not be had.
        conditions: the scenario's stop conditions.
        watched: what became of each of them.
        killed: the harness was killed then: nothing after it is in the record, which is not sealed.
        omit: files or folders of the record that are left out.
        altered: a file is changed after sealing.
        objectives: of the scenario, on top of the usual ones.
    """
    record = RunRecord.create(tmp_path, "broker-kill-leader")
    record.write_text(
        "scenario.yaml",
        yaml.safe_dump({**_scenario(rate, objectives or {}), "stop": conditions or {}}, sort_keys=False),
    )
    (record.path / "logs").mkdir()
    (record.path / "logs" / "chaos.log").write_text("[INFO] Experiment ended with status: completed\n")
    record.write_json("experiment.json", {"title": "Kill the leader", "method": []})
    record.write_evidence(
        "preflight",
        {
            "checks": [{"name": "fully-replicated", "ok": True, "detail": "every partition has all its replicas"}],
            "kafka": _kafka((0, 1, 2), partitions),
            "targets": [_target()],
        },
    )
    record.write_evidence("topic-settings", {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"})
    record.write_evidence("cluster-before", {"pods": _pods(), "kafka": _kafka((0, 1, 2), partitions)})

    stop = load_stops if killed is None else min(load_stops, killed)
    silent = [*outages, *([(1, 10.0, 12.0)] if baseline_outage else [])]
    read = dict.fromkeys(("ours", "duplicates"), np.zeros(partitions, dtype=np.int64))
    stopped: dict[int, dict[str, Any]] = {}
    for producer in range(1, producers + 1):
        of_first = producer == 1
        ledger = Ledger.create(
            record.path / "load" / str(producer),
            LedgerHeader(
                run_id=RUN_ID,
                producer_id=producer,
                topic=TOPIC,
                partitions=partitions,
                record_size=200,
                producer_settings={"acks": "all", "enable.idempotence": "true", "linger.ms": 5},
            ),
            capacity=int(rate / producers * END),
        )
        ledger.begin_stage(START, rate / producers)
        ledger.attempt(int(rate / producers * stop * achieved))
        sequences = np.arange(ledger.attempted)
        due, places = ledger.intended_time(sequences) - START, ledger.partition_of(sequences)
        answered = _answered(
            due, places, outages=silent, drained_after=drained_after, latency=latency, slow=slow, seed=producer
        )
        full = set(never_sent) if of_first else set()
        bad = set(failed) | full if of_first else set()
        unknown = set(timed_out) if of_first else set()
        has_answer = np.isfinite(answered) & ~np.isin(sequences, list(unknown))
        if load_dies or killed is not None:
            has_answer &= answered <= stop
        is_failed = has_answer & np.isin(sequences, list(bad))
        is_acked = has_answer & ~is_failed
        gave_up = np.where(is_failed, answered, due + DELIVERY_TIMEOUT)
        late = np.where((due >= 40) & (due < 41), lag, 0.0002)
        ledger.acked.set(sequences[is_acked])
        ledger.failed.set(sequences[is_failed])
        closed = not load_dies and killed is None
        is_error = is_failed | ~is_acked if closed else is_failed
        writer = SeriesWriter(ledger.folder, START, partitions, END)
        for chosen in _ticks(late, sequences, 1e-4):
            writer.sent(0.0, -late[chosen])
        in_series = is_acked & ~np.isin(sequences, list(unbooked) if of_first else [])
        for chosen in _ticks(answered[in_series], sequences[in_series], 0.01):
            writer.acked(START + float(answered[chosen].max()), places[chosen], START + due[chosen])
        for chosen in _ticks(gave_up[is_error], sequences[is_error], 0.01):
            writer.failed(START + float(gave_up[chosen].max()), places[chosen])
        if closed:
            ledger.close()
        stopped[producer] = {
            "attempted": ledger.attempted,
            "acked": int(is_acked.sum()),
            "failed": int(is_failed.sum()),
            "outstanding": 0,
            "refusals": {
                "_MSG_TIMED_OUT": int((~is_acked & ~is_failed).sum()),
                "INVALID_RECORD": int(is_failed.sum()) - len(full),
                "never sent: Local: Queue full": len(full),
            },
        }
        if killed is None:
            ledger.forget_seen()
            found = Ledger.open(ledger.folder, writable=True)
            there = is_acked & ~np.isin(sequences, list(lost) if of_first else [])
            there |= np.isin(sequences, [*failed_seen, *timed_out_seen] if of_first else [])
            again = np.isin(sequences, list(twice) if of_first else [])
            found.seen.set(sequences[there])
            found.twice.set(sequences[again])
            read["ours"] = read["ours"] + np.bincount(places[there], minlength=partitions)
            read["duplicates"] = read["duplicates"] + np.bincount(places[again], minlength=partitions)
    until = float("inf") if killed is None else killed

    def say(t: float, source: str, kind: str, **data: Any) -> None:
        if t < until:
            record.emit(source, kind, at=START + t, **data)

    def note(t: float, **entry: Any) -> None:
        if t < until:
            undo_log._append(record.path / undo_log.FILE, entry)

    say(-3, "runner", "run.started", run_id=RUN_ID, scenario="broker-kill-leader", context="drill-lab")
    say(-3, "runner", "run.phase", phase="preflight")
    say(-2, "observer", "observed.pods", pods=_pods())
    say(-1, "runner", "run.phase", phase="load")
    for producer in stopped:
        say(0, "load", "load.started", producer_id=producer, pid=4242 + producer, rate=rate / producers)
        say(0, "load", "load.stage", producer_id=producer, first_seq=0, rate=rate / producers)
    if baseline:
        say(5, "runner", "run.phase", phase="baseline")
        say(5, "runner", "baseline.started")
        say(20, "runner", "baseline.ended")
    say(22, "runner", "run.phase", phase="experiment")
    for number, t in enumerate(faults):
        target, fault = _target(number % 3), {"fault": "kill_partition_leader", "target": _target(number % 3)}
        undo = {"id": f"r{number}", "undo": "experiments.kafka.resume_broker", "arguments": {"broker": number % 3}}
        if rollback != "none":
            note(t - 0.02, op="registered", **undo)
            say(t - 0.02, "rollback", "rollback.registered", **undo)
        say(t, "experiment", "fault.injected", **fault, method="sigkill")
        if effective:
            proof = {"pod_uid": {"before": f"uid-{number}", "after": f"uid-{number}-new"}, "broker_left": True}
            say(t + proven_after, "experiment", "fault.effective", **fault, proof=proof, since=START + t)
        else:
            say(t + 10, "experiment", "fault.ineffective", **fault, reason="the pod kept its container", waited=10.0)
        if effective and recovered:
            say(t + 14, "experiment", "fault.recovered", **fault, proof={"isr_full": True})
        elif effective and recovered is False:
            say(t + 30, "experiment", "fault.unrecovered", **fault, reason="broker 0 did not come back", waited=30.0)
        if rollback in ("done", "failed"):
            more = {"error": "no such pod"} if rollback == "failed" else {}
            note(t + 15, op=rollback, id=f"r{number}", **more)
            say(t + 15, "rollback", f"rollback.{rollback}", id=f"r{number}", **more)
        broker = target["broker"]
        back = {"uid": f"uid-{broker}-new"}
        if effective:
            say(t + 0.6, "observer", "observed.pods", pods=_pods(broker, ready=False, **back))
        if effective and recovered is not False:
            say(t + BROKER_BACK - FAULT, "observer", "observed.pods", pods=_pods(broker, **back))
    for t in np.arange(-2, END, 0.5):
        down = [
            n % 3
            for n, at in enumerate(faults)
            if effective and at + 0.5 <= t < (at + 13 if recovered is not False else END)
        ]
        brokers = [broker for broker in range(3) if broker not in down]
        isr = {f"{TOPIC}-{each}": brokers for each in range(partitions)}
        leaders = {name: brokers[int(name[-1]) % len(brokers)] if brokers else -1 for name in isr}
        short = partitions if down else 0
        offline = 0 if brokers else partitions
        say(
            float(t), "observer", "observed.kafka",
            brokers=brokers, under_replicated=short, offline=offline, leaders=leaders, isr=isr,
        )  # fmt: skip
    say(45, "runner", "experiment.ended", status="completed", deviated=steady_state[1] is False)
    _steady(say, "before", steady_state[0])
    _steady(say, "after", steady_state[1])
    say(46, "runner", "run.phase", phase="recovery")
    if stopped_by:
        known = stopped_by not in {"missing", "blind"}
        told = {
            "condition": stopped_by if known else "promql",
            "who": "Prometheus (up)",
            "value": "0",
            "missing": not known,
        }
        kind = "stop.blind" if stopped_by == "blind" else "stop.fired"
        say(27, "runner", kind, **told, reason=f"stopped by {told['who']}: {told['value']}")
        if kind == "stop.fired":
            say(28, "runner", "stop.halted", condition=told["condition"], told=0.1, undone=0.2, over=1.0)
    for each in watched:
        say(45, "runner", "stop.watched", **each)
    if interrupted:
        say(40, "runner", "run.interrupted", signal="SIGINT")
    for producer, totals in stopped.items():
        if not load_dies:
            say(stop, "load", "load.flushing", producer_id=producer)
            say(stop + 0.5, "load", "load.stopped", producer_id=producer, **totals)
    say(stop + 1, "runner", "run.phase", phase="drain")
    say(stop + 1, "drain", "drain.started", end_offsets={str(each): 9000 for each in range(partitions)})
    reason = None if drained else "the deadline passed before partition 0 was read"
    say(stop + 3, "drain", "drain.finished", complete=drained, reason=reason)
    say(stop + 4, "runner", "run.phase", phase="record")
    say(stop + 5, "runner", "run.finished")
    if killed is None:
        record.write_json(
            "journal.json", _journal(deviated=steady_state[1] is False, action=action, undo_action=undo_action)
        )
        record.write_evidence(
            "drain",
            {
                "complete": drained,
                "reason": reason,
                "started": START + stop + 1,
                "finished": START + stop + 3,
                "seconds": 2.0,
                "topic": TOPIC,
                "partitions": {
                    str(each): _read(
                        ours=int(read["ours"][each]),
                        again=int(read["duplicates"][each]),
                        corrupt=corrupt if each == 0 else 0,
                        reordered=reordered if each == 0 else 0,
                        unread=50 if each == 0 and not drained else 0,
                    )
                    for each in range(partitions)
                },
                "rate": 6000.0,
            },
        )
        after = _pods(0, **{"uid": "uid-0-new", **(pod_after or {})})
        record.write_evidence("cluster-after", {"pods": after, "kafka": _kafka(isr_after, partitions)})
    for name in omit:
        gone = record.path / name
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    if killed is None:
        record.seal(_facts())
    if altered:
        (record.path / "experiment.json").write_text("{}")
    return RunRecord.open(record.path)


def _answered(
    due: npt.NDArray[np.float64],
    places: npt.NDArray[np.int64],
    *,
    outages: Sequence[Outage],
    drained_after: float,
    latency: float,
    slow: tuple[float, float, float] | None,
    seed: int,
) -> npt.NDArray[np.float64]:
    """When each record is acknowledged, seconds after START; infinite: never."""
    took = latency * np.random.default_rng(seed).uniform(0.7, 1.3, len(due))
    if slow is not None:
        took[(due >= slow[0]) & (due < slow[1])] = slow[2]
    answered = due + took
    for partition, begin, end in outages:
        hit = (places == partition) & (answered >= begin) & (due < end + drained_after)
        waited = np.maximum(0, due[hit] - begin) / (end + drained_after - begin) if np.isfinite(end) else 0
        answered[hit] = end + waited * drained_after
    return answered


def _ticks(times: npt.NDArray[Any], numbers: npt.NDArray[Any], width: float) -> list[npt.NDArray[Any]]:
    """Record numbers in the order of time, split where a new tick begins."""
    order = np.argsort(times, kind="stable")
    ticks = (times[order] / width).astype(np.int64)
    return [part for part in np.split(numbers[order], 1 + np.flatnonzero(np.diff(ticks))) if len(part)]


def _steady(say: Any, when: str, met: bool | None) -> None:
    if met is not None:
        kind = "steady-state.met" if met else "steady-state.not-met"
        say(45, "runner", kind, when=when, probes=[{"name": "isr-full", "met": met, "output": met}])


def _journal(*, deviated: bool, action: str | None, undo_action: str | None) -> dict[str, Any]:
    """As Chaos Toolkit writes it: completed, whatever became of the actions."""
    method = {"type": "action", "name": "kill-each-broker"}
    undo = {"type": "action", "name": "undo-what-is-left"}
    why = [
        "drill.errors.RefusedError: 2 of 3 brokers would be down\n",
        "\nThe above exception was the direct cause of the following exception:\n\n",
        "chaoslib.exceptions.ActivityFailed: drill.errors.RefusedError: 2 of 3 brokers would be down\n",
    ]

    def entry(activity: dict[str, str], status: str | None) -> list[dict[str, Any]]:
        told = {"activity": activity, "output": None, "status": status} | (
            {"exception": why} if status == "failed" else {}
        )
        return [] if status is None else [told]

    return {
        "experiment": {"title": "Kill the leader", "method": [method], "rollbacks": [undo]},
        "status": "completed",
        "deviated": deviated,
        "run": entry(method, action),
        "rollbacks": entry(undo, undo_action),
    }


def _read(*, ours: int, again: int, corrupt: int, reordered: int, unread: int) -> dict[str, int]:
    read = ours + again + corrupt
    return {
        "start": 100,
        "end": 100 + read + unread,
        "reached": 100 + read,
        "read": read,
        "ours": ours + again,
        "foreign": 0,
        "corrupt": corrupt,
        "duplicates": again,
        "reordered": reordered,
    }


def _target(broker: int = 0) -> dict[str, Any]:
    name = f"datahub-kafka-kafka-pool-{broker}"
    return {"kind": "pod", "namespace": "kafka", "name": name, "uid": f"uid-{broker}", "broker": broker}


def _pods(broker: int = 0, **different: Any) -> list[dict[str, Any]]:
    """The three broker pods; `different` is what is special about that of `broker`."""
    pods: list[dict[str, Any]] = [
        {
            "namespace": "kafka",
            "name": f"datahub-kafka-kafka-pool-{number}",
            "uid": f"uid-{number}",
            "node": f"drill-lab-{number + 1}",
            "phase": "Running",
            "ready": True,
            "restarts": 0,
            "container_ids": {"kafka": f"containerd://{number:064x}"},
            "waiting": [],
            "running": ["kafka"],
            "owner": "datahub-kafka-kafka-pool",
            "terminating": False,
        }
        for number in range(3)
    ]
    pods[broker].update(different)
    return pods


def _kafka(isr: Sequence[int], partitions: int) -> dict[str, Any]:
    """A KafkaState in which partition 0 has `isr` in sync and all others have everything."""
    rows = [
        {"topic": TOPIC, "partition": each, "leader": each % 3, "replicas": [0, 1, 2], "isr": [0, 1, 2]}
        for each in range(partitions)
    ]
    rows[0]["isr"] = list(isr)
    short = int(len(isr) < 3)
    brokers = {str(each): f"198.18.0.1{each + 1}:30090" for each in range(3)}
    return {"brokers": brokers, "partitions": rows, "under_replicated": short, "offline": 0}


def _scenario(rate: float, objectives: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "broker-kill-leader",
        "description": "The leader of commodities-0 dies while prices are ingested.",
        "owner": "platform",
        "target": {"namespaces": ["kafka"]},
        "hypothesis": {"title": "Every partition is fully replicated", "probes": [{"name": "isr-full"}]},
        "load": {
            "profile": "commodity_prices",
            "topic": TOPIC,
            "rate": rate,
            "record_bytes": 200,
            "warm_up": 5,
            "baseline": 15,
            "duration": END,
            "workers": 1,
            "acks": "all",
            "idempotence": True,
            "linger_ms": 5,
            "delivery_timeout": DELIVERY_TIMEOUT,
            "compression": "none",
        },
        "experiment": {"file": "kafka-broker-kill-leader.yaml", "configuration": {}, "timeout": 300},
        "objectives": {"client_outage": 15.0, "rto": 20.0, "lost_records": 0, "duplicates": 0, **objectives},
        "blast_radius": {"max_brokers_down": 1},
    }


def _nodes() -> list[dict[str, Any]]:
    """As `Cluster.identity` lists them."""
    same = {"ready": True, "kubelet": "v1.35.4", "kernel": "6.1", "runtime": "containerd://1.6.20", "cpu": "2"}
    return [{"name": f"node{number}", **same, "memory": "8388608Ki"} for number in (1, 2, 3)]


def _facts() -> dict[str, Any]:
    return {
        "run_id": RUN_ID,
        "scenario": "broker-kill-leader",
        "started": "2025-06-15T15:06:37Z",
        "finished": "2025-06-15T15:07:45Z",
        "exit": 0,
        "seed": 7,
        "versions": {"drill": "0.1.0", "python": "3.11.2", "chaostoolkit": "1.19.0", "kubernetes_server": "v1.35.4"},
        "harness": {"cpus": 2, "memory": 8 << 30},
        "cluster": {"context": "drill-lab", "uid": "uid-kube-system", "server_version": "v1.35.4", "nodes": _nodes()},
        "configuration": {},
        "command": ["drill", "run", "broker-kill-leader"],
    }
