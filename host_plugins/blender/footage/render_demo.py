# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the demo shot's two layers, creature and background, wholly procedural: python render_demo.py --out DIR, then pack_demo.py."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector
from strands import Ball, Floats, Style, add_sway, directions, grow, hair_object, unit

FIRST, LAST = 1001, 1012
SEED = 20

Triple = tuple[float, float, float]

HEAD = Ball(centre=(0.0, 0.0, 0.0), radii=(0.36, 0.34, 0.32))
EARS = (Ball(centre=(-0.27, 0.0, 0.34), radii=(0.10, 0.05, 0.20)), Ball(centre=(0.27, 0.0, 0.34), radii=(0.10, 0.05, 0.20)))
BODY = Ball(centre=(0.0, 0.05, -0.62), radii=(0.40, 0.34, 0.46))
HEAD_HEIGHT = 0.97


def shader(name: str, kind: str, **values: object) -> bpy.types.Material:
    """Make a material of one shader node; values go to its inputs by name with spaces for underscores."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    node, out = nodes.new(kind), nodes.new("ShaderNodeOutputMaterial")
    for key, value in values.items():
        node.inputs[key.replace("_", " ")].default_value = value
    material.node_tree.links.new(node.outputs[0], out.inputs["Surface"])
    return material


def hair_material(name: str, *, root: Triple, tip: Triple) -> bpy.types.Material:
    """Make hair that goes from one colour at the root to another at the tip, each strand a little different."""
    material = shader(name, "ShaderNodeBsdfHairPrincipled", Roughness=0.28, Radial_Roughness=0.4)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    hair = next(n for n in nodes if n.bl_idname == "ShaderNodeBsdfHairPrincipled")
    hair.parametrization = "COLOR"
    info, ramp, vary = nodes.new("ShaderNodeHairInfo"), nodes.new("ShaderNodeValToRGB"), nodes.new("ShaderNodeHueSaturation")
    ramp.color_ramp.elements[0].color, ramp.color_ramp.elements[1].color = (*root, 1), (*tip, 1)
    ramp.color_ramp.elements[0].position = 0.1
    bright = nodes.new("ShaderNodeMapRange")
    bright.inputs["To Min"].default_value, bright.inputs["To Max"].default_value = 0.6, 1.35
    links.new(info.outputs["Intercept"], ramp.inputs[0])
    links.new(info.outputs["Random"], bright.inputs[0])
    links.new(bright.outputs[0], vary.inputs["Value"])
    links.new(ramp.outputs[0], vary.inputs["Color"])
    links.new(vary.outputs[0], hair.inputs["Color"])
    return material


def ball_object(name: str, ball: Ball, *, material: bpy.types.Material, parent: bpy.types.Object) -> bpy.types.Object:
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, radius=1, location=ball.centre)
    made = bpy.context.object
    made.name, made.scale, made.parent = name, ball.radii, parent
    made.data.materials.append(material)
    bpy.ops.object.shade_smooth()
    return made


def coat(ball: Ball, count: int, *, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return directions, roots and normals of count hairs on a ball."""
    ways = directions(count, rng=rng)
    return ways, *ball.surface(ways)


def head_strands(rng: np.random.Generator) -> Floats:
    """Grow the head: short on the face, long on crown and cheeks; combed back and down."""
    ways, roots, normals = coat(HEAD, 8500, rng=rng)
    face = np.clip((-ways[:, 1] - 0.35) / 0.35, 0, 1) * np.clip((0.75 - ways[:, 2]) / 0.3, 0, 1)
    lengths = (0.05 * face + (1 - face) * (0.17 + 0.10 * np.abs(ways[:, 0]))) * rng.uniform(0.6, 1.2, len(ways))
    comb = np.stack([0.5 * ways[:, 0], np.full(len(ways), 0.35), np.where(ways[:, 2] > 0.5, 0.5, -0.3)], 1)
    style = Style(gravity=0.13, clump=0.65, clumps=420, frizz=0.11, curl=0.05, curl_turns=1.3)
    return grow(roots, unit(normals + 0.8 * comb), lengths, style=style, rng=rng, balls=(HEAD, *EARS))


def flyaway_strands(rng: np.random.Generator) -> Floats:
    """Grow a few long single hairs that leave the outline."""
    ways, roots, normals = coat(HEAD, 3200, rng=rng)
    keep = (ways[:, 2] > -0.1) & (ways[:, 1] > -0.45)
    count = int(keep.sum())
    style = Style(gravity=0.10, clump=0, frizz=0.22, points=14)
    lean = np.stack([0.5 * ways[keep, 0], np.full(count, 0.2), np.full(count, 0.35)], 1)
    return grow(roots[keep], unit(normals[keep] + lean), rng.uniform(0.25, 0.55, count), style=style, rng=rng, balls=(HEAD,))


def ear_strands(rng: np.random.Generator) -> Floats:
    """Grow the ears with a tuft at the tip."""
    coats = []
    for ear in EARS:
        ways, roots, normals = coat(ear, 2600, rng=rng)
        lengths = (0.06 + 0.16 * np.clip(ways[:, 2] - 0.2, 0, 1) ** 1.5) * rng.uniform(0.6, 1.2, len(ways))
        up = np.array([0.5 * np.sign(ear.centre[0]), 0.0, 1.3])
        coats.append(grow(roots, unit(normals + up), lengths, style=Style(gravity=0.04, clump=0.5, clumps=50, frizz=0.1), rng=rng))
    return np.concatenate(coats)


def body_strands(rng: np.random.Generator) -> Floats:
    ways, roots, normals = coat(BODY, 7500, rng=rng)
    lengths = (0.16 + 0.08 * np.abs(ways[:, 0])) * rng.uniform(0.6, 1.2, len(ways))
    style = Style(gravity=0.22, clump=0.7, clumps=420, frizz=0.12)
    return grow(roots, unit(normals + np.array([0.0, 0.0, -0.6])), lengths, style=style, rng=rng, balls=(BODY,))


def empty(name: str, *, parent: bpy.types.Object | None = None) -> bpy.types.Object:
    made = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(made)
    made.parent = parent
    return made


def face(head: bpy.types.Object) -> None:
    """Give the head two glossy eyes and a nose."""
    dark = shader("eye", "ShaderNodeBsdfPrincipled", Base_Color=(0.008, 0.006, 0.005, 1), Roughness=0.05)
    iris = shader("iris", "ShaderNodeBsdfPrincipled", Base_Color=(0.75, 0.32, 0.03, 1), Roughness=0.15)
    for side in (-1, 1):
        ball_object("iris", Ball((0.145 * side, -0.275, 0.06), (0.085, 0.06, 0.085)), material=iris, parent=head)
        ball_object("pupil", Ball((0.143 * side, -0.300, 0.06), (0.058, 0.045, 0.062)), material=dark, parent=head)
    ball_object("nose", Ball((0.0, -0.355, -0.06), (0.045, 0.03, 0.032)), material=dark, parent=head)


def creature(rng: np.random.Generator) -> tuple[bpy.types.Object, bpy.types.Object, list[bpy.types.Object]]:
    """Build the creature; returns its body's and its head's handle and the hair objects that lag."""
    body, head = empty("body"), empty("head")
    head.parent = body
    skin = shader("skin", "ShaderNodeBsdfPrincipled", Base_Color=(0.30, 0.12, 0.05, 1), Roughness=0.8)
    fur = hair_material("fur", root=(0.42, 0.11, 0.025), tip=(0.95, 0.56, 0.22))
    pale = hair_material("pale", root=(0.55, 0.30, 0.14), tip=(0.92, 0.78, 0.55))
    for name, ball, parent in (("skull", HEAD, head), ("ear", EARS[0], head), ("ear", EARS[1], head), ("trunk", BODY, body)):
        ball_object(name, ball, material=skin, parent=parent)
    face(head)
    coats = (
        ("mane", head_strands(rng), fur, head, 0.0016),
        ("flyaways", flyaway_strands(rng), pale, head, 0.0010),
        ("tufts", ear_strands(rng), fur, head, 0.0013),
        ("coat", body_strands(rng), fur, body, 0.0018),
    )
    hair = []
    for name, strands, material, parent, radius in coats:
        made = hair_object(name, strands, root_radius=radius, tip_radius=radius * 0.25, material=material, rng=rng)
        made.parent = parent
        hair.append(made)
    return body, head, hair


def animate(body: bpy.types.Object, head: bpy.types.Object, hair: list[bpy.types.Object]) -> None:
    """Walk the creature across the frame, turn its head, and let the hair lag as a damped spring."""
    lag, speed, before = np.zeros(3), np.zeros(3), None
    offsets: dict[int, Triple] = {}
    for frame in range(FIRST - 24, LAST + 3):
        t = (frame - FIRST) / (LAST - FIRST)
        x = -0.26 + 0.50 * t + 0.03 * math.sin(7 * t)
        place = np.array([x, 0.0, HEAD_HEIGHT - 0.05 + 0.05 * math.sin(2 * math.pi * (0.9 * t + 0.1))])
        turn = 0.30 * math.sin(math.pi * (t - 0.45))
        # the tip trails both the walk and the turn, and swings back when either slows down
        drive = np.zeros(3) if before is None else -(place - before) * 2.0 + np.array([-0.10 * math.cos(math.pi * (t - 0.45)), 0.0, 0.0])
        speed = 0.62 * speed + 0.30 * (drive - lag)
        lag = lag + speed
        before = place
        if frame < FIRST - 2:
            continue
        offsets[frame] = tuple(float(v) for v in lag)
        body.location, body.rotation_euler = place, (0.0, 0.06 * math.sin(4 * t), 0.5 * turn)
        head.rotation_euler = (0.06 * math.sin(3 * t), 0.10 * math.sin(2.5 * t - 1), turn)
        for handle in (body, head):
            handle.keyframe_insert("location", frame=frame)
            handle.keyframe_insert("rotation_euler", frame=frame)
    for made in hair:
        add_sway(made, offsets=offsets)


def wall() -> None:
    """Hang a wall of procedural bricks far behind the creature."""
    material = shader("wall", "ShaderNodeBsdfPrincipled", Roughness=0.7)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    surface = next(n for n in nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")
    where, bricks, stain, mix = (nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "TexBrick", "TexNoise", "Mix"))
    bricks.inputs["Color1"].default_value, bricks.inputs["Color2"].default_value = (0.30, 0.17, 0.10, 1), (0.06, 0.14, 0.17, 1)
    bricks.inputs["Mortar"].default_value, bricks.inputs["Scale"].default_value = (0.62, 0.55, 0.42, 1), 1.0
    bricks.inputs["Mortar Size"].default_value = 0.07
    bricks.inputs["Brick Width"].default_value, bricks.inputs["Row Height"].default_value = 1.0, 0.45
    stain.inputs["Scale"].default_value, stain.inputs["Detail"].default_value = 0.7, 6.0
    mix.data_type, mix.blend_type, mix.inputs["Factor"].default_value = "RGBA", "MULTIPLY", 0.85
    links.new(where.outputs["Object"], bricks.inputs["Vector"])
    links.new(where.outputs["Object"], stain.inputs["Vector"])
    links.new(bricks.outputs["Color"], mix.inputs[6])
    links.new(stain.outputs["Color"], mix.inputs[7])
    links.new(mix.outputs[2], surface.inputs["Base Color"])
    bpy.ops.mesh.primitive_plane_add(size=20, location=(0, 8, 2), rotation=(math.radians(90), 0, 0))
    bpy.context.object.data.materials.append(material)
    bpy.context.object.name = "back wall"


def lamps(rng: np.random.Generator) -> None:
    """Hang strings of small bright lamps between creature and wall."""
    glows = [
        shader(name, "ShaderNodeEmission", Color=(*colour, 1), Strength=strength)
        for name, colour, strength in (
            ("amber", (1.0, 0.55, 0.18), 45),
            ("warm", (1.0, 0.75, 0.40), 34),
            ("teal", (0.25, 0.75, 0.80), 26),
            ("red", (0.95, 0.25, 0.30), 26),
        )
    ]
    for string in range(5):
        depth, height, drop = rng.uniform(4.0, 7.4), 0.75 + 0.5 * string, rng.uniform(0.2, 0.6)
        for x in np.arange(-4.5, 4.6, 0.55):
            place = (x + rng.uniform(-0.15, 0.15), depth, height - drop * math.cos(0.9 * x + string) + rng.uniform(-0.08, 0.08))
            bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=2, radius=rng.uniform(0.018, 0.035), location=place)
            bpy.context.object.data.materials.append(glows[int(rng.choice(4, p=(0.4, 0.3, 0.2, 0.1)))])
            bpy.context.object.name = "back lamp"


def leaves(rng: np.random.Generator) -> None:
    """Let bunches of simple mesh leaves hang before the wall."""
    colours = ((0.05, 0.16, 0.03), (0.16, 0.22, 0.04), (0.03, 0.10, 0.06))
    greens = [shader("leaf", "ShaderNodeBsdfPrincipled", Base_Color=(*colour, 1), Roughness=0.5) for colour in colours]
    outline = [(0, 0, 0), (0.35, 0.06, 0.3), (0.30, 0.10, 0.65), (0, 0.0, 1), (-0.30, 0.10, 0.65), (-0.35, 0.06, 0.3)]
    mesh = bpy.data.meshes.new("leaf")
    mesh.from_pydata(outline, [], [(0, 1, 2, 3), (0, 3, 4, 5)])
    for bunch in range(9):
        x, depth = -3.6 + 0.9 * bunch + rng.uniform(-0.3, 0.3), rng.uniform(3.2, 5.0)
        centre = np.array([x, depth, rng.choice((0.1, 2.2)) + rng.uniform(-0.3, 0.3)])
        for _ in range(45):
            leaf = bpy.data.objects.new("back leaf", mesh.copy())
            leaf.data.materials.append(greens[int(rng.integers(3))])
            leaf.location, leaf.scale = centre + rng.normal(size=3) * 0.3, [float(rng.uniform(0.12, 0.26))] * 3
            leaf.rotation_euler = rng.uniform(0, 6.28, 3)
            bpy.context.scene.collection.objects.link(leaf)


def area(name: str, *, place: Triple, at: Triple, size: float, power: float, colour: Triple) -> None:
    """Add an area light at a place, turned to another; metres, watts."""
    light = bpy.data.lights.new(name, "AREA")
    light.energy, light.color, light.size = power, colour, size
    made = bpy.data.objects.new(name, light)
    made.location, made.rotation_euler = place, (Vector(at) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(made)
    made.visible_camera = False


def lights() -> None:
    area("key", place=(-1.5, -3.0, 2.4), at=(0, 0, 1), size=1.4, power=120, colour=(1.0, 0.86, 0.72))
    area("rim", place=(2.0, 1.9, 2.3), at=(0, 0, 1.1), size=0.8, power=115, colour=(0.62, 0.86, 1.0))
    area("fill", place=(2.4, -3.0, 1.2), at=(0, 0, 1.0), size=2.0, power=34, colour=(0.70, 0.85, 1.0))
    area("kick", place=(-2.0, 1.6, 1.4), at=(0, 0, 1.0), size=0.7, power=26, colour=(1.0, 0.62, 0.32))
    area("wash", place=(-3, 4, 4.5), at=(0.5, 8, 1.5), size=2, power=150, colour=(1.0, 0.78, 0.52))
    area("wash", place=(4, 4.5, -1.0), at=(2, 8, 1.5), size=2, power=70, colour=(0.35, 0.70, 1.0))
    world = bpy.data.worlds.new("dusk")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.030, 0.045, 0.060, 1)
    bpy.context.scene.world = world


def camera() -> None:
    """Truck the camera slowly along with the walk, focused on the near side of the creature."""
    lens = bpy.data.cameras.new("camera")
    lens.lens, lens.dof.use_dof, lens.dof.focus_distance, lens.dof.aperture_fstop = 50, True, 3.85, 0.5
    made = bpy.data.objects.new("camera", lens)
    bpy.context.scene.collection.objects.link(made)
    bpy.context.scene.camera = made
    made.rotation_euler = (math.radians(89), 0, 0)
    for frame, x in ((FIRST - 2, -0.14), (LAST + 2, 0.14)):
        made.location = (x, -4.1, 0.97)
        made.keyframe_insert("location", frame=frame)


def settings(*, samples: int, threads: int, percent: int) -> None:
    scene = bpy.context.scene
    render, cycles = scene.render, scene.cycles
    render.engine, cycles.device, cycles.samples, cycles.seed = "CYCLES", "CPU", samples, SEED
    cycles.use_adaptive_sampling, cycles.use_denoising, cycles.denoiser = False, True, "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.transparent_max_bounces, cycles.sample_clamp_indirect = 3, 16, 8.0
    cycles.filter_width = 1.5
    scene.cycles_curves.shape, scene.cycles_curves.subdivisions = "RIBBONS", 2
    render.resolution_x, render.resolution_y, render.resolution_percentage = 640, 360, percent
    render.threads_mode, render.threads = "FIXED", threads
    render.use_motion_blur, render.motion_blur_shutter, render.motion_blur_position = True, 0.5, "CENTER"
    scene.frame_start, scene.frame_end, render.fps = FIRST, LAST, 24
    scene.view_settings.view_transform = "Raw"
    image = render.image_settings
    image.file_format, image.color_mode, image.color_depth, image.exr_codec = "OPEN_EXR", "RGBA", "32", "ZIP"


def render_layers(out: Path, *, frames: list[int], samples: int) -> None:
    """Write three layers for every frame, float32.

    foreground.####.exr: premultiplied RGBA, background hidden; coverage.####.exr: the same motion and lens with six times
    the samples and no shading, so that its alpha is clean; background.####.exr: the creature hidden.
    """
    scene, layer = bpy.context.scene, bpy.context.view_layer
    behind = [o for o in scene.objects if o.name.startswith("back ")]
    before = [o for o in scene.objects if o.type in {"MESH", "CURVES"} and o not in behind]
    white = shader("white", "ShaderNodeEmission", Color=(1, 1, 1, 1))
    layers = (("foreground", behind, None, 1), ("coverage", behind, white, 6), ("background", before, None, 1))
    for frame in frames:
        for name, hidden, material, share in layers:
            for made in (*behind, *before):
                made.hide_render = made in hidden
            layer.material_override = material
            scene.render.film_transparent = name != "background"
            scene.cycles.use_denoising = name != "coverage"
            scene.cycles.samples = samples * share
            scene.frame_set(frame)
            scene.render.filepath = str(out / f"{name}.{frame}.exr")
            bpy.ops.render.render(write_still=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the layers")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--percent", type=int, default=100, help="size of the picture, for a preview")
    parser.add_argument("--frames", type=int, nargs="*", default=list(range(FIRST, LAST + 1)))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rng = np.random.default_rng(SEED)
    animate(*creature(rng))
    wall()
    lamps(rng)
    leaves(rng)
    lights()
    camera()
    settings(samples=arguments.samples, threads=arguments.threads, percent=arguments.percent)
    render_layers(arguments.out, frames=arguments.frames, samples=arguments.samples)
    os.sync()
    # bpy tears down noisily at interpreter exit; everything is on disk
    os._exit(0)


if __name__ == "__main__":
    main()
