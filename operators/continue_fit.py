# mypy: disable-error-code="valid-type"
"""Continue: the optimization goes on from what a scene shows, changed by hand or not, and ends in the same scene."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import IntProperty

from ..backend.job import Job, Layout, TemplateSpec, UserError
from .build import form_of
from .collect import job_steps
from .folders import file_name
from .images import read_image, write_png
from .optimize import Optimizing, why_not_optimize
from .planes import make_meshes
from .readback import read_layout
from .result import is_result, show_layout, source_of, stamps_of
from .run import Run
from .storage import load_stamps


def continued_steps(
    scene: bpy.types.Scene, source: bpy.types.Scene, folder: Path, added: int
) -> Generator[str, None, list[str]]:
    """Writes a job that goes on from what a scene that was built shows, in steps as collect.job_steps.

    source: whose target and settings hold. Stamps of its list that the layout does not have are for what is added.
    Raises UserError as job_steps and read_layout do.
    """
    layout = read_layout(scene)
    stamps = stamps_of(scene)
    left_out = yield from job_steps(source, folder)
    job = Job.load(folder)
    if job.clip is not None:
        raise UserError("A target that moves cannot be gone on with: turn off Animation, or optimize again")
    own = []
    for number, (spec, image) in enumerate(zip(layout.templates, stamps, strict=True)):
        yield f"Writing stamp {number + 1} of {len(stamps)}"
        file = folder / "templates" / f"start_{number:03d}_{file_name(spec.name)}.png"
        write_png(file, read_image(image))
        own.append(replace(spec, file=str(file)))
    known = {(spec.name, spec.width, spec.height) for spec in own}
    new = [spec for spec in job.templates if (spec.name, spec.width, spec.height) not in known]
    start = folder / "start"
    start.mkdir()
    replace(layout, templates=own).save(start)
    job.templates = [*own, *_sized(new)]
    job.settings = replace(job.settings, count=layout.count + added, added=added)
    job.start = str(start)
    # Not by __post_init__, which has seen the job without a start.
    Job(**vars(job)).save(folder)
    return left_out


def _sized(specs: list[TemplateSpec]) -> list[TemplateSpec]:
    return [replace(spec, file=str(Path(spec.file))) for spec in specs]


class DIFFBMP_OT_continue_fit(Optimizing, bpy.types.Operator):
    bl_idname = "diffbmp.continue_fit"
    bl_label = "Continue"
    bl_description = (
        "Optimize on from what this scene shows. Planes may have been moved, turned, scaled, retinted, deleted or "
        "duplicated; locked ones stay as they are"
    )
    bl_options = {"UNDO"}  # noqa: RUF012  Blender's own form

    added: IntProperty(
        name="Add Stamps",
        description="Stamps that are added to those of the scene, where they help most",
        default=0,
        min=0,
        max=100_000,
        soft_max=2000,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        source = source_of(context.scene)
        if not is_result(context.scene):
            reason = "This scene was not built: show the result's"
        elif source is None:
            reason = "The scene with the target and the stamps is gone: optimize in a new one"
        else:
            reason = why_not_optimize(source)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.added = context.scene.diffbmp.build.added
        return self.execute(context)

    def steps(self, scene: bpy.types.Scene, folder: Path) -> Generator[str, None, list[str]]:
        source = source_of(scene)
        assert source is not None  # says poll
        return continued_steps(scene, source, folder, self.added)

    def take(self, scene: bpy.types.Scene, task: Run) -> None:
        layout = Layout.load(task.out)
        meshes = make_meshes(layout, task.out)
        show_layout(scene, layout, meshes, load_stamps(layout.templates), form_of(scene.diffbmp.build))


def register() -> None:
    bpy.utils.register_class(DIFFBMP_OT_continue_fit)


def unregister() -> None:
    bpy.utils.unregister_class(DIFFBMP_OT_continue_fit)
