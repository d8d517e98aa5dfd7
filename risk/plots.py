"""Pictures for people who would rather look, as plain SVG: no plotting library, nothing but numbers goes in."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

SIZE, EDGE = 360, 48


def alarm_curve(points: Sequence[tuple[float, float]], title: str) -> str:
    """Detection rate over false-alarm rate per conversation; the diagonal is chance."""

    def place(x: float, y: float) -> str:
        return f"{EDGE + x * SIZE:.1f},{EDGE + (1 - y) * SIZE:.1f}"

    line = " ".join(place(x, y) for x, y in points)
    ticks = "".join(
        f'<text x="{EDGE + t * SIZE:.0f}" y="{EDGE + SIZE + 16}" text-anchor="middle">{t:.0%}</text>'
        f'<text x="{EDGE - 6}" y="{EDGE + (1 - t) * SIZE + 4:.0f}" text-anchor="end">{t:.0%}</text>'
        for t in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    whole = SIZE + 2 * EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {whole}" font-family="sans-serif" font-size="11">'
        f"<title>{escape(title)}: early warning</title>"
        f'<rect width="{whole}" height="{whole}" fill="#fff"/>'
        f'<rect x="{EDGE}" y="{EDGE}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#999"/>'
        f'<polyline points="{place(0, 0)} {place(1, 1)}" fill="none" stroke="#bbb" stroke-dasharray="4 4"/>'
        f'<polyline points="{line}" fill="none" stroke="#1f5fbf" stroke-width="2"/>{ticks}'
        f'<text x="{whole / 2}" y="{whole - 12}" text-anchor="middle">false alarms per clean conversation</text>'
        f'<text x="{EDGE}" y="{EDGE - 14}" font-size="13">bad conversations alarmed by their event</text></svg>\n'
    )
