"""Photoshop's layer effect Color Overlay, for the color of a layer.

Structure: the block lfx2 of Adobe Photoshop File Formats Specification, "Object-based effects layer info".
"""

from __future__ import annotations

from psd_tools.constants import Tag
from psd_tools.psd.descriptor import Bool, Descriptor, DescriptorBlock2, Double, Enumerated, UnitFloat
from psd_tools.psd.tagged_blocks import TaggedBlock
from psd_tools.terminology import Enum, Key, Klass, Type, Unit


def color_overlay(color: tuple[float, float, float]) -> TaggedBlock:
    """Returns the effect as a block of a layer's record. color: display-encoded, in [0, 1]."""
    rgb = Descriptor(classID=Klass.RGBColor.value)
    for key, value in zip((Key.Red, Key.Green, Key.Blue), color, strict=True):
        rgb[key] = Double(255.0 * value)
    fill = Descriptor(classID=Klass.SolidFill.value)
    fill[Key.Enabled] = Bool(True)
    fill[b"present"] = Bool(True)
    fill[b"showInDialog"] = Bool(True)
    fill[Key.Mode] = Enumerated(Type.BlendMode.value, Enum.Normal.value)
    fill[Key.Color] = rgb
    fill[Key.Opacity] = UnitFloat(100.0, Unit.Percent)
    effects = DescriptorBlock2(version=0)
    effects[Key.Scale] = UnitFloat(100.0, Unit.Percent)
    effects[b"masterFXSwitch"] = Bool(True)
    effects[Klass.SolidFill] = fill
    return TaggedBlock(key=Tag.OBJECT_BASED_EFFECTS_LAYER_INFO, data=effects)  # type: ignore[arg-type]
