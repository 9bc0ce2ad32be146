# SPDX-License-Identifier: GPL-3.0-or-later
"""Surfaces and hair colours drawn by chance."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

Colour = tuple[float, float, float]


def colour(rng: np.random.Generator) -> Colour:
    """Draw a surface colour: mostly muted, sometimes vivid, from near black to near white; scene-linear."""
    hue, saturation = rng.uniform(), rng.beta(1.2, 2.0)
    value = rng.uniform(0.02, 0.95) ** 1.4
    wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return tuple(float(v) for v in value * (1 - saturation + saturation * wheel))


def hair_colour(rng: np.random.Generator) -> Colour:
    """Draw a hair colour: three in four from black through brown, red and blond to white, else any."""
    if rng.random() > 0.75:
        return colour(rng)
    dark = ((0.012, 0.010, 0.010), (0.05, 0.022, 0.012), (0.16, 0.075, 0.035))
    light = ((0.42, 0.13, 0.03), (0.62, 0.42, 0.20), (0.80, 0.76, 0.70))
    return tuple(float(v) for v in np.array((dark + light)[int(rng.integers(6))]) * rng.uniform(0.7, 1.2))


def shaded(kind: str, **values: object) -> tuple[bpy.types.Material, bpy.types.ShaderNode]:
    """Make a material of one shader node; values go to its inputs by name with spaces for underscores."""
    material = bpy.data.materials.new(kind)
    material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    node, out = nodes.new(kind), nodes.new("ShaderNodeOutputMaterial")
    for key, value in values.items():
        node.inputs[key.replace("_", " ")].default_value = value
    material.node_tree.links.new(node.outputs[0], out.inputs["Surface"])
    return material, node


def surface(rng: np.random.Generator, *, photographs: list[Path]) -> bpy.types.Material:
    """Make a plain, a mottled or a photographed surface."""
    tint = colour(rng)
    material, node = shaded("ShaderNodeBsdfPrincipled", Base_Color=(*tint, 1), Roughness=float(rng.uniform(0.25, 1)))
    nodes, links = material.node_tree.nodes, material.node_tree.links
    where = nodes.new("ShaderNodeTexCoord")
    kind = rng.random()
    if kind < 0.35 and photographs:
        picture, scale = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeMapping")
        picture.image = bpy.data.images.load(str(rng.choice(photographs)), check_existing=True)
        picture.projection, picture.projection_blend = "BOX", 0.3
        scale.inputs["Scale"].default_value = [float(rng.uniform(0.3, 2))] * 3
        links.new(where.outputs["Generated"], scale.inputs[0])
        links.new(scale.outputs[0], picture.inputs[0])
        links.new(picture.outputs[0], node.inputs["Base Color"])
    elif kind < 0.75:
        mottle, ramp = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeValToRGB")
        mottle.inputs["Scale"].default_value, mottle.inputs["Detail"].default_value = float(rng.uniform(1, 12)), float(rng.uniform(0, 8))
        ramp.color_ramp.elements[0].color, ramp.color_ramp.elements[1].color = (*tint, 1), (*colour(rng), 1)
        ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.35, float(rng.uniform(0.5, 0.8))
        links.new(where.outputs["Object"], mottle.inputs["Vector"])
        links.new(mottle.outputs["Fac"], ramp.inputs[0])
        links.new(ramp.outputs[0], node.inputs["Base Color"])
    return material


def bare_skin(rng: np.random.Generator) -> bpy.types.Material:
    """Make skin from very dark to very pale."""
    depth = rng.uniform()
    tone = np.array((0.05, 0.022, 0.014)) * (1 - depth) + np.array((0.72, 0.45, 0.34)) * depth
    return shaded("ShaderNodeBsdfPrincipled", Base_Color=(*map(float, tone), 1), Roughness=float(rng.uniform(0.35, 0.6)))[0]


def hair_material(rng: np.random.Generator) -> bpy.types.Material:
    """Make hair of one colour, or of two from root to tip."""
    root = hair_colour(rng)
    material, node = shaded("ShaderNodeBsdfHairPrincipled", Roughness=float(rng.uniform(0.15, 0.5)))
    node.parametrization = "COLOR"
    nodes, links = material.node_tree.nodes, material.node_tree.links
    info, ramp, vary, bright = (nodes.new(f"ShaderNode{kind}") for kind in ("HairInfo", "ValToRGB", "HueSaturation", "MapRange"))
    tip = hair_colour(rng) if rng.random() < 0.3 else tuple(min(1.4 * v + 0.01, 0.95) for v in root)
    ramp.color_ramp.elements[0].color, ramp.color_ramp.elements[1].color = (*root, 1), (*tip, 1)
    bright.inputs["To Min"].default_value, bright.inputs["To Max"].default_value = 0.55, 1.3
    links.new(info.outputs["Intercept"], ramp.inputs[0])
    links.new(info.outputs["Random"], bright.inputs[0])
    links.new(bright.outputs[0], vary.inputs["Value"])
    links.new(ramp.outputs[0], vary.inputs["Color"])
    links.new(vary.outputs[0], node.inputs["Color"])
    return material


def sheer(material: bpy.types.Material, *, cover: float) -> None:
    """Let a part of the light straight through a material; cover is what remains, 0..1."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    out = next(n for n in nodes if n.bl_idname == "ShaderNodeOutputMaterial")
    front = out.inputs["Surface"].links[0].from_socket
    clear, mix = nodes.new("ShaderNodeBsdfTransparent"), nodes.new("ShaderNodeMixShader")
    mix.inputs[0].default_value = cover
    links.new(clear.outputs[0], mix.inputs[1])
    links.new(front, mix.inputs[2])
    links.new(mix.outputs[0], out.inputs["Surface"])
