"""One or more examples of every message, as their vectors in `tests/vectors` say them.

python tests/wire_examples.py      writes the vectors that are not there yet; one that is there is frozen and never written again
"""

from __future__ import annotations

from pathlib import Path

from bridge.wire import messages as m
from bridge.wire.codec import Envelope, encode
from bridge.wire.description import Description
from bridge.wire.limits import Limits
from bridge.wire.pixels import FilePixels, InlinePixels, SharedPixels
from bridge.wire.values import DeviceState, FrameRun, JobFiles, JobState, ModelState

VECTORS = Path(__file__).resolve().parent / "vectors"

DESCRIPTION = Description(plate="plate.####.exr", trimap="key.####.png", out="matte.####.exr", frames="1001-1100x2", channels="y")
JOB = JobState("j7", "s1", "solve", "running", "matte", 3, 12, 1.5e9, "nuke", "plate", "cuda:0")
SHARED = SharedPixels("0a1b.pixels", 64, "float32", (2, 3, 4), "up")

EXAMPLES: dict[str, Envelope] = {
    "hello": Envelope(1, m.Hello("nuke", (1, 0), (("P:\\", "/mnt/p"),))),
    "hello.pixels": Envelope(2, m.Hello("blender", session="5e55")),
    "welcome": Envelope(
        1, m.Welcome((1, 0), "0.2.0", "5e55", Limits(sessions=8), ("inline", "shared"), "ipc:///run/p.sock", "/dev/shm/videomatte")
    ),
    "ping": Envelope(3, m.Ping()),
    "pong": Envelope(3, m.Pong()),
    "done": Envelope(4, m.Done()),
    "error": Envelope(4, m.Error("input.image", "plate.1004.exr ends early.", "Render it again.", "plate.1004.exr", 1004)),
    "error.alone": Envelope(0, m.Error("protocol", "Not a message of videomatte.")),
    "shot.open": Envelope(5, m.ShotOpen(DESCRIPTION, "hair.vmatte")),
    "shot.opened": Envelope(5, m.ShotOpened("s1", "hair.vmatte")),
    "shot.key.file": Envelope(6, m.ShotKey("s1", 1001, "set", FilePixels("key.1001.exr", "roto", "left", "A"))),
    "shot.key.inline": Envelope(7, m.ShotKey("s1", -5, "set", InlinePixels("uint8", (2, 3))), (memoryview(b"\x00\x80\xff\x00\x80\xff"),)),
    "shot.key.remove": Envelope(8, m.ShotKey("s1", 1001, "remove")),
    "shot.frame": Envelope(
        9,
        m.ShotFrame("s1", 1001, InlinePixels("float16", (1, 2, 3)), "plate", "lin_rec709", (0, 0, 2, 1), (-1, -1, 3, 2)),
        (memoryview(bytes(12)),),
    ),
    "shot.frame.shared": Envelope(10, m.ShotFrame("s1", 1002, SHARED, what="holdout", pixel_aspect=2.0)),
    "shot.solve": Envelope(11, m.ShotSolve("s1", "1001-1012")),
    "shot.preview": Envelope(12, m.ShotPreview("s1", 1004, how="shared", into=SHARED)),
    "shot.status": Envelope(13, m.ShotStatus("s1")),
    "shot.state": Envelope(
        13,
        m.ShotState(
            DESCRIPTION,
            (1001, 1012),
            (FrameRun(1001, 1006, "solved", ("key", "locked")), FrameRun(1007, 1012, "stale")),
            (1001,),
            "1001-1006",
            "v002",
            ((1001, 1.0), (1002, 0.75)),
            (1007,),
            ("j7",),
        ),
    ),
    "shot.lock": Envelope(14, m.ShotLock("s1", "1001-1006", False)),
    "shot.result": Envelope(15, m.ShotResult("s1", 1001, "foreground", "inline")),
    "frame.result": Envelope(
        15, m.FrameResult(1001, "solved", InlinePixels("float32", (1, 1)), (0, 0, 1, 1)), (memoryview(b"\x00\x00\x00\x3f"),)
    ),
    "frame.result.none": Envelope(15, m.FrameResult(1001, "unsolved")),
    "shot.close": Envelope(16, m.ShotClose("s1")),
    "job.accepted": Envelope(11, m.JobAccepted("j7")),
    "progress": Envelope(11, m.Progress("j7", "matte", 1004, 4, 12, ("matte.1004.exr",))),
    "job.result": Envelope(
        11, m.JobResult("j7", "1001-1010", "1011", "1012", 9.5, JobFiles("matte.####.exr"), ("1012 has no plate.",), "v003")
    ),
    "job.cancel": Envelope(17, m.JobCancel("j7")),
    "job.follow": Envelope(18, m.JobFollow("j7")),
    "jobs": Envelope(19, m.Jobs(True)),
    "job.list": Envelope(19, m.JobList((JOB, JobState("j8", "s1", "preview", "failed", error="no memory")))),
    "daemon.status": Envelope(20, m.DaemonStatus()),
    "daemon.state": Envelope(
        20,
        m.DaemonState(
            4242, "0.2.0", 60.25, (DeviceState("cuda:0", "H200", "busy", 4243, 1 << 30, 1 << 33, 1 << 37, "j7"),), 2, 3, (JOB,), 1 << 31
        ),
    ),
    "daemon.release": Envelope(21, m.DaemonRelease()),
    "released": Envelope(21, m.Released(("cuda:1",), ("cuda:0",))),
    "daemon.shutdown": Envelope(22, m.DaemonShutdown()),
    "models": Envelope(23, m.Models()),
    "model.list": Envelope(
        23, m.ModelList((ModelState("matting", "matting.safetensors", 4_000_000, 1_000_000, "ab" * 32, True, "Apache-2.0"),))
    ),
}


def said(envelope: Envelope) -> list[bytes]:
    """Return the frames of an example."""
    return [bytes(frame) for frame in encode(envelope.message, request=envelope.request, parts=envelope.parts)]


def read_vector(name: str) -> list[bytes]:
    """Return the frames of a vector: one frame a line, as hex, an empty one as a dash."""
    lines = (VECTORS / f"{name}.hex").read_text(encoding="ascii").split()
    return [b"" if line == "-" else bytes.fromhex(line) for line in lines]


def main() -> None:
    """Write the vectors that are not there yet."""
    for name, envelope in EXAMPLES.items():
        path = VECTORS / f"{name}.hex"
        if not path.exists():
            path.write_text("".join(f"{frame.hex() or '-'}\n" for frame in said(envelope)), encoding="ascii")


if __name__ == "__main__":
    main()
