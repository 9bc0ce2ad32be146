"""Tables for a person."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

WIDTH_OF_A_FILE = 120


def rendered(titles: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", left: int = 1) -> str:
    """Return a table as text, as wide as the terminal; after the first `left` columns those of numbers are aligned right."""
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
    text, terminal = io.StringIO(), sys.stdout.isatty()
    Console(file=text, force_terminal=terminal, width=None if terminal else WIDTH_OF_A_FILE).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())
