"""Knobs of the stand-in, one class for each of Nuke's that the plug-in meets; a value of the wrong kind is refused."""

from __future__ import annotations

import re
from typing import Any

from host_state import STATE, on_main, record


class Knob:
    """A knob of a node. `_keys` are the frames at which it is keyed."""

    def __init__(self, name: str, value: Any = None, choices: tuple[str, ...] = ()) -> None:
        self._name, self._value, self._choices = name, value, choices
        self._keys: list[int] = []
        self._expression = ""
        self._node: Any = None

    def name(self) -> str:
        return self._name

    def Class(self) -> str:
        return type(self).__name__

    def value(self) -> Any:
        self._node._alive()
        return self._value

    def setValue(self, val: Any) -> bool:
        on_main("Knob.setValue")
        self._node._alive()
        before, self._value = self._value, self._checked(val)
        if before != self._value:
            record("set " + self._name, lambda: setattr(self, "_value", before))
        return True

    def isAnimated(self) -> bool:
        return bool(self._keys)

    def hasExpression(self) -> bool:
        return bool(self._expression)

    def getKeyList(self) -> list[int]:
        return list(self._keys)

    def toScript(self) -> str:
        return str(self._value)

    def fromScript(self, script: str) -> None:
        on_main("Knob.fromScript")
        self.setValue(self._read(script))

    def _read(self, script: str) -> Any:
        return script

    def _checked(self, value: Any) -> Any:
        return value


class String_Knob(Knob):
    def _checked(self, value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError("%s takes text, not %r" % (self._name, value))
        return value


class EvalString_Knob(String_Knob):
    def evaluate(self) -> str:
        """Evaluate `file dirname` and `value`, innermost first; another command is refused."""
        text = str(self._value or "")
        while "[" in text:
            text = re.sub(r"\[([^\[\]]*)\]", lambda found: self._command(found[1]), text)
        return text

    def _command(self, command: str) -> str:
        if command.startswith("file dirname"):
            path = command[len("file dirname") :].strip()
            return path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")
        if command.startswith("value "):
            name = command[len("value ") :].strip()
            node = STATE.nodes["root"] if name.startswith("root.") else self._node
            return str(node[name.rpartition(".")[2]].value())
        raise AssertionError("the stand-in knows no Tcl command %r" % command)


class File_Knob(EvalString_Knob):
    def _checked(self, value: Any) -> str:
        text = super()._checked(value)
        if "\\" in text:
            raise AssertionError("Nuke eats backslashes in paths: %r" % text)
        return text


class Int_Knob(Knob):
    def _read(self, script: str) -> int:
        return int(script, 0)

    def _checked(self, value: Any) -> int:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value != int(value):
            raise TypeError("%s takes a whole number, not %r" % (self._name, value))
        return int(value)


class Boolean_Knob(Knob):
    def _read(self, script: str) -> bool:
        return {"True": True, "False": False, "true": True, "false": False}[script]

    def _checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError("%s takes True or False, not %r" % (self._name, value))
        return value


class Enumeration_Knob(Knob):
    def _checked(self, value: Any) -> str:
        if value not in self._choices:
            raise TypeError("%s has no item %r, but %s" % (self._name, value, ", ".join(self._choices)))
        return str(value)


class Link_Knob(Knob):
    """A link shows a knob of an inner node; the plug-in goes to that knob itself."""

    def getLinkedKnob(self) -> Knob:
        node, _, name = str(self._value).partition(".")
        found: Knob = self._node.node(node)[name]
        return found

    def setValue(self) -> None:  # type: ignore[override]
        raise AssertionError("set the knob that %s links to" % self._name)


class Text_Knob(String_Knob):
    pass


class Tab_Knob(Knob):
    pass


class PyScript_Knob(String_Knob):
    def execute(self) -> None:
        """Press the button: run its body with `nuke.thisNode()` its node."""
        on_main("PyScript_Knob.execute")
        import nuke

        STATE.this = self._node
        try:
            exec(compile(self._value, self._name, "exec"), {"nuke": nuke})
        finally:
            STATE.this = None


class CurveKnob(Knob):
    """The curves of a Roto: a layer of layers and shapes, a shape of points. Tests fill `rootLayer`."""

    def __init__(self, name: str, value: Any = None) -> None:
        super().__init__(name, value)
        self.rootLayer: list[Any] = []


class _Times:
    def __init__(self, times: list[float]) -> None:
        self._times = times

    def getControlPointKeyTimes(self, view: str = "main") -> list[float]:
        return self._times


class ShapeControlPoint:
    """A point of a shape, keyed at these times."""

    def __init__(self, times: list[float]) -> None:
        self.center = _Times(times)


USER_KINDS: dict[int, type[Knob]] = {
    **{1: String_Knob, 2: File_Knob, 3: Int_Knob, 4: Enumeration_Knob, 6: Boolean_Knob},
    **{20: Tab_Knob, 22: PyScript_Knob, 26: Text_Knob, 41: Link_Knob},
}
"""The classes of the user knobs of a gizmo by Nuke's numbers."""
