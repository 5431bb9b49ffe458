"""Windows of time in which drills are allowed, as people write them: `Mon-Fri 09:00-17:00 Europe/Berlin`."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORM = re.compile(r"(?P<days>\S+) (?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d) (?P<zone>\S+)")
_EXAMPLE = "give it as `Mon-Fri 09:00-17:00 Europe/Berlin` (or `Mon,Wed,Sat-Sun 22:00-04:00 UTC`)"
_MIDNIGHT = 24 * 60


@dataclass(frozen=True)
class Window:
    """Some days of the week, from one time of the day to another; over midnight when the end is not after the start."""

    text: str
    days: frozenset[int]
    """0 is Monday; of a window over midnight the day on which it begins."""
    start: int
    """Minutes since midnight, on the wall clock of the zone."""
    end: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a window.

        Raises:
            ValueError: it can't be meant; the message says what is wrong and what to write.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a window: {_EXAMPLE}")
        start, end = _minutes(found["start"]), _minutes(found["end"])
        if start in {end, _MIDNIGHT}:
            raise ValueError(f"{text!r} is not a window: it is empty; a whole day is 00:00-24:00")
        try:
            zone = ZoneInfo(found["zone"])
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: `.`, for one, is a folder
            raise ValueError(f"{text!r} is not a window: no time zone {found['zone']!r} (IANA's names)") from error
        return cls(text, frozenset(_weekdays(text, found["days"])), start, end, zone)

    def holds(self, now: datetime) -> bool:
        """Whether an instant (with its own zone) lies in it; the end does not."""
        local = now.astimezone(self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = (local - timedelta(days=1)).weekday()
        return (today in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)


def _minutes(clock: str) -> int:
    hour, minute = map(int, clock.split(":"))
    total = hour * 60 + minute
    if minute > 59 or total > _MIDNIGHT:  # noqa: PLR2004 - as clocks have it
        raise ValueError(f"{clock} is no time of the day: {_EXAMPLE}")
    return total


def _weekdays(text: str, days: str) -> set[int]:
    found: set[int] = set()
    for part in days.split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"{text!r} is not a window: {part!r} is no day or range of days ({', '.join(_DAYS)})")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return found
