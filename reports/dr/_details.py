"""What no record knows of an exercise, from the file that people write: all of it may be left out, none is made up."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Participant(_Model):
    """Somebody who took part."""

    name: Text
    role: Text = Field(description="owner, coordinator, observer, reporter, operator, or what else they were")


class Exclusion(_Model):
    """Something that was left out on purpose."""

    what: Text
    why: Text


class ManualStep(_Model):
    """Something that a person did by hand."""

    what: Text
    by: Text | None = None
    minutes: float | None = Field(default=None, ge=0)


class Finding(_Model):
    """Something to be put right: one of people's own, or what is to be done about a check."""

    finding: Text | None = Field(default=None, description="in words; may be left out where a check is named")
    scenario: Text | None = Field(default=None, description="the scenario of the check")
    check: Text | None = Field(default=None, description="the check that found it, as the report names it")
    severity: Literal["critical", "high", "medium", "low"] | None = None
    owner: Text | None = None
    due: dt.date | None = None
    action: Text | None = Field(default=None, description="what will be done about it")
    status: Literal["open", "in progress", "done", "accepted"] = "open"


class Signature(_Model):
    """A line of the sign-off block."""

    role: Text
    name: Text | None = None


class Details(_Model):
    """The file that `--details` names."""

    title: Text = "Disaster recovery drill"
    organisation: Text | None = None
    kind: Text | None = Field(default=None, description="kind of exercise: test, functional exercise, game day, ...")
    aims: tuple[Text, ...] = Field(default=(), description="why it was held")
    scope: tuple[Text, ...] = Field(default=(), description="what belonged to it")
    exclusions: tuple[Exclusion, ...] = ()
    participants: tuple[Participant, ...] = ()
    deviations: tuple[Text, ...] = Field(default=(), description="what went other than planned")
    manual_steps: tuple[ManualStep, ...] = ()
    findings: tuple[Finding, ...] = ()
    next_steps: tuple[Text, ...] = ()
    retest: dt.date | None = Field(default=None, description="when it is done again")
    sign_off: tuple[Signature, ...] = Field(default=(), description="who signs")
