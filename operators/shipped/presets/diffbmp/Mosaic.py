"""Opaque stamps of one size, side by side."""

import bpy

settings = bpy.context.scene.diffbmp
settings.fit.count = 1500
settings.fit.size = 512
settings.fit.preset = "normal"
settings.limits.stretch = 1.0
settings.limits.mirror = False
settings.limits.size_min = 2.0
settings.limits.size_max = 5.0
settings.limits.free_rotation = True
settings.limits.opaque = True
settings.limits.opacity_min = 0.0
settings.limits.opacity_max = 1.0
settings.limits.usage = "free"
settings.limits.most = 0
settings.look.palette = "any"
settings.look.order = "free"
settings.look.spacing = 1.6
settings.look.match = "color"
settings.look.structure = 0.0
settings.look.outlines = 0.0
settings.look.follow = 0.0
settings.look.flow = 0.0
settings.look.apart = 0.7
settings.look.inside = 0.0
settings.stamps.mode = "tint"
settings.limits.rotation_min = -0.7853981633974483
settings.limits.rotation_max = 0.7853981633974483
settings.look.palette_size = 8
