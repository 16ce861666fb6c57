"""Photoshop's layered files, from records of psd-tools: its own way of adding layers takes minutes for thousands.

Format: Adobe Photoshop File Formats Specification (November 2019).
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageCms
from psd_tools.compression import compress
from psd_tools.constants import BlendMode, Compression, Resource, SectionDivider, Tag
from psd_tools.psd import PSD
from psd_tools.psd.header import FileHeader
from psd_tools.psd.image_data import ImageData
from psd_tools.psd.image_resources import ImageResource, ImageResources, ResoulutionInfo, ThumbnailResource
from psd_tools.psd.layer_and_mask import (
    ChannelData,
    ChannelDataList,
    ChannelImageData,
    ChannelInfo,
    LayerAndMaskInformation,
    LayerFlags,
    LayerInfo,
    LayerRecord,
    LayerRecords,
)
from psd_tools.psd.tagged_blocks import TaggedBlocks

from ...job import MAX_LAYERS, UserError, written_aside
from ...native.arrays import ByteArray
from ..base import Export, Exporter
from ..layers.merged import background_color, merged_picture
from ..layers.overlay import color_overlay
from ..layers.sheets import Layer, has_overlay
from ..layers.stack import Group, Node, Stack

MAX_RECORDS = 32_766
"""Most layer records of a file: their number has 16 bits with a sign. A group has two."""

MAX_BYTES = 2_000_000_000
"""Most bytes of pixels in a PSD: the format's 2 GiB minus everything else in it."""

THUMBNAIL = 160
"""Longer side of the thumbnail, px, as Photoshop makes it."""

_VERSIONS = {".psd": 1, ".psb": 2}  # of the format
_CHANNELS = (-1, 0, 1, 2)  # transparency, red, green, blue


def export_psd(task: Export) -> None:
    """Writes a layer per primitive, in groups, over a background layer; with the merged picture and a thumbnail.

    Pixels hold the colors and the shape, the layer holds the opacity. What does not fit into a PSD becomes a PSB of the
    same name. Raises UserError where there are more layers than the format holds.
    """
    version = _VERSIONS[task.path.suffix.lower()]
    stack = Stack(task)
    _check_count(stack)
    picture = merged_picture(task, over_white=True)
    records = _Records(task, stack, version)
    channels = 4 if background_color(task) is None else 3
    width, height = task.size
    planes = np.ascontiguousarray(picture[..., :channels].transpose(2, 0, 1)).tobytes()
    data = compress(planes, Compression.RLE, width, height * channels, 8, version)
    if version == 1 and records.size + len(data) > MAX_BYTES:
        larger = task.path.with_suffix(".psb")
        task.remarks.append(f"More than a PSD holds: written as {larger.name}")
        del records, picture, planes, data  # gigabytes, which are made again
        export_psd(replace(task, path=larger))
        return
    file = PSD(
        header=FileHeader(version=version, channels=channels, height=height, width=width),
        image_resources=_resources(task, picture),
        layer_and_mask_information=LayerAndMaskInformation(layer_info=records.layer_info),
        image_data=ImageData(Compression.RLE, data),
    )
    if stack.size > MAX_LAYERS:
        task.remarks.append(
            f"The file has {stack.size:,} layers and groups, but Photoshop opens {MAX_LAYERS:,} at most: flatten "
            "the least visible ones"
        )
    with written_aside(task.path) as aside, open(aside, "wb") as out:
        file.write(out)


def _check_count(stack: Stack) -> None:
    layers = len(stack.items)
    groups = stack.size - layers
    if 1 + layers + 2 * groups > MAX_RECORDS:
        raise UserError(
            f"{layers:,} layers in {groups:,} groups are more than the {MAX_RECORDS:,} records of a PSD, and a group "
            "takes two: flatten the least visible ones, group them less, or export fewer frames"
        )


class _Records:
    """The records of all layers, back first as in the format."""

    def __init__(self, task: Export, stack: Stack, version: int) -> None:
        self._task, self._version = task, version
        self._records: list[LayerRecord] = []
        self._channels: list[ChannelDataList] = []
        color = background_color(task)
        if color is not None:
            self._add_background(color)
        self._layers = stack.render(stack.items[::-1])
        self._add(stack.nodes)

    @property
    def layer_info(self) -> LayerInfo:
        # A negative number says that the merged picture's fourth channel is its transparency.
        return LayerInfo(
            layer_count=-len(self._records),
            layer_records=LayerRecords(self._records),  # type: ignore[arg-type]
            channel_image_data=ChannelImageData(self._channels),  # type: ignore[arg-type]
        )

    @property
    def size(self) -> int:
        """Bytes of all layers' pixels."""
        return sum(len(data.data) for channels in self._channels for data in channels)

    def _add(self, nodes: list[Node]) -> None:
        for node in reversed(nodes):
            if isinstance(node, Group):
                self._add_divider("</Layer group>", SectionDivider.BOUNDING_SECTION_DIVIDER, visible=True)
                self._add(node.children)
                self._add_divider(node.name, SectionDivider.CLOSED_FOLDER, visible=node.visible)
            else:
                self._add_layer(next(self._layers))

    def _add_layer(self, layer: Layer) -> None:
        height, width = layer.pixels.shape[:2]
        blocks = _named(layer.item.name)
        if has_overlay(self._task, layer.item):
            red, green, blue = self._task.layout.color[layer.item.frame, layer.item.primitives[0]].tolist()
            block = color_overlay((red, green, blue))
            blocks[block.key] = block
        planes = (np.ascontiguousarray(layer.pixels[..., channel]).tobytes() for channel in (3, 0, 1, 2))
        self._append(layer.item.name, (layer.top, layer.left), (height, width), planes, blocks, opacity=layer.opacity)

    def _add_background(self, color: tuple[int, int, int]) -> None:
        width, height = self._task.size
        planes = (bytes([value]) * (width * height) for value in (255, *color))
        self._append("Background", (0, 0), (height, width), planes, _named("Background"))

    def _add_divider(self, name: str, kind: SectionDivider, *, visible: bool) -> None:
        blocks = _named(name)
        blocks.set_data(Tag.SECTION_DIVIDER_SETTING, kind)
        # Readers expect four channels here, too, though they are empty.
        self._append(name, (0, 0), (0, 0), [b""] * 4, blocks, visible=visible)

    def _append(
        self,
        name: str,
        corner: tuple[int, int],  # top, left
        size: tuple[int, int],  # height, width
        planes: Iterable[bytes],  # one for each of _CHANNELS
        blocks: TaggedBlocks,
        *,
        opacity: int = 255,
        visible: bool = True,
    ) -> None:
        (top, left), (height, width) = corner, size
        data = [_compressed(plane, width, height, self._version) for plane in planes]
        record = LayerRecord(
            top=top,
            left=left,
            bottom=top + height,
            right=left + width,
            channel_info=[ChannelInfo(id=channel, length=0) for channel in _CHANNELS],
            blend_mode=BlendMode.NORMAL,
            opacity=opacity,
            flags=LayerFlags(visible=visible),
            name=_plain(name),
            tagged_blocks=blocks,
        )
        self._records.append(record)
        self._channels.append(ChannelDataList(data))  # type: ignore[arg-type]


def _compressed(plane: bytes, width: int, height: int, version: int) -> ChannelData:
    if not plane:
        return ChannelData(Compression.RAW, b"")
    return ChannelData(Compression.RLE, compress(plane, Compression.RLE, width, height, 8, version))


def _named(name: str) -> TaggedBlocks:
    blocks = TaggedBlocks()
    blocks.set_data(Tag.UNICODE_LAYER_NAME, name)
    return blocks


def _plain(name: str) -> str:
    """Returns a name for readers without Unicode: 31 characters of Mac Roman, as Photoshop writes it."""
    return name.encode("macroman", "replace")[:31].decode("macroman")


def _resources(task: Export, picture: ByteArray) -> ImageResources:
    """Returns resolution, profile and thumbnail."""
    resources = ImageResources.new()
    fixed = round(task.settings.resolution * 65536)  # 16.16 bits
    inch, per_inch = 1, 1
    resolution = ResoulutionInfo(fixed, per_inch, inch, fixed, per_inch, inch)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for key, data in (
        (Resource.RESOLUTION_INFO, resolution),
        (Resource.THUMBNAIL_RESOURCE, _thumbnail(picture)),
        (Resource.ICC_PROFILE, profile),
    ):
        resources[key] = ImageResource(key=key.value, data=data)  # type: ignore[arg-type]
    return resources


def _thumbnail(picture: ByteArray) -> ThumbnailResource:
    image = Image.fromarray(np.ascontiguousarray(picture[..., :3]))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=85)
    row = (image.width * 24 + 31) // 32 * 4
    return ThumbnailResource(1, image.width, image.height, row, row * image.height, 24, 1, jpeg.getvalue())


EXPORTERS: dict[str, Exporter] = dict.fromkeys(_VERSIONS, export_psd)
