"""Export: writes layered files, pictures and movies for other programs, through the backend."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ...backend.job import Action, ExportJob, ExportSettings, Layout, UserError, cannot_write
from ..blender.folders import file_name, new_job_folder
from ..blender.images import reader_of, write_png
from ..install.environment import backend_call, why_no_backend
from ..install.features import Feature, missing
from ..process.export_run import ExportRun
from ..process.warm_worker import WARM
from ..result.build import NO_LAYOUT, layout_folder
from ..result.readback import kept_of_clip, read_scene
from ..result.rebuild import is_result, stamps_of
from ..scene.storage import stored_layout
from ..session.logs import worker_log
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.screen import redraw
from ..session.slots import EXPORT
from ..session.steps import waited
from ..session.watching import Watching
from .export_options import ExportOptions


def shown_layout(scene: bpy.types.Scene) -> Layout:
    """Reads what a built scene shows, with read_scene or, for a clip, with kept_of_clip."""
    stored = stored_layout(scene)
    if stored is not None and len(stored.frames) > 1:
        return kept_of_clip(scene, stored)
    return read_scene(scene).layout


def export_steps(scene: bpy.types.Scene, folder: Path, settings: ExportSettings) -> Generator[str, None, list[str]]:
    """Writes a job that exports what the scene shows, or would build, in steps that each say what comes next.

    Raises UserError as shown_layout and layout_folder do.
    """
    yield "Reading the scene"
    try:
        layout = folder / "layout" if is_result(scene) else layout_folder(scene.diffbmp.build.layout)
        if is_result(scene):
            yield from _write_shown(scene, layout)
        ExportJob(str(layout), settings, folder.name).save(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return []


def _write_shown(scene: bpy.types.Scene, folder: Path) -> Generator[str, None, None]:
    layout = shown_layout(scene)
    # All at once, as an undo would invalidate the images.
    readers = [reader_of(image) for image in stamps_of(scene)]
    specs = []
    (folder / "templates").mkdir(parents=True)
    with ThreadPoolExecutor(2) as threads:
        for number, (spec, reader) in enumerate(zip(layout.templates, readers, strict=True)):
            doing = f"Writing stamp {number + 1} of {len(readers)}"
            file = folder / "templates" / f"{number:03d}_{file_name(spec.name)}.png"
            rgba = yield from waited(threads.submit(reader), doing)
            yield from waited(threads.submit(write_png, file, rgba), doing)
            specs.append(replace(spec, file=str(file)))
    replace(layout, templates=specs).save(folder)


def why_not_export(scene: bpy.types.Scene) -> str:
    """Says why a scene cannot be exported now, "" if it can."""
    if EXPORT.task is not None:
        return "An export is already running"
    if not is_result(scene) and not scene.diffbmp.build.layout:
        return NO_LAYOUT
    return why_no_backend()


_LAYERS = ("scale", "grouping", "band", "background", "transparent", "flatten", "most_layers", "resolution")
_RANGE = ("use_range", "first_frame", "last_frame")
_CLIP = ("clip", *_RANGE)


class _Export(ExportOptions, Watching, ExportHelper, Reports):
    """An operator that exports to one kind of format."""

    filter_glob: StringProperty(options={"HIDDEN"})
    is_clip: BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    slot = EXPORT
    shown: tuple[str, ...] = ()
    """Names of the options that the format uses."""
    endings: tuple[str, ...] = ("",)
    """File endings; the first one is added to names with none of them."""
    needs: Feature | None = None
    """What the backend's Python may lack for it."""

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return why_not_export(context.scene)

    @property
    def filename_ext(self) -> str:
        ending = Path(self.filepath).suffix.lower()
        return ending if ending in self.endings else self.endings[0]

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        try:
            self._check()
            self.is_clip = len(_exported(context.scene).frames) > 1
        except UserError as error:
            return self.fail(error)
        self.filter_glob = ";".join(f"*{ending}" for ending in self.endings if ending)
        place = Path(bpy.data.filepath).parent if bpy.data.filepath else Path.home()
        self.filepath = str(place / (file_name(context.scene.name) + self.endings[0]))
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def _check(self) -> None:
        """Raises UserError where something must be installed for the format."""
        if self.needs and (sentence := missing(self.needs)):
            raise UserError(sentence, Action.INSTALL)

    def draw(self, context: bpy.types.Context) -> None:
        names = self.shown if self.is_clip else tuple(name for name in self.shown if name not in _CLIP)
        self.draw_options(self.layout, names)

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath)).absolute()
        if path.suffix.lower() not in self.endings:
            path = path.with_name(path.name + self.endings[0])
        try:
            self._check()
            settings = self.settings(_exported(context.scene))
            worker = WARM.take(backend_call("worker"), worker_log())
            try:
                folder = new_job_folder("export")
            except UserError:
                WARM.keep(worker)
                raise
            run = ExportRun(worker, folder, path, export_steps(context.scene, folder, settings))
        except UserError as error:
            return self.fail(error)
        NOTICE.tell(f"Exporting to {path.name} ...")
        return self.watch(context, run)

    def dropped(self, task: ExportRun) -> None:
        task.stop()
        task.close()
        NOTICE.tell("The export ended with its window: nothing was written")

    def finish(self, task: ExportRun) -> set[str]:
        task.close()
        WARM.keep(task.worker)
        if task.state == "failed":
            return self.fail(UserError(task.message, task.action))
        for remark in task.remarks:
            self.report({"WARNING"}, remark)
        message = task.message or "; ".join([f"Exported {task.written}", *task.remarks])
        finished = self.succeed(message)
        return finished if task.state == "done" else {"CANCELLED"}


def _exported(scene: bpy.types.Scene) -> Layout:
    """Returns the layout to export, as it was built or found. Raises UserError as layout_folder does."""
    return stored_layout(scene) or Layout.load(layout_folder(scene.diffbmp.build.layout))


class DIFFBMP_OT_export_psd(_Export):
    bl_idname = "diffbmp.export_psd"
    bl_label = "Export PSD"
    bl_description = "Write a Photoshop file with a layer per stamp, in groups: .psd, or .psb for more than 2 GB"

    endings = (".psd", ".psb")
    shown = (*_LAYERS, "overlay", *_CLIP)
    needs = Feature.PSD


class DIFFBMP_OT_export_ora(_Export):
    bl_idname = "diffbmp.export_ora"
    bl_label = "Export OpenRaster"
    bl_description = "Write a file for Krita, GIMP and MyPaint with a layer per stamp, in groups"

    endings = (".ora",)
    shown = (*_LAYERS, *_CLIP)


class DIFFBMP_OT_export_layers(_Export):
    bl_idname = "diffbmp.export_layers"
    bl_label = "Export Layers and JSON"
    bl_description = "Write a folder with a PNG per stamp and a JSON file with their places, for scripts"

    endings = ("",)
    shown = (*_LAYERS, *_CLIP)


class DIFFBMP_OT_export_png(_Export):
    bl_idname = "diffbmp.export_png"
    bl_label = "Export PNG"
    bl_description = "Write a picture of any size up to 16,384 px, rendered from the stamps themselves"

    endings = (".png",)
    shown = ("scale", "bits", "transparent", "supersample", "resolution", *_CLIP)


class DIFFBMP_OT_export_svg(_Export):
    bl_idname = "diffbmp.export_svg"
    bl_label = "Export SVG"
    bl_description = "Write a vector file that places the stamps, which stay bitmaps"

    endings = (".svg",)
    shown = ("scale", "grouping", "background", "transparent", *_CLIP)


class DIFFBMP_OT_export_movie(_Export):
    bl_idname = "diffbmp.export_movie"
    bl_label = "Export Movie"
    bl_description = "Write the frames of a moving layout as .mp4, .gif or .webp"

    endings = (".mp4", ".gif", ".webp")
    shown = ("scale", "transparent", "supersample", "fps", "loops", "quality", *_RANGE)
    needs = Feature.MOVIE


class DIFFBMP_OT_export_json(_Export):
    bl_idname = "diffbmp.export_json"
    bl_label = "Export JSON"
    bl_description = "Write the layout's numbers, with all frames, for scripts of any language"

    endings = (".json",)
    shown = _RANGE


EXPORTS = (
    DIFFBMP_OT_export_psd,
    DIFFBMP_OT_export_ora,
    DIFFBMP_OT_export_layers,
    DIFFBMP_OT_export_png,
    DIFFBMP_OT_export_svg,
    DIFFBMP_OT_export_movie,
    DIFFBMP_OT_export_json,
)


class DIFFBMP_OT_cancel_export(Reports):
    bl_idname = "diffbmp.cancel_export"
    bl_label = "Cancel"
    bl_description = "Cancel the export and remove what it has written"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "No export is running" if EXPORT.task is None else ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        if EXPORT.task is not None:
            EXPORT.task.cancel()
        redraw()
        return {"FINISHED"}


class DIFFBMP_MT_export(bpy.types.Menu):
    bl_label = "DiffBMP"
    bl_description = "Export this scene's result for other programs"

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.operator_context = "INVOKE_DEFAULT"
        for kind in EXPORTS:
            self.layout.operator(kind.bl_idname, text=kind.bl_label.removeprefix("Export "))


def _draw_menu(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    if is_result(context.scene) or context.scene.diffbmp.build.layout:
        menu.layout.menu(DIFFBMP_MT_export.__name__)


_register, _unregister = bpy.utils.register_classes_factory((*EXPORTS, DIFFBMP_OT_cancel_export, DIFFBMP_MT_export))


def register() -> None:
    _register()
    bpy.types.TOPBAR_MT_file_export.append(_draw_menu)


def unregister() -> None:
    task = EXPORT.task
    EXPORT.clear()
    if task is not None:
        task.close()
    bpy.types.TOPBAR_MT_file_export.remove(_draw_menu)
    _unregister()
