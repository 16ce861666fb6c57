"""The add-on's preferences: which Python runs the backend, and how it comes here."""

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..operators.blender.folders import ADD_ON
from ..operators.install.buttons import DEVICE_ITEMS
from .install import draw_own_environment
from .layouts import draw_sentence

_MODES = (
    ("OWN", "Own Environment", "The backend has a Python environment of its own, which the add-on installs"),
    ("EXISTING", "Existing Python", "The backend runs with a Python that is there already, and has its packages"),
)


def _take_python(chosen: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    """A Python that is set is to be used, by scripts too."""
    chosen.mode = "EXISTING" if chosen.python else "OWN"
    _forget_verdict(chosen, context)


def _forget_verdict(chosen: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    """It was about another environment."""
    chosen.verdict = ""


class DIFFBMP_preferences(bpy.types.AddonPreferences):
    bl_idname = ADD_ON

    mode: EnumProperty(items=_MODES, name="Backend", description="What runs the backend", update=_forget_verdict)
    python: StringProperty(
        name="Python",
        description="A Python program (3.11 to 3.14) that has PyTorch, NumPy, Pillow, PyAV and OpenCV",
        subtype="FILE_PATH",
        update=_take_python,
    )
    device: EnumProperty(items=DEVICE_ITEMS, name="Device", description="What PyTorch is installed for")
    folder: StringProperty(
        name="Folder",
        description="Where the environment is made; empty = the extension's own folder, which goes when the extension "
        "is uninstalled. On Windows a short one, such as C:\\DiffBMP, keeps paths below 260 letters",
        subtype="DIR_PATH",
        update=_forget_verdict,
    )
    wheels: StringProperty(
        name="Wheel Folder",
        description="A folder of downloaded wheels (pip download), from which to install without a network; "
        "empty = from the network",
        subtype="DIR_PATH",
    )
    index: StringProperty(
        name="Package Index",
        description="Address of another package index, such as your company's mirror; empty = the usual one. PyTorch's "
        "own index is asked too, for the build that suits the card",
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
