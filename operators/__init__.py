"""All that acts on the Blender scene: its settings, the jobs for the backend, and their results."""

from __future__ import annotations

from . import command, properties
from .fit import continue_fit, live_planes, optimize, preview, recover, troubleshoot
from .install import buttons as install_buttons
from .install import verify
from .masks import buttons as mask_buttons
from .masks import properties as mask_properties
from .output import animate, export, render_animation
from .result import bake, editable, rebuild, replace_stamp
from .result import build as build_buttons
from .scene import properties as build_properties
from .settings import backend, clip, limits, look, presets
from .settings import fit as fit_settings
from .stamps import buttons as stamp_buttons
from .stamps import properties as stamp_properties
from .stamps import thumbnails
from .target import capture
from .target import properties as target_properties

# A group of properties comes before those that hold it.
_SETTINGS = (limits, look, fit_settings, backend, clip, target_properties, mask_properties, stamp_properties)
_GROUPS = (build_properties, animate, render_animation, properties)
_INPUT = (capture, stamp_buttons, mask_buttons, thumbnails, verify, install_buttons)
_FIT = (preview, live_planes, recover, optimize, continue_fit)
_RESULT = (build_buttons, rebuild, replace_stamp, bake, editable, export)
_PARTS = (*_SETTINGS, *_GROUPS, *_INPUT, *_FIT, *_RESULT, troubleshoot, presets, command)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
