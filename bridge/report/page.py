"""The page of a report: one HTML file with everything in it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bridge.wire.values import FrameRun

from . import curves
from .look import Look
from .measure import Measure
from .pictures import ROWS


@dataclass(frozen=True)
class Column:
    """A frame of the contact sheet: why it is shown, and its pictures as JPEG by row."""

    frame: int
    why: str
    pictures: Mapping[str, bytes]


@dataclass(frozen=True)
class Contents:
    """All that the page shows."""

    name: str
    first: int
    last: int
    summary: str
    runs: tuple[FrameRun, ...]
    columns: Sequence[Column]
    measures: Sequence[Measure]
    confidence: Mapping[int, float]
    looks: Sequence[Look]
    advice: tuple[int, ...]
    remarks: Sequence[str]
    settings: Mapping[str, str]
    provenance: Mapping[str, str]


def page(contents: Contents) -> str:
    """Return the page as HTML."""
    parts = (
        f"<header><h1>{escape(contents.name)}</h1><p>{escape(contents.summary)}</p></header>",
        _frames(contents),
        _words(contents),
        _sheet(contents.columns),
        _curves(contents),
        '<section class="two">',
        _table("Settings", contents.settings),
        _table("Made from", contents.provenance),
        "</section>",
    )
    return HEAD.format(title=escape(contents.name)) + "\n".join(parts) + TAIL


def _frames(contents: Contents) -> str:
    there = {run.state for run in contents.runs}
    legend = "".join(f'<i style="background:{colour}"></i>{state}' for state, colour in curves.COLOURS.items() if state in there)
    if any("key" in run.flags for run in contents.runs):
        legend += f'<i class="key" style="border-top-color:{curves.KEY}"></i>key'
    if any("locked" in run.flags for run in contents.runs):
        legend += f'<i style="background:{curves.LOCKED}"></i>locked'
    body = curves.strip(contents.runs, first=contents.first, last=contents.last)
    return f"<section><h2>Frames <small>{legend}</small></h2>{body}{curves.ends(contents.first, contents.last)}</section>"


def _words(contents: Contents) -> str:
    """Return what to look at and what to do."""
    looks = "".join(f'<li><a href="#f{look.frame}"><b>{look.frame}</b></a> {escape(look.why)}</li>' for look in contents.looks)
    worth = f"<ul>{looks}</ul>" if looks else "<p>No frame stands out. Play it at speed all the same.</p>"
    if contents.advice:
        best, *others = contents.advice
        then = f", then at {' and '.join(map(str, others))}" if others else ""
        advice = f'<p class="advice">Paint the next key at frame <a href="#f{best}"><b>{best}</b></a>{then}.</p>'
    else:
        advice = "<p>Another key would help little.</p>"
    remarks = "".join(f"<p>{escape(remark)}</p>" for remark in contents.remarks)
    return f'<section class="two"><div><h2>Worth a look</h2>{worth}</div><div><h2>Next</h2>{advice}{remarks}</div></section>'


def _sheet(columns: Sequence[Column]) -> str:
    if not columns:
        return ""
    heads = "".join(f'<th id="f{c.frame}">{c.frame}<small>{escape(c.why)}</small></th>' for c in columns)
    rows = "".join(
        f"<tr><th>{row}</th>{''.join(_cell(c, row) for c in columns)}</tr>" for row in ROWS if any(row in c.pictures for c in columns)
    )
    return f'<section><h2>Contact sheet</h2><div class="sheet"><table><tr><th></th>{heads}</tr>{rows}</table></div></section>'


def _cell(column: Column, row: str) -> str:
    if row not in column.pictures:
        return "<td></td>"
    data = base64.b64encode(column.pictures[row]).decode()
    return f'<td><img alt="{row} of frame {column.frame}" src="data:image/jpeg;base64,{data}"></td>'


def _curves(contents: Contents) -> str:
    first, last = contents.first, contents.last
    numbers = curves.ends(first, last)
    marks = {look.frame: look.why for look in contents.looks}
    parts = []
    if contents.confidence:
        drawn = curves.curve(contents.confidence, first=first, last=last, top=1.0, colour="#7fb2e5", form="{:.2f}", marks=marks)
        parts.append(f"<h2>Confidence <small>how sure stage 1 was of the trimap; keys are certain</small></h2>{drawn}{numbers}")
    flicker = {m.frame: 100 * m.flicker for m in contents.measures if m.flicker is not None}
    if flicker:
        top = max(5.0, max(flicker.values()) * 1.1)
        drawn = curves.curve(flicker, first=first, last=last, top=top, colour="#e08f5f", form="{:.1f}", unit=" %", marks=marks)
        told = "what the alpha of an edge has in one frame and in neither neighbour"
        parts.append(f"<h2>Flicker <small>{told}</small></h2>{drawn}{numbers}")
    covered = {m.frame: 100 * m.covered for m in contents.measures}
    if covered:
        top = max(covered.values()) * 1.1 or 1.0
        drawn = curves.curve(covered, first=first, last=last, top=top, colour="#8fbf8a", form="{:.1f}", unit=" %", marks={})
        parts.append(f"<h2>Coverage <small>the share of the picture that the matte covers</small></h2>{drawn}{numbers}")
    return f"<section>{''.join(parts)}</section>"


def _table(title: str, facts: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items() if value)
    return f'<div><h2>{title}</h2><table class="facts">{rows}</table></div>'


HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}: mattes</title><style>
:root {{ color-scheme: dark }}
body {{ margin: 0 auto; padding: 28px 36px 60px; max-width: 1500px; background: #1e1e1e; color: #d6d6d6 }}
body {{ font: 14px/1.5 system-ui, sans-serif }}
h1 {{ font-size: 24px; margin: 0; color: #fff }} h2 {{ font-size: 15px; margin: 26px 0 8px; color: #eee }}
header p, small, .ends, .axis {{ color: #9c9c9c }} header p {{ margin: 2px 0 0 }} small {{ font-weight: normal; margin-left: 8px }}
h2 small i {{ display: inline-block; width: 10px; height: 10px; margin: 0 5px 0 12px; border-radius: 2px }}
h2 small i.key {{ width: 0; height: 0; border: 5px solid transparent; border-top-width: 7px; border-bottom: 0; border-radius: 0 }}
a {{ color: #9cc7f5; text-decoration: none }} ul {{ margin: 0; padding-left: 18px }} p {{ margin: 4px 0 }}
.advice {{ font-size: 16px; color: #fff }} .two {{ display: grid; grid-template-columns: 1fr 1fr; gap: 0 40px }}
.strip {{ width: 100%; height: 30px; display: block }} .curve {{ width: 100%; height: 120px; display: block; background: #252525 }}
.plot {{ position: relative }} .ends {{ display: flex; justify-content: space-between; font-size: 11px }}
.axis {{ position: absolute; inset: 0 4px; display: flex; flex-direction: column; justify-content: space-between;
  font-size: 10px; pointer-events: none }}
.grid {{ stroke: #333; stroke-width: 1; vector-effect: non-scaling-stroke }}
polyline {{ fill: none; stroke-width: 1.6; vector-effect: non-scaling-stroke; stroke-linejoin: round }}
.hit {{ fill: transparent }} .hit:hover {{ fill: rgba(255,255,255,.08) }}
.sheet {{ overflow-x: auto }} .sheet table {{ border-spacing: 6px 6px; margin-left: -6px; width: 100%; table-layout: fixed }}
.sheet th {{ text-align: left; font-weight: normal; vertical-align: bottom; color: #9c9c9c; font-size: 12px; white-space: nowrap }}
.sheet tr:first-child th {{ color: #eee; font-size: 14px; scroll-margin-top: 40px; white-space: normal }}
.sheet th small {{ display: block; margin: 0 }} .sheet tr th:first-child {{ vertical-align: middle; padding-right: 8px; width: 80px }}
.sheet img {{ width: 100%; min-width: 120px; display: block; cursor: zoom-in; background: #000 }}
th:target {{ box-shadow: inset 0 -2px #9cc7f5 }}
.facts th {{ text-align: left; font-weight: normal; color: #9c9c9c; padding-right: 20px; vertical-align: top; white-space: nowrap }}
.facts td {{ overflow-wrap: anywhere }}
dialog {{ border: 0; padding: 0; background: #000; max-width: 96vw }} dialog::backdrop {{ background: rgba(0,0,0,.85) }}
dialog img {{ display: block; width: min(96vw, 1400px); max-height: 92vh; object-fit: contain; cursor: zoom-out }}
@media (max-width: 800px) {{ .two {{ grid-template-columns: 1fr }} body {{ padding: 16px }} }}
</style></head><body>
"""
TAIL = """
<dialog><img alt=""></dialog>
<script>
const d = document.querySelector('dialog'), big = d.firstChild;
document.querySelectorAll('.sheet img').forEach(i => i.onclick = () => { big.src = i.src; d.showModal(); });
d.onclick = () => d.close();
</script></body></html>
"""
