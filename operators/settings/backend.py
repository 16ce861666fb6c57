"""What computes a fit, as Scene.diffbmp.backend."""

import bpy

from .fields import with_settings


@with_settings("backend")
class DIFFBMP_PG_backend(bpy.types.PropertyGroup):
    """All of it is settings."""


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_backend,))
