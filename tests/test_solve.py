"""A whole solve on small real EXR shots: what is solved, what is kept, what is exact."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from shots import Shot, disc, make_shot, number, picture, read_exr, trimap, write_exr, write_png, write_window

from bridge import exr
from bridge.models.matting import MattingNetwork
from bridge.models.propagation import PropagationNetwork
from bridge.models.steadying import SteadyingNetwork
from bridge.sequence import Sequence
from bridge.shot.plates import Plates
from bridge.shot.profile import PROFILES
from bridge.shot.request import Request
from bridge.solve.engine import Engine
from bridge.solve.events import Advanced, Began, Event, Landed, Summary
from bridge.solve.flow import ahead
from bridge.solve.matte import Matter, shrunk_classes
from bridge.solve.propagate import decided, fused
from bridge.solve.run import solve
from bridge.wire.errors import InterruptedByUserError, SequenceError

Floats = NDArray[np.float32]
CPU = Engine("cpu", "float32", 2)


def asked(shot: Shot, folder: Path, **choices: object) -> Request:
    request = Request(
        plate=Sequence.parse(shot.plate), trimap=Sequence.parse(shot.keys), out=Sequence.parse(folder / "matte.####.exr"), device="cpu"
    )
    return replace(request, **choices)  # type: ignore[arg-type]


def solved(request: Request) -> tuple[Summary, list[Event]]:
    events: list[Event] = []
    return solve(request, tell=events.append), events


def alpha_of(request: Request, frame: int) -> Floats:
    return read_exr(request.out.path(frame))[..., 3]


def stamp(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_ino, status.st_mtime_ns


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    return make_shot(tmp_path / "shot", frames=9, keys=(1001, 1009))


def test_every_frame_gets_a_matte_near_the_truth(shot: Shot, tmp_path: Path) -> None:
    request = asked(shot, tmp_path / "out")
    summary, events = solved(request)
    assert summary.solved == tuple(shot.frames)
    for frame, truth in shot.truth.items():
        assert np.abs(alpha_of(request, frame) - truth).mean() < 0.03
    assert isinstance(events[0], Began)
    assert events[0].keys == (1001, 1009)
    assert [e.frame for e in events if isinstance(e, Landed)] == shot.frames
    passes = [e for e in events if isinstance(e, Advanced) and e.stage == "propagate"]
    assert [e.frame for e in passes] == [*range(1002, 1009), *range(1008, 1001, -1)]
    assert passes[-1].done == passes[-1].total == 14


def test_the_same_request_again_does_no_work(shot: Shot, tmp_path: Path) -> None:
    request = asked(shot, tmp_path / "out")
    solved(request)
    before = [stamp(request.out.path(f)) for f in shot.frames]
    summary, events = solved(request)
    assert summary.solved == ()
    assert summary.kept == tuple(shot.frames)
    assert [stamp(request.out.path(f)) for f in shot.frames] == before
    assert len(events) == 1


def test_a_repainted_key_solves_again_only_what_it_bounds(tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", frames=13, keys=(1001, 1005, 1009, 1013))
    request = asked(shot, tmp_path / "out")
    solved(request)
    before = {f: stamp(request.out.path(f)) for f in shot.frames}
    write_png(Path(shot.keys.replace("####", "1005")), trimap(shot.truth[1005], band=5))
    summary, _ = solved(request)
    assert summary.solved == tuple(range(1001, 1011))
    assert {f for f in shot.frames if stamp(request.out.path(f)) == before[f]} == set(range(1011, 1014))


def test_an_added_key_solves_again_only_its_span(tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", frames=13, keys=(1001, 1005, 1013))
    request = asked(shot, tmp_path / "out")
    solved(request)
    write_png(Path(shot.keys.replace("####", "1009")), trimap(shot.truth[1009]))
    assert solved(request)[0].solved == tuple(range(1004, 1014))


def test_no_pixel_depends_on_the_frames_that_are_written(shot: Shot, tmp_path: Path) -> None:
    whole, some = asked(shot, tmp_path / "whole"), asked(shot, tmp_path / "some", frames=(1002, 1004, 1006, 1008))
    solved(whole)
    summary, _ = solved(some)
    assert summary.solved == (1002, 1004, 1006, 1008)
    assert sorted(os.listdir(tmp_path / "some")) == [f"matte.{f}.exr" for f in summary.solved]
    for frame in summary.solved:
        assert some.out.path(frame).read_bytes() == whole.out.path(frame).read_bytes()


def test_a_key_in_the_middle_reaches_both_ways(tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", frames=7, keys=(1004,))
    request = asked(shot, tmp_path / "out", trimap_out=Sequence.parse(tmp_path / "out" / "trimap.####.exr"))
    solved(request)
    for frame in (1001, 1007):
        assert np.abs(alpha_of(request, frame) - shot.truth[frame]).mean() < 0.04
        assert request.trimap_out is not None
        values = read_exr(request.trimap_out.path(frame))
        assert set(np.unique(values).tolist()) <= {0.0, 0.5, 1.0}
    key = read_exr(Path(shot.keys.replace("####", "1004")))[..., 0]
    assert request.trimap_out is not None
    assert np.array_equal(read_exr(request.trimap_out.path(1004))[..., 0], np.select([key < 0.05, key > 0.95], [0.0, 1.0], 0.5))


def test_alpha_is_exact_where_the_trimap_is_certain(shot: Shot, tmp_path: Path) -> None:
    request = asked(shot, tmp_path / "out", trimap_out=Sequence.parse(tmp_path / "out" / "trimap.####.exr"))
    solved(request)
    assert request.trimap_out is not None
    for frame in shot.frames:
        alpha, marks = alpha_of(request, frame), read_exr(request.trimap_out.path(frame))[..., 0]
        assert np.array_equal(alpha[marks == 0.0], np.zeros(np.count_nonzero(marks == 0.0)))
        assert np.array_equal(alpha[marks == 1.0], np.ones(np.count_nonzero(marks == 1.0)))


def test_garbage_and_holdout_are_exact_and_garbage_wins(shot: Shot, tmp_path: Path) -> None:
    garbage, holdout = np.zeros((64, 96), np.float32), np.zeros((64, 96), np.float32)
    garbage[:, :40], holdout[:20] = 1.0, 1.0
    for frame in shot.frames:
        write_exr(tmp_path / f"garbage.{frame}.exr", garbage)
        write_exr(tmp_path / f"holdout.{frame}.exr", holdout)
    plain = asked(shot, tmp_path / "plain", frames=(1003,))
    masked = asked(
        shot,
        tmp_path / "masked",
        frames=(1003,),
        garbage=Sequence.parse(tmp_path / "garbage.####.exr"),
        holdout=Sequence.parse(tmp_path / "holdout.####.exr"),
    )
    solved(plain)
    solved(masked)
    before, after = alpha_of(plain, 1003), alpha_of(masked, 1003)
    assert after[:, :40].max() == 0.0
    assert after[:20, 40:].min() == 1.0
    assert np.array_equal(after[20:, 40:], before[20:, 40:])


def test_the_foreground_keeps_bright_and_negative_values(tmp_path: Path) -> None:
    folder = tmp_path / "shot"
    alpha = disc(0, width=120, height=90)
    plate = picture(alpha)
    y, x = (int(v) for v in np.argwhere(alpha == 1.0)[len(np.argwhere(alpha == 1.0)) // 2])
    plate[y, x], plate[y, x + 2] = (37.5, 37.5, 37.5), (-0.02, 0.4, 0.1)
    write_exr(folder / "plate.1.exr", plate, kind="float")
    marks = trimap(alpha)
    write_exr(folder / "key.1.exr", marks)
    request = Request(
        plate=Sequence.parse(folder / "plate.1.exr"),
        trimap=Sequence.parse(folder / "key.1.exr"),
        out=Sequence.parse(tmp_path / "m.1.exr"),
        foreground=Sequence.parse(tmp_path / "f.1.exr"),
        device="cpu",
    )
    solved(request)
    colours = read_exr(tmp_path / "f.1.exr")
    assert marks[y, x] == marks[y, x + 2] == 1.0
    assert colours[y, x].tolist() == [37.5, 37.5, 37.5]
    assert colours[y, x + 2].tolist() == np.array([-0.02, 0.4, 0.1], np.float32).tolist()


def test_nan_and_inf_never_reach_a_result(tmp_path: Path) -> None:
    shot = make_shot(tmp_path / "shot", frames=3)
    for frame in shot.frames:
        plate = picture(shot.truth[frame], seed=frame % 1000)
        plate[10:14, 20:60], plate[30, 20:60], plate[40, 20:60] = np.nan, np.inf, -np.inf
        write_exr(Path(shot.plate.replace("####", number(frame))), plate, kind="float")
    request = asked(shot, tmp_path / "out", foreground=Sequence.parse(tmp_path / "out" / "fg.####.exr"))
    solved(request)
    for frame in shot.frames:
        assert request.foreground is not None
        for path in (request.out.path(frame), request.foreground.path(frame)):
            assert np.isfinite(read_exr(path)).all()


def test_keys_and_neighbours_are_aligned_in_display_coordinates(tmp_path: Path) -> None:
    """The same pixels, with a data window that moves from frame to frame, give the same matte."""
    still, moving = make_shot(tmp_path / "still", frames=4), make_shot(tmp_path / "moving", frames=4)
    header = exr.read_header(still.plate.replace("####", "1001"))
    for i, frame in enumerate(moving.frames):
        path = Path(moving.plate.replace("####", number(frame)))
        rgb = exr.read_plate(path).rgb
        os.unlink(path)
        cut = crop_window(i)
        write_window(path, rgb[cut[1] : cut[3], cut[0] : cut[2]].astype(np.float32), at=cut[:2], display=header.display_window.size)
    a, b = asked(still, tmp_path / "a"), asked(moving, tmp_path / "b")
    solved(a)
    solved(b)
    for i, frame in enumerate(still.frames):
        x0, y0, x1, y1 = crop_window(i)
        found = exr.read_header(b.out.path(frame)).data_window
        assert (found.x0, found.y0, found.x1, found.y1) == (x0, y0, x1, y1)
        assert np.abs(alpha_of(a, frame)[y0:y1, x0:x1] - alpha_of(b, frame)).mean() < 0.02
        assert np.abs(alpha_of(b, frame) - still.truth[frame][y0:y1, x0:x1]).mean() < 0.04


def crop_window(index: int) -> tuple[int, int, int, int]:
    return 1 + index, 3, 90 + index, 62 - index


def test_a_draft_is_a_matte_too_and_says_so(shot: Shot, tmp_path: Path) -> None:
    request = asked(shot, tmp_path / "out", profile="draft", frames=(1003,))
    solved(request)
    assert np.abs(alpha_of(request, 1003) - shot.truth[1003]).mean() < 0.05
    provenance = exr.read_provenance(request.out.path(1003))
    assert provenance is not None
    assert provenance["profile"] == "draft"


@pytest.mark.parametrize("stage", ["propagate", "matte"])
def test_a_solve_that_is_stopped_leaves_no_thread_behind(shot: Shot, tmp_path: Path, stage: str) -> None:
    def tell(event: Event) -> None:
        if isinstance(event, Advanced) and event.stage == stage:
            raise InterruptedByUserError("Stopped by Ctrl-C.")

    with pytest.raises(InterruptedByUserError) as held:
        solve(asked(shot, tmp_path / "out"), tell=tell)
    assert held.value.exit_status == 130
    assert [t.name for t in threading.enumerate() if t.name.startswith(("ahead", "behind"))] == []


@pytest.mark.parametrize(("network", "step"), [(PropagationNetwork, "decode"), (MattingNetwork, "fuse"), (SteadyingNetwork, "forward")])
def test_a_device_that_fails_leaves_no_thread_behind(
    shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: type, step: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(network, step, fails)
    with pytest.raises(RuntimeError, match="CUDA") as held:
        solve(asked(shot, tmp_path / "out"), tell=lambda event: None)
    assert held.traceback
    assert [t.name for t in threading.enumerate() if t.name.startswith(("ahead", "behind"))] == []


def test_a_device_that_is_short_of_memory_gets_fewer_tiles_at_once_and_the_same_alpha(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wide = make_shot(tmp_path / "wide", frames=1, keys=(1001,), width=300, height=280)
    monkeypatch.setitem(PROFILES, "final", replace(PROFILES["final"], tile=64))
    solve(asked(wide, tmp_path / "plenty"), tell=lambda event: None)
    real, sizes = MattingNetwork.refine, []

    def refine(self: MattingNetwork, inputs: torch.Tensor, *others: torch.Tensor, **more: int) -> torch.Tensor:
        sizes.append(len(inputs))
        if len(inputs) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, inputs, *others, **more)

    monkeypatch.setattr(MattingNetwork, "refine", refine)
    solve(asked(wide, tmp_path / "short"), tell=lambda event: None)
    assert sizes[:3] == [4, 2, 1]
    assert set(sizes[3:]) == {1}
    assert caplog.text.count("not enough memory") == 2
    plenty, short = (read_exr(tmp_path / name / "matte.1001.exr") for name in ("plenty", "short"))
    assert np.abs(plenty - short).max() <= 2e-3


def test_threads_that_run_short_of_memory_together_each_try_single_tiles(shot: Shot) -> None:
    matter = Matter(
        MattingNetwork(),
        steadying=None,
        engine=CPU,
        profile=PROFILES["final"],
        plates=Plates(Sequence.parse(shot.plate)),
        trimaps=lambda _: _,
    )
    for tried in (4, 4, 2, 2):
        matter._take_fewer(MemoryError(), tried=tried)
    with pytest.raises(MemoryError):
        matter._take_fewer(MemoryError(), tried=1)
    assert matter._at_once == 1


def test_a_single_tile_that_does_not_fit_is_an_error(shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refine(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(MattingNetwork, "refine", refine)
    with pytest.raises(torch.OutOfMemoryError):
        solve(asked(shot, tmp_path / "out"), tell=lambda event: None)


def test_a_plate_that_says_its_own_frames_has_no_gap_between_them(shot: Shot, tmp_path: Path) -> None:
    request = asked(shot, tmp_path / "out", plate=Sequence.parse(f"{shot.plate} 1001-1009x4"))
    assert solved(request)[0].solved == (1001, 1005, 1009)
    Path(shot.plate.replace("####", "1005")).unlink()
    with pytest.raises(SequenceError, match="1 frame is missing: 1005"):
        solved(replace(request, out=Sequence.parse(tmp_path / "again" / "matte.####.exr")))


def test_fusion_trusts_the_nearer_and_the_surer_pass() -> None:
    sure, torn = torch.tensor([0.98, 0.01, 0.01]).view(1, 3, 1, 1), torch.tensor([0.3, 0.4, 0.3]).view(1, 3, 1, 1)
    other = torch.tensor([0.01, 0.01, 0.98]).view(1, 3, 1, 1)
    assert fused(sure, torn, share=0.5)[0, 0, 0, 0] > 0.9
    assert fused(sure, other, share=0.9)[0, 0, 0, 0] > fused(sure, other, share=0.1)[0, 0, 0, 0]
    assert torch.allclose(fused(sure, other, share=0.3).sum(1), torch.ones(1, 1, 1))


def test_background_never_touches_foreground_in_a_propagated_trimap() -> None:
    probabilities = torch.zeros(1, 3, 16, 16)
    probabilities[:, 0, :, :8], probabilities[:, 2, :, 8:] = 1.0, 1.0
    classes = decided(probabilities, size=(32, 32)).astype(int)
    assert set(np.unique(classes)) == {0, 1, 2}
    assert np.abs(np.diff(classes, axis=1)).max() == 1


def test_a_draft_s_square_is_certain_only_where_its_pixels_agree() -> None:
    classes = torch.tensor([[[[0, 0, 2, 2], [0, 0, 2, 1]]]], dtype=torch.uint8)
    assert shrunk_classes(classes, 2).flatten().tolist() == [0, 1]


def torch_s_openmp() -> ctypes.CDLL:
    """The OpenMP library torch computes with: other packages may bring a second into the process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split()[-1] for line in lines if re.search(r"lib(gomp|iomp5|omp)[^/]*\.so", line)}
    return ctypes.CDLL(next(path for path in mapped if Path(torch.__file__).parent in Path(path).parents))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="finds the OpenMP library through /proc")
def test_threads_that_work_ahead_compute_with_the_count_of_the_solve() -> None:
    """A frame's bytes may not depend on whether it is the first of its thread."""
    openmp = torch_s_openmp()
    before = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            assert list(ahead(range(4), lambda _: int(openmp.omp_get_max_threads()), threads=2)) == [count] * 4
    finally:
        torch.set_num_threads(before)
