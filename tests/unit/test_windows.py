"""When drills are allowed: windows as people write them, on the wall clock of their zone."""

from datetime import UTC, datetime

import pytest

from drill.windows import Window

# 2026-11-23 is a Monday.


@pytest.mark.parametrize(
    ("text", "now", "holds"),
    [
        ("Mon-Fri 09:00-17:00 UTC", "2026-11-23T09:00", True),
        ("Mon-Fri 09:00-17:00 UTC", "2026-11-23T16:59", True),
        ("Mon-Fri 09:00-17:00 UTC", "2026-11-23T17:00", False),
        ("Mon-Fri 09:00-17:00 UTC", "2026-11-22T12:00", False),
        ("Mon-Fri 09:00-17:00 Europe/Berlin", "2026-11-23T08:30", True),  # winter: an hour ahead
        ("Mon-Fri 09:00-17:00 Europe/Berlin", "2026-07-20T07:30", True),  # summer: two
        ("Mon-Fri 09:00-17:00 Europe/Berlin", "2026-11-23T16:30", False),
        ("Mon 00:30-02:00 Asia/Tokyo", "2026-11-22T16:00", True),  # already Monday there
        ("Fri 22:00-04:00 UTC", "2026-11-27T23:00", True),
        ("Fri 22:00-04:00 UTC", "2026-11-28T03:59", True),
        ("Fri 22:00-04:00 UTC", "2026-11-28T04:00", False),
        ("Fri 22:00-04:00 UTC", "2026-11-27T03:00", False),  # that night began on Thursday
        ("Sat-Mon 00:00-24:00 UTC", "2026-11-23T23:59", True),
        ("Sat-Mon 00:00-24:00 UTC", "2026-11-24T00:00", False),
        ("Tue,Thu 10:00-11:00 UTC", "2026-11-26T10:30", True),
        ("Tue,Thu 10:00-11:00 UTC", "2026-11-25T10:30", False),
    ],
)
def test_a_window_holds(text: str, now: str, holds: bool) -> None:
    """From its start to just before its end, on its days, on its own clock."""
    assert Window.parse(text).holds(datetime.fromisoformat(now).replace(tzinfo=UTC)) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Mon-Fri 09:00-17:00 Europe/Berlin"),
        ("always", "is not a window"),
        ("Mon-Fri 9-17 UTC", "is not a window"),
        ("Mon-Fri 09:00-17:00", "is not a window"),
        ("Monday 09:00-17:00 UTC", "'Monday' is no day"),
        ("Mon- 09:00-17:00 UTC", "'Mon-' is no day"),
        ("Mon,,Tue 09:00-17:00 UTC", "'' is no day"),
        ("Mon 25:00-26:00 UTC", "25:00 is no time"),
        ("Mon 09:60-10:00 UTC", "09:60 is no time"),
        ("Mon 09:00-09:00 UTC", "it is empty"),
        ("Mon 24:00-01:00 UTC", "it is empty"),
        ("Mon 09:00-17:00 Europe/Berlim", "no time zone 'Europe/Berlim'"),
        ("Mon 09:00-17:00 ../etc/passwd", "no time zone"),
        ("Mon 09:00-17:00 .", "no time zone"),
    ],
)
def test_what_cannot_be_meant_is_said(text: str, says: str) -> None:
    """Never read as `always`."""
    with pytest.raises(ValueError, match=says):
        Window.parse(text)
