"""Kinds of the values that a fault takes, so that `drill validate` tells one that can't be meant."""

from typing import Annotated

from pydantic import Field

AtLeastOne = Annotated[int, Field(ge=1)]
"""How many; none would be no fault."""
Grace = Annotated[int, Field(ge=1)]
"""Seconds between SIGTERM and SIGKILL; 0 frees the pod's name before its processes are dead."""
Share = Annotated[float, Field(gt=0, le=1)]
"""A part of a whole, more than nothing."""
