"""Tables for a person, on stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence

WIDTH_OF_A_FILE = 120


def show(titles: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", left: int = 1) -> None:
    """Print a table; the first `left` columns and texts without digits first are aligned left, numbers right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(titles):
        numbers = index >= left and all(row[index][:1].isdigit() or not row[index] for row in rows)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE).print(table)
