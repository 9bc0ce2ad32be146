"""The page docs/quality.md, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import haze
from .comparison import ALONE, FLOW_PEER, FRAMES, ONE_KEY, OURS, SIZE, Compared, Row, Rows, means
from .stillness import FRAMES as STILLS
from .stillness import SCENES, WIDTHS


@dataclass(frozen=True)
class Measured:
    """All that the page tells: the command that measured it, the weights in words, and the numbers."""

    command: str
    weights: str
    clips: Sequence[Compared]
    flicker: Rows
    haze: Rows
    photographs: Rows


def page(measured: Measured) -> str:
    """Return the page as Markdown."""
    clips = measured.clips
    whole = means(c.whole for c in clips)
    solvable = [c.whole for c in clips if c.solvable]
    return PAGE.format(
        command=measured.command,
        weights=measured.weights,
        clips=len(clips),
        scenes=len(SCENES),
        stills=STILLS,
        widths=", ".join(f"{w:g}" for w in WIDTHS),
        frames=FRAMES,
        size=SIZE,
        verdict=verdict(whole),
        whole=table(whole, "method", "{:.3f}"),
        solvable=f"{table(means(solvable), 'method', '{:.3f}')}\n\n{verdict(means(solvable))}" if solvable else "There are none.",
        count=len(solvable),
        unknown=table(means(c.unknown for c in clips), "method", "{:.3f}"),
        trimaps=table(means(c.trimaps for c in clips), "trimaps", "{:.4f}"),
        each=table({c.name: _outline(c) for c in clips}, "clip", "{:.3f}"),
        wins=wins(clips),
        flicker=table(measured.flicker, "method", "{:.3f}"),
        haze=f"{table(measured.haze, 'scene', '{:.1f}')}\n\n{haze.wins(measured.haze)}",
        photographs=table(measured.photographs, "method", "{:.5f}") if measured.photographs else "Not measured.",
    )


def verdict(rows: Rows) -> str:
    """Return in words what the neighbours bring, and how the two stages compare with flow and closed-form matting."""
    lines = [f"Replacing the neighbours by the centre frame changes dtSSD by {_change(rows[ALONE], rows[OURS], 'dtSSD')}."]
    if FLOW_PEER in rows:
        sad, dtssd = (_change(rows[OURS], rows[FLOW_PEER], column) for column in ("SAD", "dtSSD"))
        lines.append(f"Against closed-form with trimaps by DIS flow, both stages change SAD by {sad} and dtSSD by {dtssd}.")
    return " ".join(lines)


def wins(clips: Sequence[Compared]) -> str:
    """Return in words in how many clips the two stages have the lower error than flow and closed-form matting."""
    if not all(FLOW_PEER in c.whole for c in clips):
        return ""
    sad, dtssd = (sum(c.whole[OURS][column] < c.whole[FLOW_PEER][column] for c in clips) for column in ("SAD", "dtSSD"))
    return f" Lower than closed-form with trimaps by DIS flow: SAD in {sad} of {len(clips)} clips, dtSSD in {dtssd}."


def _outline(clip: Compared) -> Row:
    """Return what one line can say of a clip."""
    methods = [(name, kind) for name, kind in ((OURS, ""), (FLOW_PEER, ", closed-form and flow")) if name in clip.whole]
    found = {f"{column}{kind}": clip.whole[name][column] for name, kind in methods for column in ("SAD", "dtSSD")}
    return found | clip.trimaps[ONE_KEY]


def _change(new: Row, old: Row, column: str) -> str:
    return f"{100 * (new[column] / max(old[column], 1e-9) - 1):+.0f} %"


def table(rows: Rows, head: str, form: str) -> str:
    """Return a Markdown table."""
    columns = list(next(iter(rows.values())))
    lines = [f"| {head} | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    return "\n".join(lines + [f"| {name} | {' | '.join(form.format(row[c]) for c in columns)} |" for name, row in rows.items()])


PAGE = """# Quality

Measured by `{command}`. Weights: {weights}.

## Generated clips that training never saw

{clips} clips of {frames} frames, {size}×{size}; seeds and drawn layers that training cannot draw, and for half of the clips families
(leaves, lace) that were never trained on, though rendered foliage is among the cut-outs. Backgrounds come from the same pictures.
One trimap on the first frame unless the row says otherwise. Every number is the mean over clips; within a clip over its
frames, pairs of frames or pixels.

Whole frame: SAD in thousands, MAD × 1000, MSE × 1000, dtSSD as the root of the sum.

{whole}

{verdict}

Closed-form and shared matting (pymatting, its own settings, on the display-referred view, each frame by itself) need certain background
and certain foreground. Where a trimap lacks one of them, as in smoke, they have no answer and count as 0.5 in the unknown region.
The same over the {count} clips that have both in every frame:

{solvable}

Over the unknown region of the true trimaps:

{unknown}

SAD in thousands. mSAD = Σ|e| / N and MSE = Σe² / N, frame by frame, as TCVOM averages. Grad (Gaussian derivative, σ 1.4, 9×9) and
Conn (step 0.1, loose from 0.15) as Rhemann et al. 2009, the mattes not stretched. dtSSD = √Σ. MESSDdt = Σ|e(p)² - e'(p + v)²| a pair,
bilinear, valid pixels only, along DIS flow on the true alpha; not comparable with numbers of the published code, which swaps rows and
columns.

{trimaps}

Agreement is the share of pixels with the class that the painted trimap of that frame has. Wrongly certain: called background or
foreground although alpha is more than 0.05 away from it.

## Clip by clip

Both stages, one key, whole frame; the trimaps beside it. A few clips make most of every mean above.{wins}

{each}

## Scenes that stand still

{scenes} scenes without noise that stand still, two of families that were never trained on. Mean change of alpha from frame to frame,
× 255, over the pixels that either frame calls unknown: {stills} frames solved from one key, and painted trimaps whose unknown band is
{widths} pixels wide in turn.

{flicker}

## Frames without certain foreground

Smoke, glass and veils in which nothing is called foreground; unknown region, MAD × 1000, by scene (the
seed is its number), on every frame's own trimap.

{haze}

## Photographs

Ten photographs of alphamatting.com (Rhemann et al. 2009), trimap1, unknown region, SAD in thousands; used for judging alone, never for
training.

{photographs}
"""
