"""The contents of a file, to check that nothing stays behind."""

from __future__ import annotations

import bpy


def census() -> dict[str, list[str]]:
    """Returns the names of all datablocks by kind."""
    return {
        name: [item.name_full for item in getattr(bpy.data, name)]
        for name, kind in bpy.data.bl_rna.properties.items()
        if kind.type == "COLLECTION"
    }
