"""Settings for showing a layout in Blender, as Scene.diffbmp.build."""

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ..settings.fields import with_settings
from .keyframes import TOLERANCE

_FORMS = (
    ("AUTO", "Automatic", "Planes, unless there are so many stamps that Blender would be slow"),
    ("PLANES", "Planes", "An object for each stamp, which can be selected, moved and keyed"),
    ("DENSE", "Instances", "All stamps in one object: fast, however many there are. Any can be made planes later"),
)


@with_settings("build")
class DIFFBMP_PG_build(bpy.types.PropertyGroup):
    layout: StringProperty(
        name="Layout", description="Choose the folder of the layout to build; Optimize fills it in", subtype="DIR_PATH"
    )
    samples: IntProperty(
        name="Samples",
        description="Set the render samples of the result; 1 = one at each pixel's center, as in the optimization",
        default=16,
        min=1,
        soft_max=256,
    )
    form: EnumProperty(items=_FORMS, default="AUTO", name="Stamps As", description="Choose what the stamps become")
    tolerance: FloatProperty(
        name="Key Tolerance",
        description="Set how far off a moving plane may be where keys are left out; 0 = keys in every frame",
        subtype="PIXEL",
        default=TOLERANCE,
        min=0.0,
        soft_max=5.0,
    )
    spread: FloatProperty(
        name="Depth",
        description="Set the distance from the last layer to the front one, in longer sides of the canvas, for moving "
        "cameras: the scene's own sees the same picture. 0 = all lie flat",
        default=0.0,
        min=0.0,
        max=10.0,
        soft_max=2.0,
        step=5,
    )
    scene: PointerProperty(type=bpy.types.Scene, name="Result", description="The scene that was built last")


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_build,))
