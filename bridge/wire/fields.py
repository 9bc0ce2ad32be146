"""Values from plain data, strictly by the annotations of the dataclasses; and plain data from values.

A record is a map by field name. Unknown fields are ignored, missing ones take their default. A record that is one of several (a pixel
field) says which by its `kind`.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Annotated, Any, Callable, Literal, Optional, Tuple, Union, get_args, get_origin, get_type_hints

from .limits import Between

Reader = Callable[[Any, str], Any]


class MismatchError(ValueError):
    """Data that is not what an annotation says."""


def plain(value: Any) -> Any:
    """Return a value as maps, lists, text and numbers; what is none of these is left for msgpack to refuse."""
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if not is_dataclass(value):
        return value
    cls: Any = type(value)
    kind, names = _shape(cls)
    record = {name: plain(getattr(value, name)) for name in names}
    return record if kind is None else {"kind": kind, **record}


def reader(hint: Any) -> Reader:
    """Return the function that makes a value of an annotated type from plain data. It raises MismatchError, naming the place."""
    return _reader(hint)


@lru_cache(maxsize=None)
def _reader(hint: Any) -> Reader:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bounded(inside[1])
    if origin is Literal:
        return _one_of(inside)
    if origin is tuple:
        return _many(reader(inside[0])) if inside[1:] == (...,) else _fixed(tuple(reader(item) for item in inside))
    if origin is Union:
        return _choice(inside)
    if is_dataclass(hint):
        return _record(hint)
    return {str: _exactly(str, "text"), bool: _exactly(bool, "true or false"), int: _bounded(Between(-(2**63), 2**64 - 1)), float: _number}[
        hint
    ]


@lru_cache(maxsize=None)
def _shape(cls: Any) -> Tuple[Optional[str], Tuple[str, ...]]:
    """Return the kind of a record that is one of several, and the names of its fields."""
    names = tuple(field.name for field in fields(cls))
    return (None if "kind" in names else getattr(cls, "kind", None)), names


def _exactly(kind: type, words: str) -> Reader:
    def read(data: Any, where: str) -> Any:
        if type(data) is not kind:
            raise MismatchError(f"{where} must be {words}")
        return data

    return read


def _bounded(bounds: Between) -> Reader:
    def read(data: Any, where: str) -> int:
        if type(data) is not int or not bounds.least <= data <= bounds.most:
            raise MismatchError(f"{where} must be a whole number from {bounds.least} to {bounds.most}")
        return data

    return read


def _number(data: Any, where: str) -> float:
    if type(data) not in (int, float) or not math.isfinite(data):
        raise MismatchError(f"{where} must be a finite number")
    return float(data)


def _one_of(words: Tuple[Any, ...]) -> Reader:
    def read(data: Any, where: str) -> Any:
        if type(data) is not str or data not in words:
            raise MismatchError(f"{where} must be one of {', '.join(map(repr, words))}")
        return data

    return read


def _listed(data: Any, where: str) -> Any:
    if type(data) is not list:
        raise MismatchError(f"{where} must be a list")
    return data


def _many(item: Reader) -> Reader:
    return lambda data, where: tuple(item(one, where) for one in _listed(data, where))


def _fixed(items: Tuple[Reader, ...]) -> Reader:
    def read(data: Any, where: str) -> Tuple[Any, ...]:
        if len(_listed(data, where)) != len(items):
            raise MismatchError(f"{where} must be a list of {len(items)}")
        return tuple(item(one, where) for item, one in zip(items, data))  # noqa: B905 - Python 3.9 has no strict

    return read


def _choice(hints: Tuple[Any, ...]) -> Reader:
    """Read None where it is one of the hints, and one of the other types: by `kind` when there are several."""
    others = [hint for hint in hints if hint is not type(None)]
    only = reader(others[0]) if len(others) == 1 else None
    kinds = {hint.kind: reader(hint) for hint in others} if only is None else {}

    def read(data: Any, where: str) -> Any:
        if data is None and len(others) < len(hints):
            return None
        if only is not None:
            return only(data, where)
        kind = data.get("kind") if isinstance(data, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise MismatchError(f"{where} must be a map whose kind is one of {', '.join(map(repr, kinds))}")
        return kinds[kind](data, where)

    return read


def _record(cls: Any) -> Reader:
    hints = get_type_hints(cls, include_extras=True)
    wanted = [(field.name, reader(hints[field.name]), field.default is MISSING) for field in fields(cls)]

    def read(data: Any, where: str) -> Any:
        if type(data) is not dict:
            raise MismatchError(f"{where} must be a map")
        taken = {}
        for name, read_field, needed in wanted:
            if name in data:
                taken[name] = read_field(data[name], f"{where}.{name}")
            elif needed:
                raise MismatchError(f"{where}.{name} is missing")
        return cls(**taken)

    return read
