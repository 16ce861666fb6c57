"""Continue: optimizes a built scene further, with the changes made by hand, and shows the result in it."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import bpy

from ...backend.job import Job, Layout, Settings, TemplateSpec, UserError
from ..blender.folders import file_name
from ..blender.images import picture_size, reader_of, write_png
from ..process.fit_run import Run
from ..result.readback import read_scene
from ..result.rebuild import is_result, meshes_of, show_layout, source_of, stamps_of
from ..scene.build import form_of
from ..scene.level_pictures import LevelPictures
from ..scene.planes import levels_of, make_mesh
from ..scene.storage import load_stamps, wholly_or_not_at_all
from ..session.steps import waited
from ..settings.fields import property_of
from ..target.properties import moves
from .collect import job_steps
from .optimize import Optimizing, why_not_optimize


def continued_steps(
    scene: bpy.types.Scene, source: bpy.types.Scene, folder: Path, added: int
) -> Generator[str, None, list[str]]:
    """Writes a job that continues from what a built scene shows, in steps like collect.job_steps.

    source: the scene with the target and the settings; those of the canvas stay the built scene's. Stamps of its list
    that the layout does not have are used for added primitives. Planes with meshes of their own count as locked.
    Raises UserError as job_steps and read_scene do, and for a target of another shape.
    """
    reading = read_scene(scene)
    layout, stamps = reading.layout, stamps_of(scene)
    layout.locked[list(reading.own_meshes)] = True
    left_out = yield from job_steps(source, folder)
    job = Job.load(folder, outside=True)
    _check_shape(Path(job.target), layout)
    own, start = [], folder / "start"
    (start / "templates").mkdir(parents=True)
    with ThreadPoolExecutor(1) as threads:
        for number, (spec, image) in enumerate(zip(layout.templates, stamps, strict=True)):
            doing = f"Writing stamp {number + 1} of {len(stamps)}"
            yield doing
            file = start / "templates" / f"{number:03d}_{file_name(spec.name)}.png"
            rgba = yield from waited(threads.submit(reader_of(image)), doing)
            yield from waited(threads.submit(write_png, file, rgba), doing)
            own.append(replace(spec, file=str(file)))
    replace(layout, templates=own).save(start)
    job.templates = _joined(own, job.templates)
    job.settings = replace(
        job.settings,
        count=layout.count + added,
        added=added,
        size=max(layout.width, layout.height),
        space=layout.space,
        background=layout.background,
        transparent=layout.transparent,
    )
    job.start = str(start)
    # A new Job, so that __post_init__ checks it with its start.
    Job(**vars(job)).save(folder)
    return left_out


def _check_shape(target: Path, layout: Layout) -> None:
    """Raises UserError where the target, a picture that the add-on wrote, does not fill the layout's canvas."""
    width, height = picture_size(target)
    factor = max(layout.width, layout.height) / max(width, height)
    if (max(1, round(width * factor)), max(1, round(height * factor))) != (layout.width, layout.height):
        raise UserError(
            f"The target ({width} x {height} px) has another shape than the canvas of this scene ({layout.width} x "
            f"{layout.height} px): optimize again, or choose a target of the canvas's shape"
        )


def _joined(own: list[TemplateSpec], listed: list[TemplateSpec]) -> list[TemplateSpec]:
    """The layout's stamps, with the limits of those in the list that have the same pixels, then the list's others."""
    result, new = list(own), []
    for spec in listed:
        same = [number for number, known in enumerate(own) if _same_picture(known, spec)]
        for number in same:
            result[number] = replace(result[number], limits=spec.limits)
        if not same:
            new.append(spec)
    return [*result, *new]


def _same_picture(one: TemplateSpec, other: TemplateSpec) -> bool:
    """Whether two stamps that the same code has written have the same pixels."""
    if (one.width, one.height) != (other.width, other.height):
        return False
    return Path(one.file).read_bytes() == Path(other.file).read_bytes()


class DIFFBMP_OT_continue_fit(Optimizing):
    bl_idname = "diffbmp.continue_fit"
    bl_label = "Continue"
    bl_description = (
        "Optimize further from what this scene shows. Planes may have been moved, rotated, scaled, tinted, deleted, "
        "duplicated or painted; locked planes and those with meshes of their own do not change"
    )
    bl_options = {"UNDO"}

    added: property_of(Settings, "added")

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        source = source_of(context.scene)
        if not is_result(context.scene):
            return "This scene was not built by DiffBMP: show the scene of the result"
        if source is None:
            return "The scene with the target and the stamps is gone: optimize in a new one"
        return why_not_optimize(source) or _why_not_continue(source)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.added = context.scene.diffbmp.build.added
        return self.execute(context)

    def steps(self, scene: bpy.types.Scene, folder: Path) -> Generator[str, None, list[str]]:
        source = source_of(scene)
        assert source is not None  # or why_not would have said so
        return continued_steps(scene, source, folder, self.added)

    def take(self, scene: bpy.types.Scene, task: Run) -> str:
        layout, start = Layout.load(task.out), Layout.load(task.job / "start")
        own = _kept_meshes(scene, layout, start)
        if own is None:
            source = source_of(scene) or scene
            source.diffbmp.build.layout = str(task.out)
            return f"Planes were changed meanwhile and are kept: build the result from {source.name} instead"
        known = {level: mesh for level, mesh in meshes_of(scene).items() if level in set(levels_of(layout))}
        with wholly_or_not_at_all():
            pictures = LevelPictures(layout, task.out)
            new = {level: make_mesh(layout, level, pictures) for level in set(levels_of(layout)) - set(known)}
            stamps = load_stamps(layout.templates)
            show_layout(scene, layout, known | new, stamps, form_of(scene.diffbmp.build), own)
        return ""


def _why_not_continue(source: bpy.types.Scene) -> str:
    """Says why a fit with the settings of this scene cannot continue from a layout, "" if it can."""
    if moves(source):
        return "An optimization of a clip cannot be continued: turn off Animation, or optimize again"
    if any(region.use for region in source.diffbmp.regions.entries):
        return "An optimization with regions cannot be continued: turn them off, or optimize again"
    return ""


def _kept_meshes(scene: bpy.types.Scene, layout: Layout, start: Layout) -> dict[int, bpy.types.Mesh] | None:
    """Own meshes of the layout's primitives by number; None where the scene has changed since the start."""
    try:
        reading = read_scene(scene)
    except UserError:
        return None
    own = reading.own_meshes
    now = reading.layout
    now.locked[list(own)] = True
    if now.count != start.count or any((getattr(now, name) != getattr(start, name)).any() for name in _COMPARED):
        return None
    rows = {_values(layout, row): row for row in range(layout.count) if layout.locked[row]}
    return {rows[key]: mesh for row, mesh in own.items() if (key := _values(now, row)) in rows}


_COMPARED = ("x", "y", "scale", "aspect", "rotation", "opacity", "color", "template", "level", "mirror", "locked")


def _values(layout: Layout, row: int) -> tuple[float, ...]:
    """The values that a locked primitive keeps to the last bit."""
    return (
        *(float(getattr(layout, name)[0, row]) for name in ("x", "y", "scale", "aspect", "rotation", "opacity")),
        *layout.color[0, row].tolist(),
        int(layout.template[row]),
    )


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_continue_fit,))
