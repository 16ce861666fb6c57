"""What needs packages that Blender's own Python may lack, and whether the backend's Python has them."""

from __future__ import annotations

import site
from enum import Enum
from importlib.machinery import PathFinder

from ...backend.job import lacking
from .environment import chosen_python, ready_folder


class Feature(Enum):
    """What needs packages: the start of a sentence about it, and the packages, as in PACKAGES."""

    CUDA = "The engine CUDA", "torch", "cuda"
    REFERENCE = "The engine Reference", "torch"
    PAPER = "The recipe Published", "torch"
    LOSSES = "Likeness by other measures than Color and Crisp", "torch"
    ANIMATION = "A target with frames", "av", "cv2", "PIL", "matplotlib"
    PSD = "A PSD file", "psd_tools", "PIL"
    MOVIE = "A movie", "av", "PIL"


def missing(feature: Feature) -> str:
    """Says in one sentence what must be installed for a feature, "" if nothing.

    A Python that the user chose is not examined: its backend says by itself what it lacks. Raises UserError as
    chosen_python and ready_folder do.
    """
    if chosen_python() or ready_folder():
        return ""
    what, *packages = feature.value
    absent = [name for name in packages if not _has(name)]
    return lacking(what, absent).message if absent else ""


def _has(package: str) -> bool:
    """Whether Blender's own Python finds a package when it runs by itself: other add-ons' do not count."""
    return PathFinder.find_spec(package, site.getsitepackages()) is not None
