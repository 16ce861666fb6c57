"""Frames of scenes and of movies as pixels, through Blender's own render."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from ...backend.job import UserError
from .images import ByteArray
from .versions import compositor_of, remove_scene, set_still_image
from .written import passing_folder, read_written

OUTPUT = ("media_type", "file_format", "color_mode", "color_depth", "compression", "quality", "exr_codec")
"""Image settings of a render that are restored, in this order."""

_RENDER = (
    *("filepath", "resolution_x", "resolution_y", "resolution_percentage", "pixel_aspect_x", "pixel_aspect_y"),
    *("use_border", "film_transparent", "use_file_extension", "use_overwrite", "use_placeholder", "use_multiview"),
)


def render_frames(
    scene: bpy.types.Scene,
    camera: bpy.types.Object | None,
    size: int,
    transparent: bool,
    frames: Iterable[int] | None = None,
) -> Generator[ByteArray, None, None]:
    """Renders a scene, one picture per frame: [h, w, 4], the longer side `size` px, straight alpha, display-encoded.

    camera: None = the scene's own. frames: None = the one that it shows. Until the iterator is closed, the scene has
    the settings of the render. Raises UserError where there is no picture.
    """
    frames = (scene.frame_current,) if frames is None else frames
    with shown_frame_kept(scene), _rendering(scene, camera, size, transparent):
        for frame in frames:
            yield _render_frame(scene, frame, f"scene {scene.name}")


def movie_frames(path: Path, numbers: Iterable[int], fps: float = 0.0) -> Generator[ByteArray, None, None]:
    """Reads frames of a movie by their numbers from 1: [h, w, 4], straight alpha, display-encoded.

    fps: the rate by which they are numbered, 0 = the movie's own. Raises UserError where Blender cannot read it.
    """
    with _movie_scene(path) as (scene, strip):
        rate = strip.fps / fps if fps else 1.0
        for number in numbers:
            # The frame that is shown at that moment; the small part bridges rounding.
            yield _render_frame(scene, 1 + int((number - 1) * rate + 1e-6), f"movie {path}")


def movie_rate(path: Path) -> float:
    """Returns the frames per second of a movie. Raises UserError where Blender cannot read it."""
    with _movie_scene(path) as (_, strip):
        return float(strip.fps)


@contextmanager
def shown_frame_kept(scene: bpy.types.Scene, always: bool = False) -> Iterator[None]:
    """Returns a scene to its frame if it shows another at the end. always: even if not, as its objects may."""
    shown = scene.frame_current, scene.frame_subframe
    try:
        yield
    finally:
        if always or (scene.frame_current, scene.frame_subframe) != shown:
            scene.frame_set(shown[0], subframe=shown[1])


@contextmanager
def settings_kept(scene: bpy.types.Scene, *names: str) -> Iterator[None]:
    """Restores a scene's image settings, and the named settings of its render."""
    render, output = scene.render, scene.render.image_settings
    before = {name: getattr(render, name) for name in names}
    output_before = {name: getattr(output, name) for name in OUTPUT if hasattr(output, name)}
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(render, name, value)
        for name, value in output_before.items():
            setattr(output, name, value)


def literal(path: Path) -> str:
    """Escapes a path for Blender's output settings, which replace text in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _render_frame(scene: bpy.types.Scene, frame: int, what: str) -> ByteArray:
    """Renders one frame, as an animation: a still would show the frame of the scene in the window."""
    scene.frame_start = scene.frame_end = frame  # each keeps the other in order
    with passing_folder() as folder:
        scene.render.filepath = literal(folder / "####")
        try:
            bpy.ops.render.render(animation=True, scene=scene.name)
        except RuntimeError as error:
            raise UserError(f"The {what} could not be rendered: {error}") from error
        path = next(folder.iterdir(), None)
        if path is None:
            raise UserError(f"Frame {frame} of the {what} could not be rendered: try to render it by itself")
        return read_written(path)


@contextmanager
def _rendering(scene: bpy.types.Scene, camera: bpy.types.Object | None, size: int, transparent: bool) -> Iterator[None]:
    """Sets a scene to render still pictures with square pixels, and restores it afterwards."""
    render = scene.render
    own_camera, start, end = scene.camera, scene.frame_start, scene.frame_end
    markers = {marker: marker.camera for marker in scene.timeline_markers if marker.camera and camera}
    outputs = [node for node in _file_outputs(compositor_of(scene), set()) if not node.mute]
    width = render.resolution_x * render.pixel_aspect_x
    height = render.resolution_y * render.pixel_aspect_y
    factor = size / max(width, height)
    with settings_kept(scene, *_RENDER):
        try:
            render.resolution_x, render.resolution_y = (max(4, round(side * factor)) for side in (width, height))
            render.resolution_percentage = 100
            render.pixel_aspect_x = render.pixel_aspect_y = 1.0
            render.use_border = render.use_multiview = render.use_placeholder = False
            render.use_overwrite = render.use_file_extension = True
            render.film_transparent = render.film_transparent or transparent
            set_still_image(render.image_settings, alpha=True)
            if camera is not None:
                scene.camera = camera
            # A marker would change the camera, and the nodes would overwrite the artist's files.
            for marker in markers:
                marker.camera = None
            for node in outputs:
                node.mute = True
            yield
        finally:
            for marker, bound in markers.items():
                marker.camera = bound
            for node in outputs:
                node.mute = False
            scene.camera = own_camera
            scene.frame_start, scene.frame_end = start, end


def _file_outputs(tree: bpy.types.NodeTree | None, seen: set[bpy.types.NodeTree]) -> Iterator[bpy.types.Node]:
    if tree is None or tree in seen:
        return
    seen.add(tree)
    for node in tree.nodes:
        if node.type == "OUTPUT_FILE":
            yield node
        elif node.type == "GROUP":
            yield from _file_outputs(node.node_tree, seen)


def set_plain_render(scene: bpy.types.Scene, view_transform: str) -> None:
    """Makes Cycles render a scene without anything that would change the picture's values or its size."""
    render, view = scene.render, scene.view_settings
    render.engine = "CYCLES"
    render.resolution_percentage = 100
    render.dither_intensity = 0.0
    render.use_compositing = render.use_sequencer = False
    scene.display_settings.display_device = "sRGB"
    view.view_transform, view.look = view_transform, "None"
    view.exposure, view.gamma = 0.0, 1.0
    view.use_curve_mapping = False


@contextmanager
def picture_scene(name: str, view_transform: str) -> Iterator[bpy.types.Scene]:
    """Yields a temporary scene for pictures from its compositor or sequencer, which need no GPU."""
    scene = bpy.data.scenes.new(name)
    try:
        set_plain_render(scene, view_transform)  # Cycles has no part in it, but is always there
        yield scene
    finally:
        remove_scene(scene)


def render_still(scene: bpy.types.Scene, what: str) -> ByteArray:
    """Renders a scene with its own settings: [h, w, 4]. Raises UserError where Blender cannot, or has no room."""
    with passing_folder() as folder:
        path = folder / "still.png"
        scene.render.filepath = literal(path)
        try:
            bpy.ops.render.render(write_still=True, scene=scene.name)
        except RuntimeError as error:
            raise UserError(
                f"Blender cannot render {what} now: wait until it is idle, and try again ({error})"
            ) from error
        return read_written(path)


@contextmanager
def _movie_scene(path: Path) -> Iterator[tuple[bpy.types.Scene, bpy.types.Strip]]:
    """Yields a temporary scene whose renders are a movie's frames, exact up to the codec, and its strip."""
    with picture_scene("DiffBMP movie", "Standard") as scene:
        strip = _add_strip(scene, path)
        size = strip.elements[0]
        render = scene.render
        render.resolution_x, render.resolution_y = size.orig_width, size.orig_height
        render.use_sequencer = True
        set_still_image(render.image_settings, alpha=True)
        yield scene, strip


def _add_strip(scene: bpy.types.Scene, path: Path) -> bpy.types.Strip:
    try:
        strip = scene.sequence_editor_create().strips.new_movie("movie", str(path), 1, 1)
    except RuntimeError as error:
        raise UserError(f"{path} cannot be read as a movie: {error}") from error
    if not strip.elements[0].orig_width or not strip.elements[0].orig_height:
        raise UserError(f"{path} cannot be read as a movie: convert it to another format")
    return strip
