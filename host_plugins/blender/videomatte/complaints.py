# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on itself has to say to the artist, beside the errors that the daemon tells."""

from __future__ import annotations

from .wire.errors import InputError, NotAllowedError


class MatteError(InputError):
    """A property, node or data-block that cannot be used."""

    code = "input.matte"


class OfflineError(NotAllowedError):
    """A daemon on another machine, while Blender is not allowed to go online."""

    code = "not_allowed.offline"


def text_of(error: Exception) -> str:
    """Return an error and its remedy as one line for the artist. Blender raises ReferenceError for what is no more."""
    if isinstance(error, ReferenceError):
        return "What was worked on was undone or deleted meanwhile. Press again."
    remedy = getattr(error, "remedy", "")
    return "{} {}".format(getattr(error, "message", str(error)), remedy) if remedy else str(getattr(error, "message", error))
