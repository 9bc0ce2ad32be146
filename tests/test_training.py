"""Training: losses by hand, checkpoints that resume exactly, weights that are shipped as they were learned."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bridge.models.inputs import CHANNELS
from bridge.models.matting import MattingNetwork
from bridge.models.propagation import Frame, Memory, PropagationNetwork, Read
from bridge.shot.profile import MEMORY_EVERY, MEMORY_KEPT
from bridge.training import checkpoint, loop, losses, stages
from bridge.training.__main__ import begun
from bridge.training.clips import make_clips
from bridge.training.export import export
from bridge.training.joint import JointLessons, Stages, carrier_of, looker_of
from bridge.training.loop import Plan, optimizer_for, rate_at, train
from bridge.training.stages import (
    Lesson,
    MattingLessons,
    Setting,
    _matting_loss,
    anchored,
    far_times,
    prepared,
    propagation_step,
    repainted,
    rolled_out,
)

SHIPPED = Path(__file__).parents[1] / "bridge" / "weights"
SETTING = Setting(batch=1, size=64, footage=None, device=torch.device("cpu"), precision=torch.float32)


def test_alpha_loss_is_the_mean_error_where_it_is_unknown() -> None:
    predicted, truth = torch.tensor([[[[0.5, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert losses.alpha_loss(predicted, truth, torch.tensor([[[[1.0, 0.0]]]])).item() == pytest.approx(0.5, abs=1e-4)


def test_regret_counts_what_became_worse_and_nothing_that_became_better() -> None:
    before, truth = torch.tensor([[[[0.5, 0.5, 0.5, 0.9]]]]), torch.tensor([[[[0.4, 0.4, 0.4, 0.0]]]])
    predicted = torch.tensor([[[[0.7, 0.45, 0.2, 0.0]]]])
    unknown = torch.tensor([[[[1.0, 1.0, 1.0, 0.0]]]])
    assert losses.regret_loss(predicted, truth, unknown, before=before).item() == pytest.approx((0.2 + 0.0 + 0.1) / 3)
    assert losses.regret_loss(before, truth, unknown, before=before).item() == 0.0


def test_clips_of_which_nothing_is_known_count_little_where_pixels_are_counted() -> None:
    unknown = torch.ones(3, 2, 1, 10, 10)
    unknown[1, :, :, 0, :2], unknown[2, :, :, :2] = 0.0, 0.0
    assert anchored(unknown).flatten().tolist() == pytest.approx([0.0, 0.4, 1.0], abs=1e-5)


def test_temporal_loss_forgives_a_constant_error() -> None:
    truth = torch.rand(1, 3, 1, 4, 4)
    ones = torch.ones_like(truth)
    assert losses.temporal_loss(truth + 0.2, truth, ones).item() == pytest.approx(0.0, abs=1e-6)
    assert losses.temporal_loss(truth * torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1, 1), truth, ones).item() > 0.1


def test_laplacian_loss_is_zero_only_for_the_truth() -> None:
    truth = torch.rand(1, 1, 32, 32)
    ones = torch.ones_like(truth)
    assert losses.laplacian_loss(truth, truth, ones).item() == 0.0
    assert losses.laplacian_loss(torch.rand(1, 1, 32, 32), truth, ones).item() > 0.01


def test_false_certainty_counts_the_opposite_class_alone() -> None:
    classes = torch.tensor([[[0, 1, 2]]])
    sure = torch.full((1, 3, 1, 3), -20.0)
    sure[0, 2, 0, 0], sure[0, 0, 0, 1], sure[0, 2, 0, 2] = 20.0, 20.0, 20.0
    assert losses.false_certainty(sure, classes).item() == pytest.approx(1 / 3, abs=1e-4)


def test_the_rate_warms_up_stays_and_falls() -> None:
    plan = Plan(minutes=1, rate=1.0, warm_up=10, decay_share=0.5)
    assert rate_at(plan, step=0, share=0.0) == pytest.approx(0.1)
    assert rate_at(plan, step=50, share=0.4) == pytest.approx(1.0)
    assert rate_at(plan, step=50, share=1.0) == pytest.approx(0.02)


def learned(
    network: nn.Module, steps: range, optimizer: torch.optim.Optimizer, average: checkpoint.Average, lessons: MattingLessons | JointLessons
) -> Tensor:
    for step in steps:
        loss, _ = lessons.step(network, step=step, seed=1, setting=SETTING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(network, step)
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_a_resumed_run_goes_on_exactly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = MattingNetwork().train()
    optimizer, average = optimizer_for(network), checkpoint.Average(network)
    learned(network, range(2), optimizer, average, MattingLessons())
    checkpoint.save(tmp_path, network=network, average=average, optimizer=optimizer, state={"step": 2})
    straight = learned(network, range(2, 4), optimizer, average, MattingLessons())
    torch.manual_seed(99)
    other = MattingNetwork().train()
    again, kept = optimizer_for(other), checkpoint.Average(other)
    assert checkpoint.load(tmp_path, network=other, average=kept, optimizer=again)["step"] == 2
    resumed = learned(other, range(2, 4), again, kept, MattingLessons())
    assert (straight - resumed).abs().max() < 1e-6
    assert all(torch.allclose(average.state[k], kept.state[k], atol=1e-6) for k in average.state)


def test_a_joint_run_trains_both_stages_and_goes_on_exactly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Stages().train()
    carrier = carrier_of(tmp_path, network.propagation, resume=False, device=SETTING.device)
    looker = looker_of(tmp_path, network.matting, resume=False, device=SETTING.device)
    optimizer, average = optimizer_for(network), checkpoint.Average(network)
    lessons = JointLessons(carrier=carrier, looker=looker)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    learned(network, range(2), optimizer, average, lessons)
    moved = {name.split(".")[0] for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"propagation", "matting"}
    checkpoint.save(tmp_path, network=network, average=average, optimizer=optimizer, state={"step": 2, "elapsed_s": 0.0, "seed": 1})
    straight = learned(network, range(2, 3), optimizer, average, lessons)
    other = Stages().train()
    again, kept = optimizer_for(other), checkpoint.Average(other)
    checkpoint.load(tmp_path, network=other, average=kept, optimizer=again)
    given = [find(tmp_path, None, resume=True, device=SETTING.device) for find in (carrier_of, looker_of)]
    resumed = learned(other, range(2, 3), again, kept, JointLessons(carrier=given[0], looker=given[1]))
    assert (straight - resumed).abs().max() < 1e-6
    (tmp_path / "weights").mkdir()
    entries = [export(tmp_path, stage=stage, weights=tmp_path / "weights") for stage in ("propagation", "matting")]
    assert [set(load_file(tmp_path / "weights" / e["file"])) for e in entries] == [
        {k for k in n.state_dict() if not k.endswith("num_batches_tracked")} for n in (other.propagation, other.matting)
    ]


def test_a_resumed_run_of_stage_2_has_the_trimaps_it_began_with(tmp_path: Path) -> None:
    given, cpu = PropagationNetwork(), SETTING.device
    assert carrier_of(tmp_path, None, resume=False, device=cpu) is None
    assert carrier_of(tmp_path, None, resume=True, device=cpu) is None
    first = carrier_of(tmp_path, given, resume=False, device=cpu)
    again = carrier_of(tmp_path, None, resume=True, device=cpu)
    assert first is not None
    assert again is not None
    assert not again.training
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in given.state_dict().items())


def test_a_resumed_run_of_stage_2_takes_the_same_first_looks(tmp_path: Path) -> None:
    given = begun("matting", [checkpoint.averaged(SHIPPED / "matting.safetensors")])
    assert isinstance(given, MattingNetwork)
    looks = [looker_of(tmp_path, network, resume=network is None, device=SETTING.device) for network in (given, None)]
    half = replace(SETTING, precision=torch.bfloat16, batch=3)
    first, again = (prepared(11, half, looker=looker).inputs for looker in looks)
    once = prepared(11, half).inputs
    assert torch.equal(first, again)
    assert (first - once).abs().max() > 0.1
    assert looker_of(tmp_path / "none", None, resume=True, device=SETTING.device) is None


def test_a_run_begins_from_one_set_of_weights_a_stage() -> None:
    found = [checkpoint.averaged(SHIPPED / f"{stage}.safetensors") for stage in ("propagation", "matting")]
    both = begun("joint", found)
    assert torch.equal(both.state_dict()["matting.stem.0.weight"], found[1]["stem.0.weight"])
    with pytest.raises(ValueError, match="one set of weights"):
        begun("joint", [*found, found[1]])


def test_what_counts_alike_is_the_sum_over_the_pixels_of_all_clips() -> None:
    truth, classes = torch.zeros(2, 4, 1, 8, 8), torch.ones(2, 4, 1, 8, 8, dtype=torch.uint8)
    classes[:, :, :, :4], classes[1, :, :, :6] = 0, 0
    inputs = torch.zeros(2, 4, CHANNELS, 8, 8)
    alpha = torch.zeros(2, 2, 1, 8, 8)
    alpha[0] = 0.3
    _, terms = _matting_loss(alpha, Lesson(inputs, truth, torch.zeros_like(truth), classes), inputs)
    assert terms["regrets"] == pytest.approx(0.3 * 2 / 3), "two thirds of the unknown pixels are the first clip's"
    assert terms["sum"] == pytest.approx((0.3 + 2.0 * 0.09) * 2 / 3, abs=1e-3)
    assert terms["regret"] == pytest.approx(0.3 / 2), "clips count alike"


def test_stage_2_sees_trimaps_that_stage_1_carried_from_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    several = replace(SETTING, batch=3)
    monkeypatch.setattr(stages, "CARRIED", 1.0)
    torch.manual_seed(0)
    own = prepared(7, several, carrier=PropagationNetwork().eval())
    monkeypatch.setattr(stages, "CARRIED", 0.0)
    painted = prepared(7, several, carrier=PropagationNetwork().eval())
    assert own.inputs.shape == painted.inputs.shape
    assert own.alpha.shape == (3, 4, 1, 64, 64)
    assert (own.classes != painted.classes).any()
    assert (own.inputs[:, :, 3:6].argmax(2) == own.classes[:, :, 0]).all()


def test_only_the_last_checkpoint_stays_and_a_half_written_one_is_never_it(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    optimizer, average = optimizer_for(network), checkpoint.Average(network)
    for step in (1, 2):
        checkpoint.save(tmp_path, network=network, average=average, optimizer=optimizer, state={"step": step})
    (tmp_path / ".step-00000003.tmp").mkdir()
    assert [p.name for p in tmp_path.glob("step-*")] == ["step-00000002"]
    assert checkpoint.load(tmp_path, network=network, average=average, optimizer=optimizer)["step"] == 2


def test_training_stops_on_time_saves_and_judges(tmp_path: Path) -> None:
    network, shadow = nn.Linear(3, 1), nn.Linear(3, 1)

    def step(network: nn.Module, *, step: int, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
        return network(torch.ones(1, 3)).square().sum(), {"step": float(step + seed)}

    train(
        network,
        step,
        plan=Plan(minutes=0.005),
        setting=SETTING,
        folder=tmp_path,
        resume=False,
        judge=lambda n: {"out": float(n(torch.ones(1, 3)))},
        shadow=shadow,
    )
    judged = json.loads((tmp_path / "judged.jsonl").read_text().splitlines()[-1])
    assert judged["step"] > 3
    assert {"step", "elapsed_s", "out"} == set(judged)
    assert (tmp_path / checkpoint.LATEST).exists()


def test_a_resumed_run_goes_on_in_its_schedule_and_stops_when_the_whole_has_lasted_its_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(loop, "rate_at", lambda plan, *, step, share: shares.append(share) or 1e-3)

    def lasted(minutes: float, *, resume: bool) -> float:
        network, shadow = nn.Linear(3, 1), nn.Linear(3, 1)
        shares.clear()
        given = {"setting": SETTING, "folder": tmp_path, "judge": lambda n: {}, "shadow": shadow, "resume": resume}
        train(network, lambda n, **k: (n(torch.ones(1, 3)).square().sum(), {}), plan=Plan(minutes=minutes), **given)  # type: ignore[arg-type]
        return float(checkpoint.state_of(tmp_path)["elapsed_s"]) / 60

    first = lasted(0.005, resume=False)
    assert lasted(0.005, resume=True) == first, "it was over"
    assert not shares
    assert lasted(0.01, resume=True) > first
    assert shares[0] > 0.4, "the first half was spent"
    assert shares == sorted(shares)


def test_a_step_that_is_not_finite_leaves_no_trace(tmp_path: Path) -> None:
    network, shadow = (nn.BatchNorm1d(2) for _ in range(2))

    def step(network: nn.Module, **given: object) -> tuple[Tensor, dict[str, float]]:
        return network(torch.full((4, 2), torch.nan if given["step"] == 1 else 1.0)).sum(), {}

    train(network, step, plan=Plan(minutes=0.002), setting=SETTING, folder=tmp_path, resume=False, judge=lambda n: {}, shadow=shadow)
    assert checkpoint.state_of(tmp_path)["step"] > 2
    assert all(v.isfinite().all() for v in network.state_dict().values())
    assert all(v.isfinite().all() for v in checkpoint.averaged(tmp_path).values())


def test_a_resumed_run_is_judged_by_its_own_average(tmp_path: Path) -> None:
    def step(network: nn.Module, *, step: int, seed: int, setting: Setting) -> tuple[Tensor, dict[str, float]]:
        return network(torch.ones(1, 3)).square().sum(), {}

    for resume in (False, True):
        network, shadow = (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=True), nn.Linear(4, 1)) for _ in range(2))
        network.eval()
        settings = {
            "plan": Plan(minutes=0.004 if resume else 0.002),
            "setting": SETTING,
            "folder": tmp_path,
            "judge": lambda n: {"weight": float(n[2].weight.sum())},
        }
        train(network.train(False), lambda n, **k: step(n.eval(), **k), resume=resume, shadow=shadow, **settings)  # type: ignore[arg-type]
        state = checkpoint.averaged(tmp_path)
        judged = json.loads((tmp_path / "judged.jsonl").read_text().splitlines()[-1])
        assert judged["weight"] == pytest.approx(float(state["2.weight"].sum()), abs=1e-6)


def test_exported_weights_are_the_average_in_half_precision(tmp_path: Path) -> None:
    network = PropagationNetwork()
    average = checkpoint.Average(network)
    average.state = {k: v + 1.0 for k, v in average.state.items()}
    state = {"step": 5, "elapsed_s": 60.0, "seed": 3}
    checkpoint.save(tmp_path / "run", network=network, average=average, optimizer=optimizer_for(network), state=state)
    (tmp_path / "weights").mkdir()
    entry = export(tmp_path / "run", stage="propagation", weights=tmp_path / "weights")
    data = (tmp_path / "weights" / entry["file"]).read_bytes()
    assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    shipped = load_file(tmp_path / "weights" / entry["file"])
    assert torch.allclose(shipped["key.weight"].float(), average.state["key.weight"], atol=2e-3)
    assert json.loads((tmp_path / "weights" / "manifest.json").read_text())["propagation"]["steps"] == 5


def test_several_runs_are_shipped_as_their_mean(tmp_path: Path) -> None:
    network = MattingNetwork()
    torch.nn.init.normal_(network.head.weight)
    average = checkpoint.Average(network)
    state = {"step": 1, "elapsed_s": 0.0, "seed": 1}
    checkpoint.save(tmp_path / "run", network=network, average=average, optimizer=optimizer_for(network), state=state)
    entry = export(tmp_path / "run", stage="matting", weights=tmp_path)
    shipped = load_file(tmp_path / entry["file"])
    assert torch.allclose(shipped["head.weight"].float(), network.head.weight, atol=2e-3)
    assert torch.allclose(shipped["stem.0.weight"].float(), network.stem[0].weight, atol=2e-3)
    average.state = {k: v + 1.0 for k, v in average.state.items()}
    checkpoint.save(tmp_path / "other", network=network, average=average, optimizer=optimizer_for(network), state=state)
    (tmp_path / "mean").mkdir()
    entry = export(tmp_path / "run", stage="matting", weights=tmp_path / "mean", also=[tmp_path / "other"])
    assert (entry["steps"], entry["seed"]) == (2, 1)
    entry = export(tmp_path / "run", stage="matting", weights=tmp_path / "mean", also=[tmp_path / "other"], before=[tmp_path / "run"] * 2)
    assert entry["steps"] == 4
    assert torch.allclose(load_file(tmp_path / "mean" / entry["file"])["stem.0.weight"].float(), network.stem[0].weight + 0.5, atol=2e-3)
    entry = export(tmp_path / "run", stage="matting", weights=tmp_path / "mean", also=[tmp_path / "other"], share=0.75)
    assert torch.allclose(load_file(tmp_path / "mean" / entry["file"])["stem.0.weight"].float(), network.stem[0].weight + 0.25, atol=2e-3)
    entry = export(tmp_path / "run", stage="matting", weights=tmp_path / "mean", also=[tmp_path / "other"], share=0.75, lean=0.5)
    assert load_file(tmp_path / "mean" / entry["file"])["head.bias"].item() == pytest.approx(network.head.bias.item() + 0.75, abs=2e-3)


def test_a_run_begins_from_shipped_weights_and_is_averaged_with_them(tmp_path: Path) -> None:
    file = SHIPPED / "matting.safetensors"
    network, shipped = begun("matting", [checkpoint.averaged(file)]), load_file(file)
    assert torch.equal(network.state_dict()["stem.0.weight"], shipped["stem.0.weight"].float())
    average = checkpoint.Average(network)
    average.state = {k: v + 1.0 for k, v in average.state.items()}
    state = {"step": 7, "elapsed_s": 120.0, "seed": 1}
    checkpoint.save(tmp_path / "run", network=network, average=average, optimizer=optimizer_for(network), state=state)
    entry = export(tmp_path / "run", stage="matting", weights=tmp_path, also=[file], share=0.25)
    assert torch.allclose(load_file(tmp_path / entry["file"])["stem.0.weight"].float(), shipped["stem.0.weight"].float() + 0.25, atol=2e-3)
    manifest = json.loads((SHIPPED / "manifest.json").read_text())["matting"]
    assert (entry["steps"], entry["minutes"]) == (manifest["steps"] + 7, manifest["minutes"] + 2)


def test_stage_1_sees_clips_painted_the_other_way_round() -> None:
    clips = make_clips(batch=2, times=[0, 1], size=64, seed=4, footage=None, device=torch.device("cpu"))
    found = repainted(clips, [1]).classes
    assert torch.equal(found[0], clips.classes[0])
    assert torch.equal(found[1], 2 - clips.classes[1])
    assert (found[1] != clips.classes[1]).any(), "else nothing was exchanged"


def test_stage_1_sees_clips_that_stand_still_and_clips_that_never_do() -> None:
    drawn = [far_times(random.Random(seed), 5) for seed in range(60)]
    assert all(times[0] == 0 and times == sorted(times) and times[-1] <= 4 * 8 for times in drawn)
    still = [times for times in drawn if times == [0] * 5]
    assert 4 <= len(still) <= 24
    assert all(len(set(times)) == 5 for times in drawn if times not in still)


def test_one_step_of_stage_one_gives_every_part_a_gradient() -> None:
    torch.manual_seed(0)
    network = PropagationNetwork().train()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    loss, terms = propagation_step(network, step=0, seed=1, setting=SETTING)
    loss.backward()
    assert {"classes", "false", "agreement"} <= set(terms)
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_a_roll_out_solves_every_frame_but_the_keys() -> None:
    view, classes = torch.rand(1, 4, 3, 64, 64), torch.randint(0, 3, (1, 4, 1, 64, 64))
    with torch.no_grad():
        logits, targets = rolled_out(PropagationNetwork().eval(), view, classes, keys=[1])
    assert targets == [0, 2, 3]
    assert logits.shape == (1, 3, 3, 64, 64)


def test_a_roll_out_remembers_as_a_solve_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (stages.EVERY, 1) == (MEMORY_EVERY, MEMORY_KEPT)
    view, classes = torch.rand(1, 6, 3, 64, 64), torch.randint(0, 3, (1, 6, 1, 64, 64))
    network, seen = PropagationNetwork().eval(), []
    read = network.read

    def watched(frame: Frame, keys: Sequence[Memory], solved: Sequence[Memory]) -> Read:
        seen.append(list(solved))
        return read(frame, keys, solved)

    monkeypatch.setattr(network, "read", watched)
    with torch.no_grad():
        rolled_out(network, view, classes, keys=[0], every=2)
    assert [len(solved) for solved in seen] == [0, 0, 1, 1, 1]
    assert seen[2][0] is seen[3][0]
    assert seen[4][0] is not seen[3][0]
