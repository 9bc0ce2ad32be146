"""What the stand-in remembers: nodes, messages, undo steps, and what a test sets. `reset` begins anew."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class State:
    """One session of the stand-in."""

    main: int = field(default_factory=threading.get_ident)
    gui: bool = True
    special: str = ""  # "indie" or "nc"
    views: list[str] = field(default_factory=lambda: ["main"])
    frame: int = 1
    nodes: dict[str, Any] = field(default_factory=dict)
    within: list[Any] = field(default_factory=list)
    this: Any = None
    paths: list[str] = field(default_factory=list)
    startup: str = ""
    messages: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    executed: list[Any] = field(default_factory=list)
    menus: list[str] = field(default_factory=list)
    tasks: list[Any] = field(default_factory=list)
    calls: queue.Queue[Any] = field(default_factory=queue.Queue)
    steps: list[tuple[str, list[Callable[[], None]]]] = field(default_factory=list)
    undo_off: int = 0
    open_step: list[Callable[[], None]] | None = None
    changed: bool = False
    crossed: bool = False  # the cross of a progress task
    stop_render_at: int | None = None  # the artist stops the render at this frame
    full: bool = False  # the disk


STATE = State()


def reset() -> None:
    """Forget everything; the thread that calls is the main thread."""
    STATE.__dict__.update(State().__dict__)


def on_main(what: str) -> None:
    """Refuse what Nuke allows on its main thread only."""
    if threading.get_ident() != STATE.main:
        raise AssertionError(what + " called outside of the main thread")


def record(name: str, back: Callable[[], None]) -> None:
    """Remember how a change is taken back, as a step of its own or as part of the open one."""
    STATE.changed = True
    if STATE.undo_off:
        return
    if STATE.open_step is not None:
        STATE.open_step.append(back)
    else:
        STATE.steps.append((name, [back]))
