"""The shipped weights: whole, known by their checksum, refused otherwise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bridge import shipped
from bridge.solve import weights
from bridge.wire.errors import WeightsError


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the shipped folder that may be damaged."""
    shutil.copytree(shipped.FOLDER, tmp_path / "weights")
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    shipped.manifest.cache_clear()
    yield tmp_path / "weights"
    shipped.manifest.cache_clear()


def test_all_weights_are_shipped_and_small() -> None:
    entries = shipped.manifest()
    assert set(shipped.STAGES) == set(entries)
    assert sum(entries[stage]["bytes"] for stage in shipped.STAGES) <= 40_000_000
    networks = weights.load_networks(torch.device("cpu"))
    assert len(networks.digest) == 32
    assert (shipped.FOLDER / "MODEL_CARD.md").is_file()


def test_a_changed_byte_is_refused_by_name(copied: Path) -> None:
    path = copied / "matting.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"matting\.safetensors"):
        weights.load_networks(torch.device("cpu"))


def test_an_absent_file_is_refused_by_name(copied: Path) -> None:
    (copied / "propagation.safetensors").unlink()
    with pytest.raises(WeightsError, match="propagation"):
        weights.load_networks(torch.device("cpu"))


@pytest.mark.parametrize("text", ["", "{}", '{"matting": {}}', '{"matting": {"file": "x"}, "propagation": {}, "steadying": {}}'])
def test_a_list_that_lacks_something_is_refused(copied: Path, text: str) -> None:
    (copied / "manifest.json").write_text(text)
    with pytest.raises(WeightsError, match="list of weights"):
        shipped.manifest()


def test_weights_of_another_shape_are_refused(copied: Path) -> None:
    entries = json.loads((copied / "manifest.json").read_text())
    entries["matting"] = entries["propagation"]
    (copied / "manifest.json").write_text(json.dumps(entries))
    with pytest.raises(WeightsError, match="do not fit"):
        weights.load_networks(torch.device("cpu"))
