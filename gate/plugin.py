"""The pytest plugin: it does nothing, and imports nothing of drill's, unless `--drill-context` is given.

What it does then is in `gate._gate`. The fixtures are here, so that a test that asks for one is told what it needs.
"""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from drill.ledger import Accounting
    from drill.settings import Settings
    from gate._drilled import Drilled
    from gate._gate import Gate

NAME = "drill-gate"
"""Under which the active part is registered."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a gate; without the first, the others mean nothing."""
    group = parser.getgroup("drill", "drills of drill as tests")
    group.addoption(
        "--drill-context",
        metavar="CONTEXT",
        help="collect scenario files (and gate profiles that are named) as tests, and run them on this kubeconfig "
        "context; it must be in drill.toml",
    )
    group.addoption("--drill-kubeconfig", metavar="FILE", help="kubeconfig file, instead of the context's own")
    group.addoption("--drill-runs", metavar="FOLDER", help="folder of run records (default: runs)")
    group.addoption(
        "--drill-allow-inconclusive",
        metavar="CHECKS",
        nargs="?",
        const="*",
        default="",
        help="let the gate pass though these checks (comma-separated patterns; without any: all) are inconclusive; "
        "they are shown as such all the same",
    )
    group.addoption(
        "--drill-result", metavar="FILE", help="write what was measured here as JSON; a later gate's baseline"
    )
    group.addoption(
        "--drill-save-baseline",
        action="store_true",
        help="make this gate's result the baseline of its profile, if all of it passes, instead of comparing with it",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin, where a context is given."""
    config.addinivalue_line("markers", "drill: a check of a drill, or a test that runs one")
    if config.getoption("drill_context") is not None:
        from gate._gate import Gate  # noqa: PLC0415 - only who drills waits for it

        config.pluginmanager.register(Gate(config), NAME)


def _gate(config: pytest.Config) -> "Gate":
    found: Any = config.pluginmanager.get_plugin(NAME)
    if found is None:
        pytest.skip("needs a cluster to drill: give --drill-context")
    gate: Gate = found
    return gate


@pytest.fixture(scope="session")
def drill_target(pytestconfig: pytest.Config) -> "Settings":
    """The settings of the context that is drilled: `drill_target.kafka.bootstrap` and so on."""
    return _gate(pytestconfig).settings


@pytest.fixture(scope="session")
def drill_run(pytestconfig: pytest.Config) -> "Callable[..., Drilled]":
    """Run a drill, `drill_run("broker-kill")` or `drill_run("my.yaml", seed=7)`, and get its record and verdicts.

    It judges and asserts nothing by itself: `drill_run("broker-kill").outcome` says what came out. A drill that did
    not come to its own end (it was refused or interrupted, it broke, or its fault was not undone) fails the test.
    """
    return _gate(pytestconfig).run_named


@pytest.fixture(scope="session")
def ledger() -> "Callable[..., Accounting]":
    """The books of a drill: `ledger(run).lost`, and of one of several streams `ledger(run, "postgres").acked`."""

    def books(run: "Drilled", stream: str | None = None) -> "Accounting":
        return run.books(stream)

    return books
