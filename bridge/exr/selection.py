"""Which channels of a file are meant: part, view and layer.

The rules:
- A part's `view` attribute names its view. In a single part with `multiView`, the last word before the channel's own name does, and
  channels without a layer belong to the first view, the hero. Channels of no view belong to all.
- A layer is what stands before the channel's own name; the name of a part (with or without its view) works as well.
- Without a layer: the channels that have none; where those hold no colour, the only layer that does, or the one called rgba, rgb,
  beauty or combined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import OpenImageIO as oiio

from bridge.wire.errors import ImageError

ROLES = {
    **{"r": "R", "g": "G", "b": "B", "a": "A", "red": "R", "green": "G", "blue": "B", "alpha": "A"},
    **{"y": "Y", "i": "Y", "luminance": "Y"},
}
MAIN_LAYERS = ("rgba", "rgb", "beauty", "combined", "color", "colour", "")


@dataclass(frozen=True)
class Place:
    """One channel of a file: the part and index it sits at, and what its name says."""

    part: int
    index: int
    full_name: str
    own_name: str
    layer: str
    part_name: str
    view: str | None
    kind: str

    @property
    def role(self) -> str:
        """`R`, `G`, `B`, `A` or `Y`, however the file spells it; else its own name."""
        return ROLES.get(self.own_name.lower(), self.own_name)


@dataclass(frozen=True)
class Selection:
    """The channels of one view and layer, all in one part, in the file's order."""

    part: int
    places: tuple[Place, ...]
    view: str | None
    layer: str
    views: tuple[str, ...]
    layers: tuple[str, ...]

    def named(self, *roles: str) -> tuple[Place, ...] | None:
        """Return the channels with these roles, or None unless all are there."""
        found = {p.role: p for p in reversed(self.places)}
        return tuple(found[r] for r in roles) if all(r in found for r in roles) else None

    @property
    def rgb(self) -> tuple[Place, ...] | None:
        """R, G and B, or Y alone; None without colour, or where Y comes with colour differences."""
        return self.named("R", "G", "B") or (None if self.named("RY") else self.named("Y"))


def select(specs: Sequence[oiio.ImageSpec], path: Path, *, view: str | None = None, layer: str | None = None) -> Selection:
    """Choose the channels of one view and layer.

    Raises:
        ImageError: there is no such view or layer; the message lists those that exist.
    """
    everything = [place for part, spec in enumerate(specs) for place in _places(part, spec)]
    views = tuple(dict.fromkeys(p.view for p in everything if p.view is not None))
    if view is not None and view not in views:
        there = f"it has {_listed(views)}" if views else "it has one picture and names no views"
        raise ImageError(f"{path} has no view {view!r}; {there}", remedy="Name one of these views, or none.", file=str(path))
    seen = view if view is not None else _hero(specs, everything)
    in_view = [p for p in everything if p.view in (seen, None)]
    layers = tuple(dict.fromkeys(name for p in in_view if (name := p.layer or _part_layer(p, len(specs)))))
    chosen = _of_layer(in_view, layer) if layer else _main(in_view, path)
    if not chosen:
        there = f"it has {_listed(layers)}" if layers else "its channels have no layers"
        raise ImageError(f"{path} has no layer {layer!r}; {there}", remedy="Name one of these layers, or none.", file=str(path))
    return Selection(chosen[0].part, chosen, seen, chosen[0].layer, views, layers)


def _places(part: int, spec: oiio.ImageSpec) -> list[Place]:
    kinds = [str(k) for k in spec.channelformats] or [str(spec.format)] * spec.nchannels
    own_view = _text(spec, "view")
    many = spec.getattribute("multiView")
    views = tuple(str(v) for v in many) if isinstance(many, tuple) else ()
    part_name = _text(spec, "oiio:subimagename") or _text(spec, "name") or ""
    found = []
    for index, (full_name, kind) in enumerate(zip(spec.channelnames, kinds, strict=True)):
        *words, own = full_name.split(".")
        view = own_view or _view_of(words, views)
        if words and words[-1] == view:
            words.pop()
        found.append(Place(part, index, full_name, own, ".".join(words), part_name, view, kind))
    return found


def _text(spec: oiio.ImageSpec, name: str) -> str | None:
    value = spec.getattribute(name)
    return value if isinstance(value, str) and value else None


def _view_of(words: list[str], views: tuple[str, ...]) -> str | None:
    if not views:
        return None
    if not words:
        return views[0]
    return words[-1] if words[-1] in views else None


def _hero(specs: Sequence[oiio.ImageSpec], places: Sequence[Place]) -> str | None:
    """Return the view shown when none is asked for: the first of `multiView`, else that of the first part that has one."""
    many = specs[0].getattribute("multiView")
    if isinstance(many, tuple) and many:
        return str(many[0])
    return next((p.view for p in places if p.view is not None), None)


def _one_part(places: Sequence[Place]) -> tuple[Place, ...]:
    """Keep the part that holds colour, else the first."""
    for part in dict.fromkeys(p.part for p in places):
        here = tuple(p for p in places if p.part == part)
        if _has_colour(here):
            return here
    return tuple(p for p in places if p.part == places[0].part) if places else ()


def _of_layer(places: Sequence[Place], layer: str) -> tuple[Place, ...]:
    if by_prefix := [p for p in places if p.layer == layer]:
        return _one_part(by_prefix)
    return _one_part([p for p in places if layer in _part_names(p)])


def _part_names(place: Place) -> set[str]:
    """The names a part answers to: its own, and that without its view."""
    name, view = place.part_name, place.view
    names = {name} if name else set()
    if view:
        names |= {name.removesuffix(f"{mark}{view}") for mark in "._"} | {name.removeprefix(f"{view}{mark}") for mark in "._"}
    return names - {""}


def _part_layer(place: Place, parts: int) -> str:
    """The name of its part without the view, where the file has several parts."""
    return min(_part_names(place), key=len, default="") if parts > 1 else ""


def _has_colour(places: Sequence[Place]) -> bool:
    roles = {p.role for p in places}
    return {"R", "G", "B"} <= roles or "Y" in roles


def _main(places: Sequence[Place], path: Path) -> tuple[Place, ...]:
    layers = tuple(dict.fromkeys(p.layer for p in places if p.layer))
    plain = _one_part([p for p in places if not p.layer])
    if plain and (_has_colour(plain) or not layers):
        return plain
    coloured = {name: here for name in layers if _has_colour(here := _one_part([p for p in places if p.layer == name]))}
    if len(coloured) == 1:
        return next(iter(coloured.values()))
    for wanted in MAIN_LAYERS:
        if hits := [here for name, here in coloured.items() if name.split(".")[-1].lower() == wanted]:
            return hits[0]
    if len(coloured) > 1:
        message = f"{path} has colour in several layers: {_listed(tuple(coloured))}"
        raise ImageError(message, remedy="Choose one with --layer.", file=str(path))
    return plain or _one_part(places)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown
