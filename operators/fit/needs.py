"""What must be installed before a scene can be optimized."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from ..install.environment import preferences, why_no_backend
from ..install.features import Feature, missing
from ..install.packages import has_nvidia_driver
from ..target.properties import moves
from .job_settings import losses_of, takes_steering

NATIVE_LOSSES = {"mse", "l1"}
"""The losses that the engines compute themselves."""


def why_install(scene: bpy.types.Scene) -> str:
    """Says in one sentence what must be installed before a scene can be optimized, "" if nothing."""
    return why_no_backend() or next(filter(None, map(missing, features_of(scene))), "")


def leaves_card(scene: bpy.types.Scene) -> bool:
    """Returns whether an NVIDIA card stays unused that Install would put to use. Raises UserError as missing does."""
    chosen = preferences()
    is_wanted = scene.diffbmp.backend.engine == "auto" and not (chosen and chosen.device == "cpu")
    return is_wanted and has_nvidia_driver() and bool(missing(Feature.CUDA))


def features_of(scene: bpy.types.Scene) -> Iterator[Feature]:
    """Yields what a scene's job uses of the features that need packages."""
    settings = scene.diffbmp
    engines = {"cuda": Feature.CUDA, "reference": Feature.REFERENCE}
    if settings.backend.engine in engines:
        yield engines[settings.backend.engine]
    if moves(scene):
        yield Feature.ANIMATION
    if not takes_steering(scene):
        yield Feature.PAPER
        return
    looks = [region.look for region in settings.regions.entries if region.use and region.own_look]
    if any(losses_of(look).keys() - NATIVE_LOSSES for look in (settings.look, *looks)):
        yield Feature.LOSSES
