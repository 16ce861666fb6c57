"""Render Animation: a scene's frames as a movie or as pictures, through Blender's own render."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ...backend.job import UserError, cannot_write
from ..blender.folders import file_name
from ..blender.frames import literal, settings_kept
from ..blender.versions import set_movie, set_still_image
from ..blender.written import check_whole
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.slots import Slot
from ..session.watching import Watching

_KINDS = (
    ("MP4", "MP4", "H.264 in high quality: plays everywhere. The width and the height must be even"),
    ("LOSSLESS", "Lossless", "FFV1 in a Matroska file: every pixel exactly as rendered, with transparency"),
    ("PRORES", "ProRes 4444", "For editing programs, with transparency. The width and the height must be even"),
    ("PNG", "PNG Pictures", "A folder with a picture per frame, with transparency"),
)
_MOVIES = {
    "MP4": (".mp4", "MPEG4", "H264"),
    "LOSSLESS": (".mkv", "MKV", "FFV1"),
    "PRORES": (".mov", "QUICKTIME", "PRORES"),
}
"""File ending, container and codec."""

_NEED_EVEN = ("MP4", "PRORES")
_OPAQUE = ("MP4",)

_RENDER = ("filepath", "use_file_extension", "use_multiview")
_CODING = ("format", "codec", "constant_rate_factor", "ffmpeg_preset", "ffmpeg_prores_profile", "audio_codec")


class DIFFBMP_PG_output(bpy.types.PropertyGroup):
    kind: EnumProperty(items=_KINDS, default="MP4", name="Format", description="Choose the format of the animation")
    path: StringProperty(
        name="Output",
        description="Choose the movie's file, or the pictures' folder; in a folder a movie is named after its scene",
        subtype="FILE_PATH",
        default="//render/",
    )


def render_animation(scene: bpy.types.Scene, path: str, kind: str, keep: bool = False) -> Path:
    """Renders a scene's frames, from its first to its last, and returns the movie's file or the pictures' folder.

    path: "//" = the folder of the .blend. A missing ending is added to a movie's name; pictures are numbered as
    0001.png in a folder. kind: "MP4", "LOSSLESS", "PRORES" or "PNG". keep: keeps the output settings instead of
    restoring the scene's own. Older files are overwritten if the scene's settings say so.

    Raises UserError where the format cannot hold the picture, the place cannot be written to, or no frames appear.
    """
    with ExitStack() as stack:
        if not keep:
            stack.enter_context(output_kept(scene))
        written = set_output(scene, path, kind)
        before = _state(written)
        try:
            bpy.ops.render.render(animation=True, scene=scene.name)
        except RuntimeError as error:
            reason = str(error).strip().removeprefix("Error: ")
            raise UserError(  # on a full disk, FFmpeg speaks of codecs
                f"The scene {scene.name} could not be rendered to {written} ({reason}): see that there is space and "
                "permission, or choose another format"
            ) from error
    check_output(scene, written, before)
    return written


def set_output(scene: bpy.types.Scene, path: str, kind: str) -> Path:
    """Sets the output of the scene's next animation as render_animation does; returns the file or folder.

    Raises UserError as render_animation does.
    """
    _check_picture(scene, kind)
    written = output_path(scene, path, kind)
    folder = written.parent if kind in _MOVIES else written
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    if not os.access(folder, os.W_OK):
        raise cannot_write(folder)
    render = scene.render
    render.use_file_extension, render.use_multiview = True, False
    if kind in _MOVIES:
        _, container, codec = _MOVIES[kind]
        set_movie(render, container, codec, alpha=render.film_transparent)
        render.filepath = literal(written)
    else:
        set_still_image(render.image_settings, alpha=render.film_transparent)
        render.filepath = literal(written / "####")
    return written


def output_path(scene: bpy.types.Scene, path: str, kind: str) -> Path:
    """Returns the movie's file or the pictures' folder for a path.

    Raises UserError where it is relative to a .blend that was never saved.
    """
    if path.startswith("//") and not bpy.data.filepath:
        raise UserError("The output lies beside the .blend, which was never saved: save it, or choose another place")
    if not path:
        raise UserError("There is no output: choose the movie's file, or a folder")
    place = Path(bpy.path.abspath(path)).absolute()
    in_folder = path.endswith(("/", "\\")) or place.is_dir()
    if kind not in _MOVIES:
        return place / file_name(scene.name) if in_folder else place
    suffix = _MOVIES[kind][0]
    if in_folder:
        return place / f"{file_name(scene.name)}{suffix}"
    # Blender writes endings in lower case.
    return place.with_suffix(suffix) if place.suffix.lower() == suffix else place.with_name(place.name + suffix)


def check_output(scene: bpy.types.Scene, written: Path, before: tuple[int, int] | None) -> None:
    """Raises UserError unless an animation was rendered whole. before: state of an earlier movie, None = none."""
    if written.is_dir():
        frames = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
        missing = [frame for frame in frames if not (written / f"{frame:04d}.png").is_file()]
        if missing:
            raise UserError(f"{written} has no picture of frame {missing[0]}: free some space, and render again")
        for frame in frames:
            check_whole(written / f"{frame:04d}.png")
    elif _state(written) in (None, before):
        raise UserError(f"{written} was not written: see that there is space and permission, and render again")
    else:
        check_whole(written)


@contextmanager
def output_kept(scene: bpy.types.Scene) -> Iterator[None]:
    """Restores a scene's output settings."""
    coding = scene.render.ffmpeg
    before = {name: getattr(coding, name) for name in _CODING}
    with settings_kept(scene, *_RENDER):
        try:
            yield
        finally:
            for name, value in before.items():
                if value:  # in a new scene some have no value yet, and cannot be set to none
                    setattr(coding, name, value)


def _check_picture(scene: bpy.types.Scene, kind: str) -> None:
    render = scene.render
    name = next(label for key, label, _ in _KINDS if key == kind)
    if kind in _OPAQUE and render.film_transparent:
        raise UserError(
            f"{name} holds no transparency, but the scene {scene.name} is transparent: choose another format"
        )
    if scene.camera is None:
        raise UserError(f"The scene {scene.name} has no camera: add one, or build the layout again")
    width, height = (
        int(side * render.resolution_percentage / 100) for side in (render.resolution_x, render.resolution_y)
    )
    if render.use_border and render.use_crop_to_border:
        width = int(render.border_max_x * width) - int(render.border_min_x * width)
        height = int(render.border_max_y * height) - int(render.border_min_y * height)
    if kind in _NEED_EVEN and (width % 2 or height % 2):
        raise UserError(
            f"{name} needs an even width and height, but the scene {scene.name} has {width} x {height} pixels: "
            "choose Lossless or PNG Pictures, or change the scene's resolution"
        )


def _state(path: Path) -> tuple[int, int] | None:
    """Returns what changes when a file is written; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size)


class Rendering:
    """An animation that Blender renders in the background. Raises UserError as set_output does."""

    def __init__(self, scene: bpy.types.Scene, path: str, kind: str) -> None:
        self.scene = scene
        self.cancelled = False
        self._kept = ExitStack()
        self._kept.enter_context(output_kept(scene))
        try:
            self.written = set_output(scene, path, kind)
            self.before = _state(self.written)
            bpy.app.handlers.render_cancel.append(self._cancel)
            bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=scene.name)
        except RuntimeError as error:
            self.stop()
            raise UserError(f"The scene {scene.name} could not be rendered: {error}") from error
        except BaseException:
            self.stop()
            raise

    @property
    def active(self) -> bool:
        return bool(bpy.app.is_job_running("RENDER"))

    def update(self) -> bool:
        return False

    def stop(self) -> None:
        """Restores the scene's own settings."""
        if self._cancel in bpy.app.handlers.render_cancel:
            bpy.app.handlers.render_cancel.remove(self._cancel)
        with suppress(ReferenceError):  # the scene was removed meanwhile
            self._kept.close()

    def _cancel(self, *_: object) -> None:
        self.cancelled = True


class DIFFBMP_OT_render_animation(Watching, Reports):
    bl_idname = "diffbmp.render_animation"
    bl_label = "Render Animation"
    bl_description = "Render all frames of the result to a movie or to pictures"

    slot = Slot()

    scene: StringProperty(name="Scene", description="Name the scene to render; empty = this one", options={"SKIP_SAVE"})

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "Blender is already rendering" if bpy.app.is_job_running("RENDER") else ""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        try:
            scene = self._chosen(context)
            settings = scene.diffbmp.output
            NOTICE.tell("")
            return self.watch(context, Rendering(scene, settings.path, settings.kind))
        except UserError as error:
            return self.fail(error)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.run(lambda: self._render(self._chosen(context)))

    def _render(self, scene: bpy.types.Scene) -> str:
        settings = scene.diffbmp.output
        return f"Rendered {render_animation(scene, settings.path, settings.kind)}"

    def finish(self, task: Rendering) -> set[str]:
        task.stop()
        if task.cancelled:
            return self.fail(UserError(f"The rendering was canceled: {task.written} is incomplete"))
        try:
            check_output(task.scene, task.written, task.before)
        except ReferenceError:
            return {"CANCELLED"}
        except UserError as error:
            return self.fail(error)
        return self.succeed(f"Rendered {task.written}")

    def _chosen(self, context: bpy.types.Context) -> bpy.types.Scene:
        scene = bpy.data.scenes.get(self.scene) if self.scene else context.scene
        if scene is None:
            raise UserError(f"There is no scene {self.scene}")
        return scene


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_output, DIFFBMP_OT_render_animation))


def unregister() -> None:
    DIFFBMP_OT_render_animation.slot.clear()
    _unregister()
