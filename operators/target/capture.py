"""Pictures that Blender shows now, as the target: the viewport, the last render, the compositor's viewer."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty

from ...backend.job import UserError
from ..blender.frames import settings_kept
from ..blender.versions import set_still_image
from ..blender.written import check_whole, passing_folder
from ..session.reports import Reports

_SOURCES = (
    ("VIEWPORT", "Viewport", "What the 3D viewport shows, without its overlays"),
    ("RENDER", "Render", "The last render"),
    ("VIEWER", "Viewer", "What the compositor's Viewer node shows"),
)
_IMAGES = {"RENDER": "Render Result", "VIEWER": "Viewer Node"}
_KEY = "diffbmp_capture"


def capture(context: bpy.types.Context, source: str) -> bpy.types.Image:
    """Makes a packed image of what Blender shows now, in place of the last one of this source.

    Raises UserError where there is nothing to capture, or no room for it.
    """
    with passing_folder() as folder, settings_kept(context.scene, "filepath"):
        set_still_image(context.scene.render.image_settings, alpha=True)
        path = folder / f"{source.title()}.png"
        if source == "VIEWPORT":
            _save_viewport(context, path)
        else:
            _save_shown(context.scene, source, path)
        check_whole(path)
        image = bpy.data.images.load(str(path))
        image.pack()
    image.filepath_raw = ""
    for packed in image.packed_files:
        packed.filepath = f"//{image.name}"
    old = bpy.data.images.get(source.title())
    # An image that was painted on, renamed or given a fake user belongs to the artist.
    if old is not None and old.get(_KEY) == source and not (old.is_dirty or old.use_fake_user or old.library):
        old.user_remap(image)
        bpy.data.images.remove(old)
    image.name, image[_KEY] = source.title(), source
    return image


def _save_viewport(context: bpy.types.Context, path: Path) -> None:
    space = context.space_data
    if bpy.app.background or space is None or space.type != "VIEW_3D":
        raise UserError("The viewport can only be captured from its own sidebar, in a window")
    overlay, shown = space.overlay, space.overlay.show_overlays
    overlay.show_overlays, context.scene.render.filepath = False, str(path)
    try:
        bpy.ops.render.opengl(write_still=True, view_context=True)
    except RuntimeError as error:
        raise UserError(f"The viewport could not be captured: {error}") from error
    finally:
        overlay.show_overlays = shown


def _save_shown(scene: bpy.types.Scene, source: str, path: Path) -> None:
    image = bpy.data.images.get(_IMAGES[source])
    nothing = UserError(
        "There is no render yet: render the scene first"
        if source == "RENDER"
        else "The compositor shows nothing: add a Viewer node to it"
    )
    # The viewer knows its size only after its pixels were read.
    if image is None or (source == "VIEWER" and len(image.pixels) == 0):
        raise nothing
    try:
        image.save_render(str(path), scene=scene)
    except RuntimeError as error:
        raise (UserError(str(error)) if str(path) in str(error) else nothing) from error


class DIFFBMP_OT_capture_target(Reports):
    bl_idname = "diffbmp.capture_target"
    bl_label = "Capture"
    bl_description = "Make what Blender shows now the target, as an image in this .blend"
    bl_options = {"UNDO"}

    source: EnumProperty(items=_SOURCES, default="VIEWPORT", name="Source", description="Choose what is captured")

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        shown = next(text for name, _, text in _SOURCES if name == properties.source)
        return f"{shown}, becomes the target, as an image in this .blend"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.run(lambda: self._capture(context))

    def _capture(self, context: bpy.types.Context) -> str:
        image, target = capture(context, self.source), context.scene.diffbmp.target
        target.source, target.image = "IMAGE", image
        return f"The target is {image.name}, {image.size[0]} x {image.size[1]} px"


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_capture_target,))
