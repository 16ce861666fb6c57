# mypy: disable-error-code="valid-type"
"""stub"""

from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, PointerProperty

from .images import ByteArray
from .limits import DIFFBMP_PG_limits


class DIFFBMP_PG_region(bpy.types.PropertyGroup):
    use: BoolProperty(default=True)
    stamps: PointerProperty(type=bpy.types.Collection)
    share: FloatProperty()
    own_limits: BoolProperty()
    limits: PointerProperty(type=DIFFBMP_PG_limits)


class DIFFBMP_PG_regions(bpy.types.PropertyGroup):
    items: CollectionProperty(type=DIFFBMP_PG_region)


@dataclass(frozen=True)
class RegionMask:
    name: str
    file: str
    region: bpy.types.PropertyGroup


def write_regions(
    scene: bpy.types.Scene, folder: Path, width: int, height: int, target: ByteArray
) -> tuple[str, list[RegionMask]]:
    return "", []


_CLASSES = (DIFFBMP_PG_region, DIFFBMP_PG_regions)


def register() -> None:
    for item in _CLASSES:
        bpy.utils.register_class(item)


def unregister() -> None:
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
