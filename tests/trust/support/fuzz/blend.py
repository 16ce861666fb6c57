"""The process in which damaged layouts of .blend files are read: like child.py, with Blender."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import bpy

from tests.addon.conftest import ADD_ON
from tests.trust.support.fuzz import child
from tests.trust.support.fuzz.generate import COUNT


def main(temporary: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ADD_ON.register()
    from diffbmp.backend.job import UserError
    from diffbmp.operators.result.rebuild import rebuild
    from diffbmp.operators.scene.build import Form, build_scene
    from diffbmp.operators.scene.storage import KEY, stored_layout

    from tests.addon.support.layouts import random_layout, write_layout

    with tempfile.TemporaryDirectory() as folder:
        write_layout(Path(folder, "layout"), *random_layout(COUNT))
        scene = build_scene(Path(folder, "layout"), "fuzz", 1)
    whole = scene[KEY].to_dict()

    def act(folder: Path, arguments: list[str]) -> None:
        name, text = arguments
        scene[KEY] = whole
        try:
            _replace(scene[KEY], name, json.loads(text))
        except (KeyError, TypeError, ValueError, OverflowError, RuntimeError):
            return  # Blender itself stores no such thing
        try:
            stored_layout(scene)
            rebuild(scene, Form("PLANES"))
        except UserError as error:
            raise child.Refused(error.message) from error

    child.serve({"blend": act}, temporary)


def _replace(stored: Any, name: str, value: Any) -> None:
    if value is None:
        del stored[name]
    else:
        stored[name] = value


if __name__ == "__main__":
    main(sys.argv[1])
