"""The lab, up for the tests that need it and gone after them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from drill import settings
from drill.settings import Settings

ROOT = Path(__file__).parents[2]
PLATFORM = ("kafka", "postgres", "dolphinscheduler", "monitoring")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the cluster, and one lab serves the session: it grows, and goes at the end."""
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.cluster)
    items.sort(key=_stage)


def _stage(item: pytest.Item) -> int:
    """First what needs Kafka alone, then the platform, then the parts for recovery, then what takes the lab down."""
    names = getattr(item, "fixturenames", ())
    order = ("platform_up", "dr_up", "lab_down")
    return max((place for place, name in enumerate(order, 1) if name in names), default=0)


@pytest.fixture(scope="session")
def lab_up() -> Iterator[None]:
    """The lab is up; it is taken down when the tests are over, unless it was running before them."""
    before = any(node.running for node in lab.status().nodes)
    lab.up()
    yield
    if not before:
        lab.down()


@pytest.fixture(scope="session")
def platform_up(lab_up: None) -> None:  # noqa: ARG001 - order only
    """The lab has grown by what drills need most; tests of Kafka alone that come later find it so."""
    lab.up(parts=PLATFORM)


@pytest.fixture(scope="session")
def dr_up(lab_up: None) -> None:  # noqa: ARG001 - order only
    """The lab has grown by everything that it can run: backups and what they are kept in, too."""
    lab.up(parts=lab.PARTS)


@pytest.fixture
def lab_kafka(lab_up: None, monkeypatch: pytest.MonkeyPatch) -> Settings:  # noqa: ARG001 - order only
    """Settings for the lab, in the environment too, where experiments and load look for them."""
    return lab_settings(monkeypatch)


@pytest.fixture
def lab_platform(platform_up: None, monkeypatch: pytest.MonkeyPatch) -> Settings:  # noqa: ARG001 - order only
    """The same with the whole platform up."""
    return lab_settings(monkeypatch)


@pytest.fixture
def lab_dr(dr_up: None, monkeypatch: pytest.MonkeyPatch) -> Settings:  # noqa: ARG001 - order only
    """The same with the parts for disaster recovery up."""
    return lab_settings(monkeypatch)


def lab_settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings for the lab, for this process and for its children."""
    monkeypatch.setenv(settings.FILE_VARIABLE, str(ROOT / "drill.toml"))
    chosen = settings.load(context="drill-lab", kubeconfig=lab.kubeconfig())
    for name, value in chosen.environment().items():
        monkeypatch.setitem(os.environ, name, value)
    return chosen
