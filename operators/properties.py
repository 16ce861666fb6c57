# mypy: disable-error-code="valid-type"
"""What the user sets, as Scene.diffbmp: one group of properties per concept."""

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..backend.job import MAX_COUNT, MAX_RECORDING, MAX_SIZE, PRESETS, Settings
from .animate import DIFFBMP_PG_animate
from .clips import DIFFBMP_PG_clip
from .keyframes import TOLERANCE
from .limits import DIFFBMP_PG_limits
from .look import DIFFBMP_PG_look
from .output import DIFFBMP_PG_output
from .regions import DIFFBMP_PG_regions
from .stamps import DIFFBMP_PG_stamps
from .target import DIFFBMP_PG_target

_DEFAULTS = Settings()

_PRESETS = (
    *((name, name.title(), f"{values['iterations']} steps") for name, values in PRESETS.items()),
    ("custom", "Custom", "A number of steps of your own"),
)
_RECIPES = (
    ("default", "Default", "Stamps that are of little use are moved to where they are needed most"),
    ("paper", "Published", "As the method was published: a soft texture of large, half-transparent stamps"),
)
_SPACES = (
    ("display", "Display", "Blend the stamps as Photoshop and Krita do, in display-encoded numbers"),
    ("linear", "Linear", "Blend the stamps as light, as Blender does by default"),
)
_ENGINES = (
    ("auto", "Automatic", "The fastest engine that works on this computer"),
    ("cuda", "CUDA", "The first NVIDIA graphics card that works"),
    ("cpu", "CPU", "The processor"),
    ("reference", "Reference", "Plain PyTorch: slow, for comparison"),
)


def _take_preset(fit: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    if fit.preset != "custom":
        fit.steps = PRESETS[fit.preset]["iterations"]


def _leave_preset(fit: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    if fit.preset != "custom" and fit.steps != PRESETS[fit.preset]["iterations"]:
        fit.preset = "custom"


class DIFFBMP_PG_fit(bpy.types.PropertyGroup):
    preset: EnumProperty(
        items=_PRESETS,
        default="normal",
        name="Preset",
        description="How thoroughly the stamps are fitted",
        update=_take_preset,
    )
    count: IntProperty(
        name="Count", description="Number of stamps to place", default=_DEFAULTS.count, min=1, max=MAX_COUNT
    )
    size: IntProperty(
        name="Size",
        description="Longer side of the canvas on which the stamps are fitted",
        subtype="PIXEL",
        default=_DEFAULTS.size,
        min=1,
        max=MAX_SIZE,
    )
    steps: IntProperty(
        name="Steps",
        description="More steps come closer to the target and take longer",
        default=_DEFAULTS.iterations,
        min=1,
        max=1_000_000,
        soft_max=1000,
        update=_leave_preset,
    )
    time_limit: FloatProperty(
        name="Time Limit",
        description="Seconds that fitting may take: it hurries to end well in time; 0 = none",
        subtype="TIME_ABSOLUTE",
        default=_DEFAULTS.time_limit,
        min=0.0,
        max=1e6,
        soft_max=600.0,
        step=100,
        precision=1,
    )
    live: BoolProperty(
        name="Planes While It Runs",
        description="Show the stamps as they move, in a scene of their own that is there until the optimization ends. "
        "For still targets",
        default=False,
    )
    recording: IntProperty(
        name="Record",
        description="Pictures of the fit's course that are kept, for the animation Recording in the panel Result; "
        "0 = none",
        default=_DEFAULTS.recording,
        min=0,
        max=MAX_RECORDING,
        soft_max=250,
    )
    recipe: EnumProperty(
        items=_RECIPES, default=_DEFAULTS.recipe, name="Recipe", description="The way in which the stamps are fitted"
    )
    seed: IntProperty(name="Seed", description="Another seed gives another arrangement", default=_DEFAULTS.seed, min=0)
    space: EnumProperty(
        items=_SPACES,
        default=_DEFAULTS.space,
        name="Blending",
        description="The space in which stamps that lie over each other are blended",
    )
    background: FloatVectorProperty(
        name="Background",
        description="Color of the canvas behind the stamps",
        subtype="COLOR_GAMMA",
        size=3,
        default=_DEFAULTS.background,
        min=0.0,
        max=1.0,
    )


class DIFFBMP_PG_backend(bpy.types.PropertyGroup):
    engine: EnumProperty(
        items=_ENGINES, default=_DEFAULTS.engine, name="Engine", description="What computes the optimization"
    )
    threads: IntProperty(
        name="Threads",
        description="Processor threads to use; 0 = one per core",
        default=_DEFAULTS.threads,
        min=0,
        max=1024,
    )


_FORMS = (
    ("AUTO", "Automatic", "Planes, unless there are so many stamps that Blender would be slow"),
    ("PLANES", "Planes", "An object for each stamp, which can be selected, moved and keyed"),
    ("DENSE", "Instances", "All stamps in one object: fast, however many there are. Any can be made planes later"),
)


class DIFFBMP_PG_build(bpy.types.PropertyGroup):
    layout: StringProperty(
        name="Layout",
        description="Folder of the layout to build; Optimize fills it in",
        subtype="DIR_PATH",
    )
    samples: IntProperty(
        name="Samples",
        description="Render samples of the result; 1 = one at each pixel's centre, as the optimization takes them",
        default=16,
        min=1,
        soft_max=256,
    )
    form: EnumProperty(items=_FORMS, default="AUTO", name="Stamps As", description="What the stamps become")
    tolerance: FloatProperty(
        name="Key Tolerance",
        description="How far off a plane that moves may be where keys are left out; 0 = keys in every frame",
        subtype="PIXEL",
        default=TOLERANCE,
        min=0.0,
        soft_max=5.0,
    )
    spread: FloatProperty(
        name="Depth",
        description="Distance from the last layer to the front one, in longer sides of the canvas, for cameras that "
        "move: the scene's own sees the same picture. 0 = all lie flat",
        default=0.0,
        min=0.0,
        max=10.0,
        soft_max=2.0,
        step=5,
    )
    added: IntProperty(
        name="Add Stamps",
        description="Stamps that Continue adds to those of the scene, where they help most",
        default=0,
        min=0,
        max=100_000,
        soft_max=2000,
    )
    scene: PointerProperty(type=bpy.types.Scene, name="Result", description="The scene that was built last")


class DIFFBMP_PG_scene(bpy.types.PropertyGroup):
    target: PointerProperty(type=DIFFBMP_PG_target)
    clip: PointerProperty(type=DIFFBMP_PG_clip)
    stamps: PointerProperty(type=DIFFBMP_PG_stamps)
    regions: PointerProperty(type=DIFFBMP_PG_regions)
    limits: PointerProperty(type=DIFFBMP_PG_limits)
    look: PointerProperty(type=DIFFBMP_PG_look)
    fit: PointerProperty(type=DIFFBMP_PG_fit)
    backend: PointerProperty(type=DIFFBMP_PG_backend)
    build: PointerProperty(type=DIFFBMP_PG_build)
    animate: PointerProperty(type=DIFFBMP_PG_animate)
    output: PointerProperty(type=DIFFBMP_PG_output)


_CLASSES = (
    DIFFBMP_PG_fit,
    DIFFBMP_PG_backend,
    DIFFBMP_PG_build,
    DIFFBMP_PG_scene,
)


def register() -> None:
    for item in _CLASSES:
        bpy.utils.register_class(item)
    bpy.types.Scene.diffbmp = PointerProperty(type=DIFFBMP_PG_scene)


def unregister() -> None:
    del bpy.types.Scene.diffbmp
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
