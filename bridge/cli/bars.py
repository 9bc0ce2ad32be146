"""Progress bars in a terminal, one a stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as rich_progress
from rich.console import Console
from rich.text import Text

from .progress import STAGES


class FramesPerSecond(rich_progress.ProgressColumn):
    """The speed of a stage."""

    def render(self, task: rich_progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.2f} frames/s", style="progress.data.speed")


class Bars:
    """A bar for each stage, from its first frame on; before, that the shot is being read."""

    def __init__(self, shown: rich_progress.Progress) -> None:
        self._shown = shown
        self._reading: rich_progress.TaskID | None = shown.add_task("Reading", total=None)
        self._tasks: dict[str, rich_progress.TaskID] = {}

    def advance(self, stage: str, *, done: int, total: int) -> None:
        if self._reading is not None:
            self._shown.remove_task(self._reading)
            self._reading = None
        if stage not in self._tasks:
            self._tasks[stage] = self._shown.add_task(STAGES[stage], total=total)
        self._shown.update(self._tasks[stage], completed=done, total=total)


@contextmanager
def bars() -> Iterator[Bars]:
    """Show bars on stderr while inside; what else is written goes above them."""
    columns = (
        rich_progress.TextColumn("{task.description:<8}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        FramesPerSecond(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True)) as shown:
        yield Bars(shown)
