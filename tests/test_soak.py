"""The soak in small: shots arrive while watcher, daemon and worker are killed, and every one is delivered once and whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from soak import Soak, table


@pytest.mark.slow
def test_no_shot_is_lost_or_solved_twice_whatever_is_killed(tmp_path: Path) -> None:
    outcome = Soak(tmp_path, shots=8, seconds=20.0, kills=4, seed=1).run()
    assert outcome.wrong == [], table(outcome)
    assert outcome.done == 8
    assert sum(outcome.kills.values()) >= 2
