"""Curves and strips as SVG that a browser draws sharp at any size, with the number under the pointer."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from bridge.wire.values import FrameRun

WIDTH, HEIGHT, STRIP = 1000, 120, 26
COLOURS = {"solved": "#4c9a62", "stale": "#c9973a", "unsolved": "#4a4a4a", "failed": "#c4504a"}
KEY, LOCKED = "#f2d96b", "#7fb2e5"


def strip(runs: tuple[FrameRun, ...], *, first: int, last: int) -> str:
    """Return the states of all frames as a strip: keys are marked above, locked frames below."""
    parts = []
    for run in runs:
        step = run.step or 1
        spans = [(run.first, run.last)] if step == 1 else [(f, f) for f in range(run.first, run.last + 1, step)]
        for begin, end in spans:
            x, wide = _x(begin - 0.5, first, last), _x(end + 0.5, first, last) - _x(begin - 0.5, first, last)
            colour = "#2a2a2a" if "plate missing" in run.flags else COLOURS[run.state]
            named = f"{begin}" if begin == end else f"{begin}-{end}"
            title = escape(", ".join((f"{named} {run.state}", *run.flags)))
            parts.append(
                f'<rect x="{x:.2f}" y="6" width="{max(wide - 0.6, 0.6):.2f}" height="14" fill="{colour}"><title>{title}</title></rect>'
            )
            if "locked" in run.flags:
                parts.append(f'<rect x="{x:.2f}" y="22" width="{max(wide, 1):.2f}" height="3" fill="{LOCKED}"/>')
            if "key" in run.flags:
                parts += [_mark(f, first, last) for f in range(begin, end + 1)]
    return f'<svg class="strip" viewBox="0 0 {WIDTH} {STRIP}" preserveAspectRatio="none" role="img">{"".join(parts)}</svg>'


def curve(
    values: Mapping[int, float], *, first: int, last: int, top: float, colour: str, form: str, marks: Mapping[int, str], unit: str = ""
) -> str:
    """Return numbers by frame as a curve from 0 to `top`; frames in `marks` are named, each value is told under the pointer."""
    lines = "".join(
        f'<line x1="0" x2="{WIDTH}" y1="{_y(top * k / 4, top):.1f}" y2="{_y(top * k / 4, top):.1f}" class="grid"/>' for k in range(5)
    )
    paths = "".join(f'<polyline points="{_points(run, first, last, top)}" stroke="{colour}"/>' for run in _unbroken(values))
    wide = WIDTH / max(last - first + 1, 1)
    dots = "".join(
        f'<circle cx="{_x(f, first, last):.2f}" cy="{_y(values[f], top):.2f}" r="4" fill="{colour}" class="dot"/>'
        for f in marks
        if f in values
    )
    over = "".join(
        f'<rect x="{_x(f - 0.5, first, last):.2f}" y="0" width="{wide:.2f}" height="{HEIGHT}" class="hit">'
        f"<title>{f}: {form.format(v)}{unit}{'; ' + escape(marks[f]) if f in marks else ''}</title></rect>"
        for f, v in values.items()
    )
    axis = f'<div class="axis"><span>{form.format(top)}{unit}</span><span>0</span></div>'
    body = f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img">{lines}{paths}{dots}{over}</svg>'
    return f'<div class="plot">{axis}{body}</div>'


def ends(first: int, last: int) -> str:
    """Return the numbers below a strip or a curve."""
    middle = f"<span>{(first + last) // 2}</span>" if last - first > 1 else ""
    return f'<div class="ends"><span>{first}</span>{middle}<span>{last}</span></div>'


def _mark(frame: int, first: int, last: int) -> str:
    x = _x(frame, first, last)
    return f'<path d="M{x - 5:.2f} 0 L{x + 5:.2f} 0 L{x:.2f} 6 Z" fill="{KEY}"><title>{frame}: key</title></path>'


def _unbroken(values: Mapping[int, float]) -> list[list[tuple[int, float]]]:
    runs: list[list[tuple[int, float]]] = []
    for frame, value in sorted(values.items()):
        if runs and runs[-1][-1][0] == frame - 1:
            runs[-1].append((frame, value))
        else:
            runs.append([(frame, value)])
    return runs


def _points(run: list[tuple[int, float]], first: int, last: int, top: float) -> str:
    points = run if len(run) > 1 else [(run[0][0] - 0.3, run[0][1]), (run[0][0] + 0.3, run[0][1])]
    return " ".join(f"{_x(f, first, last):.2f},{_y(v, top):.2f}" for f, v in points)


def _x(frame: float, first: int, last: int) -> float:
    return (frame - first + 0.5) / max(last - first + 1, 1) * WIDTH


def _y(value: float, top: float) -> float:
    return HEIGHT - 4 - min(max(value / top, 0.0), 1.0) * (HEIGHT - 8)
