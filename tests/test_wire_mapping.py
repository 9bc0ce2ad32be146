"""Paths of a client as the daemon sees them, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.wire.mapping import PathMap

MAP = PathMap(
    (("P:\\", "/mnt/prod"), ("P:\\show\\plates", "/fast/plates"), ("\\\\nas\\renders", "/renders"), ("/Volumes/prod", "/mnt/prod"))
)


@pytest.mark.parametrize(
    ("client", "daemon"),
    [
        ("P:\\show\\a.####.exr", "/mnt/prod/show/a.####.exr"),
        ("p:/show/a.exr", "/mnt/prod/show/a.exr"),
        ("P:/Show\\Plates/a.exr", "/fast/plates/a.exr"),
        ("P:\\show\\plates2\\a.exr", "/mnt/prod/show/plates2/a.exr"),
        ("P:\\show\\plates", "/fast/plates"),
        ("P:\\", "/mnt/prod"),
        ("//NAS/renders/x/y.exr", "/renders/x/y.exr"),
        ("\\\\nas\\renders\\x\\y.exr", "/renders/x/y.exr"),
        ("\\\\nas\\renders2\\x.exr", "\\\\nas\\renders2\\x.exr"),
        ("/Volumes/prod/a.exr", "/mnt/prod/a.exr"),
        ("/Volumes/production/a.exr", "/Volumes/production/a.exr"),
        ("/volumes/prod/a.exr", "/volumes/prod/a.exr"),
        ("Q:\\a.exr", "Q:\\a.exr"),
        ("plate.####.exr", "plate.####.exr"),
        ("", ""),
    ],
)
def test_a_path_of_the_client_is_mapped_by_its_longest_prefix(client: str, daemon: str) -> None:
    assert MAP.to_daemon(client) == daemon


@pytest.mark.parametrize(
    ("pairs", "daemon", "client"),
    [
        ((("P:\\", "/mnt/prod"),), "/mnt/prod/show/a.exr", "P:\\show\\a.exr"),
        ((("P:\\", "/mnt/prod"),), "/mnt/prod", "P:\\"),
        ((("P:/", "/mnt/prod"),), "/mnt/prod/show/a.exr", "P:/show/a.exr"),
        ((("P:", "/mnt/prod"),), "/mnt/prod/show/a.exr", "P:/show/a.exr"),
        ((("/Volumes/prod", "/mnt/prod/"),), "/mnt/prod/a\\b.exr", "/Volumes/prod/a\\b.exr"),
        ((("/mnt/a", "/"),), "/x.exr", "/mnt/a/x.exr"),
    ],
)
def test_a_path_of_the_daemon_is_mapped_back(pairs: tuple[tuple[str, str], ...], daemon: str, client: str) -> None:
    assert PathMap(pairs).to_client(daemon) == client


def test_the_root_may_be_a_target() -> None:
    assert PathMap((("/jail", "/"),)).to_daemon("/jail/x.exr") == "/x.exr"
    assert PathMap((("/jail", "/"),)).to_daemon("/jail") == "/"


def test_without_pairs_nothing_changes() -> None:
    assert PathMap().to_daemon("P:\\a") == "P:\\a"


@given(st.lists(st.text("abcdé #.", min_size=1).filter(lambda part: part.strip(".")), min_size=1, max_size=4))
def test_there_and_back_is_the_same_path(parts: list[str]) -> None:
    path = "/Volumes/prod/" + "/".join(parts)
    pairs = (("/Volumes/prod", "/mnt/prod"),)
    assert PathMap(pairs).to_client(PathMap(pairs).to_daemon(path)) == path
