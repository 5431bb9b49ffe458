"""Probes of DolphinScheduler: they only read, but for `workflows_run`, which has to start one to see it end."""

import secrets

from drill import dolphinscheduler, settings
from drill.dolphinscheduler import Client, FailedError, UnreachableError, UnstableError
from experiments._watch import ticks

_WORKFLOW = "drill-probe"


def healthy(timeout: float = 10) -> bool:
    """Probe: whether an API server says that it is up, its database included.

    Args:
        timeout: Seconds to wait for its answer.
    """
    try:
        return dolphinscheduler.health(settings.load().dolphinscheduler, timeout).get("status") == "UP"
    except UnreachableError:
        return False


def api_answers(timeout: float = 10) -> bool:
    """Probe: whether the API lets the settings' user in and answers a read.

    Args:
        timeout: Seconds to wait for each answer.
    """
    try:
        with Client.connect(settings.load(), timeout) as client:
            return bool(client.whoami())
    except (UnreachableError, FailedError):
        return False


def workflows_run(within: float = 60, timeout: float = 10) -> bool:
    """Probe: whether a workflow that is started now succeeds, and ran once: API, master, worker and database do.

    Starts one empty shell task in the settings' project; it leaves an instance behind.

    Args:
        within: Seconds that it may take from the start.
        timeout: Seconds to wait for each answer.
    """
    loaded = settings.load()
    try:
        with Client.connect(loaded, timeout) as client:
            workflow = client.ensure_workflow(loaded.dolphinscheduler.project, _WORKFLOW)
            started = client.start(workflow, f"probe-{secrets.token_hex(8)}")
            for _ in ticks(within, 0.5):
                found = client.find(workflow, started)
                if found and found.finished:
                    return found.state == "SUCCESS" and found.run_times == 1
    except (UnreachableError, FailedError, UnstableError):
        pass
    return False
