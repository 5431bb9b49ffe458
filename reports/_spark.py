"""A trend in the size of a word: one number a run, the oldest first, with its numbers in words as text alternative."""

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT, EDGE = 120.0, 28.0, 4.0


def spark(values: Sequence[float | None], alternative: str) -> Markup:
    """The line through some values, from zero up, the last one marked; None is a gap, one value alone a mark."""
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    step = (WIDTH - 2 * EDGE) / max(1, len(values) - 1)
    stretches: list[list[tuple[float, float]]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            stretches.append([])
            continue
        x = EDGE + at * step if len(values) > 1 else WIDTH - EDGE
        stretches[-1].append((x, HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / top))
    lines = "".join(
        f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in stretch)}" fill="none" stroke="var(--acked)" '
        'stroke-width="1.75" stroke-linejoin="round"/>'
        for stretch in stretches
        if stretch
    )
    # A line of one point is not drawn, and the newest is marked only where it was measured.
    marks = [(*stretch[0], 1.75) for stretch in stretches if len(stretch) == 1]
    marks += [(*stretches[-1][-1], 3.0)] if stretches[-1] else []
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}" fill="var(--acked)"/>' for x, y, r in marks)
    return Markup(  # noqa: S704 - numbers, and a text that is escaped
        f'<svg class="spark" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(alternative)}">'
        f'<line x1="0" x2="{WIDTH:g}" y1="{HEIGHT - EDGE:g}" y2="{HEIGHT - EDGE:g}" stroke="var(--line)"/>'
        f"{lines}{dots}</svg>"
    )
