"""Faults and probes: plain functions that native Chaos Toolkit files name, and those files in `catalogue/`.

Conventions, which the contract test holds:

- An **action** changes something and can be planned with the same arguments, which returns the `Plan` (targets and
  permissions) and touches nothing: by its own `plan`, as `@fault` makes it, or by a sibling `plan_<action>`.
- An action named `ensure_...` brings about a state that the load needs, is idempotent, and is no fault: a runner calls
  `prepare` before the load, and a bare `chaos run` meets it as the first step of the method.
- A **fault** writes its undo into the rollback log, emits `fault.injected`, does it, awaits the effect and emits
  `fault.effective` with the proof; or emits `fault.ineffective` and raises ActivityFailed.
- The **rollbacks** of every experiment are `undo`, which undoes what the rollback log still has.
- A **probe** only reads. Waiting for recovery is a probe too.

Of Chaos Toolkit it is good to know that a failed action does not stop the method, that its default strategy skips the
rollbacks of an interrupted experiment (so: `--rollback-strategy=always`), and that a SIGTERM that meets a Python
activity is swallowed as that activity's failure (InterruptExecution is an Exception), while SIGINT and SIGUSR1 do stop
the experiment.
"""

from experiments._plan import Plan, plan, planner, prepare, undo

__all__ = ["Plan", "plan", "planner", "prepare", "undo"]
