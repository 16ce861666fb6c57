"""The add-on, loaded as the package `diffbmp` and registered in this environment's bpy; an empty file for each test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import bpy
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def _load() -> ModuleType:
    """Loads the project's folder, whatever its name, like an installed extension."""
    spec = spec_from_file_location("diffbmp", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["diffbmp"] = module
    spec.loader.exec_module(module)
    return module


# Before the test modules are imported: they import from it.
ADD_ON = _load()


@pytest.fixture(scope="session", autouse=True)
def _registered() -> Iterator[None]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    ADD_ON.register()
    yield
    ADD_ON.unregister()


@pytest.fixture(autouse=True)
def _empty_file(_registered: None) -> Iterator[None]:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    add_on = bpy.context.preferences.addons.new()
    add_on.module = "diffbmp"
    add_on.preferences.python = os.environ.get("DIFFBMP_BACKEND_PYTHON", "")
    yield
    bpy.context.preferences.addons.remove(add_on)
