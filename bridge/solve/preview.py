"""A preview: one frame, quickly. Its trimap comes straight from the keys that bound it, without the frames between, and its matte is not
steadied by those of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.shot.outputs import Output, State
from bridge.shot.plan import Plan
from bridge.shot.profile import Profile
from bridge.shot.segments import with_neighbours

from .engine import Engine
from .matte import Matter
from .propagate import Propagator
from .scratch import Scratch
from .trimaps import Classes, LandedTrimaps
from .weights import Networks
from .writer import Solved, kept_trimaps, shaped


@dataclass
class Glanced:
    """Trimaps in memory: of a frame and its neighbours."""

    classes: dict[int, Classes] = field(default_factory=dict)

    def land(self, frame: int, classes: Classes, *, confidence: float = 1.0) -> None:
        self.classes[frame] = classes

    def __call__(self, frame: int) -> Classes:
        return self.classes[frame]

    def __contains__(self, frame: int) -> bool:
        return frame in self.classes


def preview(plan: Plan, frame: int, *, profile: Profile, engine: Engine, networks: Networks) -> Solved:
    """Return a plate and its alpha, H×W float32 on the plate's data window, garbage and holdout applied.

    Trimaps of the shot that are current are used as they are. `profile` is that of the preview, not of the shot.
    Raises ImageError, WindowError.
    """
    trimaps, plates = Glanced(), plan.plates.glanced()
    propagator = Propagator(networks.propagation, engine=engine, profile=profile, plates=plates, trimaps=trimaps)
    kept = kept_trimaps(plan)
    for near in sorted(with_neighbours([frame], set(plan.plates.frames))):
        if near in plan.keys:
            trimaps.land(near, plan.key_classes(near))
    for near in sorted(with_neighbours([frame], set(plan.plates.frames)) - set(plan.keys)):
        if kept is not None and _current(kept, near):
            trimaps.land(near, LandedTrimaps(kept, plan.plates, attributes=lambda _: {})(near))
        else:
            segment = next(s for s in plan.segments if near in s.frames)
            for key in segment.keys:
                if key not in trimaps:
                    trimaps.land(key, plan.key_classes(key))
            with Scratch() as scratch:
                propagator.propagate(segment.only(near), scratch=scratch, tick=lambda _: None)
    matter = Matter(networks.matting, steadying=None, engine=engine, profile=profile, plates=plates, trimaps=trimaps)
    ((plate, alpha),) = matter.mattes([frame], present=frozenset(plan.plates.frames))
    return plate, shaped(plan, plate, alpha)


def _current(output: Output, frame: int) -> bool:
    return output.state(frame) is State.CURRENT
