"""A rectangle of whole pixels in display coordinates.

Every frame, key, neighbour and memory of a shot is placed by its window; nothing else knows where pixels are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Window:
    """Half-open rectangle: columns x0 to x1 - 1, rows y0 to y1 - 1; y grows downwards."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as artists say it."""
        return self.width, self.height

    @property
    def empty(self) -> bool:
        return self.x1 <= self.x0 or self.y1 <= self.y0

    def intersection(self, other: Window) -> Window:
        """Return the common part; may be empty."""
        return Window(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def union(self, other: Window) -> Window:
        """Return the smallest window that holds both."""
        return Window(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def snapped(self, step: int, *, origin: tuple[int, int] = (0, 0)) -> Window:
        """Return the smallest window on the grid of `step` pixels through `origin` that holds this one."""
        ox, oy = origin
        return Window(
            (self.x0 - ox) // step * step + ox,
            (self.y0 - oy) // step * step + oy,
            -((ox - self.x1) // step) * step + ox,
            -((oy - self.y1) // step) * step + oy,
        )

    def shifted(self, dx: int, dy: int) -> Window:
        """Return the window moved by (dx, dy)."""
        return Window(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def slices(self, inner: Window) -> tuple[slice, slice]:
        """Return the row and column slices that `inner` takes in an array that covers this window."""
        return slice(inner.y0 - self.y0, inner.y1 - self.y0), slice(inner.x0 - self.x0, inner.x1 - self.x0)

    def __str__(self) -> str:
        return f"{self.width}×{self.height} at ({self.x0}, {self.y0})"
