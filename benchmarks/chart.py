"""The chart that the README shows: messages a second, both at once, as bars. Pure."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.contender import Contender, Metric
from benchmarks.results import Row

WIDTH = 760
LEFT = 270
BAR = 22
GAP = 8
TOP = 44
COLORS = {"ours": "#1b6ca8", "raw": "#9aa5ad", "keeps": "#c58b2b", "nothing": "#d9b779"}


def chart(rows: Sequence[Row], contenders: Sequence[Contender]) -> str:
    """Return an SVG with one bar per contender, the longest first."""
    by_name = {each.name: each for each in contenders}
    bars = sorted(
        (row for row in rows if row.metric == Metric.BOTH and row.contender in by_name), key=lambda row: -row.median
    )
    largest = max((row.median for row in bars), default=1.0)
    height = TOP + len(bars) * (BAR + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="24" font-size="15">Sent and handled at the same time, messages a second (median)</text>',
    ]
    for place, row in enumerate(bars):
        y = TOP + place * (BAR + GAP)
        length = max(1.0, row.median / largest * (WIDTH - LEFT - 80))
        middle = y + BAR - 6
        lines += [
            f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(row.contender)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{_color(by_name[row.contender])}"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{middle}">{row.median:,.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _color(contender: Contender) -> str:
    if contender.name.startswith("interapp"):
        return COLORS["ours"]
    if contender.name.startswith("raw"):
        return COLORS["raw"]
    return COLORS["keeps" if contender.tracks else "nothing"]
