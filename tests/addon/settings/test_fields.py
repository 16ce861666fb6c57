"""Blender's properties follow from the settings, and so do the presets and the reference."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import bpy
import pytest
from diffbmp.backend.cli.options import add_settings
from diffbmp.backend.job import (
    Animation,
    Clip,
    Color,
    ExportSettings,
    Limits,
    Settings,
    UserError,
    check,
    check_value,
    setting,
    type_hints,
)
from diffbmp.operators.settings.fields import KINDS, names_of, preset_names, settings_of, values_of, with_settings

from docs.settings import rows_of

OWN = {
    ("clip", "start"),  # 0 = the first frame of a scene
    ("clip", "scene_start"),  # a scene of Blender has no frames before 0
    ("limits", "size_max"),  # a stamp must be visible
    ("limits", "opacity_max"),
    ("limits", "rotation_min"),  # where the rotation is free, these are not used
    ("limits", "rotation_max"),
    ("look", "palette_size"),  # used where the palette is From Target
    ("stamps", "blend"),  # not used where the mode is Tint
    ("export", "scale"),  # of the canvas, where the setting is a width
}
"""Properties whose range or default is Blender's own."""

FACTORS = {"share": 100}


def group_at(path: str) -> Any:
    if path == "export":
        operators: Any = bpy.ops
        return operators.diffbmp.export_psd.get_rna_type()
    found: Any = bpy.types.Scene.bl_rna
    for part in ("diffbmp", *path.split(".")):
        found = found.properties[part.removesuffix("[]")].fixed_type
    return found


def shown_settings() -> list[tuple[type[Any], str, str]]:
    """Returns class, name and property of all settings that are one property or a pair."""
    return [
        (kind, name, shown)
        for kind in KINDS
        for name, one in settings_of(kind).items()
        if one.group
        for shown in names_of(kind, name)[-2 if name.endswith("_range") else -1 :]
        if (one.group, shown) not in OWN
        and shown in group_at(one.group).properties
        and not isinstance(one.default, (list, dict))
        and one.default is not None
    ]


def test_every_property_has_the_range_and_the_default_of_its_setting() -> None:
    found = shown_settings()
    assert len(found) > 45
    for kind, name, shown in found:
        one = settings_of(kind)[name]
        rna, factor = group_at(one.group).properties[shown], FACTORS.get(one.unit, 1)
        assert one.label in (rna.name, rna.name.removesuffix(" Min")) or shown.endswith("_max"), name
        assert rna.description.startswith(one.help), name
        if one.choices:
            items = [item.identifier for item in rna.enum_items]
            assert items[: len(one.choices)] == [str(choice) for choice in one.choices], name
            assert rna.default == str(one.default)
        elif rna.type == "BOOLEAN":
            assert rna.default == one.default, name
        else:
            low, high = one.within
            default = one.default
            if isinstance(default, tuple):
                assert type_hints(kind)[name] == Color or len(default) == 2
                default = default[shown.endswith("_max")]
            value = rna.default_array[0] if rna.is_array else rna.default
            assert rna.hard_min == pytest.approx(0 if one.zero else low * factor), name
            assert rna.hard_max == pytest.approx(high * factor), name
            assert value == pytest.approx(default * factor), name


def test_choices_keep_their_numbers() -> None:
    """.blend files store the number of the chosen item."""
    for path, name, expected in (
        ("fit", "recipe", ["default", "paper"]),
        ("fit", "space", ["display", "linear"]),
        ("fit", "preset", ["draft", "normal", "high", "custom"]),
        ("backend", "engine", ["auto", "cuda", "cpu", "reference"]),
        ("limits", "usage", ["free", "shares"]),
        ("look", "palette", ["any", "target", "given"]),
        ("look", "order", ["free", "small_front", "large_front"]),
        ("look", "match", ["color", "crisp", "brightness"]),
        ("animate", "kind", ["growth", "transition", "recording"]),
        ("animate", "easing", ["linear", "smooth", "in", "out", "in-out", "back", "elastic", "bounce"]),
        ("animate", "order", ["back", "random", "left", "center"]),
        ("stamps", "mode", ["tint", "mix", "multiply", "original"]),
    ):
        items = group_at(path).properties[name].enum_items
        assert [item.identifier for item in items] == expected
        assert [item.value for item in items] == list(range(len(expected)))


def test_every_setting_is_in_blender_or_listed_as_absent() -> None:
    missing = {
        f"{kind.__name__}.{name}"
        for kind in (Settings, Clip, Limits, Animation, ExportSettings)
        for name, one in settings_of(kind).items()
        if not one.group or not any(shown in group_at(one.group).properties for shown in names_of(kind, name))
    }
    assert missing == {
        "Settings.locked",
        "Settings.preview_seconds",
        "Settings.exact",
        "Animation.overlap",
        "Animation.fps",
        "ExportSettings.engine",
        "ExportSettings.threads",
    }


def test_presets_hold_the_look_of_a_fit_but_no_path_or_engine() -> None:
    held = preset_names()
    assert set(held) == {"fit", "limits", "look", "target", "stamps", "clip"}
    assert set(held["fit"]) >= {"count", "size", "preset", "steps", "time_limit", "recipe", "space", "background"}
    assert not {"seed", "live", "recording"} & set(held["fit"])
    assert set(held["clip"]) >= {"iterations", "refinement", "knots", "smoothness", "flow", "fade", "still", "cut"}
    assert not {"start", "end", "step", "fps", "scene_start"} & set(held["clip"])
    assert set(held["stamps"]) == {"mode", "blend"}
    assert held["target"] == ("transparent",)
    for group in ("limits", "look"):
        properties = group_at(group).properties
        assert set(held[group]) == {
            name for name, _ in properties.items() if name not in ("rna_type", "name", "colors")
        }


@dataclass
class More(Settings):
    """The settings, and a new one."""

    sparkle: float = setting(
        0.25,
        "Sparkle",
        "Set how much the stamps sparkle",
        within=(0.0, 4.0),
        zero="not at all",
        group="look",
        preset=True,
    )


def test_a_new_setting_is_found_everywhere() -> None:
    with pytest.raises(UserError, match=r"^sparkle is 5, but must be from 0 to 4$"):
        check(More(sparkle=5.0))

    parser = argparse.ArgumentParser()
    add_settings(parser, More)
    assert "--sparkle X" in parser.format_help()
    assert "Set how much the stamps sparkle; 0 = not at all (0.25)" in " ".join(parser.format_help().split())

    assert "sparkle" in preset_names((More,))["look"]

    @with_settings("look", kinds=(More,))
    class DIFFBMP_PG_more(bpy.types.PropertyGroup):
        pass

    bpy.utils.register_class(DIFFBMP_PG_more)
    scenes: Any = bpy.types.Scene
    scenes.diffbmp_more = bpy.props.PointerProperty(type=DIFFBMP_PG_more)
    try:
        rna = DIFFBMP_PG_more.bl_rna.properties
        sparkle: Any = rna["sparkle"]
        scene: Any = bpy.context.scene
        assert (sparkle.name, sparkle.hard_min, sparkle.hard_max, sparkle.default) == ("Sparkle", 0.0, 4.0, 0.25)
        assert sparkle.description == "Set how much the stamps sparkle; 0 = not at all"
        scene.diffbmp_more.sparkle = 0.7
        assert values_of(scene.diffbmp_more, More, "look")["sparkle"] == 0.7
        (row,) = (row for row in rows_of(rna.items(), "look", (More,)) if row[0] == "sparkle")
        assert row[1:] == ("Sparkle", "0 to 4, **0.25**", sparkle.description, "--sparkle")
    finally:
        del scenes.diffbmp_more
        bpy.utils.unregister_class(DIFFBMP_PG_more)


@pytest.mark.parametrize("end", ["hard_min", "hard_max"])
@pytest.mark.parametrize(
    ("group", "kind"),
    [("fit", Settings), ("limits", Limits), ("look", Settings), ("clip", Clip), ("animate", Animation)],
)
def test_every_number_can_be_set_to_its_ends(group: str, kind: type[Any], end: str) -> None:
    """Blender keeps single precision, which may lie beyond an end."""
    properties = getattr(bpy.context.scene.diffbmp, group)
    for rna in properties.bl_rna.properties:
        if rna.type in ("INT", "FLOAT") and not getattr(rna, "is_array", False):
            setattr(properties, rna.identifier, getattr(rna, end))
    values = values_of(properties, kind, group)
    for name, value in values.items():
        if (group, name) != ("clip", "start"):  # 0 = the first frame of a scene
            check_value(kind, name, value)
