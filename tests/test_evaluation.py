"""What is compared, and the page that tells of it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bridge import shipped
from bridge.evaluation import __main__ as command
from bridge.evaluation import comparison, haze, methods, stillness
from bridge.evaluation.comparison import ALONE, FLOW_PEER, OURS, Compared
from bridge.evaluation.page import Measured, page, table, verdict, wins
from bridge.models.inputs import matting_inputs
from bridge.models.matting import MattingNetwork
from bridge.models.propagation import PropagationNetwork
from bridge.models.steadying import SteadyingNetwork
from bridge.shot.profile import MEMORY_EVERY
from bridge.solve.weights import Networks
from bridge.training.clips import Clips, make_clips

WIDTHS = stillness.WIDTHS


@pytest.fixture(scope="module")
def clips() -> Clips:
    return make_clips(batch=1, times=range(9), size=64, seed=3, footage=None, families=["edges"])


@pytest.fixture(scope="module")
def network() -> PropagationNetwork:
    torch.manual_seed(4)
    return PropagationNetwork().eval()


def once(*frame: torch.Tensor, linear: bool, look: object) -> torch.Tensor:
    """Return what a network is shown at the first look: a new one then answers with the prior."""
    return matting_inputs(*frame, linear=linear)


def walked(network: PropagationNetwork, clips: Clips, keys: list[int], *, memory: bool = True) -> dict[int, torch.Tensor]:
    with torch.inference_mode():
        return dict(methods.Walk(network, clips.view[0], clips.classes[0], memory=memory).solved(keys))


def test_keys_keep_their_trimaps_and_every_other_frame_is_solved_once(network: PropagationNetwork, clips: Clips) -> None:
    with torch.inference_mode():
        found = methods.propagated(network, clips, [2, 6])
    assert (found.shape, found.dtype) == (clips.classes[0].shape, torch.uint8)
    assert all(torch.equal(found[k], clips.classes[0, k]) for k in (2, 6))
    assert sorted(walked(network, clips, [2, 6])) == [0, 1, 3, 4, 5, 7, 8]


def test_memory_speaks_only_after_its_first_frame(network: PropagationNetwork, clips: Clips) -> None:
    full, forgetful = (walked(network, clips, [0], memory=m) for m in (True, False))
    change = [float((full[t] - forgetful[t]).abs().max()) for t in range(1, 9)]
    assert change[:MEMORY_EVERY] == [0.0] * MEMORY_EVERY
    assert min(change[MEMORY_EVERY:]) > 0.0


def test_a_span_reads_both_its_keys_and_the_tail_only_the_last(network: PropagationNetwork, clips: Clips) -> None:
    one, two = walked(network, clips, [0], memory=False), walked(network, clips, [0, 4], memory=False)
    assert float((one[2] - two[2]).abs().max()) > 0.0
    assert torch.equal(two[7], walked(network, clips, [4], memory=False)[7])


def test_without_an_error_every_number_is_zero() -> None:
    truth = np.random.default_rng(0).random((3, 16, 20)).astype(np.float32)
    whole = comparison.errors(truth, truth)
    inside = comparison.errors_where_unknown(truth, truth, np.ones(truth.shape, bool), np.zeros((2, 16, 20, 2), np.float32))
    assert set(whole.values()) | set(inside.values()) == {0.0}


def test_numbers_are_a_frame_s_mean_in_the_unit_of_their_column() -> None:
    truth, alpha = np.zeros((4, 10, 10), np.float32), np.zeros((4, 10, 10), np.float32)
    alpha[:, 2, 3] = 0.5
    whole = comparison.errors(alpha, truth)
    assert whole == pytest.approx({"SAD": 0.0005, "MAD ×1000": 5.0, "MSE ×1000": 2.5, "dtSSD": 0.0})
    inside = comparison.errors_where_unknown(alpha, truth, alpha > 0, np.zeros((3, 10, 10, 2), np.float32))
    assert inside["mSAD ×1000"] == pytest.approx(500.0)
    assert inside["Conn ÷1000"] == pytest.approx(0.0005)
    assert inside["MESSDdt"] == 0.0


def trusting() -> SteadyingNetwork:
    """Return one that takes every matte as it came."""
    network = SteadyingNetwork().eval()
    torch.nn.init.constant_(network.head.bias[:1], 50.0)
    return network


def test_a_scene_that_stands_still_flickers_only_by_its_trimaps(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    networks = Networks(PropagationNetwork().eval(), MattingNetwork().eval(), trusting(), "drawn")
    monkeypatch.setattr(stillness, "SIZE", 64)
    monkeypatch.setattr(stillness, "FRAMES", 6)
    monkeypatch.setattr(stillness, "SCENES", (("blobs", 3),))
    with torch.inference_mode():
        jumping = stillness.flicker(networks, footage=None)
        monkeypatch.setattr(stillness, "WIDTHS", (4.0, 4.0, 4.0))
        steady = stillness.flicker(networks, footage=None)
        monkeypatch.setattr(methods, "looked_twice", once)
        monkeypatch.setattr(stillness, "WIDTHS", WIDTHS)
        by_prior = stillness.flicker(networks, footage=None)
    painted = [name for name in steady if "jump" in name]
    assert len(painted) == 3
    assert all(steady[name]["change ×255"] == 0.0 and jumping[name]["change ×255"] > 0.01 for name in painted)
    assert by_prior[painted[0]]["change ×255"] == pytest.approx(jumping[painted[2]]["change ×255"], rel=0.01)
    assert min(rows["both stages, one key"]["change ×255"] for rows in (jumping, steady)) > 0.01


def test_without_certain_foreground_every_scene_is_measured_against_one_half(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(haze, "SIZE", 64)
    monkeypatch.setattr(haze, "SEEDS", {"smoke": (5,), "glass": (6,)})
    with torch.inference_mode():
        twice = haze.without_foreground(Networks(PropagationNetwork(), MattingNetwork().eval(), trusting(), "drawn"), footage=None)
        monkeypatch.setattr(methods, "looked_twice", once)
        rows = haze.without_foreground(Networks(PropagationNetwork(), MattingNetwork().eval(), trusting(), "drawn"), footage=None)
    assert list(rows) == ["smoke 5", "glass 6", "mean"]
    assert all(twice[scene][haze.PRIOR] == row[haze.PRIOR] for scene, row in rows.items())
    assert any(twice[scene][haze.NETWORK] != pytest.approx(row[haze.NETWORK], rel=0.05) for scene, row in rows.items())
    assert all(0 < row[haze.EVEN] <= 500 for row in rows.values())
    assert all(row[haze.NETWORK] == pytest.approx(row[haze.PRIOR], rel=0.02) for row in rows.values())
    assert rows["mean"][haze.EVEN] == pytest.approx((rows["smoke 5"][haze.EVEN] + rows["glass 6"][haze.EVEN]) / 2)


def test_how_many_scenes_are_won_is_said_without_their_mean() -> None:
    errors = {"smoke 1": (1.0, 2.0, 3.0), "glass 2": (5.0, 4.0, 6.0), "veil 3": (7.0, 8.0, 7.0), "mean": (1.0, 9.0, 9.0)}
    rows = {name: dict(zip((haze.NETWORK, haze.PRIOR, haze.EVEN), row, strict=True)) for name, row in errors.items()}
    assert haze.wins(rows) == "Of 3 scenes the network has the lower error than the prior in 2, than 0.5 everywhere in 2."


def test_trimaps_of_a_still_scene_are_as_wide_as_they_are_told() -> None:
    alpha = np.zeros((9, 40), np.float32)
    alpha[:, 20:] = 1.0
    marks = stillness.drawn(alpha, (2.0, 5.0))
    assert marks.shape == (2, 1, 9, 40)
    assert [(frame[0] == 1).sum(-1).tolist() for frame in marks] == [[4] * 9, [10] * 9]


def test_the_verdict_says_by_how_much_and_which_way() -> None:
    rows = {OURS: {"SAD": 1.5, "dtSSD": 6.0}, ALONE: {"SAD": 1.5, "dtSSD": 6.9}, FLOW_PEER: {"SAD": 2.0, "dtSSD": 8.0}}
    assert verdict(rows) == (
        "Replacing the neighbours by the centre frame changes dtSSD by +15 %. "
        "Against closed-form with trimaps by DIS flow, both stages change SAD by -25 % and dtSSD by -25 %."
    )
    assert "DIS" not in verdict({name: rows[name] for name in (OURS, ALONE)})


def test_the_page_sets_apart_the_clips_that_classical_methods_can_solve() -> None:
    def compared(sad: float, *, solvable: bool) -> Compared:
        rows = {name: {"SAD": sad, "dtSSD": 1.0} for name in (OURS, ALONE)}
        return Compared(f"{sad:.0f} lace", rows, rows, {"one key": {"agreement": 0.9}}, solvable)

    clips = [compared(1.0, solvable=True), compared(3.0, solvable=False)]
    hazy = {"smoke 1": {haze.NETWORK: 9.0, haze.PRIOR: 9.5, haze.EVEN: 8.0}}
    measured = Measured("command", "weights", clips, {"network": {"change ×255": 0.25}}, hazy, {})
    text = page(measured)
    before, after = text.split("The same over the 1 clips")
    assert f"| {OURS} | 2.000 | 1.000 |" in before
    assert f"| {OURS} | 1.000 | 1.000 |" in after
    assert "| clip | SAD | dtSSD | agreement |" in after
    assert "| 3 lace | 3.000 | 1.000 | 0.900 |" in after
    assert "| network | 0.250 |" in after
    assert "| smoke 1 | 9.0 | 9.5 | 8.0 |" in after
    assert "Of 1 scenes the network has the lower error than the prior in 1, than 0.5 everywhere in 0." in after
    assert "There are none." in page(replace(measured, clips=[compared(3.0, solvable=False)]))


def test_the_page_counts_the_clips_in_which_the_classical_method_loses() -> None:
    def compared(ours: float, theirs: float) -> Compared:
        rows = {name: {"SAD": sad, "dtSSD": 2.0 * sad} for name, sad in ((OURS, ours), (ALONE, ours), (FLOW_PEER, theirs))}
        rows[FLOW_PEER]["dtSSD"] = 2.0
        return Compared("1 lace", rows, rows, {"one key": {"agreement": 0.9}}, solvable=True)

    clips = [compared(0.5, 1.0), compared(2.0, 3.0), compared(3.0, 3.0)]
    assert wins(clips) == " Lower than closed-form with trimaps by DIS flow: SAD in 2 of 3 clips, dtSSD in 1."
    assert wins([replace(c, whole={k: v for k, v in c.whole.items() if k != FLOW_PEER}) for c in clips]) == ""


def test_a_table_is_markdown() -> None:
    assert table({"a": {"x": 1.0, "y": 2.0}}, "what", "{:.1f}") == "| what | x | y |\n|---|---|---|\n| a | 1.0 | 2.0 |"


@pytest.mark.slow
def test_the_command_writes_the_page_for_the_shipped_weights(tmp_path: Path) -> None:
    if not (shipped.FOLDER / "manifest.json").is_file():
        pytest.skip("bridge/weights has no manifest.json")
    line = [sys.executable, "-m", "bridge.evaluation", "--clips", "1", "--workers", "1", "--out", str(tmp_path / "quality.md")]
    subprocess.run(line, check=True, timeout=1800, cwd=Path(__file__).resolve().parents[1])
    text = (tmp_path / "quality.md").read_text(encoding="utf-8")
    assert "1 clips of 24 frames" in text
    assert f"| {OURS} |" in text
    assert "nan" not in text


def test_several_stretches_of_clips_are_measured_at_once_and_the_page_tells_them() -> None:
    args = argparse.Namespace(pack=Path("p"), data=Path("../shared/data"), clips=3, first=[0, 2, 12], peers=False)
    assert command.indices(args) == [0, 1, 2, 3, 4, 12, 13, 14]
    assert command.command(args) == "python -m bridge.evaluation --pack PACK --data ../shared/data --clips 3 --first 0 2 12"


def test_no_clips_cannot_be_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluation", "--clips", "0"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert "--clips 1 or more" in capsys.readouterr().err
