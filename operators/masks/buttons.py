"""The buttons of the list of regions."""

import bpy
from bpy.props import EnumProperty

from ..session.slots import EditsLists
from .properties import active_region

_DIRECTIONS = (("up", "Up", "To the front"), ("down", "Down", "To the back"))


class DIFFBMP_OT_add_region(EditsLists):
    bl_idname = "diffbmp.add_region"
    bl_label = "Add Region"
    bl_description = "Add a part of the canvas with stamps of its own, behind the others"
    bl_options = {"UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        regions = context.scene.diffbmp.regions
        taken = {region.name for region in regions.entries}
        number = next(n for n in range(1, len(taken) + 2) if f"Region {n}" not in taken)
        region = regions.entries.add()
        region.name = f"Region {number}"
        region.area.source = "mask"
        regions.active = len(regions.entries) - 1
        return {"FINISHED"}


class DIFFBMP_OT_remove_region(EditsLists):
    bl_idname = "diffbmp.remove_region"
    bl_label = "Remove Region"
    bl_description = "Remove the chosen region from the list"
    bl_options = {"UNDO"}

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        missing = "There is no region to remove" if active_region(context.scene) is None else ""
        return super().why_not(context) or missing

    def execute(self, context: bpy.types.Context) -> set[str]:
        regions = context.scene.diffbmp.regions
        regions.entries.remove(regions.active)
        regions.active = max(0, min(regions.active, len(regions.entries) - 1))
        return {"FINISHED"}


class DIFFBMP_OT_move_region(EditsLists):
    bl_idname = "diffbmp.move_region"
    bl_label = "Move Region"
    bl_description = "Move the chosen region in the list, in which the first one is in front"
    bl_options = {"UNDO"}

    direction: EnumProperty(items=_DIRECTIONS, default="up", name="Direction", description="Choose where to move it")

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        has_others = len(context.scene.diffbmp.regions.entries) > 1 and active_region(context.scene) is not None
        return super().why_not(context) or ("" if has_others else "There are no two regions to sort")

    def execute(self, context: bpy.types.Context) -> set[str]:
        regions = context.scene.diffbmp.regions
        place = regions.active + (-1 if self.direction == "up" else 1)
        if not 0 <= place < len(regions.entries):
            self.report({"INFO"}, f"The region is already the {'first' if place < 0 else 'last'}")
            return {"CANCELLED"}
        regions.entries.move(regions.active, place)
        regions.active = place
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_OT_add_region, DIFFBMP_OT_remove_region, DIFFBMP_OT_move_region)
)
