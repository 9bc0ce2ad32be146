# SPDX-License-Identifier: GPL-3.0-or-later
"""Render foregrounds with clean alpha for training: python render_foregrounds.py --out DIR --panoramas DIR --photographs DIR.

Each foreground is drawn from its own number: a subject, a coat, a lens, a light and sometimes motion. Colour and coverage are
rendered apart, so that colour may be denoised and alpha never is.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from pathlib import Path

import bpy
import numpy as np
import numpy.typing as npt
from mathutils import Vector
from subjects import SUBJECTS
from surfaces import shaded

Picture = npt.NDArray[np.float32]


def subject(rng: np.random.Generator, *, photographs: list[Path]) -> str:
    """Build one subject under a handle that may turn, move and spin; return its name."""
    makers, shares = zip(*SUBJECTS, strict=True)
    maker = makers[int(rng.choice(len(makers), p=shares))]
    parts = maker(rng, photographs)
    handle = bpy.data.objects.new("handle", None)
    bpy.context.scene.collection.objects.link(handle)
    for part in parts:
        part.parent = handle
    around = math.pi if maker.__name__ in {"creature", "pieces"} else 0.9
    turn = np.array([rng.normal() * 0.15, rng.normal() * 0.15, rng.uniform(-around, around)])
    place = np.array([rng.uniform(-0.25, 0.25), 0, rng.uniform(-0.2, 0.2)])
    moving = rng.random() < 0.4
    step = rng.normal(size=3) * (0.07, 0.04, 0.05) * moving
    spin = rng.normal(size=3) * (0.05, 0.05, 0.12) * moving
    for frame in (0, 2):
        handle.location, handle.rotation_euler = place + (frame - 1) * step, turn + (frame - 1) * spin
        handle.keyframe_insert("location", frame=frame)
        handle.keyframe_insert("rotation_euler", frame=frame)
    bpy.context.scene.render.use_motion_blur = moving
    return maker.__name__


def camera(rng: np.random.Generator) -> None:
    """Stand in front at a portrait lens, now and then wide open."""
    lens = bpy.data.cameras.new("camera")
    made = bpy.data.objects.new("camera", lens)
    bpy.context.scene.collection.objects.link(made)
    bpy.context.scene.camera = made
    far, aside = rng.uniform(2.1, 3.4), rng.uniform(-0.5, 0.5)
    made.location = (far * math.sin(aside), -far * math.cos(aside), rng.uniform(-0.6, 0.9))
    aim = Vector((rng.uniform(-0.25, 0.25), 0, rng.uniform(-0.2, 0.25)))
    made.rotation_euler = (aim - made.location).to_track_quat("-Z", "Y").to_euler()
    made.rotation_euler.rotate_axis("Z", rng.normal() * 0.08)
    lens.lens = float(rng.uniform(45, 105))
    if rng.random() < 0.5:
        lens.dof.use_dof, lens.dof.focus_distance = True, far * rng.uniform(0.85, 1.05)
        lens.dof.aperture_fstop = float(rng.uniform(1.4, 8))


def light(rng: np.random.Generator, *, panoramas: list[Path]) -> None:
    """Light by a turned panorama and, half of the time, a lamp from behind."""
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    background = nodes["Background"]
    background.inputs["Strength"].default_value = float(np.exp(rng.normal() * 0.4))
    where, turn, panorama = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeMapping"), nodes.new("ShaderNodeTexEnvironment")
    turn.inputs["Rotation"].default_value = (0, 0, float(rng.uniform(0, 6.3)))
    panorama.image = bpy.data.images.load(str(rng.choice(panoramas)))
    links.new(where.outputs["Generated"], turn.inputs[0])
    links.new(turn.outputs[0], panorama.inputs[0])
    links.new(panorama.outputs[0], background.inputs["Color"])
    if rng.random() < 0.5:
        lamp = bpy.data.lights.new("rim", "AREA")
        lamp.energy, lamp.size, lamp.color = float(rng.uniform(20, 150)), 0.8, rng.uniform(0.5, 1, 3)
        made = bpy.data.objects.new("rim", lamp)
        bpy.context.scene.collection.objects.link(made)
        made.location, made.visible_camera = (rng.uniform(-2.5, 2.5), rng.uniform(0.8, 2), rng.uniform(-0.5, 2.5)), False
        made.rotation_euler = (-made.location).to_track_quat("-Z", "Y").to_euler()


def settings(*, size: int, threads: int, seed: int) -> None:
    scene = bpy.context.scene
    render, cycles = scene.render, scene.cycles
    render.engine, cycles.device, cycles.seed = "CYCLES", "CPU", seed
    cycles.use_adaptive_sampling, cycles.denoiser, cycles.filter_width = False, "OPENIMAGEDENOISE", 1.5
    cycles.max_bounces, cycles.transparent_max_bounces, cycles.sample_clamp_indirect = 2, 16, 8.0
    scene.cycles_curves.shape, scene.cycles_curves.subdivisions = "RIBBONS", 2
    render.resolution_x = render.resolution_y = size
    render.threads_mode, render.threads, render.film_transparent = "FIXED", threads, True
    render.motion_blur_shutter, render.motion_blur_position = 0.5, "CENTER"
    scene.view_settings.view_transform = "Raw"
    scene.frame_set(1)


def picture(*, samples: int, denoise: bool, folder: Path) -> Picture:
    """Render the scene as it stands; H×W×4 float32 premultiplied scene-linear, bottom row first."""
    scene = bpy.context.scene
    scene.cycles.samples, scene.cycles.use_denoising = samples, denoise
    image = scene.render.image_settings
    image.file_format, image.color_mode, image.color_depth = "OPEN_EXR", "RGBA", "32"
    scene.render.filepath = str(folder / "layer.exr")
    bpy.ops.render.render(write_still=True)
    loaded = bpy.data.images.load(scene.render.filepath)
    loaded.alpha_mode = "PREMUL"
    pixels = np.empty(len(loaded.pixels), np.float32)
    loaded.pixels.foreach_get(pixels)
    bpy.data.images.remove(loaded)
    return pixels.reshape(scene.render.resolution_y, scene.render.resolution_x, 4)


def blurred(pixels: Picture, *, sigma: float) -> Picture:
    """Blur H×W×C by a Gaussian, in frequencies, wrapping at the border."""
    high, wide = (np.exp(-2 * (np.pi * sigma * np.fft.fftfreq(n)) ** 2) for n in pixels.shape[:2])
    spectrum = np.fft.fft2(pixels, axes=(0, 1)) * (high[:, None] * wide[None])[..., None]
    return np.fft.ifft2(spectrum, axes=(0, 1)).real.clip(0).astype(np.float32)


def with_coverage(colour: Picture, coverage: Picture) -> Picture:
    """Give a premultiplied H×W×4 picture the alpha of a cleaner one: its own colour, divided by its own alpha after one small blur."""
    above = below = 1e-12
    for sigma, weight in ((0.8, 1.0), (2.5, 0.04), (9.0, 0.0005), (60.0, 1e-6)):
        soft = blurred(colour, sigma=sigma)
        above, below = above + weight * soft[..., :3], below + weight * soft[..., 3:]
    alpha = coverage[..., 3:].clip(0, 1)
    straight = np.where((colour[..., 3:] >= 1) & (alpha >= 1), colour[..., :3], above / below)
    return np.concatenate([straight * alpha, alpha], -1).astype(np.float32)


def write(path: Path, pixels: Picture) -> None:
    """Write H×W×4 premultiplied, bottom row first, as half-float ZIP by way of a temporary name."""
    scene = bpy.context.scene
    made = bpy.data.images.new("foreground", pixels.shape[1], pixels.shape[0], alpha=True, float_buffer=True)
    made.alpha_mode = "PREMUL"
    made.pixels.foreach_set(pixels.ravel())
    image = scene.render.image_settings
    image.file_format, image.color_mode, image.color_depth, image.exr_codec = "OPEN_EXR", "RGBA", "16", "ZIP"
    whole = path.with_name(f".{path.name}")
    made.save_render(str(whole), scene=scene)
    whole.rename(path)


def foreground(number: int, *, arguments: argparse.Namespace, folder: Path) -> str:
    """Render one foreground to fg.####.exr; return what it shows."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rng = np.random.default_rng(number)
    settings(size=arguments.size, threads=arguments.threads, seed=number)
    name = subject(rng, photographs=sorted(arguments.photographs.glob("*.jpg")))
    camera(rng)
    light(rng, panoramas=sorted(arguments.panoramas.glob("*.exr")))
    bpy.context.scene.frame_set(1)
    colour = picture(samples=arguments.samples, denoise=True, folder=folder)
    if name != "cloth":
        # a see-through cloth keeps its own shader, or its coverage would be lost
        bpy.context.view_layer.material_override = shaded("ShaderNodeEmission")[0]
    coverage = picture(samples=arguments.samples * (12 if name != "cloth" else 6), denoise=False, folder=folder)
    write(arguments.out / f"fg.{number:04d}.exr", with_coverage(colour, coverage))
    return f"{name}, {100 * coverage[..., 3].mean():.0f} % covered"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for folder in ("out", "panoramas", "photographs"):
        parser.add_argument(f"--{folder}", type=Path, required=True)
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--size", type=int, default=512, help="pixels, square")
    parser.add_argument("--samples", type=int, default=6, help="of colour; coverage takes twelve times as many, of cloth six")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.first, arguments.first + arguments.count):
            start = time.monotonic()
            shows = foreground(number, arguments=arguments, folder=Path(folder))
            print(f"foreground {number}: {shows}, {time.monotonic() - start:.1f} s", flush=True)
    # bpy tears down noisily at interpreter exit; everything is on disk
    os._exit(0)


if __name__ == "__main__":
    main()
