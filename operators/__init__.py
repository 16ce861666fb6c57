"""All that acts on the Blender scene: its settings, the way to the backend and the way back."""

from __future__ import annotations

from . import (
    animate,
    bake,
    build,
    capture,
    clips,
    command,
    continue_fit,
    editable,
    export,
    install,
    limits,
    live,
    look,
    mend,
    optimize,
    output,
    presets,
    preview,
    properties,
    recover,
    regions,
    replace_stamp,
    result,
    stamp_list,
    stamps,
    target,
    thumbnails,
    verify,
)

_PARTS = (
    limits,
    look,
    target,
    clips,
    regions,
    stamps,
    animate,
    output,
    properties,
    capture,
    stamp_list,
    thumbnails,
    verify,
    install,
    preview,
    live,
    recover,
    optimize,
    build,
    result,
    continue_fit,
    replace_stamp,
    bake,
    editable,
    export,
    mend,
    presets,
    command,
)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
