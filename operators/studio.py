"""Objects of the scene rendered to RGBA."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy

from ..backend.job import UserError
from .images import ByteArray

VIEWS = ("AUTO", "FRONT", "BACK", "LEFT", "RIGHT", "TOP", "BOTTOM")
LIGHTINGS = ("EVEN", "SCENE")


def render_objects(objects: Sequence[bpy.types.Object], size: int, **options: object) -> ByteArray:
    raise UserError("not there")


def render_collection(collection: bpy.types.Collection, size: int, **options: object) -> ByteArray:
    raise UserError("not there")


def render_text(text: str, size: int, **options: object) -> ByteArray:
    raise UserError("not there")


def import_svg(path: Path, into: bpy.types.Scene) -> bpy.types.Collection:
    raise UserError("not there")
