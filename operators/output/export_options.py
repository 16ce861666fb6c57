"""Settings of an export, as properties of its operators."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ...backend.job import MAX_WIDTH, ExportSettings, Layout, UserError
from ..settings.fields import values_of, with_settings

_TRANSPARENT = (
    ("canvas", "As the Canvas", "Be transparent where the canvas is"),
    ("yes", "Transparent", "Leave the background out"),
    ("no", "Opaque", "Show the background"),
)
_TRANSPARENCY = {"canvas": None, "yes": True, "no": False}


@with_settings("export")
class ExportOptions:
    """Properties of the export operators; each draws those that its format uses."""

    scale: FloatProperty(
        name="Scale",
        description="Scale the picture relative to the canvas; stamps are rendered at full sharpness",
        default=1.0,
        min=0.01,
        max=64.0,
        soft_max=8.0,
    )
    transparent: EnumProperty(
        items=_TRANSPARENT, default="canvas", name="Background", description="Choose whether the background is visible"
    )
    use_range: BoolProperty(name="Frame Range", description="Export only some frames of a moving layout", default=False)
    first_frame: IntProperty(
        name="First Frame", description="Begin the range here, by the number in the scene", default=1, soft_min=0
    )
    last_frame: IntProperty(
        name="Last Frame", description="End the range here, by the number in the scene", default=250, soft_min=0
    )

    def settings(self, layout: Layout) -> ExportSettings:
        """Returns the backend's settings for a layout. Raises UserError for a picture that is too large."""
        longer = max(layout.width, layout.height)
        if round(longer * self.scale) > MAX_WIDTH:
            raise UserError(
                f"At this scale the picture's longer side has {round(longer * self.scale):,} px, but it can have "
                f"{MAX_WIDTH:,}: choose a scale of {MAX_WIDTH / longer:.2f} or less"
            )
        width = max(1, round(layout.width * self.scale))
        is_part = self.use_range and len(layout.frames) > 1
        frames = (self.first_frame, self.last_frame) if is_part else None
        own = {"width": width, "frames": frames, "transparent": _TRANSPARENCY[self.transparent]}
        return ExportSettings(**{**values_of(self, ExportSettings, "export"), **own})

    def draw_options(self, layout: bpy.types.UILayout, names: tuple[str, ...]) -> None:
        """Draws these options, and grays out those that have no effect now."""
        layout.use_property_split = True
        layout.use_property_decorate = False
        chosen = values_of(self, ExportSettings, "export")
        for name in names:
            row = layout.row()
            row.active = not (
                (name == "band" and chosen["grouping"] != "depth")
                or (name in ("first_frame", "last_frame") and not self.use_range)
                or (name == "most_layers" and not chosen["flatten"])
                or (name == "background" and self.transparent == "yes")
            )
            row.prop(self, name)
