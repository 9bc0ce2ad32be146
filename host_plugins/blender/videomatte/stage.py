# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels of what has no file: a scene of its own, made for the occasion, composites them into EXR files and is taken away again.

It takes the place of the current Render Result: Blender has no other way to composite.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from . import versions
from .complaints import MatteError


class Stage:
    """A scene that writes what its sockets give, a frame at a time."""

    def __init__(self, scene: bpy.types.Scene, folder: str) -> None:
        self.scene, self.folder = scene, folder
        self._recorded: tuple[str, ...] = ()

    @property
    def tree(self) -> bpy.types.NodeTree:
        """The tree in which sockets are looked for."""
        return versions.tree_of(self.scene)

    def record(self, name: str, socket: bpy.types.NodeSocket) -> None:
        """Have a socket written under a name."""
        tree = self.tree
        tree.links.new(socket, versions.file_output(tree, folder=self.folder, name=name + "."))
        tree.links.new(socket, versions.result_node(tree).inputs[0])
        self._recorded += (name,)

    def shoot(self, frame: int) -> dict[str, str]:
        """Write a scene frame and return the file of each name. Raises MatteError."""
        for left in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, left))
        self.scene.render.filepath = os.path.join(self.folder, "result.")
        versions.render(self.scene, frame)
        files = sorted(os.listdir(self.folder))
        made = {name: file for name in self._recorded for file in files if file.startswith(name) and file.endswith(".exr")}
        for name in self._recorded:
            if name not in made:
                raise MatteError("Blender could not render %s of frame %d." % (name, frame), remedy="Render the frame to see why.")
        return {name: os.path.join(self.folder, file) for name, file in made.items()}


@contextmanager
def empty(*, width: int, height: int) -> Iterator[Stage]:
    """Give a stage without nodes; it is gone when the context is left."""
    scene = bpy.data.scenes.new(".videomatte")
    versions.tree_of(scene).nodes.clear()
    with _staged(scene, width, height) as stage:
        yield stage


@contextmanager
def copied(scene: bpy.types.Scene, *, keep: str) -> Iterator[Stage]:
    """Give a stage with a scene's compositor: the node `keep` and what leads to it."""
    render = scene.render
    width, height = (side * render.resolution_percentage // 100 for side in (render.resolution_x, render.resolution_y))
    copy = versions.copy_of(scene)
    with _staged(copy, width, height) as stage:
        _prune(stage.tree, stage.tree.nodes[keep])
        yield stage


@contextmanager
def _staged(scene: bpy.types.Scene, width: int, height: int) -> Iterator[Stage]:
    name, folder = scene.name, tempfile.mkdtemp(prefix="videomatte", dir=bpy.app.tempdir)
    try:
        versions.prepare(scene, width=width, height=height)
        yield Stage(scene, folder)
    finally:
        if name in bpy.data.scenes:
            versions.remove(bpy.data.scenes[name])
        shutil.rmtree(folder, ignore_errors=True)


def _prune(tree: bpy.types.NodeTree, kept: bpy.types.Node) -> None:
    """Take away every node that does not lead to one."""
    needed, looked = {kept.name}, [kept]
    while looked:
        for link in (link for socket in looked.pop().inputs for link in socket.links):
            if link.from_node.name not in needed:
                needed.add(link.from_node.name)
                looked.append(link.from_node)
    for name in [node.name for node in tree.nodes if node.name not in needed]:
        tree.nodes.remove(tree.nodes[name])
