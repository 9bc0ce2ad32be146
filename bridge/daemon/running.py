"""A job that has not ended: its record, how far each stage is, who follows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.failures import explained
from bridge.wire.errors import VideoMatteError
from bridge.wire.values import JobState

from .queue import Record
from .sessions import Peer

LONGEST = 160  # characters of a label or an error in a list of jobs, so that any list fits a message
Answer = Callable[[Mapping[str, Any], Peer, int], None]


@dataclass
class Running:
    """A job while the daemon runs. `walked`: frames of stage 1 by task, so that a segment that is lost with its worker counts once."""

    record: Record
    stage: str | None = None
    walked: dict[int, int] = field(default_factory=dict)
    landed: int = 0
    total: dict[str, int] = field(default_factory=dict)
    followers: list[tuple[Peer, int]] = field(default_factory=list)
    preview: Mapping[str, Any] | None = None
    answer: Answer | None = None
    answered: bool = False
    client: str = ""
    begun: float = 0.0

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def done(self) -> int:
        """How many frames of the stage in work are done."""
        return self.landed if self.stage == "matte" else sum(self.walked.values())

    def understood(self, *, walks: int, left: int) -> None:
        """Note what is to be done: frames to walk in stage 1, frames left to land. Those that landed before a restart count as done."""
        self.total = {"propagate": walks, "matte": len(self.record.todo)}
        self.walked.clear()
        self.landed = len(self.record.todo) - left

    def went_on(self, stage: str, task: int) -> tuple[int, int]:
        """Note one more frame of a stage and return how many are done, and of how many."""
        self.stage = stage
        if stage == "matte":
            self.landed += 1
        else:
            self.walked[task] = self.walked.get(task, 0) + 1
        return self.done, max(self.done, self.total.get(stage, 0))

    def follow(self, peer: Peer, request: int) -> None:
        """Have somebody hear of the job."""
        self.followers = [(p, r) for p, r in self.followers if not p.gone]
        self.followers.append((peer, request))

    def show(self, result: Mapping[str, Any]) -> None:
        """Answer everybody who follows a preview with its result."""
        if self.answer is None:
            return
        self.answered = True
        for peer, request in self.followers:
            try:
                self.answer(result, peer, request)
            except Exception as error:
                peer.fail(explained(error), request=request)

    def unanswered(self) -> None:
        """End the requests of a preview that came to nothing."""
        if self.preview is not None and not self.answered:
            for peer, request in self.followers:
                peer.fail(VideoMatteError(f"Preview {self.id} came to nothing."), request=request)


def state_of(record: Record, job: Running | None = None) -> JobState:
    """Return a job as a list shows it; `job` when it has not ended."""
    stage = job.stage if job else None
    return JobState(
        job=record.id,
        shot=record.shot,
        what="preview" if job is not None and job.preview is not None else "solve",
        state=record.state,  # type: ignore[arg-type]
        stage=stage,  # type: ignore[arg-type]
        done=job.done if job and stage else len(record.todo) if record.state == "done" else 0,
        total=job.total.get(stage, 0) if job and stage else len(record.todo),
        submitted=record.created,
        client=job.client[:LONGEST] if job else "",
        label=(record.folder or record.description.out or record.description.plate or "")[-LONGEST:],
        device=record.description.device,
        error=record.error["message"][:LONGEST] if record.error else None,
    )
