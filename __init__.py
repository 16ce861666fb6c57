"""DiffBMP, a Blender extension: makes a picture out of the artist's own bitmap stamps, by gradient descent.

The parts are imported when Blender asks for them, so that tests, tools and the backend can stand in this folder
without it.
"""

from __future__ import annotations


def register() -> None:
    from . import operators, panels

    operators.register()
    panels.register()


def unregister() -> None:
    from . import operators, panels

    panels.unregister()
    operators.unregister()
