"""The engine of a fit, as Scene.diffbmp.backend."""

import bpy

from .fields import with_settings


@with_settings("backend")
class DIFFBMP_PG_backend(bpy.types.PropertyGroup):
    """Has the backend's settings only."""


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_backend,))
