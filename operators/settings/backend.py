"""What computes a fit, as Scene.diffbmp.backend."""

import bpy
from bpy.props import (
    EnumProperty,
    IntProperty,
)

from ...backend.job import Settings

_DEFAULTS = Settings()


_ENGINES = (
    ("auto", "Automatic", "The fastest engine that works on this computer"),
    ("cuda", "CUDA", "The first NVIDIA graphics card that works"),
    ("cpu", "CPU", "The processor"),
    ("reference", "Reference", "Plain PyTorch: slow, for comparison"),
)


class DIFFBMP_PG_backend(bpy.types.PropertyGroup):
    engine: EnumProperty(
        items=_ENGINES, default=_DEFAULTS.engine, name="Engine", description="What computes the optimization"
    )
    threads: IntProperty(
        name="Threads",
        description="Processor threads to use; 0 = one per core",
        default=_DEFAULTS.threads,
        min=0,
        max=1024,
    )


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_backend,))
