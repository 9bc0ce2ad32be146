"""The solve in work of a shot folder: claimed by one holder, begun from the newest version, published as the next.

The rules:
- Frames that are current in the newest version, or in what an interrupted solve left, are not solved again.
- A locked frame that has a result keeps it: the same file in every version.
- A version holds every frame of the request, made from what the plan names.
- Whoever holds the claim writes here; the claim's holder may be one process or, with one token, several.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from bridge.sequence import Sequence, format_range
from bridge.wire.errors import ForeignFileError, ImageError, InputError, SequenceError, ShotError, TrimapError, VideoMatteError

from . import failures, versions
from .content import digest_of
from .folder import KEY_CHANNEL, KEYS, TRIMAP, Shot
from .hold import Hold, Holder
from .inputs import Inputs
from .keys import Key
from .manifest import Manifest
from .outputs import Output, State, make_ready, to_do
from .plan import Plan, planned
from .request import Request, request_of

CLAIM = "solve.claim"


@dataclass(frozen=True)
class Places:
    """Where the results of a plan are: patterns of alpha and foreground."""

    alpha: Sequence
    foreground: Sequence

    @classmethod
    def newest(cls, folder: Path) -> Places:
        """Return the newest version's."""
        return cls(*(versions.newest_files(folder, kind=kind) for kind in (versions.ALPHA, versions.FOREGROUND)))

    @classmethod
    def pending(cls, folder: Path) -> Places:
        """Return those of the solve in work."""
        kinds = (versions.ALPHA, versions.FOREGROUND)
        return cls(*(versions.files_of(versions.pending_folder(folder, kind=kind), kind=kind) for kind in kinds))


def request_for(
    shot: Shot, *, into: Places, frames: tuple[int, ...] | None = None, device: str = "auto", overwrite: bool = False
) -> Request:
    """Return what is asked of a solver for a shot. `frames`: of the shot's range, those to write; all when left out.

    Raises ShotError, TrimapError, SequenceError.
    """
    now, said = shot.manifest, shot.description
    if said.plate is None:
        raise ShotError(f"{shot.folder} has no plate yet.", remedy="Give one: `videomatte solve PLATE --shot FOLDER`.")
    _check_keys(shot, now)
    wanted = _within(frames, now.range, shot)
    asked = replace(
        said,
        trimap=str(shot.folder / KEYS),
        out=str(into.alpha),
        trimap_out=str(shot.folder / TRIMAP),
        foreground=str(into.foreground) if now.foreground else None,
        trimap_channel=KEY_CHANNEL,
        frames=None,
        device=device,
        colorspace=shot.space(now),
        overwrite=overwrite,
    )
    request = request_of(asked)
    keys = replace(request.trimap, declared=tuple(sorted(now.keys)))
    return replace(request, trimap=keys, frames=wanted, keep_trimaps=True)


def plan_of(shot: Shot, request: Request) -> Plan:
    """Return the plan of a request of a shot; the keys are known by their digests, not read. Raises InputError, UsageError."""
    files = {frame: shot.key_path(frame) for frame in shot.keys}
    inputs = Inputs(shot.digests)
    keys = {f: Key(f, path, digest_of([inputs(path, frame=f), 0, KEY_CHANNEL])) for f, path in files.items()}
    plan = planned(request, inputs=inputs, keys=keys)
    return replace(plan, outputs=tuple(replace(output, content=shot.digests.content) for output in plan.outputs))


def results_of(plan: Plan) -> tuple[Output, ...]:
    """Return the outputs of a plan that are versioned: alpha, and the foreground where it is asked for."""
    return tuple(output for output in plan.outputs if output.name != "trimap")


def claimed(shot: Shot, *, holder: Holder | None = None, patience: float = 0.0) -> Hold:
    """Return the claim on a shot: a context in which nobody else solves it. Entering raises StorageError when somebody does.

    patience: seconds to wait for another holder to end.
    """
    return Hold(shot.folder / CLAIM, doing="solved", holder=holder, patience=patience)


def let_go(folder: Path, token: str) -> None:
    """Let go of the claim on a shot folder that holders with a token left there; what is another's stays."""
    Hold(folder / CLAIM, doing="solved", holder=Holder(token=token)).release()


class Work:
    """The solve in work of a shot. A context that lets go of the claim and leaves what was solved for the next."""

    def __init__(self, shot: Shot, plan: Plan, *, todo: list[int], locked: frozenset[int], claim: Hold) -> None:
        self.shot, self.plan, self.todo, self.locked = shot, plan, todo, locked
        self._claim = claim

    @classmethod
    def begin(
        cls,
        shot: Shot,
        *,
        frames: tuple[int, ...] | None = None,
        device: str = "auto",
        overwrite: bool = False,
        holder: Holder | None = None,
        patience: float = 0.0,
    ) -> Work:
        """Claim a shot and find out what is to be solved.

        frames: all of the shot's when left out. holder: this process when left out. patience: seconds to wait for another holder to end.
        Raises StorageError when somebody else solves the shot, InputError, UsageError.
        """
        claim = claimed(shot, holder=holder, patience=patience)
        claim.take()
        try:
            versions.recover(shot.folder)
            plan, locked, todo = _prepared(shot, frames, device, overwrite)
            shot.digests.save()
        except BaseException:
            (claim.leave if claim.joined else claim.release)()
            raise
        return cls(shot, plan, todo=todo, locked=locked, claim=claim)

    @property
    def kept(self) -> tuple[int, ...]:
        """The frames of the request that are not solved again."""
        return tuple(sorted(set(self.plan.wanted) - set(self.todo)))

    @property
    def stale_locked(self) -> tuple[int, ...]:
        """The locked frames whose result is not what a solve would give now."""
        results = results_of(self.plan)
        return tuple(f for f in self.plan.wanted if f in self.locked and any(o.state(f) is not State.CURRENT for o in results))

    @contextmanager
    def failures_kept(self) -> Iterator[None]:
        """Keep why a frame failed, when what is done inside raises an error about one."""
        try:
            yield
        except VideoMatteError as error:
            self.failed(error)
            raise

    def failed(self, error: VideoMatteError) -> None:
        """Keep why a frame failed. Errors that are not about a frame of the shot's input are not kept. Raises StorageError."""
        if error.frame is None or isinstance(error, ShotError) or not (isinstance(error, InputError) or error.exit_status == 1):
            return
        failures.add(self.shot.folder, error.frame, failures.Failure.of(error, content=content_of(self.plan, error.frame)))

    def publish(self) -> Path | None:
        """Make what was solved the shot's newest version and return its folder; None when nothing changed.

        Raises ShotError when a frame of the request was left, StorageError.
        """
        if left := _to_do(self.plan, self.locked, overwrite=False):
            raise ShotError(
                f"{self.shot.folder}: the frames {format_range(left)} are not solved yet.",
                remedy="Solve again; what is finished is kept.",
                file=str(self.shot.folder),
            )
        self._keep_locked()
        failures.clear(self.shot.folder, [f for f in failures.read(self.shot.folder) if _is_solved(self.plan, f)])
        published = versions.publish(self.shot.folder)
        self.shot.digests.save()
        return published

    def release(self) -> None:
        """Let go of the claim."""
        self._claim.release()

    def leave(self) -> None:
        """Leave the claim to the other processes with its token."""
        self._claim.leave()

    def __enter__(self) -> Work:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def _keep_locked(self) -> None:
        """Give frames that were locked while they were being solved what they had."""
        for output in results_of(self.plan):
            before = versions.newest_files(self.shot.folder, kind=_kind(output))
            for frame in self.shot.locked:
                if before.path(frame).exists() and output.files.path(frame).exists():
                    versions.link(before.path(frame), output.files.path(frame))


def _is_solved(plan: Plan, frame: int) -> bool:
    try:
        return all(output.state(frame) is State.CURRENT for output in results_of(plan))
    except (ImageError, KeyError):
        return False


def content_of(plan: Plan, frame: int) -> str:
    """Return the content key of a frame's alpha, the empty text where an input of it cannot be read."""
    try:
        return results_of(plan)[0].key(frame)
    except (ImageError, KeyError):
        return ""


def _prepared(shot: Shot, frames: tuple[int, ...] | None, device: str, overwrite: bool) -> tuple[Plan, frozenset[int], list[int]]:
    """Return a plan whose results go where they may be written, the solve in work, or nowhere when nothing is to be done; then the frames
    that keep what they have and those to solve."""
    newest = plan_of(shot, request_for(shot, into=Places.newest(shot.folder), frames=frames, device=device, overwrite=overwrite))
    locked = frozenset(f for f in shot.locked if newest.outputs[0].files.path(f).exists())
    idle = not any(versions.pending_folder(shot.folder, kind=kind).exists() for kind in versions.KINDS)
    if idle and not overwrite and not _to_do(newest, locked, overwrite=False):
        return newest, locked, []
    into = Places.pending(shot.folder)
    named = {"matte": into.alpha, "foreground": into.foreground}
    outputs = tuple(replace(o, files=named.get(o.name, o.files)) for o in newest.outputs)
    request = replace(newest.request, out=into.alpha, foreground=into.foreground if newest.request.foreground else None)
    plan = replace(newest, request=request, outputs=outputs)
    make_ready(plan.outputs)
    for old, new in zip(results_of(newest), results_of(plan), strict=True):
        versions.begin(shot.folder, kind=_kind(new))
        _take_what_is_better(old, new, plan.wanted, locked)
    return plan, locked, _to_do(plan, locked, overwrite=overwrite)


def _take_what_is_better(old: Output, new: Output, wanted: tuple[int, ...], locked: frozenset[int]) -> None:
    """Where an interrupted solve left what is not current, take what the newest version has when that is, or is locked."""
    for frame in wanted:
        before, now = old.files.path(frame), new.files.path(frame)
        if not before.exists() or os.path.samefile(before, now):
            continue
        if frame in locked or (new.state(frame) is not State.CURRENT and old.state(frame) is State.CURRENT):
            versions.link(before, now)


def _to_do(plan: Plan, locked: frozenset[int], *, overwrite: bool) -> list[int]:
    """Return the frames to solve. Raises ForeignFileError."""
    try:
        return to_do(results_of(plan), [f for f in plan.wanted if f not in locked], overwrite=overwrite)
    except ForeignFileError as error:
        error.remedy = "Lock these frames to keep them as they are (`videomatte shot lock`), or say --overwrite to solve them again."
        raise


def _within(frames: tuple[int, ...] | None, own: tuple[int, ...] | None, shot: Shot) -> tuple[int, ...] | None:
    """Return those of some frames that belong to a shot's range."""
    if frames is None or own is None:
        return own if frames is None else frames
    inside = tuple(sorted(set(frames) & set(own)))
    if not inside:
        raise SequenceError(
            f"{shot.folder}: the frames {format_range(frames)} are outside the shot's range, {format_range(own)}.",
            remedy="Check the range.",
        )
    return inside


def _check_keys(shot: Shot, now: Manifest) -> None:
    if not now.keys:
        raise TrimapError(
            f"{shot.folder} has no key frame yet.", remedy="Paint a trimap and give it: `videomatte shot keys FOLDER --set FRAME FILE`."
        )
    for frame in now.keys:
        if not shot.key_path(frame).exists():
            raise TrimapError(
                f"{shot.key_path(frame)}: the file of the key at frame {frame} is gone.",
                remedy=f"Set the key again, or remove it: `videomatte shot keys FOLDER --remove {frame}`.",
                file=str(shot.key_path(frame)),
                frame=frame,
            )


def _kind(output: Output) -> str:
    return versions.ALPHA if output.name == "matte" else versions.FOREGROUND
