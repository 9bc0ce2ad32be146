# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair as arrays: where strands grow, how they bend, and how they become a Blender hair object."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ball:
    """An ellipsoid that grows hair and that hair does not enter; metres."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]

    def surface(self, directions: Floats) -> tuple[Floats, Floats]:
        """Return points and unit normals (both N×3) where N×3 unit directions, taken before scaling, meet the surface."""
        radii = np.array(self.radii)
        return np.array(self.centre) + directions * radii, unit(directions / radii)

    def push_out(self, points: Floats) -> Floats:
        """Move N×3 points that lie inside the ball to its surface."""
        radii = np.array(self.radii)
        local = (points - np.array(self.centre)) / radii
        reach = np.linalg.norm(local, axis=-1, keepdims=True)
        return np.where(reach < 1.01, np.array(self.centre) + local / np.maximum(reach, 1e-6) * 1.01 * radii, points)


@dataclass(frozen=True)
class Style:
    """How a coat of hair behaves; lengths in metres."""

    gravity: float = 0.15
    clump: float = 0.5
    clumps: int = 300
    curl: float = 0.0
    curl_turns: float = 2.0
    frizz: float = 0.1
    points: int = 10


def unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def directions(count: int, *, rng: np.random.Generator) -> Floats:
    """Return count×3 unit vectors, uniform on the sphere."""
    return unit(rng.normal(size=(count, 3)))


def on_mesh(mesh: bpy.types.Mesh, count: int, *, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return count×3 points and normals, uniform by area over the triangles of a mesh."""
    mesh.calc_loop_triangles()
    corners = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", corners)
    places, normals = np.empty(len(mesh.vertices) * 3, np.float32), np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", places)
    mesh.vertices.foreach_get("normal", normals)
    triangles = places.reshape(-1, 3).astype(np.float64)[corners.reshape(-1, 3)]
    area = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    chosen = rng.choice(len(area), size=count, p=area / area.sum())
    weights = rng.dirichlet((1.0, 1.0, 1.0), size=count)[:, :, None]
    return (triangles[chosen] * weights).sum(1), unit((normals.reshape(-1, 3)[corners.reshape(-1, 3)][chosen] * weights).sum(1))


def grow(
    roots: Floats,
    heading: Floats,
    lengths: Floats,
    *,
    style: Style,
    rng: np.random.Generator,
    balls: tuple[Ball, ...] = (),
) -> Floats:
    """Grow one strand from each root.

    roots, heading: N×3, metres and unit vectors; lengths: N, metres. Returns N×points×3, metres.
    """
    count, steps = len(roots), style.points - 1
    place, heading = roots, unit(heading)
    bend = rng.normal(size=(count, 3)) * style.frizz
    strands = [place]
    for step in range(steps):
        bend = 0.7 * bend + 0.5 * style.frizz * rng.normal(size=(count, 3))
        droop = np.array([0.0, 0.0, -style.gravity]) * (0.4 + step / steps)
        heading = unit(heading + droop + bend)
        moved = place + heading * (lengths / steps)[:, None]
        for ball in balls:
            moved = ball.push_out(moved)
        heading = unit(0.5 * heading + 0.5 * unit(moved - place))
        place = moved
        strands.append(place)
    return _curled(_clumped(np.stack(strands, 1), style=style, rng=rng), lengths, style=style, rng=rng)


def _clumped(strands: Floats, *, style: Style, rng: np.random.Generator) -> Floats:
    count = len(strands)
    if style.clump <= 0 or count <= style.clumps:
        return strands
    guides = rng.choice(count, size=style.clumps, replace=False)
    distance = ((strands[:, None, 0] - strands[None, guides, 0]) ** 2).sum(-1)
    guide = strands[guides[distance.argmin(1)]]
    along = np.linspace(0, 1, strands.shape[1])[None, :, None] ** 1.3
    pull = style.clump * rng.uniform(0.3, 1.0, size=(count, 1, 1)) * along
    return strands + (guide - strands) * pull


def _curled(strands: Floats, lengths: Floats, *, style: Style, rng: np.random.Generator) -> Floats:
    if style.curl <= 0:
        return strands
    count, points = strands.shape[:2]
    along = np.linspace(0, 1, points)[None, :, None]
    axis = unit(strands[:, -1] - strands[:, 0])
    side = unit(np.cross(axis, np.array([0.3, 0.5, 0.81])))
    other = np.cross(axis, side)
    turn = 2 * np.pi * style.curl_turns * along * rng.uniform(0.7, 1.3, size=(count, 1, 1)) + rng.uniform(0, 0.8, size=(count, 1, 1))
    size = style.curl * lengths[:, None, None] * along
    return strands + size * (np.cos(turn) * side[:, None] + np.sin(turn) * other[:, None] - side[:, None])


def hair_object(
    name: str,
    strands: Floats,
    *,
    root_radius: float,
    tip_radius: float,
    material: bpy.types.Material,
    rng: np.random.Generator,
) -> bpy.types.Object:
    """Make a Blender hair object of N×points×3 strands; each carries a per-point attribute `sway`, 0 at the root and about 1 at the tip."""
    count, points = strands.shape[:2]
    curves = bpy.data.hair_curves.new(name)
    curves.add_curves([points] * count)
    curves.attributes["position"].data.foreach_set("vector", strands.astype(np.float32).ravel())
    along = np.linspace(0, 1, points)
    radius = (root_radius + (tip_radius - root_radius) * along**2)[None] * rng.uniform(0.6, 1.2, size=(count, 1))
    curves.attributes.new("radius", "FLOAT", "POINT").data.foreach_set("value", radius.astype(np.float32).ravel())
    reach = np.linalg.norm(strands - strands[:, :1], axis=-1)
    sway = reach / max(float(reach[:, -1].max()), 1e-6) * along[None] * rng.uniform(0.5, 1.3, size=(count, 1))
    curves.attributes.new("sway", "FLOAT", "POINT").data.foreach_set("value", sway.astype(np.float32).ravel())
    curves.materials.append(material)
    hair = bpy.data.objects.new(name, curves)
    bpy.context.scene.collection.objects.link(hair)
    return hair


def add_sway(hair: bpy.types.Object, *, offsets: dict[int, tuple[float, float, float]]) -> None:
    """Let the tips of a hair object lag behind: keyed offsets by frame, metres in the object's own space, scaled by `sway`."""
    tree = bpy.data.node_groups.new("sway", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    socket = tree.interface.new_socket("Offset", in_out="INPUT", socket_type="NodeSocketVector")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    come, leave = tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
    weight, scale = tree.nodes.new("GeometryNodeInputNamedAttribute"), tree.nodes.new("ShaderNodeVectorMath")
    move = tree.nodes.new("GeometryNodeSetPosition")
    weight.data_type, weight.inputs["Name"].default_value, scale.operation = "FLOAT", "sway", "SCALE"
    for source, target in (
        (come.outputs["Offset"], scale.inputs[0]),
        (weight.outputs["Attribute"], scale.inputs["Scale"]),
        (scale.outputs[0], move.inputs["Offset"]),
        (come.outputs["Geometry"], move.inputs["Geometry"]),
        (move.outputs[0], leave.inputs[0]),
    ):
        tree.links.new(source, target)
    modifier = hair.modifiers.new("sway", "NODES")
    modifier.node_group = tree
    for frame, offset in offsets.items():
        modifier[socket.identifier] = offset
        hair.keyframe_insert(f'modifiers["sway"]["{socket.identifier}"]', frame=frame)
