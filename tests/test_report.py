"""The report of a shot: what is measured, which frames are named, and the page itself."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Videomatte
from shots import disc
from vmatte import begun, painted, solve_flat

from bridge.imaging.stills import jpeg, over_black, within
from bridge.report.look import looks
from bridge.report.measure import Measure, blinking, measured
from bridge.report.shot import write_report
from bridge.shot.folder import Shot
from bridge.wire.errors import ShotError


def still(count: int, **numbers: float) -> list[Measure]:
    return [Measure(f, **{"covered": 0.3, "soft": 0.1, "flicker": 0.001, **numbers}) for f in range(1, count + 1)]


def test_what_stands_still_or_moves_on_does_not_blink() -> None:
    alpha = disc(0)
    assert blinking(alpha, alpha, alpha) == 0.0
    ramp = np.linspace(0, 1, 96, dtype=np.float32)[None].repeat(64, 0)
    assert blinking(ramp * 0.8, ramp * 0.9, ramp) == 0.0


def test_what_is_there_for_one_frame_only_blinks_by_its_amount() -> None:
    empty = np.zeros((64, 96), np.float32)
    spot = empty.copy()
    spot[:20, :20] = 0.5
    assert blinking(empty, spot, empty) == pytest.approx(0.5)
    assert blinking(spot, empty, spot) == pytest.approx(0.5)


def test_the_ends_of_a_shot_and_the_sides_of_a_gap_have_no_flicker() -> None:
    found = list(measured([1, 2, 3, 7, 8], lambda frame: disc(frame)))
    assert [m.frame for m in found] == [1, 2, 3, 7, 8]
    assert [m.frame for m in found if m.flicker is not None] == [2]
    assert found[0].covered == pytest.approx(float(disc(1).mean()), abs=1e-6)


def test_frames_that_blink_jump_or_are_unsure_are_named_with_the_reason() -> None:
    shot = still(60)
    shot[19] = Measure(20, 0.3, 0.1, 0.09)
    shot[39] = Measure(40, 0.2, 0.1, 0.001)
    found = looks(shot, confidence={10: 0.4, 11: 0.5, 50: 1.0}, states={55: "failed"}, keys=frozenset({1}))
    assert {look.frame: look.kind for look in found} == {10: "unsure", 20: "blinks", 40: "jumps", 55: "failed"}
    assert next(look.why for look in found if look.frame == 40) == "suddenly smaller, by 33 %"


def test_in_a_calm_shot_no_frame_is_named() -> None:
    assert looks(still(60), confidence=dict.fromkeys(range(1, 61), 0.97), states={}, keys=frozenset({1})) == []


def test_pictures_are_shrunk_and_mixed_in_light() -> None:
    white = np.ones((40, 80, 3), np.float32)
    assert within(white, width=20).shape == (10, 20, 3)
    assert float(over_black(white, np.full((40, 80), 0.5, np.float32)).mean()) == pytest.approx(0.7354, abs=2e-3)
    again = cv2.imdecode(np.frombuffer(jpeg(np.full((8, 8), 0.5, np.float32)), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert abs(int(again.mean()) - 128) <= 1


@pytest.fixture
def shot(tmp_path: Path) -> Shot:
    found = begun(painted(tmp_path / "plates", keys=(1, 5)), tmp_path / "sh010.vmatte")
    solve_flat(found)
    return found


def test_a_report_is_one_file_that_needs_no_network(videomatte: Videomatte, shot: Shot, tmp_path: Path) -> None:
    ran = videomatte("report", shot.folder)
    assert (ran.status, ran.out.strip()) == (0, str(tmp_path / "sh010.report.html"))
    page = (tmp_path / "sh010.report.html").read_text()
    assert not re.search(r"""(src|href)=["']?(https?:|//|file:)""", page)
    assert not re.search(r"@import|url\(", page)
    pictures = [base64.b64decode(text) for text in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)]
    assert len(pictures) == 5 * len(re.findall(r'<th id="f\d+">', page))
    assert all(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (32, 48) for data in pictures)
    assert page.count("<polyline") == 3
    for word in ("sh010", "9 frames", "9 solved", "Confidence", "Flicker", "Settings", "lin_rec709_scene", "1,5"):
        assert word in page, word


def test_a_report_tells_stale_and_locked_frames_and_lives_without_plates(shot: Shot, tmp_path: Path) -> None:
    shot.lock([3])
    shot.remove_key(5)
    stale = write_report(shot.folder, tmp_path / "a.html").read_text()
    assert "stale" in stale
    assert "locked" in stale
    for path in (tmp_path / "plates").glob("plate.*"):
        path.unlink()
    assert "cannot be solved" in write_report(shot.folder, tmp_path / "b.html").read_text()


def test_names_that_look_like_html_stay_text(tmp_path: Path) -> None:
    found = begun(painted(tmp_path / "plates"), tmp_path / "<b>&.vmatte")
    solve_flat(found)
    page = write_report(found.folder, tmp_path / "r.html").read_text()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page


def test_a_shot_without_results_has_no_report(tmp_path: Path) -> None:
    found = begun(painted(tmp_path / "plates"), tmp_path / "new.vmatte")
    with pytest.raises(ShotError, match="no results"):
        write_report(found.folder, tmp_path / "r.html")
