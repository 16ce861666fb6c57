"""The add-on's preferences: which Python runs the backend, and its installation."""

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..operators.blender.folders import ADD_ON
from ..operators.install.buttons import DEVICE_ITEMS
from .install import draw_own_environment
from .layouts import draw_sentence

_MODES = (
    ("OWN", "Own Environment", "Run the backend with Blender's Python, or with what Install has installed"),
    ("EXISTING", "Existing Python", "Run the backend with a Python that has its packages"),
)


def _take_python(chosen: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    """Uses a Python as soon as it is set, by scripts too."""
    chosen.mode = "EXISTING" if chosen.python else "OWN"
    _forget_verdict(chosen, context)


def _forget_verdict(chosen: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    """Removes a verdict about another environment."""
    chosen.verdict = ""


class DIFFBMP_preferences(bpy.types.AddonPreferences):
    bl_idname = ADD_ON

    mode: EnumProperty(items=_MODES, name="Backend", description="What runs the backend", update=_forget_verdict)
    python: StringProperty(
        name="Python",
        description="A Python program (3.11 to 3.14) that has NumPy, and what you use of PyTorch, Pillow, PyAV, "
        "OpenCV, Matplotlib and psd-tools",
        subtype="FILE_PATH",
        update=_take_python,
    )
    device: EnumProperty(items=DEVICE_ITEMS, name="Device", description="What PyTorch is installed for")
    folder: StringProperty(
        name="Folder",
        description="Folder of the environment; empty = the extension's own folder, which is deleted with it. "
        "On Windows choose a short one, such as C:\\DiffBMP, to keep paths below 260 characters",
        subtype="DIR_PATH",
        update=_forget_verdict,
    )
    wheels: StringProperty(
        name="Wheel Folder",
        description="Folder of downloaded wheels (pip download) to install without a network; empty = use the network",
        subtype="DIR_PATH",
    )
    index: StringProperty(
        name="Package Index",
        description="Address of a package index with https://, such as your company's mirror, that replaces all "
        "others; empty = the default one, and PyTorch's own for builds that only it has",
    )
    newest: BoolProperty(
        name="Newest Versions",
        description="Install the newest versions of all packages instead of those that were tested, without comparing "
        "their hashes",
    )
    verdict: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    works: BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    def draw(self, context: bpy.types.Context) -> None:
        layout, width = self.layout, context.region.width
        layout.row().prop(self, "mode", expand=True)
        if self.mode == "OWN":
            draw_own_environment(layout, self, width)
        else:
            row = layout.split(factor=0.85)
            row.prop(self, "python", placeholder="Path of a Python program")
            row.operator("diffbmp.verify_backend", icon="CHECKMARK")
        if self.verdict:
            draw_sentence(layout, self.verdict, "INFO" if self.works else "ERROR", width)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_preferences,))
