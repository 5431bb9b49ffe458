"""Each family of scenarios has its manifest, made from just the scenarios that the catalogue has."""

import re
from pathlib import Path

import pytest

from scenarios import rbac

DOCS = Path(__file__).parents[2] / "docs" / "rbac"
REMEDY = (
    "make it anew: `drill rbac {0} --context drill-lab > docs/rbac/{0}-drills.yaml`, on a lab with all of its parts"
)


def test_every_family_has_its_manifest_and_no_other_is_there() -> None:
    """One file a family."""
    files = {path.name for path in DOCS.glob("*-drills.yaml")}
    for family in rbac.families():
        assert f"{family}-drills.yaml" in files, REMEDY.format(family)
    assert files == {f"{family}-drills.yaml" for family in rbac.families()}


@pytest.mark.parametrize("family", rbac.families())
def test_a_manifest_is_of_every_scenario_of_its_family(family: str) -> None:
    """A scenario that came later would not be covered; tests/cluster/test_rbac.py holds what is in it."""
    first = (DOCS / f"{family}-drills.yaml").read_text().splitlines()[0]
    told = re.fullmatch(r"# The least that is needed by: (.+)\.", first)
    assert told is not None, REMEDY.format(family)
    assert tuple(told[1].split(", ")) == rbac.families()[family], REMEDY.format(family)
