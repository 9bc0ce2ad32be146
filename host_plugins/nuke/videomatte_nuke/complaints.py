"""What the plug-in itself has to say to the artist, beside the errors that the daemon tells."""

from __future__ import annotations

from .wire.errors import InputError, StorageError, UsageError


class NodeError(InputError):
    """A knob or an input of the node that cannot be used."""

    code = "input.node"


class RenderError(StorageError):
    """An input of the node that could not be rendered."""

    code = "resource.render"


class StoppedError(UsageError):
    """The artist stopped the render of an input."""
