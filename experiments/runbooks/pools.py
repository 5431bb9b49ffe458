"""Runbook: PostgreSQL has no session left ("too many clients already")."""

from typing import Literal

from experiments._fault import Proof
from experiments._guard import Limit
from experiments._watch import NotSeenError, await_seen
from experiments.postgres._site import Site, drillable_site
from experiments.postgres.cures import end_idle_sessions
from experiments.postgres.exhaustion import exhaust_connections
from experiments.runbooks._phases import Evidence, Mode, Phase, Runbook, StepFailedError, self_heal
from experiments.runbooks._rehearsal import Rehearsal, rehearsal

Kind = Literal["idle", "idle_in_transaction"]
_SCARCE = 0.9
"""The share of the sessions for clients from which on the runbook's cause is found."""


@rehearsal
def rehearse_pool_exhausted(
    server: str,
    *,
    mode: Mode = "runbook",
    kind: Kind = "idle",
    older_than: float = 5,
    detect_budget: float = 300,
    end_budget: float = 300,
    verify_budget: float = 300,
    max_sessions: int | str = "100%",
    effect_timeout: float = 60,
    recovery_timeout: float = 120,
) -> Rehearsal:
    """Fault: take every session of the server, and follow the runbook: detect, end idle sessions, verify.

    Args:
        server: StatefulSet of the server, as the settings name it.
        mode: `runbook`: by the harness; `operator`: by a person who is prompted; `self-heal`: nobody acts.
        kind: What the sessions do: `idle` or `idle_in_transaction`.
        older_than: The runbook ends sessions that have been idle for so many seconds.
        detect_budget: Seconds for: count the sessions in pg_stat_activity.
        end_budget: Seconds for: end the idle ones.
        verify_budget: Seconds for: a client is let in, and the pool answers.
        max_sessions: Blast radius: how many sessions may be held, and ended: a count, or a share of max_connections.
        effect_timeout: How long it is awaited that a client is refused.
        recovery_timeout: How long it is awaited, after all that was done, that clients are served.

    Returns:
        `{targets, proof, since, phases}`.

    Raises:
        ActivityFailed: the effect was not seen, or clients were not served in time.
        RefusedError: not drillable, or beyond the blast radius.
    """
    here = drillable_site(server)
    fault = exhaust_connections.injection(
        server,
        kind=kind,
        hold=2 * (detect_budget + end_budget + verify_budget),  # until it is ended: its deadline is far
        max_sessions=max_sessions,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
    phases: tuple[Phase, ...] = (
        Phase("detect", detect_budget, "Count the sessions in pg_stat_activity, by state.", lambda _: _detect(here)),
        Phase(
            "end-idle-sessions",
            end_budget,
            f"End the sessions that have been idle for {older_than:g} s (pg_terminate_backend).",
            lambda within: _end(here, server, older_than, max_sessions, within),
            acts=True,
        ),
        Phase(
            "verify",
            verify_budget,
            "Verify that a client is let in and that the pool answers.",
            lambda within: await_seen(here.recovered, within, 0.5),
        ),
    )
    if mode == "self-heal":
        phases = self_heal(here.recovered, here.recovered, (detect_budget + end_budget, verify_budget))
    return Rehearsal(fault, Runbook("pool-exhausted", mode, phases, here.permissions))


def _detect(here: Site) -> Evidence:
    now = here.sessions()
    evidence: Evidence = {"sessions": now.as_dict(), "share": now.used / now.usable}
    if now.used < _SCARCE * now.usable:
        raise StepFailedError(f"{now.used} of {now.usable} sessions are taken: that is not the cause", evidence)
    return evidence


def _end(here: Site, server: str, older_than: float, max_sessions: Limit, within: float) -> Evidence:
    """End what is idle for long enough, again as long as too few are free: not all became idle at the same time."""
    rounds: list[Proof] = []

    def look() -> None:
        done = end_idle_sessions(server, older_than=older_than, max_sessions=max_sessions)
        rounds.append({**done, "ended": len(done["ended"]), "whose": _whose(done["ended"])})
        if (now := here.sessions()).used >= _SCARCE * now.usable:
            raise NotSeenError(f"{now.used} of {now.usable} sessions are still taken")

    await_seen(look, within, 1)
    return {"rounds": [each for each in rounds if each["ended"]], "sessions": here.sessions().as_dict()}


def _whose(ended: list[Proof]) -> dict[str, int]:
    names = [str(each["application_name"] or each["role"]) for each in ended]
    return {name: names.count(name) for name in sorted(set(names))}
