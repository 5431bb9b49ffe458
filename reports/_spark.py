"""A trend in the size of a word: one number a run, the oldest first, with its numbers in words as text alternative."""

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT, EDGE = 120.0, 28.0, 4.0


def spark(values: Sequence[float], alternative: str) -> Markup:
    """The line through some values, from zero up, the last one marked; one value is a mark alone."""
    top = max(values) or 1.0
    step = (WIDTH - 2 * EDGE) / max(1, len(values) - 1)
    points = [
        (EDGE + at * step if len(values) > 1 else WIDTH - EDGE, HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / top)
        for at, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return Markup(  # noqa: S704 - numbers, and a text that is escaped
        f'<svg class="spark" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(alternative)}">'
        f'<line x1="0" x2="{WIDTH:g}" y1="{HEIGHT - EDGE:g}" y2="{HEIGHT - EDGE:g}" stroke="var(--line)"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--acked)" stroke-width="1.75" stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="var(--acked)"/></svg>'
    )
