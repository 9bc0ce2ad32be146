"""Data windows that move, lie far apart or reach far outside the display window, through whole solves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
import torch
from numpy.typing import NDArray
from shots import disc, picture, read_exr, trimap, write_exr, write_window

from bridge.models.layers import NARROWEST
from bridge.models.matting import Features
from bridge.sequence import Sequence
from bridge.shot.plates import Plates
from bridge.shot.profile import PROFILES
from bridge.shot.request import Request
from bridge.solve.engine import Engine
from bridge.solve.matte import Encoded, Matter, aligned
from bridge.solve.propagate import LONGEST_SIDE, Propagator, working_scale
from bridge.solve.run import solve
from bridge.solve.scratch import Scratch
from bridge.solve.trimaps import ScratchTrimaps
from bridge.solve.weights import load_networks
from bridge.window import Window

Floats = NDArray[np.float32]
CPU = Engine("cpu", "float32", 1)


def asked(folder: Path, **choices: object) -> Request:
    plate, key, out = (Sequence.parse(folder / name) for name in ("plate.####.exr", "key.####.exr", "out/matte.####.exr"))
    return Request(plate, key, out, device="cpu", **choices)  # type: ignore[arg-type]


def numbered(index: int) -> Features:
    """Return features of a 64×64 region, each value its own."""
    sides = (16, 8, 4, 2)
    return Features(*(torch.arange(s * s, dtype=torch.float32).view(1, 1, s, s) + 1000 * index + 1 for s in sides))


def kept() -> Encoded:
    """Return what is kept of a frame whose region is 64×64: every value of a map its own, none zero."""
    pixels = torch.arange(1.0, 6 * 64 * 64 + 1).view(1, 6, 64, 64)
    return Encoded(Window(0, 0, 64, 64), numbered(1), pixels, (pixels[:, 0] % 200 + 1).to(torch.uint8))


def empty(region: Window) -> Encoded:
    """Return what is kept of a frame of another region, which shows nothing."""
    return replace(kept(), region=region, guide=torch.zeros(1, region.height, region.width, dtype=torch.uint8))


def maps(encoded: Encoded) -> list[torch.Tensor]:
    f = encoded.features
    return [f.s4, f.s8, f.s16, f.s32, encoded.shared, encoded.guide]


def test_what_is_kept_of_overlapping_regions_moves_whole_and_the_rest_is_zero() -> None:
    into = Window(32, -32, 128, 64)
    moved = aligned(kept(), into=empty(into), scale=1)
    assert moved.region == into
    for m, whole, stride in zip(maps(moved), maps(kept()), (4, 8, 16, 32, 1, 1), strict=True):
        edge = 32 // stride
        assert m.shape == (*whole.shape[:-2], 96 // stride, 96 // stride)
        assert torch.equal(m[..., edge:, :edge], whole[..., :, edge:])
        assert m[..., :edge, :].float().abs().max() == m[..., edge:].float().abs().max() == 0.0


def test_what_is_kept_of_regions_that_do_not_touch_is_zero() -> None:
    for into in (Window(128, 0, 192, 64), Window(-320, -64, -256, 32), Window(0, 640, 64, 704)):
        moved = aligned(kept(), into=empty(into), scale=1)
        assert moved.features.s4.shape == (1, 1, into.height // 4, into.width // 4)
        assert moved.guide.shape == (1, into.height, into.width)
        assert not any(m.any() for m in maps(moved))


def test_data_windows_that_do_not_touch_are_solved(tmp_path: Path) -> None:
    places = [(0, 0), (200, 0), (400, 100), (-300, -50)]
    alpha = disc(0, width=40, height=40)
    for frame, at in enumerate(places, 1):
        write_window(tmp_path / f"plate.{frame:04d}.exr", picture(alpha, seed=frame), at=at, display=(500, 200))
    write_window(tmp_path / "key.0001.exr", trimap(alpha)[..., None], at=(0, 0), display=(500, 200))
    for profile in ("final", "draft"):
        request = asked(tmp_path, profile=profile)
        assert solve(request, tell=lambda event: None).solved == (1, 2, 3, 4)
        for frame, at in enumerate(places, 1):
            source = oiio.ImageInput.open(str(request.out.path(frame)))
            assert (source.spec().x, source.spec().y) == at
            source.close()
            assert np.isfinite(read_exr(request.out.path(frame))).all()
        assert np.abs(read_exr(request.out.path(1))[..., 3] - alpha).mean() < 0.03


def test_stage_1_works_at_a_bounded_size_however_far_the_plate_reaches_outside_the_display(tmp_path: Path) -> None:
    write_window(tmp_path / "plate.0001.exr", np.full((1500, 2500, 3), 0.2, np.float32), at=(-1200, -700), display=(64, 64))
    write_window(tmp_path / "plate.0002.exr", np.full((64, 64, 3), 0.2, np.float32), at=(0, 0), display=(64, 64))
    plates = Plates(Sequence.parse(tmp_path / "plate.####.exr"))
    with Scratch() as scratch:
        network = load_networks(torch.device("cpu")).propagation
        stage = Propagator(network, engine=CPU, profile=PROFILES["final"], plates=plates, trimaps=ScratchTrimaps(scratch))
        wide, plain = (stage._working(plates.read(frame)) for frame in (1, 2))
    assert wide.size == (576, LONGEST_SIDE)
    assert max(wide.view.shape[-2:]) == LONGEST_SIDE
    assert plain.size == (128, 128)
    assert wide.place.min(0)[0].tolist() == pytest.approx([(n + 4 * 2500 / 960) / 64 for n in (-1200, -700)])
    assert plain.place[0].tolist() == [2 / 64, 2 / 64]


def test_small_plates_are_enlarged_for_stage_1_and_large_ones_made_smaller() -> None:
    final = PROFILES["final"]
    sizes = ((100, 100), (512, 512), (640, 640), (1920, 1920), (640, 9600))
    assert [working_scale(final, display=d, window=w) for d, w in sizes] == [2.0, 1.25, 1.0, 1 / 3, 0.1]


def test_a_plate_one_column_wide_is_worked_at_a_width_that_every_cpu_computes_right(tmp_path: Path) -> None:
    rgb = np.random.default_rng(3).random((900, 1, 3), np.float32)
    for frame in (1, 2):
        write_window(tmp_path / f"plate.{frame:04d}.exr", rgb, at=(-5, 3), display=(32, 900))
    write_window(tmp_path / "key.0001.exr", np.full((900, 1, 1), 0.5, np.float32), at=(-5, 3), display=(32, 900))
    plates = Plates(Sequence.parse(tmp_path / "plate.####.exr"))
    networks = load_networks(torch.device("cpu"))
    with Scratch() as scratch:
        trimaps = ScratchTrimaps(scratch)
        trimaps.land(1, np.ones((900, 1), np.uint8))
        for profile in PROFILES.values():
            stage = Propagator(networks.propagation, engine=CPU, profile=profile, plates=plates, trimaps=trimaps)
            assert stage._working(plates.read(1)).view.shape[-1] == NARROWEST
            prepared = Matter(networks.matting, steadying=None, engine=CPU, profile=profile, plates=plates, trimaps=trimaps).prepare(1)
            assert prepared.inputs.shape[-1] == NARROWEST
            assert prepared.encoded.region.snapped(32 * profile.reduction) == prepared.encoded.region
    found = []
    for name in ("a", "b"):
        request = asked(tmp_path, overwrite=True)
        solve(request, tell=lambda event: None)
        found.append([request.out.path(frame).read_bytes() for frame in (1, 2)])
        assert np.isfinite(read_exr(request.out.path(1))).all(), name
    assert found[0] == found[1]


def test_a_trimap_of_the_display_lies_on_a_plate_with_overscan(tmp_path: Path) -> None:
    alpha = disc(0, width=120, height=90)
    plate = picture(alpha)
    write_window(tmp_path / "plate.0001.exr", plate, at=(-12, -13), display=(96, 64))
    write_exr(tmp_path / "key.0001.exr", trimap(alpha)[13:77, 12:108])
    request = asked(tmp_path)
    solve(request, tell=lambda event: None)
    found = read_exr(request.out.path(1))[..., 3]
    assert found.shape == (90, 120)
    assert np.abs(found - alpha)[13:77, 12:108].mean() < 0.03
    assert found[:13].max() == found[:, :12].max() == 0.0
