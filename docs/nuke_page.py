"""Draw the node graphs of docs/nuke.md and write its table of knobs, both from the gizmo itself: python docs/nuke_page.py"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "nuke_host"))
import gizmo  # noqa: E402

GIZMO, PAGE, PICTURES = ROOT / "nuke_gizmo" / "VideoMatte.gizmo", ROOT / "docs" / "nuke.md", ROOT / "docs" / "pictures"
BEGIN, END = "<!-- knobs, by docs/nuke_page.py -->", "<!-- end of knobs -->"
TAB, BUTTON, TEXT = 20, 22, 26
KINDS = {1: "text", 2: "file", 3: "whole number", 4: "choice", 6: "on or off", 22: "button", 26: "shown", 41: "link"}
COLOURS = {"Input": "#b8b8b8", "Read": "#d9c27e", "Switch": "#9a8fc7", "Copy": "#8fa5c7", "Premult": "#9cc78f", "Output": "#b8b8b8"}
COLOURS.update({"VideoMatte": "#5a7fb2", "Roto": "#7fb287", "Merge2": "#8fa5c7", "Write": "#d9a27e"})
WIDTH, HEIGHT, MARGIN = 136, 26, 24

Node = tuple[str, str, int, int]
"""Class, name, x, y of a node's middle."""

FIRST_MATTE: dict[str, tuple[Node, tuple[tuple[str, str], ...]]] = {
    "plate.####.exr": (("Read", "plate.####.exr", 100, 30), ()),
    "Roto1": (("Roto", "Roto1", 330, 75), ()),
    "VideoMatte1": (("VideoMatte", "VideoMatte1", 100, 150), (("plate.####.exr", "Source"), ("Roto1", "Trimap"))),
    "Merge1": (("Merge2", "Merge1", 100, 270), (("VideoMatte1", "A"), ("background", "B"))),
    "background": (("Read", "background", 330, 195), ()),
}
"""A script: every node, and what it is connected to by which input."""


def knob_table(script: gizmo.Script) -> str:
    """Return the knobs of every tab as tables in Markdown."""
    lines: list[str] = []
    for user in script.user_knobs:
        if user.kind == TAB:
            lines += ["", f"**{user.options['l']}**", "", "| knob | name in scripts | kind | what it does |", "|---|---|---|---|"]
        elif "+INVISIBLE" not in user.flags and user.options.get("t"):
            said = user.options["t"].replace("|", "\\|")
            kind = KINDS[user.kind] + (": " + ", ".join(user.choices) if user.choices else "")
            lines.append(f"| {user.options.get('l') or '·'} | `{user.name}` | {kind} | {said} |")
    return "\n".join(lines).strip() + "\n"


def inner_graph(script: gizmo.Script) -> dict[str, tuple[Node, tuple[tuple[str, str], ...]]]:
    """Return the nodes inside of the group where the file puts them, with their connections."""
    places: dict[str, dict[str, int]] = {}
    for name, _, knob, value in script.knobs:
        if knob in ("xpos", "ypos"):
            places.setdefault(name, {})[knob] = int(value)
    graph = script.graph()
    found = {}
    for node in script.nodes[1:]:
        name = str(node["name"])
        at = places[name]
        x, y = int(at["xpos"] * 1.4) + 260, at["ypos"] + 260
        found[name] = (str(node["cls"]), name, x, y), tuple((above, str(i)) for i, above in enumerate(graph[name]) if above)
    return found


def drawn(graph: dict[str, tuple[Node, tuple[tuple[str, str], ...]]]) -> str:
    """Return a graph as SVG: boxes of Nuke's kind, lines from what is above to what is below."""
    wide = max(node[2] for node, _ in graph.values()) + WIDTH // 2 + MARGIN
    high = max(node[3] for node, _ in graph.values()) + HEIGHT + MARGIN
    lines, boxes = [], []
    for (kind, name, x, y), above in graph.values():
        spread = [x + (i - (len(above) - 1) / 2) * 26 for i in range(len(above))]
        for end, (other, label) in zip(spread, above, strict=True):
            _, _, ox, oy = graph[other][0]
            lines.append(f'<path d="M{ox} {oy + HEIGHT / 2} L{end:g} {y - HEIGHT / 2}" stroke="#777" fill="none" marker-end="url(#tip)"/>')
            if label and not label.isdigit():
                lines.append(f'<text x="{(ox + end) / 2 + 6:g}" y="{(oy + y) / 2:g}" font-size="11" fill="#555">{escape(label)}</text>')
        colour = COLOURS.get(kind, "#c0c0c0")
        box = f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="3" fill="{colour}" stroke="#444"/>'
        boxes.append(box + f'<text x="{x}" y="{y + 4}" font-size="12" text-anchor="middle">{escape(name)}</text>')
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" font-family="sans-serif">'
    tip = f'<defs>{tip}<path d="M0 0L8 4L0 8z" fill="#777"/></marker></defs><rect width="100%" height="100%" fill="#f4f4f4"/>'
    return "\n".join([head, tip, *lines, *boxes, "</svg>", ""])


def written() -> dict[Path, str]:
    """Return every file that this program writes, with its text."""
    script = gizmo.read(GIZMO)
    page = PAGE.read_text(encoding="utf-8")
    table = f"{BEGIN}\n{knob_table(script)}{END}"
    return {
        PAGE: re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: table, page, flags=re.S),
        PICTURES / "nuke_first_matte.svg": drawn(FIRST_MATTE),
        PICTURES / "nuke_inside.svg": drawn(inner_graph(script)),
    }


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
