"""Which frames of a moving target are fitted, and how the stamps move, as Scene.diffbmp.clip."""

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty

from ...backend.job import MAX_FRAME, Clip
from .numbers import number

_DEFAULTS = Clip()


class DIFFBMP_PG_clip(bpy.types.PropertyGroup):
    start: IntProperty(
        name="Start",
        description="First frame that is fitted: of a movie counted from 1, of a scene or an object the scene's own "
        "number; 0 = the first there is",
        default=0,
        min=0,
        max=MAX_FRAME,
    )
    end: IntProperty(
        name="End",
        description="Last frame that is fitted; 0 = the last there is",
        default=0,
        min=0,
        max=MAX_FRAME,
    )
    step: IntProperty(
        name="Step",
        description="Every so many frames one is fitted: the stamps move smoothly from one to the next",
        default=_DEFAULTS.step,
        min=1,
        max=1000,
        soft_max=12,
    )
    scene_start: IntProperty(
        name="Place at Frame",
        description="Frame of the built scene that shows the first frame",
        default=_DEFAULTS.scene_start,
        min=0,
        max=MAX_FRAME,
    )
    fps: FloatProperty(
        name="Frame Rate",
        description="Frames a second of the result: a movie of another rate is resampled; 0 = as the target has",
        default=_DEFAULTS.fps,
        min=0.0,
        max=1000.0,
        soft_max=120.0,
        step=100,
        precision=2,
    )
    iterations: IntProperty(
        name="Steps per Frame",
        description="Steps of each frame after the first one of a shot: more come closer to the target and take longer",
        default=_DEFAULTS.iterations,
        min=1,
        max=1_000_000,
        soft_max=500,
    )
    refinement: IntProperty(
        name="Refinement",
        description="Rounds over all frames at the end, in which the stamps' paths are made smooth; 0 = none",
        default=_DEFAULTS.refinement,
        min=0,
        max=100_000,
        soft_max=200,
    )
    knots: IntProperty(
        name="Path Detail",
        description="Frames from knot to knot of the stamps' paths: fewer follow fast motion, more move calmly",
        default=_DEFAULTS.knots,
        min=1,
        max=1000,
        soft_max=24,
    )
    smoothness: FloatProperty(
        name="Smoothness",
        description="How strongly a stamp is kept from changing between frames; 0 = not at all",
        default=_DEFAULTS.smoothness,
        min=0.0,
        max=1000.0,
        soft_max=10.0,
    )
    flow: BoolProperty(
        name="Follow Motion", description="Stamps are carried along by what moves in the target", default=_DEFAULTS.flow
    )
    fade: IntProperty(
        name="Fade",
        description="Frames in which a stamp fades that is more useful elsewhere, and appears there; "
        "0 = stamps stay where they are",
        default=_DEFAULTS.fade,
        min=0,
        max=100,
        soft_max=24,
    )
    still: FloatProperty(
        name="Still Below",
        description="A part of the target stands still where it changes less than so much of full brightness: stamps "
        "there rest; 0 = every change counts",
        subtype="FACTOR",
        default=_DEFAULTS.still,
        min=0.0,
        max=1.0,
        precision=3,
    )
    cut: FloatProperty(
        name="Cut Below",
        description="A new shot begins, with stamps of its own, where two frames have less than so much in common; "
        "0 = cuts are not looked for",
        subtype="FACTOR",
        default=_DEFAULTS.cut,
        min=0.0,
        max=1.0,
    )


def clip_of(scene: bpy.types.Scene, start: int, end: int, fps: float) -> Clip:
    """What the scene asks for of a clip whose first frame that is fitted, last one (0 = its last) and rate are these.

    Raises UserError where it ends before it starts.
    """
    settings = scene.diffbmp.clip
    return Clip(
        start=start,
        end=end,
        step=settings.step,
        fps=fps,
        scene_start=settings.scene_start,
        iterations=settings.iterations,
        refinement=settings.refinement,
        knots=settings.knots,
        smoothness=number(settings.smoothness),
        flow=settings.flow,
        fade=settings.fade,
        still=number(settings.still),
        cut=number(settings.cut),
    )


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_clip,))
