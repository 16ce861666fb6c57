"""Writes the canvas's mask and its regions for the job."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.job import UserError
from ..blender.folders import file_name
from ..blender.images import ByteArray, write_gray
from ..target.movie import Footage
from .moving import needs_pictures, write_moving_mask
from .still import source_pixels


@dataclass(frozen=True)
class RegionMask:
    """A region of a job. file: its mask, relative to the job's folder."""

    name: str
    file: str
    region: bpy.types.PropertyGroup  # the DIFFBMP_PG_region: valid until the list of regions is changed


def region_steps(
    scene: bpy.types.Scene, folder: Path, width: int, height: int, target: ByteArray | Footage
) -> Generator[str, None, tuple[str, list[RegionMask]]]:
    """Writes the masks of the canvas and of the used regions as gray PNGs into the job's folder, in steps.

    width, height: of the canvas, px. target: [h, w, 4], for its alpha, or a moving one: then masks may be folders of
    pictures, or movies. Returns the file of the canvas's mask ("" = the whole canvas) and the regions, front first.

    Raises UserError, which names the region and what is missing, and OSError where the folder cannot be written to.
    """

    def write(source: bpy.types.PropertyGroup, name: str, what: str) -> str:
        try:
            if isinstance(target, Footage):
                return write_moving_mask(source, scene, folder, name, (width, height), target)
            (folder / "masks").mkdir(exist_ok=True)
            write_gray(folder / "masks" / f"{name}.png", source_pixels(source, scene, width, height, target))
            return f"masks/{name}.png"
        except UserError as error:
            raise UserError(f"{what}: {error.message[:1].lower()}{error.message[1:]}") from error

    regions = scene.diffbmp.regions
    overall = ""
    if regions.overall.source != "none":
        overall = write(regions.overall, "canvas", "The mask of the canvas")
    written = []
    for number, region in enumerate(region for region in regions.entries if region.use):
        yield f"Reading the region {region.name}"
        file = write(region.area, f"{number:03d}_{file_name(region.name)}", f"The region {region.name}")
        written.append(RegionMask(region.name, file, region))
    return overall, written


def need_pictures(scene: bpy.types.Scene) -> bool:
    """Whether a mask of a scene is the alpha of its target."""
    regions = scene.diffbmp.regions
    areas = (region.area for region in regions.entries if region.use)
    return any(needs_pictures(source) for source in (regions.overall, *areas))
