"""The game-day file: who, when, what for, which scenarios in which order, and when it must stop."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

T = TypeVar("T")
Text = Annotated[str, Field(pattern=r"\S")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
"""kebab-case: answers are given by it."""


class Role(StrEnum):
    """What somebody is there for."""

    OWNER = "owner"
    """Says go or no-go, and answers for the platform."""
    COORDINATOR = "coordinator"
    """Leads through the day, brings in the injects, keeps the time."""
    OBSERVER = "observer"
    """Watches, and says what was seen."""
    REPORTER = "reporter"
    """Writes down, and sees the findings to their ends."""


_NEEDED = (Role.OWNER, Role.COORDINATOR)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Participant(_Model):
    """Somebody who takes part, in one role; who has two is listed twice."""

    name: Text
    role: Role


class Item(_Model):
    """One line of the go/no-go checklist."""

    name: Name = Field(description="kebab-case, unique: its answer is checklist.<name>")
    text: Text = Field(description="what must be so")


class AbortCriterion(_Model):
    """When the day ends before its time."""

    text: Text = Field(description="in words; people hold it against what they see")
    when: Literal["fail", "inconclusive"] | None = Field(
        default=None, description="an outcome of a scenario that ends the day by itself; none: people decide"
    )


class Level(_Model):
    """Whom to call, and when."""

    who: Text = Field(description="the team or the person")
    contact: Text = Field(description="how they are reached")
    after: float = Field(ge=0, description="how long a fault may cost clients before they are called, minutes")


class Escalation(_Model):
    """The three levels, the first one first."""

    L1: Level = Field(description="on call")
    L2: Level = Field(description="the platform's team")
    L3: Level = Field(description="architect or vendor")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.L1.after <= self.L2.after <= self.L3.after:
            raise ValueError("a later level is called earlier: L1.after <= L2.after <= L3.after")
        return self


class Inject(_Model):
    """Something that the coordinator brings in by hand while a fault is on: a call, a false alarm, a missing person."""

    name: Name = Field(description="kebab-case, unique in its scenario: its answer is <scenario>.inject.<name>")
    to: Text = Field(description="whom it is for")
    text: Text = Field(description="what is said or done")
    after: float = Field(default=0, ge=0, description="when, s after the fault took effect")


class Step(_Model):
    """One scenario of the day."""

    scenario: Text = Field(description="a name of `drill list`, or a scenario file beside this file")
    name: Name = Field(default="", description="unique; default: the scenario's own", validate_default=False)
    purpose: str = Field(default="", description="what this one is to show; default: the scenario's description")
    injects: tuple[Inject, ...] = Field(default=(), description="in the order of their time")

    @field_validator("injects")
    @classmethod
    def _told_apart(cls, injects: tuple[Inject, ...]) -> tuple[Inject, ...]:
        return _unique(injects, (each.name for each in injects))


class GameDay(_Model):
    """One game day."""

    name: Name = Field(description="kebab-case; the record's folder")
    title: Text
    date: date
    participants: tuple[Participant, ...] = Field(min_length=1, description="each a name and a role")
    objectives: tuple[Text, ...] = Field(min_length=1, description="what the day is to show")
    briefing: str = Field(default="", description="what is read out before the go, besides what this file says anyway")
    checklist: tuple[Item, ...] = Field(min_length=1, description="what must be so before the go")
    abort_criteria: tuple[AbortCriterion, ...] = Field(
        min_length=1, description="when to stop; a fault that could not be undone always ends the day"
    )
    escalation: Escalation
    scenarios: tuple[Step, ...] = Field(min_length=1, description="in their order")

    @field_validator("participants")
    @classmethod
    def _somebody_leads(cls, participants: tuple[Participant, ...]) -> tuple[Participant, ...]:
        if lacking := [role for role in _NEEDED if role not in {each.role for each in participants}]:
            raise ValueError(f"nobody is {' or '.join(lacking)}")
        return _unique(participants, (f"{each.name} ({each.role})" for each in participants))

    @field_validator("checklist")
    @classmethod
    def _items_told_apart(cls, items: tuple[Item, ...]) -> tuple[Item, ...]:
        return _unique(items, (each.name for each in items))

    @property
    def aborting(self) -> dict[str, str]:
        """The criteria that are held automatically: their words, by the outcome that meets them."""
        return {each.when: each.text for each in self.abort_criteria if each.when is not None}


def _unique(things: T, names: Iterable[str]) -> T:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"there twice: {', '.join(twice)}")
    return things
