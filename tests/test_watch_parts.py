"""The parts of the watcher alone: rules, looks, pairing, completeness, settings, the ledger."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bridge.watch import beside
from bridge.watch.complete import Quiet, covers, judged
from bridge.watch.found import Found, Pairing
from bridge.watch.ledger import Entry, Ledger
from bridge.watch.rules import DEFAULT, Rules
from bridge.watch.scan import MARK, Scanner
from bridge.watch.settings import Settings, settings_for
from bridge.wire.errors import SequenceError, UsageError, VideoMatteError

FEW = 4


def lay(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))


def shots(root: Path, *, rules: tuple[str, ...] = DEFAULT) -> dict[str, Found]:
    scanner = Scanner(root)
    changed = scanner.scan()
    return Pairing(root, Rules(rules, top=root.name)).update(scanner.tree, changed)


def only(root: Path, **more: object) -> Found:
    (found,) = shots(root, **more).values()  # type: ignore[arg-type]
    return found


def complete(root: Path, *, frames: int = FEW) -> None:
    lay(root, *(f"a/plate.{f:04d}.exr" for f in range(1, frames + 1)), "a/trimap.0001.png")


@pytest.mark.parametrize(
    ("folder", "name", "shot", "what", "frame"),
    [
        ("sh010", "plate.1001.exr", "sh010", "plate", 1001),
        ("seq/sh010", "plate.-0003.exr", "seq/sh010", "plate", -3),
        ("sh010", "plate.10000.exr", "sh010", "plate", 10000),
        ("sh010", "trimap.1001.png", "sh010", "trimap", 1001),
        ("sh010", "trimap.exr", "sh010", "trimap", None),
        ("sh010/keys", "roto_v2.1001.tif", "sh010", "trimap", 1001),
        ("", "plate.0001.exr", "top", "plate", 1),
    ],
)
def test_the_default_rule_knows_plates_and_trimaps(folder: str, name: str, shot: str, what: str, frame: int | None) -> None:
    match = Rules(top="top").match(folder, name)
    assert match is not None
    assert (match.shot, match.what, match.frame) == (shot, what, frame)
    assert match.head + match.digits + match.tail == name


@pytest.mark.parametrize("name", ["plate.101.exr", "plate.1001.exr.bak", "beauty.1001.exr", "plate.exr", "xplate.1001.exr"])
def test_the_default_rule_leaves_other_files_alone(name: str) -> None:
    assert Rules().match("sh010", name) is None


def test_a_rule_may_name_the_shot_within_the_file(tmp_path: Path) -> None:
    lay(tmp_path, "sh010_bg.1001.exr", "sh010_bg.1002.exr", "sh010_key.1001.png", "sh020_bg.1001.exr")
    found = shots(tmp_path, rules=("SHOT_bg.####.exr = SHOT_key.####.*",))
    assert {name: (tuple(f.frames), tuple(f.keys)) for name, f in found.items()} == {
        "sh010": ((1001, 1002), (1001,)),
        "sh020": ((1001,), ()),
    }


@pytest.mark.parametrize(
    "text", ["plate.####.exr", "SHOT/plate.exr = SHOT/t.*", "plate.####.exr = t.*", "SHOT/a.####.b.####.exr = SHOT/t.*"]
)
def test_a_rule_that_says_too_little_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Rules((text,))


def test_hidden_unfinished_and_own_files_are_not_seen(tmp_path: Path) -> None:
    complete(tmp_path)
    lay(
        tmp_path,
        "a/.plate.0009.exr",
        "a/plate.0009.exr.tmp",
        "a/Thumbs.db",
        f"out/{MARK}",
        "out/a/plate.0001.exr",
        "s.vmatte/plate.0001.exr",
    )
    assert sorted(shots(tmp_path)) == ["a"]
    assert only(tmp_path).wanted == (1, 2, 3, 4)


def test_a_folder_that_leads_back_to_itself_ends(tmp_path: Path) -> None:
    complete(tmp_path)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert sorted(shots(tmp_path)) == ["a"]


def test_a_link_that_leads_nowhere_hides_nothing_beside_it(tmp_path: Path) -> None:
    complete(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nothing")
    assert sorted(shots(tmp_path)) == ["a"]


def test_a_folder_whose_name_is_no_utf8_fails_its_own_shot_alone(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    complete(tmp_path)
    lay(tmp_path, f"{odd}/plate.0001.exr", f"{odd}/trimap.0001.png")
    found = shots(tmp_path)
    assert sorted(found) == ["a", odd]
    assert found["a"].problem is None
    failed = judged(found[odd], Quiet(0.0), now=0.0, settle=0.0).failed
    assert failed is not None
    assert failed.message == f"The name of {tmp_path}/{odd}/plate.0001.exr is no UTF-8."
    beside.write_status(tmp_path, {"shot": odd, "reason": failed.message})
    assert (beside.read_status(tmp_path) or {})["shot"] == odd
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger.keep(odd, Entry("failed", found[odd].fingerprint, failed.message))
    assert list(ledger.entries()) == ["caf\\udce9"]
    ledger.close()


def test_a_folder_that_cannot_be_listed_keeps_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(tmp_path)
    scanner = Scanner(tmp_path)
    scanner.scan()
    before = dict(scanner.tree)

    def lost(_: object) -> object:
        raise OSError(5, "the network went away")

    monkeypatch.setattr(os, "scandir", lost)
    assert scanner.scan() == frozenset()
    assert (scanner.tree, scanner.lost) == (before, ("",))


def test_a_look_tells_which_folders_changed(tmp_path: Path) -> None:
    complete(tmp_path)
    lay(tmp_path, "b/plate.0001.exr")
    scanner = Scanner(tmp_path)
    assert scanner.scan() == {"a", "b"}
    assert scanner.scan() == frozenset()
    lay(tmp_path, "b/plate.0002.exr")
    assert scanner.scan() == {"b"}


def test_pairing_keeps_shots_that_did_not_change(tmp_path: Path) -> None:
    complete(tmp_path)
    lay(tmp_path, "b/plate.0001.exr")
    scanner, pairing = Scanner(tmp_path), Pairing(tmp_path, Rules())
    changed = scanner.scan()
    before = dict(pairing.update(scanner.tree, changed))
    lay(tmp_path, "b/plate.0002.exr")
    changed = scanner.scan()
    after = pairing.update(scanner.tree, changed)
    assert after["a"] is before["a"]
    assert tuple(after["b"].frames) == (1, 2)


@pytest.mark.parametrize(
    ("taken", "looks", "still", "waiting"),
    [
        ("a/trimap.0001.png", 9, 99.0, "a trimap"),
        ("a/plate.0003.exr", 9, 99.0, "frames 3"),
        ("", 1, 99.0, "a second look"),
        ("", 9, 4.0, "6 s without a change"),
        ("a/plate.0001.exr", 9, 99.0, "plates of the trimaps 1"),
    ],
)
def test_a_shot_waits_and_says_what_for(tmp_path: Path, taken: str, looks: int, still: float, waiting: str) -> None:
    complete(tmp_path)
    if taken:
        (tmp_path / taken).unlink()
    verdict = judged(only(tmp_path), Quiet(100.0, looks), now=100.0 + still, settle=10.0)
    assert (verdict.ready, verdict.waiting, verdict.failed) == (False, waiting, None)


def test_a_shot_is_complete_after_two_looks_and_quiet_time(tmp_path: Path) -> None:
    complete(tmp_path)
    assert judged(only(tmp_path), Quiet(100.0, 2), now=110.0, settle=10.0).ready


def test_a_gap_is_a_failure_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    complete(tmp_path)
    (tmp_path / "a" / "plate.0002.exr").unlink()
    verdict = judged(only(tmp_path), Quiet(0.0, 9), now=900.0, settle=10.0)
    assert isinstance(verdict.failed, SequenceError)
    assert verdict.failed.frame == 2


@pytest.mark.parametrize("word", ["ready", "job.json"])
def test_what_is_announced_as_complete_does_not_wait_for_quiet(tmp_path: Path, word: str) -> None:
    complete(tmp_path)
    (tmp_path / "a" / word).write_text('{"range": "1-4"}' if word == "job.json" else "")
    assert judged(only(tmp_path), Quiet(100.0, 2), now=100.5, settle=10.0).ready


def test_a_range_waits_for_its_last_frame(tmp_path: Path) -> None:
    complete(tmp_path)
    (tmp_path / "videomatte.toml").write_text('range = "1-6"')
    assert judged(only(tmp_path), Quiet(0.0, 9), now=99.0, settle=10.0).waiting == "frames 5-6"


def test_settings_of_a_shot_count_over_those_above(tmp_path: Path) -> None:
    complete(tmp_path)
    (tmp_path / "videomatte.toml").write_text('profile = "draft"\ndepth = "half"\noutputs = ["matte", "foreground"]')
    (tmp_path / "a" / "videomatte.toml").write_text('depth = "float"\ngarbage = "gm.####.exr"')
    found = only(tmp_path)
    assert (found.settings.profile, found.settings.depth, found.settings.outputs) == ("draft", "float", ("matte", "foreground"))
    assert found.described().garbage == str(tmp_path / "a" / "gm.####.exr")
    assert found.described().foreground == "shot"


@pytest.mark.parametrize(
    ("said", "file", "other"),
    [
        ("gm.####.exr", "a/gm.0002.exr", "a/gm.2.exr"),
        ("../roto/gm.####.exr", "roto/gm.0002.exr", "roto/other.0002.exr"),
        ("roto/gm.png", "a/roto/gm.png", "a/roto/gm2.png"),
    ],
)
def test_another_delivery_of_a_garbage_matte_is_another_delivery_of_its_shot(tmp_path: Path, said: str, file: str, other: str) -> None:
    complete(tmp_path)
    lay(tmp_path, "b/plate.0001.exr", file)
    (tmp_path / "a" / "videomatte.toml").write_text(f'garbage = "{said}"')
    scanner, pairing = Scanner(tmp_path), Pairing(tmp_path, Rules())

    def looked() -> dict[str, Found]:
        changed = scanner.scan()
        return dict(pairing.update(scanner.tree, changed))

    before = looked()
    done = {"inputs": {k: list(v) for k, v in before["a"].inputs.items()}, "keys": [1], "settings": before["a"].settings.as_words()}
    assert file in before["a"].inputs
    lay(tmp_path, other)
    assert looked()["a"].fingerprint == before["a"].fingerprint
    assert covers(done, pairing.shots["a"])
    (tmp_path / file).write_bytes(b"another garbage matte")
    after = looked()
    assert after["a"].fingerprint != before["a"].fingerprint
    assert not covers(done, after["a"])
    assert after["b"].fingerprint == before["b"].fingerprint


@pytest.mark.parametrize("text", ["colour = 1", 'profile = "best"', 'range = "9-1"', "settle = -1", "= 3", 'outputs = ["core"]'])
def test_a_word_that_means_nothing_fails_the_shot_by_name_of_the_file(tmp_path: Path, text: str) -> None:
    complete(tmp_path)
    path = tmp_path / "a" / "videomatte.toml"
    path.write_text(text)
    failed = judged(only(tmp_path), Quiet(0.0, 9), now=99.0, settle=1.0).failed
    assert isinstance(failed, VideoMatteError)
    assert failed.file == str(path)


def test_two_plates_in_one_folder_fail_the_shot(tmp_path: Path) -> None:
    lay(tmp_path, "a/x_bg.0001.exr", "a/y_bg.0001.exr", "a/trimap.png")
    found = only(tmp_path, rules=("SHOT/*_bg.####.exr = SHOT/trimap.*",))
    assert found.problem is not None
    assert "two plates" in found.problem.message


def test_a_trimap_without_a_number_belongs_to_the_first_plate(tmp_path: Path) -> None:
    complete(tmp_path)
    (tmp_path / "a" / "trimap.0001.png").rename(tmp_path / "a" / "trimap.png")
    assert only(tmp_path).keys == {1: str(tmp_path / "a" / "trimap.png")}


def done_of(found: Found) -> dict[str, object]:
    return {"keys": sorted(found.keys), "settings": found.settings.as_words(), "inputs": {p: list(s) for p, s in found.inputs.items()}}


def test_what_was_delivered_covers_files_that_went_but_none_that_came_or_changed(tmp_path: Path) -> None:
    complete(tmp_path)
    done = done_of(only(tmp_path))
    assert covers(done, only(tmp_path))
    (tmp_path / "a" / "plate.0004.exr").unlink()
    assert covers(done, only(tmp_path))
    lay(tmp_path, "a/plate.0005.exr")
    assert not covers(done, only(tmp_path))
    (tmp_path / "a" / "plate.0005.exr").unlink()
    os.utime(tmp_path / "a" / "plate.0002.exr", ns=(0, 12345))
    assert not covers(done, only(tmp_path))


def test_another_setting_is_another_delivery(tmp_path: Path) -> None:
    complete(tmp_path)
    done = done_of(only(tmp_path))
    (tmp_path / "videomatte.toml").write_text('depth = "half"')
    assert not covers(done, only(tmp_path))


def test_done_is_written_whole_and_withdrawn_once(tmp_path: Path) -> None:
    beside.write_done(tmp_path, {"shot": "a", "keys": [1]}, inputs={"a/plate.0001.exr": (7, 8)})
    assert beside.read_done(tmp_path) == {"shot": "a", "keys": [1], "inputs": {"a/plate.0001.exr": [7, 8]}}
    assert (beside.withdraw(tmp_path), beside.withdraw(tmp_path)) == (True, False)


def test_the_ledger_remembers_and_a_damaged_one_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    ledger = Ledger(path)
    ledger.keep("a", Entry("failed", "f", "why", "job"))
    ledger.delivered("a", "f", solved=3, frames=4, seconds=1.0)
    ledger.close()
    ledger = Ledger(path)
    assert (ledger.entries(), ledger.deliveries()) == ({"a": Entry("failed", "f", "why", "job")}, [("a", "f", 3)])
    ledger.close()
    for part in tmp_path.glob("l.sqlite-*"):
        part.unlink()
    path.write_bytes(b"garbage" * 1000)
    again = Ledger(path)
    assert again.entries() == {}
    again.close()


def test_a_setting_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "videomatte.toml"
    path.write_text('depth = "half"')
    assert settings_for(((path, (1, 1)),)).depth == "half"
    path.write_text('depth = "float"')
    assert settings_for(((path, (1, 2)),)) == Settings()


@pytest.mark.slow
def test_ten_thousand_files_are_seen_within_three_tenths_of_a_second_of_cpu(tmp_path: Path) -> None:
    for shot in range(10):
        folder = tmp_path / f"sh{shot:03d}"
        folder.mkdir()
        for frame in range(1000):
            (folder / f"plate.{frame:04d}.exr").touch()
    scanner, pairing = Scanner(tmp_path), Pairing(tmp_path, Rules())
    begun = time.process_time()
    changed = scanner.scan()
    found = pairing.update(scanner.tree, changed)
    first = time.process_time() - begun
    begun = time.process_time()
    pairing.update(scanner.tree, scanner.scan())
    print(f"{scanner.files} files: first look {first:.3f} s CPU, next {time.process_time() - begun:.3f} s")
    assert (scanner.files, len(found)) == (10_000, 10)
