"""The buttons of the list of stamps: add from files, objects and texts, refresh, switch, remove."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, StringProperty

from ...backend.job import UserError
from ..blender.svg import import_svg
from ..session.notice import NOTICE
from ..session.slots import EditsLists
from .examples import example_images
from .properties import SPLITS, add_sources, refresh
from .sources import Source, image_source, object_sources, text_sources
from .thumbnails import draw_thumbnails

PICTURES = (*bpy.path.extensions_image, ".svg")  # type: ignore[attr-defined]
"""Suffixes of the files that are used from a folder."""


def load_sources(paths: list[Path]) -> tuple[list[Source], list[str]]:
    """Loads picture files as image datablocks, each once, and SVG files as collections of curves.

    Returns their sources, and a sentence about each file that cannot be used.
    """
    sources, problems = [], []
    for path in paths:
        try:
            if path.suffix.lower() == ".svg":
                sources.append(_load_svg(path))
            else:
                sources.append(image_source(_load_image(path)))
        except UserError as error:
            problems.append(error.message)
    return sources, problems


def pictures_in(folder: Path) -> list[Path]:
    """Returns the picture files of a folder by name. Raises UserError where it cannot be read or has none."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read ({error.strerror}): choose another") from error
    if not paths:
        raise UserError(f"The folder {folder} holds no pictures: choose another")
    return paths


def _load_image(path: Path) -> bpy.types.Image:
    try:
        return bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError as error:
        raise UserError(f"The picture {path} does not exist or cannot be read: choose another") from error


def _load_svg(path: Path) -> Source:
    collection = import_svg(path)
    return Source(collection.name, collection=collection)


class _Filling(EditsLists):
    """An operator that adds or updates stamps."""

    def tell(self, message: str, problems: list[str]) -> None:
        """Reports a message, and a sentence about each stamp that cannot be used."""
        for sentence in problems:
            self.report({"WARNING"}, sentence)
        NOTICE.tell("; ".join([message, *problems]), is_error=bool(problems))
        self.report({"INFO"}, message)


class _Adding(_Filling):
    """An operator that adds stamps."""

    bl_options = {"REGISTER", "UNDO"}

    def add(self, context: bpy.types.Context, sources: list[Source], problems: list[str]) -> set[str]:
        """Adds the sources, and reports what was added and what was not."""
        added = add_sources(context.scene.diffbmp.stamps, sources)
        draw_thumbnails(context.scene)
        message = f"{added} {'stamp' if added == 1 else 'stamps'} added"
        if sources and not added:
            message = "No stamps added: they are already in the list"
        self.tell(message, problems)
        return {"FINISHED"} if added else {"CANCELLED"}


class DIFFBMP_OT_add_stamp_files(_Adding):
    bl_idname = "diffbmp.add_stamp_files"
    bl_label = "Add Files"
    bl_description = "Add the chosen picture and SVG files to the stamps; if none is chosen, all files of the folder"

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    filter_image: BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    filter_glob: StringProperty(default="", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.filter_glob = ";".join(f"*{suffix}" for suffix in PICTURES)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        folder = Path(bpy.path.abspath(self.directory))
        try:
            paths = [folder / item.name for item in self.files if item.name] or pictures_in(folder)
        except UserError as error:
            return self.fail(error)
        return self.add(context, *load_sources(paths))


class DIFFBMP_OT_add_example_stamps(_Adding):
    bl_idname = "diffbmp.add_example_stamps"
    bl_label = "Add Examples"
    bl_description = "Add a disc, a leaf and a brush stroke to the stamps, to start with"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.add(context, [image_source(image) for image in example_images()], [])


class DIFFBMP_OT_add_stamp_objects(_Adding):
    bl_idname = "diffbmp.add_stamp_objects"
    bl_label = "Add Selected Objects"
    bl_description = "Add the selected objects to the stamps: the images of flat objects, and renders of all others"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        missing = "" if context.view_layer.objects.selected else "Select the objects first"
        return super().why_not(context) or missing

    def execute(self, context: bpy.types.Context) -> set[str]:
        stamps = context.scene.diffbmp.stamps
        objects = sorted(context.view_layer.objects.selected, key=lambda item: item.name)
        sources = object_sources(objects, stamps.take, stamps.split)
        if not sources:
            return self.fail(UserError("The selected objects show nothing: select meshes, curves, texts or images"))
        return self.add(context, sources, [])


class DIFFBMP_OT_add_stamp_text(_Adding):
    bl_idname = "diffbmp.add_stamp_text"
    bl_label = "Add Text"
    bl_description = "Add the letters or the words of a text to the stamps"

    text: StringProperty(name="Text", description="Text to add; empty = the text in the panel")
    split: EnumProperty(items=SPLITS, default="LETTERS", name="Split")

    def execute(self, context: bpy.types.Context) -> set[str]:
        stamps = context.scene.diffbmp.stamps
        sources = text_sources(self.text or stamps.text, self.split, font=stamps.font)
        if not sources:
            return self.fail(UserError("There is no text: type letters or words to use as stamps"))
        return self.add(context, sources, [])


class DIFFBMP_OT_refresh_stamps(_Filling):
    bl_idname = "diffbmp.refresh_stamps"
    bl_label = "Refresh"
    bl_description = "Update the stamps from the collections, and draw the thumbnails"
    bl_options = {"UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        refresh(context.scene.diffbmp.stamps)
        missing, problems = draw_thumbnails(context.scene)
        rest = f", {missing} thumbnails not yet drawn: refresh again" if missing else ""
        self.tell(f"{len(context.scene.diffbmp.stamps.entries)} stamps{rest}", problems)
        return {"FINISHED"}


class DIFFBMP_OT_remove_stamps(EditsLists):
    bl_idname = "diffbmp.remove_stamps"
    bl_label = "Remove Stamp"
    bl_description = (
        "Remove the stamp from the list. The next refresh adds a stamp of a collection again: switch it off instead"
    )
    bl_options = {"UNDO"}

    index: IntProperty(name="Index", description="Index of the stamp in the list, from 0; -1 = all", default=-1, min=-1)

    def execute(self, context: bpy.types.Context) -> set[str]:
        stamps = context.scene.diffbmp.stamps
        if self.index >= len(stamps.entries):
            self.report({"ERROR"}, f"There is no stamp {self.index}: the list has {len(stamps.entries)}")
            return {"CANCELLED"}
        if self.index < 0:
            stamps.entries.clear()
        else:
            stamps.entries.remove(self.index)
        stamps.active = min(stamps.active, max(0, len(stamps.entries) - 1))
        return {"FINISHED"}


class DIFFBMP_OT_use_stamps(bpy.types.Operator):
    bl_idname = "diffbmp.use_stamps"
    bl_label = "Use Stamps"
    bl_description = "Switch all stamps on or off, or invert each"
    bl_options = {"UNDO"}

    action: EnumProperty(
        items=(("ALL", "All", "Use all"), ("NONE", "None", "Use none"), ("INVERT", "Invert", "Use those not used")),
        default="ALL",
        name="Action",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        for stamp in context.scene.diffbmp.stamps.entries:
            stamp.use = not stamp.use if self.action == "INVERT" else self.action == "ALL"
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        DIFFBMP_OT_add_stamp_files,
        DIFFBMP_OT_add_example_stamps,
        DIFFBMP_OT_add_stamp_objects,
        DIFFBMP_OT_add_stamp_text,
        DIFFBMP_OT_refresh_stamps,
        DIFFBMP_OT_remove_stamps,
        DIFFBMP_OT_use_stamps,
    )
)
