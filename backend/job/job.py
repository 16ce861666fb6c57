"""A job of a fit, and the folder that holds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from .clip import Clip
from .errors import UserError
from .schema import SCHEMA, absolute_path, from_dict, objects_of, read_json, write_json
from .settings import RegionSpec, Settings, TemplateSpec

IMPORTANCE = 8.0
"""Weight of white in an importance picture, relative to black."""


@dataclass
class Job:
    """A target, stamps and settings. Paths are relative to the job's folder, or absolute; "" = none.

    mask: a gray picture; the target counts where it is white, and nothing is placed where it is black.
    importance: a gray picture; errors weigh IMPORTANCE times as much where it is white as where it is black.
    start: a layout folder to continue from.
    regions: parts of the canvas with stamps of their own, the front one first; mask applies to all of them.
    clip: None = the target is a picture. Otherwise it is a movie, an animated picture, a folder of pictures, or the
    first picture of a numbered sequence. So may each mask be; one that is a picture applies to all frames.
    """

    target: str
    templates: list[TemplateSpec]
    settings: Settings = field(default_factory=Settings)
    mask: str = ""
    importance: str = ""
    start: str = ""
    regions: list[RegionSpec] = field(default_factory=list)
    clip: Clip | None = None

    def __post_init__(self) -> None:
        if not self.templates:
            raise UserError("There is no stamp: give at least one picture to make the target of")
        for region in self.regions:
            wrong = [index for index in region.stamps if not 0 <= index < len(self.templates)]
            if wrong:
                raise UserError(
                    f"The region {region.name} uses the stamp {wrong[0]}, but they are 0 to {len(self.templates) - 1}"
                )
        if self.regions and self.start:
            raise UserError("A fit of regions cannot continue from a layout: leave out one of the two")

    def save(self, folder: Path) -> None:
        """Writes job.json into the folder. The caller writes the pictures that it names."""
        write_json(folder / "job.json", {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> Job:
        """Reads a job folder, with absolute paths. Raises UserError for unknown keys and wrong types."""
        data = read_json(folder / "job.json")
        where = str(folder / "job.json")
        settings = from_dict(Settings, data.pop("settings", {}), where)
        specs = objects_of(TemplateSpec, data, "templates", where)
        regions = objects_of(RegionSpec, data, "regions", where)
        job = from_dict(cls, {**data, "templates": specs, "settings": settings, "regions": regions}, where)
        for name in ("target", "mask", "importance", "start"):
            setattr(job, name, absolute_path(folder, getattr(job, name)))
        for spec in job.templates:
            spec.file = absolute_path(folder, spec.file)
        for region in job.regions:
            region.mask = absolute_path(folder, region.mask)
        return job
