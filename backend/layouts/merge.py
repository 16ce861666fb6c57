"""Merging the parts of a clip that were fitted one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..job import FIXED, MOVING, Layout, UserError
from ..templates import Templates
from .budget import check_states
from .result_folder import load_result

_ADVICE = "fit the later part with --start and the earlier part's folder"


def merged_folders(folders: list[Path]) -> tuple[Layout, Templates]:
    """Merges the parts in layout folders, in order. Returns the layout and its stamps. Raises UserError as merged."""
    results = [load_result(folder) for folder in folders]
    return merged([part for part, _ in results], [str(folder) for folder in folders]), results[-1][1]


def merged(parts: list[Layout], names: list[str]) -> Layout:
    """Merges parts of a clip, each of which begins with the last frame of the previous one.

    A later part has the primitives of the earlier one first, and may add more, which are unseen until then.
    Raises UserError, with their names, for parts that do not match, and where the whole would be too large.
    """
    whole = parts[0]
    check_states(sum(len(part.frames) - 1 for part in parts) + 1, parts[-1].count)
    for part, name, before in zip(parts[1:], names[1:], names, strict=False):
        _check(whole, part, before, name)
        whole = _extended(whole, part)
    return whole


def _check(whole: Layout, part: Layout, before: str, name: str) -> None:
    if whole.frames[-1] != part.frames[0]:
        raise UserError(
            f"{before} ends with frame {whole.frames[-1]} and {name} begins with {part.frames[0]}: "
            "one frame must be in both"
        )
    for what, one, other in (
        ("sizes", (whole.width, whole.height), (part.width, part.height)),
        ("frame rates", whole.fps, part.fps),
        ("compositing spaces", whole.space, part.space),
        ("backgrounds", (whole.background, whole.transparent), (part.background, part.transparent)),
        ("stamps", *([(t.name, t.mode, t.blend, t.width, t.height) for t in x.templates] for x in (whole, part))),
    ):
        if one != other:
            raise UserError(f"{before} and {name} have different {what}: {_ADVICE}")
    if part.count < whole.count or any(
        not np.array_equal(getattr(whole, key), getattr(part, key)[: whole.count]) for key in FIXED
    ):
        raise UserError(f"{before} and {name} have different primitives: {_ADVICE}")
    seen = whole.opacity[-1] > 0
    for key in ("x", "y", "scale", "rotation", "opacity"):
        if not np.allclose(getattr(whole, key)[-1][seen], getattr(part, key)[0, : whole.count][seen], atol=1e-3):
            raise UserError(
                f"{before} and {name} show frame {part.frames[0]}, which is in both, in different ways: {_ADVICE}"
            )


def _extended(whole: Layout, part: Layout) -> Layout:
    values: dict[str, Any] = {}
    for key in MOVING:
        # Before their time, the later ones already lie in place.
        early = np.repeat(getattr(part, key)[:1], len(whole.frames), 0)
        early[:, : whole.count] = getattr(whole, key)
        values[key] = np.concatenate([early, getattr(part, key)[1:]])
    values["opacity"][: len(whole.frames) - 1, whole.count :] = 0.0
    depth = _depths(whole, part)
    return replace(part, **values, depth=depth, frames=[*whole.frames, *part.frames[1:]])


def _depths(whole: Layout, part: Layout) -> NDArray[np.int32]:
    ours, theirs = _depth(whole), _depth(part)
    both = (whole.opacity[-1] > 0) & (part.opacity[0, : whole.count] > 0)
    # Each part counts its depths from 0.
    theirs = theirs + (int((ours[-1] - theirs[0, : whole.count])[both][0]) if both.any() else 0)
    early = np.repeat(theirs[:1], len(whole.frames), 0)
    early[:, : whole.count] = ours
    depth = np.concatenate([early, theirs[1:]])
    return (depth - depth.min()).astype(np.int32)


def _depth(layout: Layout) -> NDArray[np.int64]:
    if layout.depth is None:
        return np.tile(np.arange(layout.count), (len(layout.frames), 1))
    return layout.depth.astype(np.int64)
