# SPDX-License-Identifier: GPL-3.0-or-later
"""Subjects to cut out, drawn by chance: heads, creatures, cloth, foliage and hard pieces, about one metre across."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector, noise
from strands import Ball, Floats, Style, directions, grow, hair_object, on_mesh, unit
from surfaces import bare_skin, hair_material, sheer, surface


def solid(name: str, vertices: Floats, faces: list[tuple[int, ...]], *, material: bpy.types.Material) -> bpy.types.Object:
    """Make a smooth mesh object."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(map(float, v)) for v in vertices], [], faces)
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    mesh.materials.append(material)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def lump(ball: Ball, *, rough: float, rng: np.random.Generator, material: bpy.types.Material) -> bpy.types.Object:
    """Make a ball whose surface swells gently; rough is the part of the radius it swells by."""
    around, up = 72, 40
    theta, phi = np.meshgrid(np.linspace(0, 2 * np.pi, around, endpoint=False), np.linspace(0, np.pi, up), indexing="xy")
    ways = np.stack([np.cos(theta) * np.sin(phi), np.sin(theta) * np.sin(phi), np.cos(phi)], -1).reshape(-1, 3)
    offset, scale = rng.uniform(0, 100, 3), rng.uniform(0.8, 1.8)
    swell = np.array([noise.noise(Vector(way * scale + offset)) for way in ways])
    faces = [
        (r * around + c, (r + 1) * around + c, (r + 1) * around + (c + 1) % around, r * around + (c + 1) % around)
        for r in range(up - 1)
        for c in range(around)
    ]
    points = np.array(ball.centre) + ways * (1 + rough * swell)[:, None] * np.array(ball.radii)
    return solid("lump", points, faces, material=material)


def coat(name: str, strands: Floats, *, radius: float, rng: np.random.Generator, material: bpy.types.Material) -> bpy.types.Object:
    return hair_object(name, strands, root_radius=radius, tip_radius=radius * 0.25, material=material, rng=rng)


def flyaways(ball: Ball, *, reach: float, rng: np.random.Generator) -> Floats:
    """Grow single thin hairs that leave the outline; reach in metres."""
    ways = directions(int(rng.integers(60, 900)), rng=rng)
    ways = ways[ways[:, 2] > -0.2]
    roots, normals = ball.surface(ways)
    style = Style(gravity=float(rng.uniform(0, 0.15)), clump=0, frizz=float(rng.uniform(0.08, 0.35)), points=12)
    return grow(roots, unit(normals + 0.5 * directions(len(ways), rng=rng)), reach * rng.uniform(0.4, 1, len(ways)), style=style, rng=rng)


def head(rng: np.random.Generator, photographs: list[Path]) -> list[bpy.types.Object]:
    """Build a head on shoulders with hair from cropped to long, straight to curled, and flyaways."""
    skull = Ball((0, 0, 0.25), (0.30 * rng.uniform(0.9, 1.1), 0.36, 0.40 * rng.uniform(0.9, 1.1)))
    trunk = Ball((0, 0.05, -0.75), (0.62 * rng.uniform(0.85, 1.2), 0.32, 0.52))
    neck = Ball((0, 0.05, -0.2), (0.16, 0.17, 0.4))
    skin, cloth = bare_skin(rng) if rng.random() < 0.7 else surface(rng, photographs=[]), surface(rng, photographs=photographs)
    made = [lump(b, rough=0.08, rng=rng, material=m) for b, m in ((skull, skin), (neck, skin), (trunk, cloth))]
    length = float(rng.choice((0.12, 0.35, 0.6, 0.9)) * rng.uniform(0.8, 1.2))
    ways = directions(int(rng.integers(9000, 17000)), rng=rng)
    ways = ways[(ways[:, 2] > 0.35) | ((ways[:, 1] > -0.25) & (ways[:, 2] > -0.3 * (ways[:, 1] > 0)))]
    roots, normals = skull.surface(ways)
    style = Style(
        gravity=float(rng.uniform(0.02, 0.45)),
        clump=float(rng.uniform(0, 0.9)),
        clumps=int(rng.integers(60, 500)),
        curl=float(rng.choice((0, 0, rng.uniform(0.02, 0.12)))),
        curl_turns=float(rng.uniform(1, 5)),
        frizz=float(rng.uniform(0.02, 0.25)),
        points=14,
    )
    lean = np.array([0.0, 0.5, 0.2]) * rng.uniform(0, 1.2) + rng.normal(size=3) * 0.2
    strands = grow(roots, unit(normals + lean), length * rng.uniform(0.6, 1.1, len(ways)), style=style, rng=rng, balls=(skull, trunk))
    hair, thick = hair_material(rng), float(rng.uniform(0.0009, 0.0022))
    made.append(coat("hair", strands, radius=thick, rng=rng, material=hair))
    made.append(coat("flyaways", flyaways(skull, reach=0.25 + length * 0.6, rng=rng), radius=thick * 0.7, rng=rng, material=hair))
    return made


def creature(rng: np.random.Generator, photographs: list[Path]) -> list[bpy.types.Object]:
    """Build one to three furry lumps."""
    made, hair = [], hair_material(rng)
    balls = tuple(
        Ball(tuple(rng.uniform(-0.45, 0.45, 3) * (1, 0.6, 1)), tuple(float(rng.uniform(0.25, 0.55)) * rng.uniform(0.75, 1.25, 3)))
        for _ in range(rng.integers(1, 4))
    )
    length, thick = float(rng.choice((0.05, 0.12, 0.25, 0.45)) * rng.uniform(0.7, 1.3)), float(rng.uniform(0.0009, 0.0028))
    style = Style(
        gravity=float(rng.uniform(-0.1, 0.4)),
        clump=float(rng.uniform(0, 0.9)),
        clumps=int(rng.integers(80, 500)),
        curl=float(rng.choice((0, rng.uniform(0.02, 0.2)))),
        curl_turns=float(rng.uniform(1, 4)),
        frizz=float(rng.uniform(0.05, 0.3)),
        points=8,
    )
    comb = rng.normal(size=3) * rng.uniform(0, 1)
    skin = surface(rng, photographs=photographs)
    for ball in balls:
        body = lump(ball, rough=float(rng.uniform(0, 0.25)), rng=rng, material=skin)
        roots, normals = on_mesh(body.data, int(rng.integers(4000, 15000) / len(balls) ** 0.5), rng=rng)
        lengths = length * rng.uniform(0.5, 1.1, len(roots))
        made += [body, coat("fur", grow(roots, unit(normals + comb), lengths, style=style, rng=rng), radius=thick, rng=rng, material=hair)]
    if rng.random() < 0.5:
        made.append(coat("flyaways", flyaways(balls[0], reach=2 * length, rng=rng), radius=thick * 0.7, rng=rng, material=hair))
    return made


def cloth(rng: np.random.Generator, photographs: list[Path]) -> list[bpy.types.Object]:
    """Hang a folded cloth with a fringe at its lower edge, sometimes of sheer stuff."""
    width, height, columns, rows = rng.uniform(0.6, 1.3), rng.uniform(0.6, 1.1), 90, 60
    x, z = np.meshgrid(np.linspace(-0.5, 0.5, columns) * width, np.linspace(0.5, -0.5, rows) * height, indexing="xy")
    folds, phase = rng.uniform(2, 9), rng.uniform(0, 6.3)
    swing = np.linspace(0.2, 1, rows)[:, None]
    y = 0.10 * swing * np.sin(folds * x / width * 6.3 / 2 + phase + 1.5 * swing) + 0.05 * np.sin(5 * z + 3 * x + phase)
    points = np.stack([x * (1 - 0.25 * (1 - swing)), y, z], -1).reshape(-1, 3)
    corners = [r * columns + c for r in range(rows - 1) for c in range(columns - 1)]
    faces = [(at, at + 1, at + columns + 1, at + columns) for at in corners]
    stuff = surface(rng, photographs=photographs)
    if rng.random() < 0.35:
        sheer(stuff, cover=float(rng.uniform(0.35, 0.85)))
    made = [solid("cloth", points, faces, material=stuff)]
    hem = points.reshape(rows, columns, 3)[-1]
    count = int(rng.integers(300, 2500))
    along = rng.uniform(0, columns - 1.001, count)
    first = along.astype(int)
    roots = hem[first] + (hem[first + 1] - hem[first]) * (along - first)[:, None]
    style = Style(gravity=0.2, clump=float(rng.uniform(0.5, 1)), clumps=int(rng.integers(20, 120)), frizz=float(rng.uniform(0.03, 0.2)))
    down = unit(np.array([0.0, 0.0, -1.0]) + 0.15 * rng.normal(size=(count, 3)))
    fringe = grow(roots, down, rng.uniform(0.06, 0.25) * rng.uniform(0.8, 1.1, count), style=style, rng=rng)
    made.append(coat("fringe", fringe, radius=float(rng.uniform(0.001, 0.003)), rng=rng, material=hair_material(rng)))
    return made


def leaf_shape(rng: np.random.Generator) -> Floats:
    """Return the outline of a leaf, N×2, root at the origin and tip at (0, 1)."""
    along = np.linspace(0, 1, 9)[1:-1]
    teeth = 1 + rng.uniform(0, 0.25) * np.cos(np.arange(7) * np.pi)
    half = rng.uniform(0.08, 0.4) * np.sin(np.pi * along ** rng.uniform(0.6, 1.3)) * teeth
    right, left = np.stack([half, along], 1), np.stack([-half, along], 1)[::-1]
    return np.concatenate([[[0, 0]], right, [[0, 1]], left])


def foliage(rng: np.random.Generator, photographs: list[Path]) -> list[bpy.types.Object]:
    """Grow twigs as strands and hang leaves along them; one mesh holds all leaves."""
    outline, count = leaf_shape(rng), int(rng.integers(5, 26))
    fan = unit(rng.normal(size=(count, 3)) * (1, 0.5, 0.7) + np.array([0, 0, rng.uniform(-0.8, 1.2)]))
    foot = np.array([rng.uniform(-0.3, 0.3), 0, -0.5 * np.sign(fan[:, 2].mean())]) + rng.normal(size=(count, 3)) * 0.06
    style = Style(gravity=float(rng.uniform(-0.05, 0.2)), clump=0, frizz=0.15, points=10)
    twigs = grow(foot, fan, rng.uniform(0.5, 1.1, count), style=style, rng=rng)
    bark, green = surface(rng, photographs=[]), surface(rng, photographs=photographs if rng.random() < 0.2 else [])
    made = [coat("twigs", twigs, radius=float(rng.uniform(0.002, 0.008)), rng=rng, material=bark)]
    size, per = float(rng.uniform(0.05, 0.25)), int(rng.integers(6, 30))
    vertices, faces = [], []
    for twig in twigs:
        for at in rng.uniform(0.25, 1, per) * 8.99:
            root = twig[int(at)] + (twig[int(at) + 1] - twig[int(at)]) * (at % 1)
            axis = unit(unit(twig[int(at) + 1] - twig[int(at)]) + 1.1 * rng.normal(size=3) * 0.6)
            side = unit(np.cross(axis, rng.normal(size=3)))
            scale, bend = size * rng.uniform(0.5, 1.2), rng.normal() * 0.4
            faces.append(tuple(range(len(vertices), len(vertices) + len(outline))))
            cup = np.cross(axis, side) * bend
            vertices += [root + scale * (x * side + y * axis + (abs(x) + y * y * 0.5) * cup) for x, y in outline]
    made.append(solid("leaves", np.array(vertices), faces, material=green))
    return made


def pieces(rng: np.random.Generator, photographs: list[Path]) -> list[bpy.types.Object]:
    """Throw together hard things, rings and wires, for edges and holes without hair."""
    made = []
    for _ in range(int(rng.integers(2, 9))):
        shape = ("torus", "cone", "cube", "cylinder")[int(rng.integers(4))]
        getattr(bpy.ops.mesh, f"primitive_{shape}_add")(location=rng.uniform(-0.5, 0.5, 3), rotation=rng.uniform(0, 6.3, 3))
        thing = bpy.context.object
        thing.scale = float(rng.uniform(0.08, 0.4)) * rng.uniform(0.4, 1.3, 3)
        bevel = thing.modifiers.new("bevel", "BEVEL")
        bevel.width, bevel.segments = 0.1, 3
        bpy.ops.object.shade_smooth()
        thing.data.materials.append(surface(rng, photographs=photographs))
        if rng.random() < 0.25:
            thing.modifiers.new("wire", "WIREFRAME").thickness = float(rng.uniform(0.01, 0.06))
        made.append(thing)
    return made


SUBJECTS = ((head, 0.32), (creature, 0.26), (cloth, 0.14), (foliage, 0.20), (pieces, 0.08))
