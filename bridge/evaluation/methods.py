"""What is compared on a clip: the two stages, and the same with something taken away."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from bridge.models.inputs import PRIOR_ALPHA, looked_twice, matting_inputs
from bridge.models.matting import MattingNetwork, exact_where_certain
from bridge.models.propagation import Memory, PropagationNetwork
from bridge.models.steadying import SteadyingNetwork
from bridge.shot.profile import MEMORY_EVERY, MEMORY_KEPT, PROFILES
from bridge.solve.propagate import decided, fused, working_scale
from bridge.solve.weights import Networks
from bridge.training.clips import Clips
from bridge.training.stages import enlarged, motion_of, one_hot
from bridge.training.steadying import seen_of


def propagated(network: PropagationNetwork, clips: Clips, keys: Sequence[int], *, memory: bool = True) -> Tensor:
    """Return T×1×H×W uint8 classes of a clip: the true trimaps at the keys, elsewhere stage 1's, as a solve makes them.

    Head and tail are one pass outwards, a span between two keys is two passes, fused. Without `memory` every frame reads the keys alone.
    """
    classes = clips.classes[0].clone()
    height, width = classes.shape[-2:]
    side = max(height, width)
    scale = working_scale(PROFILES["final"], display=side, window=side)
    walk = Walk(network, *enlarged(clips.view[0], classes, factor=scale), memory=memory)
    for t, probabilities in walk.solved(keys):
        classes[t, 0] = torch.from_numpy(decided(probabilities, size=(height, width)))
    return classes


class Walk:
    """Passes through one clip; every frame is encoded once."""

    def __init__(self, network: PropagationNetwork, view: Tensor, classes: Tensor, *, memory: bool) -> None:
        self._network, self._view, self._classes = network, view, classes
        self._frames = [network.encode(view[t : t + 1]) for t in range(len(view))]
        self._kept = MEMORY_KEPT if memory else 0

    def solved(self, keys: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """Yield every frame that is no key, with its probabilities 1×3×H×W."""
        yield from self._pass(range(keys[0] - 1, -1, -1), keys[0], keys[:1])
        for before, after in pairwise(keys):
            between = range(before + 1, after)
            backward = dict(self._pass(between[::-1], after, (before, after)))
            for t, forward in self._pass(between, before, (before, after)):
                yield t, fused(forward, backward[t], share=(after - t) / (after - before))
        yield from self._pass(range(keys[-1] + 1, len(self._frames)), keys[-1], keys[-1:])

    def _pass(self, order: Iterable[int], start: int, keys: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        references = [self._remembered(k, one_hot(self._classes[k : k + 1])) for k in keys]
        memory: deque[Memory] = deque(maxlen=self._kept)
        for t in order:
            read = self._network.read(self._frames[t], references, memory)
            probabilities = self._network.decode(self._frames[t], self._view[t : t + 1], read).softmax(1)
            if abs(t - start) % MEMORY_EVERY == 0:
                memory.append(self._remembered(t, probabilities))
            yield t, probabilities

    def _remembered(self, t: int, probabilities: Tensor) -> Memory:
        return self._network.remember(self._frames[t], self._view[t : t + 1], probabilities)


def shown(clips: Clips, classes: Tensor, *, network: MattingNetwork | None = None) -> Tensor:
    """Return what stage 2 is shown of a clip's first frames with these trimaps, T×17×H×W; of the first look alone without a network."""
    linear = bool(clips.linear[0])
    view, plate = clips.view[0], clips.plate[0]
    each = [(view[t : t + 1], plate[t : t + 1], classes[t : t + 1]) for t in range(len(classes))]
    if network is None:
        return torch.cat([matting_inputs(*frame, linear=linear) for frame in each])
    return torch.cat([looked_twice(*frame, linear=linear, look=network.alone) for frame in each])


def mattes(networks: Networks, inputs: Tensor, classes: Tensor) -> Tensor:
    """Return the alpha of a clip as a solve makes it, T×H×W: solved, then steadied. inputs: see `shown`."""
    return steadied(networks.steadying, inputs, classes, solved(networks.matting, inputs, classes))


def solved(network: MattingNetwork, inputs: Tensor, classes: Tensor, *, alone: bool = False, led: bool = True) -> Tensor:
    """Return alpha before it is steadied, T×H×W.

    `alone` replaces the neighbours by the centre frame; not `led`, they are read as if nothing moved.
    """
    alphas = []
    for t, three in enumerate(threes(len(inputs))):
        near = inputs[three][None]
        alpha = network.alone(inputs[t : t + 1]) if alone else network(near, motion_of(near) if led else None)[0]
        alphas.append(exact_where_certain(alpha[0], classes[t]))
    return torch.stack(alphas)[:, 0]


def steadied(network: SteadyingNetwork, inputs: Tensor, classes: Tensor, alpha: Tensor) -> Tensor:
    """Return mattes, T×H×W, steadied by their neighbours."""
    alphas = []
    for t, three in enumerate(threes(len(alpha))):
        seen = seen_of(inputs[three][None], alpha[three][None, :, None])
        alphas.append(exact_where_certain(network(seen[0]), classes[t])[0, 0])
    return torch.stack(alphas)


def threes(count: int) -> list[list[int]]:
    """Return every frame between its neighbours; the first and the last stand in for the ones they lack."""
    return [[max(0, t - 1), t, min(count - 1, t + 1)] for t in range(count)]


def priors(inputs: Tensor, classes: Tensor) -> Tensor:
    """Return the colour prior's own alpha, T×H×W."""
    return exact_where_certain(inputs[:, PRIOR_ALPHA : PRIOR_ALPHA + 1], classes)[:, 0]
