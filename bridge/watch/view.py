"""The page that a watcher shows on a terminal: every shot, how far it is, how fast, and what it waits for."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .tracked import State, Tracked

if TYPE_CHECKING:
    from .watcher import Watcher

STYLES = {
    State.WAITING: "dim",
    State.CHECKING: "cyan",
    State.QUEUED: "cyan",
    State.SOLVING: "bold",
    State.DONE: "green",
    State.HELD: "yellow",
    State.FAILED: "red",
}
ORDER = (State.SOLVING, State.QUEUED, State.CHECKING, State.HELD, State.FAILED, State.WAITING, State.DONE)
BAR = 20
LINES_KEPT = 8  # of the terminal, for what stands around the table


class Page:
    """A page on stderr that is drawn anew where it stands; a context."""

    def __init__(self, watcher: Watcher, *, console: Console | None = None) -> None:
        self._watcher = watcher
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=False)

    def __enter__(self) -> Page:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.draw()
        self._live.__exit__(kind, error, trace)

    def draw(self) -> None:
        """Draw it as things are now."""
        self._live.update(page(self._watcher, rows=max(4, self._console.height - LINES_KEPT)), refresh=True)


def page(watcher: Watcher, *, rows: int) -> Group:
    """Return the page: a line about the folder, and a row for each shot, those in work first."""
    shots = sorted(watcher.shots.values(), key=lambda shot: (ORDER.index(shot.state), shot.name))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=True)
    for title, ratio in (("shot", 2), ("state", None), ("frames", None), ("", None), ("frames/s", None), ("waits for, or why", 5)):
        table.add_column(
            title, ratio=ratio, no_wrap=title != "waits for, or why", justify="right" if title.startswith("frames") else "left"
        )
    now = time.monotonic()
    for shot in shots[:rows]:
        table.add_row(*row(shot, now=now))
    counts = ", ".join(f"{sum(s.state is state for s in shots)} {state.value}" for state in ORDER if any(s.state is state for s in shots))
    parts: list[Text | Table] = [
        Text(f"{watcher.choices.folder} → {watcher.choices.out}", style="bold"),
        Text(counts or "no shots yet", style="dim"),
        table,
    ]
    if len(shots) > rows:
        parts.append(Text(f"and {len(shots) - rows} more", style="dim"))
    if watcher.lost:
        parts.append(Text(f"cannot be listed: {', '.join(watcher.lost[:3]) or watcher.choices.folder}", style="yellow"))
    return Group(*parts)


def row(shot: Tracked, *, now: float) -> tuple[Text, ...]:
    """Return the cells of a shot."""
    step, style = shot.step, STYLES[shot.state]
    solving = shot.state is State.SOLVING and step.total
    full = round(BAR * step.done / step.total) if solving else 0
    bar = Text("━" * full, style="green") + Text("━" * (BAR - full), style="dim") if solving else Text("")
    frames = f"{step.done}/{step.total}" if solving else str(len(shot.found.frames))
    speed = f"{shot.fps(now):.2f}" if solving and step.done else ""
    reason = step.stage if solving else shot.reason
    return Text(shot.name), Text(shot.state.value, style=style), Text(frames), bar, Text(speed), Text(reason, style=style)
