"""The palette: every text and every line can be told from its ground, in light mode, in dark mode and on paper."""

import re
from importlib.resources import files

import pytest

CSS = (files("reports") / "templates" / "styles.css").read_text()
LIGHT, DARK = (
    re.findall(r":root \{\s*\n?\s*color-scheme: light dark;(.*?)\}", CSS, re.DOTALL),
    re.findall(r"@media screen and \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", CSS, re.DOTALL),
)
TEXT = [
    *[
        (ink, ground)
        for ink in ("ink", "muted", "link", "pass", "fail", "inconclusive", "untested")
        for ground in ("paper", "panel")
    ],
    *[("ink", ground) for ground in ("pass-soft", "fail-soft", "inconclusive-soft", "fault-shade")],
    *[(f"on-{ground}", ground) for ground in ("fault", "served", "out", "degraded", "phase", "phase-other")],
]
SHAPES = [
    (line, ground)
    for line in ("acked", "offered", "failed", "p99", "max", "under", "out", "degraded")
    for ground in ("paper", "fault-shade")
]


def palette(css: str) -> dict[str, str]:
    """The colours that a rule sets."""
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", css))


def luminance(colour: str) -> float:
    """Relative luminance of a colour (WCAG 2.2)."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2), 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


MODES = {"light": palette(LIGHT[0]), "dark": palette(DARK[0])}


def test_contrast_is_computed_as_the_standard_says() -> None:
    """Black on white is 21, a colour on itself is 1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


def test_both_modes_know_the_same_colours() -> None:
    """A colour that only one mode sets would be the other mode's colour in it."""
    assert MODES["light"].keys() == MODES["dark"].keys()


def too_faint(mode: str, pairs: list[tuple[str, str]], least: float) -> dict[tuple[str, str], float]:
    """The pairs of a mode whose contrast is under `least`."""
    ratios = {pair: contrast(*(MODES[mode][name] for name in pair)) for pair in pairs}
    return {pair: ratio for pair, ratio in ratios.items() if ratio < least}


@pytest.mark.parametrize("mode", MODES)
def test_text_is_legible(mode: str) -> None:
    """4.5 to 1 for text (WCAG 2.2, 1.4.3)."""
    assert too_faint(mode, TEXT, 4.5) == {}


@pytest.mark.parametrize("mode", MODES)
def test_lines_and_bands_can_be_told_from_their_ground(mode: str) -> None:
    """3 to 1 for graphics that carry meaning (WCAG 2.2, 1.4.11)."""
    assert too_faint(mode, SHAPES, 3) == {}


def test_a_faint_colour_is_found() -> None:
    """The hairlines, which carry no meaning, would not do as text."""
    assert too_faint("light", [("line", "paper")], 4.5)


def test_every_colour_that_is_used_is_defined() -> None:
    """A variable without a value is drawn black or not at all."""
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", CSS)) - {"tone"}
    for module in (files("reports")).iterdir():
        if module.name.endswith(".py"):
            used |= set(re.findall(r"var\(--([a-z0-9-]+)\)", module.read_text()))
    assert used <= MODES["light"].keys()
