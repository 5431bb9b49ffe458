"""Numbers and times as the page writes them."""

import math
from datetime import UTC, datetime
from typing import Any

MINUS = "\N{MINUS SIGN}"
FEW = 10
HOUR, DAY = 3600, 86_400
_ACRONYMS = {name.lower(): name for name in ("RTO", "RPO", "ISR", "UID", "ID", "JVM", "p99")}


def number(value: float) -> str:
    """A count with thousands separated, or a number to four digits: `429,180`, `0.9987`."""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"  # noqa: PLR2004
    return text.replace("-", MINUS)


def duration(seconds: float) -> str:
    """A duration in its natural unit: `3.1 ms`, `3.21 s`, `2 min 05 s`, `20 h 00 min`, `3 d 4 h`."""
    if not math.isfinite(seconds):
        return "none"
    size = abs(seconds)
    if size == 0:
        text = "0 s"
    elif size < 0.001:  # noqa: PLR2004
        text = f"{size * 1e6:.3g} µs"
    elif size < 1:
        text = f"{size * 1e3:.3g} ms"
    elif size < 120:  # noqa: PLR2004
        text = f"{size:.2f} s"
    elif size < 2 * HOUR:
        text = f"{int(size) // 60} min {int(size) % 60:02} s"
    elif size < 2 * DAY:
        text = f"{int(size) // HOUR} h {int(size) % HOUR // 60:02} min"
    else:
        text = f"{int(size) // DAY} d {int(size) % DAY // HOUR} h"
    return MINUS + text if seconds < 0 else text


def age(seconds: float) -> str:
    """How old something is, as roughly as people say it: `12 min`, `5 h`, `90 days`."""
    if seconds < HOUR:
        return f"{int(seconds // 60)} min"
    return f"{int(seconds // HOUR)} h" if seconds < 2 * DAY else f"{int(seconds // DAY)} days"


def offset(seconds: float) -> str:
    """Seconds since t0, signed: `+3.21 s`; from two hours on as a duration."""
    if abs(seconds) < 0.005:  # noqa: PLR2004 - nothing, at two decimals
        return "+0.00 s"
    if abs(seconds) >= 2 * HOUR:
        return duration(seconds) if seconds < 0 else f"+{duration(seconds)}"
    return f"{MINUS if seconds < 0 else '+'}{abs(seconds):.2f} s"


def lapse(seconds: float) -> str:
    """How long before or after something: `48.00 s after`, `at`."""
    return "at" if seconds == 0 else f"{duration(abs(seconds))} {'before' if seconds < 0 else 'after'}"


def utc(t: float) -> str:
    """Epoch seconds as a UTC instant."""
    return datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock(t: float) -> str:
    """Epoch seconds as UTC time of day with milliseconds."""
    return datetime.fromtimestamp(t, UTC).strftime("%H:%M:%S.%f")[:-3]


def words(name: str) -> str:
    """A kebab-case or snake_case name as words: `No acked record lost`, `Pod UID`."""
    each = [_ACRONYMS.get(word.lower(), word) for word in name.replace("-", " ").replace("_", " ").split()]
    text = " ".join(each)
    return text[:1].upper() + text[1:]


def sign(target: str) -> str:
    """A target with the signs of print: `≤ 15 s`."""
    return target.replace("<=", "≤").replace(">=", "≥")


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 check`, `3 checks`, `no checks`."""
    return f"{number(count) if count else 'no'} {one if count == 1 else many or one + 's'}"


def plain(value: Any) -> str:
    """Any JSON value on one line: mappings as `key: value`, numbers as a configuration file has them."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        between = "; " if any(isinstance(each, dict) for each in value) else ", "
        return between.join(plain(each) for each in value) or "none"
    if value is None or value == "":
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def rate(value: float) -> str:
    """A number a second: whole, but for few: `7,153`, `0.8`."""
    return number(round(value)) if value >= FEW or value == round(value) else f"{value:.1f}"


def size(count: int) -> str:
    """Bytes in their natural unit: `512 B`, `64.0 MB`."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:  # noqa: PLR2004 - as SI has it
        value, units = value / 1000, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


FILTERS = {
    each.__name__: each
    for each in (rate, size, age, number, duration, offset, lapse, utc, clock, words, sign, plural, plain)
}
