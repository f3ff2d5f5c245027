"""Pictures of measurements as SVG: bars and lines, on axes that count by tens. It needs no other package."""

from __future__ import annotations

import math
from html import escape

Lines = dict[str, list[tuple[float, float]]]
"""Points by the name of their line."""

# Okabe and Ito's colours, which are told apart without red and green as well. ferrotp is always the first.
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a8a00", "#666666", "#000000"]
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760, 66, 190, 44, 46


def _picture(height: int, title: str, body: list[str]) -> str:
    # A ground of its own, so that the text is read on a dark page, too.
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">',
            '<g font-family="sans-serif" font-size="12" fill="#222">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="{LEFT}" y="18" font-size="15" font-weight="bold">{escape(title)}</text>',
            *body,
            "</g>\n</svg>\n",
        ]
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def number(value: float) -> str:
    """Three digits of it."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _legend(names: list[str], y: float) -> list[str]:
    body = []
    for place, name in enumerate(names):
        top, colour = y + 19 * place, COLOURS[place % len(COLOURS)]
        body.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{top:.0f}" width="12" height="12" fill="{colour}"/>')
        body.append(_text(WIDTH - RIGHT + 34, top + 10, name))
    return body


def bars(title: str, unit: str, groups: dict[str, dict[str, float]], tens: bool = True) -> str:
    """A bar for each name in each group, its length by tens or from zero."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    values = [value for group in groups.values() for value in group.values()]
    low = 10 ** math.floor(math.log10(min(values))) if tens else 0.0
    high = 10 ** math.ceil(math.log10(max(values))) if tens else max(values)
    left = 150

    def x(value: float) -> float:
        part = math.log(value / low) / math.log(high / low) if tens else value / high
        return left + part * (WIDTH - RIGHT - left)

    body, y = [], float(TOP)
    for group, of in groups.items():
        body.append(_text(left - 8, y + 7.5 * len(of) + 4, group, "end"))
        for name, value in of.items():
            colour = COLOURS[names.index(name) % len(COLOURS)]
            body.append(f'<rect x="{left}" y="{y:.1f}" width="{x(value) - left:.1f}" height="13" fill="{colour}"/>')
            body.append(_text(x(value) + 4, y + 11, number(value)))
            y += 15
        y += 12
    body.append(_text(left, y + 14, unit + (", each step of the scale ten times the last" if tens else "")))
    # Behind the numbers that stand at the ends of bars.
    ticks = [low * 10**n for n in range(round(math.log10(high / low)) + 1)] if tens else []
    lines = [f'<path d="M{x(tick):.1f} {TOP - 4}V{y - 8:.0f}" stroke="#ddd"/>' for tick in ticks]
    height = max(int(y) + 30, TOP + 19 * len(names) + 20)
    return _picture(height, title, [*lines, *body, *_legend(names, TOP)])


def lines(title: str, across: str, up: str, of: Lines, tens: tuple[bool, bool] = (False, True)) -> str:
    """A line for each name; `tens`: whether the axes across and up count by tens."""
    height = 400
    points = [point for line in of.values() for point in line]

    def axis(values: list[float], by_tens: bool) -> tuple[float, float, list[float]]:
        if by_tens:
            low, high = (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))))
            high = max(high, low + 1)
            return 10.0**low, 10.0**high, [10.0**n for n in range(low, high + 1)]
        step = 10 ** math.floor(math.log10(max(values)))
        if max(values) / step < 3:
            step /= 2
        count = math.ceil(max(values) / step)
        return 0.0, count * step, [n * step for n in range(count + 1)]

    def place(value: float, low: float, high: float, by_tens: bool) -> float:
        return math.log(value / low) / math.log(high / low) if by_tens else (value - low) / (high - low)

    x_low, x_high, x_ticks = axis([x for x, _ in points], tens[0])
    y_low, y_high, y_ticks = axis([y for _, y in points], tens[1])

    def x_of(x: float) -> float:
        return LEFT + place(x, x_low, x_high, tens[0]) * (WIDTH - LEFT - RIGHT)

    def y_of(y: float) -> float:
        return height - BOTTOM - place(y, y_low, y_high, tens[1]) * (height - TOP - BOTTOM)

    body = []
    for tick in x_ticks:
        body.append(f'<path d="M{x_of(tick):.1f} {TOP}V{height - BOTTOM}" stroke="#ddd"/>')
        body.append(_text(x_of(tick), height - BOTTOM + 16, number(tick), "middle"))
    for tick in y_ticks:
        body.append(f'<path d="M{LEFT} {y_of(tick):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        body.append(_text(LEFT - 6, y_of(tick) + 4, number(tick), "end"))
    for colour, line in zip(COLOURS, of.values(), strict=False):
        path = "L".join(f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in line)
        body.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]
    body.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 10, across, "middle"))
    body.append(_text(LEFT, TOP - 8, up))
    return _picture(height, title, [*body, *_legend(list(of), TOP)])
