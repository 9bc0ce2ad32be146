# SPDX-License-Identifier: GPL-3.0-or-later
"""A matte's shot at the daemon: opened with the plate it has, asked how it stands."""

from __future__ import annotations

import json
import os
from typing import Any

import bpy

from . import group, stage, versions
from .asking import Step, Steps, answer
from .complaints import MatteError
from .pictures import read
from .plate import Plate, file_of, folder_of, plate_of, rendered_size, scene_of, size_of
from .wire.client import Client
from .wire.description import Description
from .wire.messages import ShotOpen, ShotState, ShotStatus

MASKS = ("garbage", "holdout")


def opened(client: Client, tree: bpy.types.NodeTree, *, anew: bool = False) -> Steps[str]:
    """Make the files that the shot lacks, with `anew` all of them, and open it; return the daemon's name of it. Raises VideoMatteError."""
    settings = tree.videomatte
    plate, folder = plate_of(settings), folder_of(settings)
    description = described(settings, plate, folder)
    yield Step("Opening the shot")
    if plate.rendered:
        yield from _rendered(tree, plate, anew=anew)
    for name in MASKS:
        if getattr(settings, name) is not None:
            yield from _masked(tree, plate, folder, name, anew=anew)
    said = yield from answer(client, ShotOpen(description, folder=folder), text="Opening the shot")
    return said.shot


def described(settings: bpy.types.PropertyGroup, plate: Plate, folder: str) -> Description:
    """Say what is asked of the daemon."""
    mattes = {name: _mask_files(folder, name) if getattr(settings, name) is not None else "" for name in MASKS}
    return Description(
        plate=plate.pattern,
        frames="%d-%d" % (settings.first + plate.shift, settings.last + plate.shift),
        foreground="shot" if settings.foreground else "",
        device=settings.device,
        profile=settings.profile,
        colorspace=plate.space,
        channels="y",
        depth=settings.depth,
        **mattes,
    )


def asked(client: Client, shot: str, uid: int) -> Steps[ShotState]:
    """Ask how a shot stands and keep it with its matte."""
    state = yield from answer(client, ShotStatus(shot), text="Asking how the shot stands")
    tree = group.found(uid)
    if tree is not None:
        tree.videomatte.standing = json.dumps(
            {
                "runs": [[run.first, run.last, run.step or 1, run.state, list(run.flags)] for run in state.frames],
                "keys": list(state.keys),
                "advice": list(state.advice),
                "locked": state.locked,
            }
        )
        tree.videomatte.version = state.version or ""
    return state


def standing(settings: bpy.types.PropertyGroup) -> dict[str, Any]:
    """Return how a matte stood when the daemon was last asked; empty when it never was."""
    try:
        found = json.loads(settings.standing or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def states(settings: bpy.types.PropertyGroup) -> list[tuple[int, str, tuple[str, ...]]]:
    """Return number, state and flags of every frame, by the numbers of the files."""
    runs = standing(settings).get("runs", ())
    return [(frame, state, tuple(flags)) for first, last, step, state, flags in runs for frame in range(first, last + 1, step)]


def _rendered(tree: bpy.types.NodeTree, plate: Plate, *, anew: bool) -> Steps[None]:
    """Render the plate's files: those that are missing, or with `anew` all. Files whose pixels stay the same are left alone."""
    settings = tree.videomatte
    wanted = [frame for frame in _frames(settings) if anew or not os.path.exists(file_of(plate.pattern, frame + plate.shift))]
    if not wanted:
        return
    os.makedirs(os.path.dirname(plate.pattern), exist_ok=True)
    with _plate_stage(tree) as shown:
        for index, frame in enumerate(wanted):
            yield Step("Rendering the plate: frame %d" % frame, index / len(wanted))
            _keep(shown.shoot(frame)["plate"], file_of(plate.pattern, frame + plate.shift))


def _plate_stage(tree: bpy.types.NodeTree) -> Any:
    settings = tree.videomatte
    if settings.source == "UPSTREAM":
        return _Recorded(stage.copied(scene_of(tree), keep=_node_name(tree)), _upstream, tree)
    width, height = rendered_size(settings)
    return _Recorded(stage.empty(width=width, height=height), _source, tree)


class _Recorded:
    """A stage that records the plate from the moment it is entered."""

    def __init__(self, staged: Any, socket: Any, tree: bpy.types.NodeTree) -> None:
        self._staged, self._socket, self._matte = staged, socket, tree

    def __enter__(self) -> stage.Stage:
        shown = self._staged.__enter__()
        try:
            shown.record("plate", self._socket(shown.tree, self._matte))
        except BaseException as error:
            self._staged.__exit__(type(error), error, error.__traceback__)
            raise
        return shown

    def __exit__(self, *error: Any) -> bool | None:
        return self._staged.__exit__(*error)


def _node_name(tree: bpy.types.NodeTree) -> str:
    node = group.node_of(tree, scene_of(tree))
    if node is None or not node.inputs["Image"].links:
        raise MatteError(f"Nothing is linked to the Image input of {tree.name}.", remedy="Link the plate to it, or choose another Source.")
    return node.name


def _upstream(copied: bpy.types.NodeTree, matte: bpy.types.NodeTree) -> bpy.types.NodeSocket:
    return copied.nodes[_node_name(matte)].inputs["Image"].links[0].from_socket


def _source(tree: bpy.types.NodeTree, matte: bpy.types.NodeTree) -> bpy.types.NodeSocket:
    settings = matte.videomatte
    if settings.source == "CLIP":
        node = tree.nodes.new("CompositorNodeMovieClip")
        node.clip = settings.clip
    else:
        node = tree.nodes.new("CompositorNodeImage")
        node.image = settings.image
        if node.image.source in ("SEQUENCE", "MOVIE"):
            node.frame_start, node.frame_offset = settings.frame_start, settings.frame_offset
            node.frame_duration = max(settings.last - settings.frame_start + 1, 1)
    return node.outputs["Image"]


def _masked(tree: bpy.types.NodeTree, plate: Plate, folder: str, name: str, *, anew: bool) -> Steps[None]:
    """Draw a garbage or holdout mask for every frame into files of the shot."""
    settings, pattern = tree.videomatte, _mask_files(folder, name)
    wanted = [frame for frame in _frames(settings) if anew or not os.path.exists(file_of(pattern, frame + plate.shift))]
    if not wanted:
        return
    os.makedirs(os.path.dirname(pattern), exist_ok=True)
    width, height = size_of(plate, settings, settings.first)
    with stage.empty(width=width, height=height) as drawn:
        drawn.record(name, versions.mask_node(drawn.tree, getattr(settings, name), feather=True).outputs[0])
        for index, frame in enumerate(wanted):
            yield Step("Drawing the %s mask: frame %d" % (name, frame), index / len(wanted))
            _keep(drawn.shoot(frame)[name], file_of(pattern, frame + plate.shift))


def _mask_files(folder: str, name: str) -> str:
    return os.path.join(folder, name, name + ".####.exr")


def _frames(settings: bpy.types.PropertyGroup) -> range:
    return range(settings.first, settings.last + 1)


def _keep(made: str, path: str) -> None:
    """Put a file in its place, unless one with the same pixels is there: an unchanged frame is not solved again."""
    if os.path.exists(path):
        before, after = read(path), read(made)
        if before.shape == after.shape and before.tobytes() == after.tobytes():
            return
    unfinished = path + ".new"
    with open(made, "rb") as source, open(unfinished, "wb") as target:
        target.write(source.read())
    os.replace(unfinished, path)
