"""Take the pictures of docs/blender.md: a windowed Blender under Xvfb, a real daemon, the demo shot.

python tests/blender_pictures.py [--blender blender] [--image DIR] [--work DIR]

Needs Blender 4.2 or newer, xvfb-run and ImageMagick's `import`; with --image they are those of a root folder of a distribution, in which
the work folder must be seen at the same place (mount --bind).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from blender import ROOT
from daemons import daemon_in

from bridge.install import blender as extension

DEMO = ROOT / "bridge" / "demo"
PICTURES = ("strip", "group", "progress")
TAB = "250"  # pixels from the top of the sidebar to its VideoMatte tab; Blender's Python cannot choose a tab


def main() -> None:
    """Take the pictures and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blender", default="blender")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--work", type=Path)
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=typed.work) as scratch, daemon_in(Path(scratch) / "d") as daemon:
        work = Path(scratch)
        inside = ["chroot", str(typed.image)] if typed.image else []
        inside += ["env", f"BLENDER_USER_RESOURCES={work / 'profile'}", "LIBGL_ALWAYS_SOFTWARE=1", f"TAB_Y={TAB}"]
        (work / "profile").mkdir()
        for path in (*DEMO.glob("plate.*.exr"), DEMO / "trimap.1001.png", ROOT / "host_plugins/blender/tests/pictures.py"):
            shutil.copy(path, work)
        archive = extension.build(work, platforms=(extension.this_platform(),))
        for words in (["validate", str(archive)], ["install-file", "-r", extension.REPOSITORY, "-e", str(archive)]):
            subprocess.run([*inside, typed.blender, "--command", "extension", *words], check=True)
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x900x24"]
        window = [typed.blender, "--enable-event-simulate", "--python-exit-code", "3", "--python", str(work / "pictures.py"), "--"]
        given = [str(work), str(daemon.connection), str(work / "plate.1001.exr"), str(work / "trimap.1001.png"), "12"]
        subprocess.run([*inside, *screen, *window, *given], check=True, timeout=300)
        print((work / "report.txt").read_text())
        for name in PICTURES:
            shutil.copy(work / f"{name}.png", ROOT / "docs" / "pictures" / f"blender-{name}.png")


if __name__ == "__main__":
    main()
