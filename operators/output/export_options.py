"""What an export can be told, as properties of its operators."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ...backend.job import MAX_LAYERS, MAX_WIDTH, ExportSettings, Layout, UserError

_DEFAULT = ExportSettings()

_GROUPINGS = (
    ("depth", "Depth", "Bands of layers, from the front to the back"),
    ("stamp", "Stamp", "Layers of the same stamp together, as far as the picture stays the same"),
    ("region", "Region", "Layers of the same region together"),
    ("none", "None", "One list of layers"),
)
_CLIPS = (
    ("first", "First Frame", "Only the first of the frames"),
    ("groups", "Groups", "A group for each frame in one file, of which the first is visible; of formats with layers"),
    ("files", "Files", "A file for each frame, with its number in the name"),
)
_TRANSPARENT = (
    ("canvas", "As the Canvas", "Transparent where the canvas is"),
    ("yes", "Transparent", "The background is left out"),
    ("no", "Opaque", "Over the background"),
)


class ExportOptions:
    """Properties of operators, of which each draws those that its format uses."""

    scale: FloatProperty(
        name="Scale",
        description="Size of the picture, in sizes of the canvas: the stamps are rendered anew, as sharp as they are",
        default=1.0,
        min=0.01,
        max=64.0,
        soft_max=8.0,
    )
    grouping: EnumProperty(
        items=_GROUPINGS, default=_DEFAULT.grouping, name="Groups", description="What layers are put together by"
    )
    band: IntProperty(
        name="Layers in a Group",
        description="Layers in a group of the same depth, at most",
        default=_DEFAULT.band,
        min=1,
        max=100_000,
    )
    background: BoolProperty(
        name="Background Layer",
        description="A layer in the background's color behind all others, unless the canvas is transparent",
        default=True,
    )
    overlay: BoolProperty(
        name="Color Overlay",
        description=(
            "Layers of tinted stamps carry their color as a Photoshop effect, too, by which it can be changed; "
            "without it, they look the same"
        ),
        default=False,
    )
    flatten: BoolProperty(
        name="Flatten",
        description="Merge the least visible stamps with their neighbors, so that there are few enough layers",
        default=False,
    )
    most_layers: IntProperty(
        name="Layers",
        description=f"Number of layers and groups, at most, with Flatten. Photoshop opens {MAX_LAYERS:,}",
        default=_DEFAULT.most_layers,
        min=1,
        max=30_000,
    )
    transparent: EnumProperty(
        items=_TRANSPARENT, default="canvas", name="Background", description="Whether the background is seen"
    )
    bits: EnumProperty(
        items=(("8", "8 bit", "256 steps a channel"), ("16", "16 bit", "65,536 steps a channel")),
        default="8",
        name="Depth",
        description="Bits of a color channel",
    )
    supersample: IntProperty(
        name="Samples",
        description="Samples along each side of a pixel, for smooth edges: 3 is as Cycles with 16 samples",
        default=1,
        min=1,
        max=8,
    )
    fps: FloatProperty(
        name="Frame Rate",
        description="Frames a second; 0 = as the layout's",
        default=0.0,
        min=0.0,
        max=240.0,
    )
    loops: IntProperty(
        name="Repeats",
        description="How often a GIF or WebP is played; 0 = for ever",
        default=0,
        min=0,
        max=65_535,
    )
    quality: IntProperty(
        name="Quality",
        description="Of MP4 and WebP, in percent: more is better and larger",
        default=_DEFAULT.quality,
        min=1,
        max=100,
        subtype="PERCENTAGE",
    )
    resolution: FloatProperty(
        name="Resolution",
        description="Pixels per inch, as the file says for printing; the pixels stay the same",
        default=_DEFAULT.resolution,
        min=1.0,
        max=10_000.0,
    )
    clip: EnumProperty(
        items=_CLIPS, default="first", name="Animation", description="What becomes of a layout that moves"
    )
    use_range: BoolProperty(
        name="Frame Range", description="Only some of the frames of a layout that moves", default=False
    )
    first_frame: IntProperty(
        name="First Frame", description="Of the range, by its number in the scene", default=1, soft_min=0
    )
    last_frame: IntProperty(
        name="Last Frame", description="Of the range, by its number in the scene", default=250, soft_min=0
    )

    def settings(self, layout: Layout) -> ExportSettings:
        """As the backend takes them, for a layout. Raises UserError for a picture that is too large."""
        longer = max(layout.width, layout.height)
        if round(longer * self.scale) > MAX_WIDTH:
            raise UserError(
                f"At this scale the picture's longer side has {round(longer * self.scale):,} px, but it can have "
                f"{MAX_WIDTH:,}: choose a scale of {MAX_WIDTH / longer:.2f} or less"
            )
        width = max(1, round(layout.width * self.scale))
        is_part = self.use_range and len(layout.frames) > 1
        frames = (self.first_frame, self.last_frame) if is_part else None
        return ExportSettings(
            width=width,
            frames=frames,
            clip=self.clip,
            grouping=self.grouping,
            band=self.band,
            background=self.background,
            overlay=self.overlay,
            flatten=self.flatten,
            most_layers=self.most_layers,
            transparent={"canvas": None, "yes": True, "no": False}[self.transparent],
            bits=int(self.bits),
            supersample=self.supersample,
            fps=round(self.fps, 6),
            loops=self.loops,
            quality=self.quality,
            resolution=round(self.resolution, 6),
        )

    def draw_options(self, layout: bpy.types.UILayout, names: tuple[str, ...]) -> None:
        """Draws these, and greys out those that others leave without effect."""
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in names:
            row = layout.row()
            row.active = not (
                (name == "band" and self.grouping != "depth")
                or (name in ("first_frame", "last_frame") and not self.use_range)
                or (name == "most_layers" and not self.flatten)
                or (name == "background" and self.transparent == "yes")
            )
            row.prop(self, name)
