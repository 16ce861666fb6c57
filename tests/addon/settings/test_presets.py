"""Presets: shipped ones, the artist's own, and the settings that they keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest
from diffbmp.operators.fit.troubleshoot import report_of
from diffbmp.operators.settings import presets
from diffbmp.panels import sidebar

from tests.addon.support.scenes import make_scene

NAMES = ["Default", "Draft", "Fine", "Brush Strokes", "Collage", "Confetti", "Mosaic", "Upright Letters"]

# As AddPresetBase wrote it before presets reset anything: it has fewer settings than presets own today.
OLD = """import bpy
settings = bpy.context.scene.diffbmp

settings.fit.count = 321
settings.fit.preset = 'custom'
settings.fit.steps = 77
settings.fit.background = (0.25, 0.5, 0.75)
settings.limits.size_min = 3.0
settings.limits.size_max = 4.0
settings.look.palette = 'given'
settings.target.transparent = True
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the artist's own presets, in a new folder of scripts."""
    monkeypatch.setenv("BLENDER_USER_SCRIPTS", str(tmp_path))
    # Blender calls the panel after the preset that was used last.
    monkeypatch.setattr(sidebar.DIFFBMP_PT_presets, "bl_label", sidebar.DIFFBMP_PT_presets.bl_label)
    folder = tmp_path / "presets" / presets.FOLDER
    folder.mkdir(parents=True)
    assert bpy.utils.preset_paths(presets.FOLDER) == [str(folder)]
    return folder


def kind_of(group: str, name: str) -> bpy.types.Property:
    return getattr(bpy.context.scene.diffbmp, group).bl_rna.properties[name]


def plain(value: Any) -> Any:
    return tuple(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def values_of(settings: bpy.types.PropertyGroup) -> dict[tuple[str, str], Any]:
    return {(group, name): plain(getattr(getattr(settings, group), name)) for group, name in presets.owned()}


def default_of(kind: bpy.types.Property) -> Any:
    return tuple(kind.default_array) if getattr(kind, "is_array", False) else kind.default


def other_than(value: Any, kind: bpy.types.Property) -> Any:
    """Returns another valid value of a property."""
    if kind.type == "BOOLEAN":
        return not value
    if kind.type == "ENUM":
        return next(item.identifier for item in kind.enum_items if item.identifier != value)
    if getattr(kind, "is_array", False):
        return tuple(0.5 * number for number in value)
    low, high = kind.soft_min, min(kind.soft_max, 500)
    return next(number for number in map(type(value), (low, high, (low + high) / 2)) if number != value)


def change_everything(settings: bpy.types.PropertyGroup) -> None:
    """Sets each setting that presets own to a value other than its default."""
    for group, name in presets.owned():
        kind = kind_of(group, name)
        setattr(getattr(settings, group), name, other_than(default_of(kind), kind))
    # A limit moves the other one of its pair.
    limits = settings.limits
    limits.size_min, limits.size_max = 5.0, 30.0
    limits.rotation_min, limits.rotation_max = -0.1, 0.2
    limits.opacity_min, limits.opacity_max = 0.3, 0.6
    settings.fit.preset, settings.fit.steps = "custom", 55
    changed = values_of(settings)
    assert not [key for key in presets.owned() if changed[key] == default_of(kind_of(*key))]


def apply(name: str) -> None:
    assert bpy.ops.diffbmp.apply_preset(name=name) == {"FINISHED"}


@pytest.fixture
def settings() -> bpy.types.PropertyGroup:
    """The settings of a scene where all those that presets own differ from the defaults."""
    settings = bpy.context.scene.diffbmp
    change_everything(settings)
    return settings


@pytest.fixture
def fresh() -> Iterator[bpy.types.PropertyGroup]:
    """The settings of another scene, with their defaults."""
    scene = bpy.data.scenes.new("Fresh")
    yield scene.diffbmp
    bpy.data.scenes.remove(scene)


def test_shipped_presets_have_the_order_of_the_menu() -> None:
    assert list(presets.SHIPPED) == NAMES
    assert all(preset["description"][-1].isalnum() for preset in presets.SHIPPED.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_the_defaults_and_its_values(
    name: str, settings: bpy.types.PropertyGroup, fresh: bpy.types.PropertyGroup
) -> None:
    for group, values in presets.SHIPPED[name].items():
        if group != "description":
            for key, value in values.items():
                setattr(getattr(fresh, group), key, value)
    apply(name)
    assert values_of(settings) == values_of(fresh)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_holds_valid_values_of_settings_that_presets_own(name: str, fresh: bpy.types.PropertyGroup) -> None:
    given = {
        (group, key): value
        for group, values in presets.SHIPPED[name].items()
        if group != "description"
        for key, value in values.items()
    }
    assert set(given) <= set(presets.owned())
    for (group, key), value in given.items():
        kind = kind_of(group, key)
        assert type(value) is type(kind.default)
        assert value != default_of(kind)
        if kind.type in ("INT", "FLOAT"):
            assert kind.hard_min <= value <= kind.hard_max
        setattr(getattr(fresh, group), key, value)  # Blender raises TypeError for a value that an enum lacks.
    # No value moves another, as a limit beyond its partner would.
    found = values_of(fresh)
    assert {key: found[key] for key in given} == pytest.approx(given)


def test_the_preset_default_holds_the_defaults(
    settings: bpy.types.PropertyGroup, fresh: bpy.types.PropertyGroup
) -> None:
    apply("Default")
    assert values_of(settings) == values_of(fresh)
    assert values_of(settings) == {key: default_of(kind_of(*key)) for key in presets.owned()}
    assert not [line for line in report_of(bpy.context.scene).split("\n") if line.startswith("  ")]


@pytest.mark.parametrize("before", NAMES)
def test_a_preset_is_the_same_after_any_other(before: str, fresh: bpy.types.PropertyGroup) -> None:
    settings = bpy.context.scene.diffbmp
    apply("Mosaic")
    alone = values_of(settings)
    settings.fit.recipe = "paper"
    apply(before)
    apply("Mosaic")
    assert values_of(settings) == alone
    assert settings.fit.recipe == "default"


def test_settings_of_one_picture_or_computer_stay(folder: Path) -> None:
    scene = make_scene()
    settings = scene.diffbmp
    color = settings.look.colors.add()
    color.color = (0.25, 0.5, 0.75)
    settings.regions.entries.add().look.follow = 0.5
    settings.fit.seed, settings.fit.recording, settings.fit.live = 7, 50, True
    settings.backend.threads, settings.stamps.resolution, settings.clip.step = 3, 64, 2
    settings.build.layout, settings.build.spread = "layout", 0.5
    (folder / "Mine.py").write_text(OLD, encoding="utf-8")
    image, stamps = settings.target.image, [stamp.name for stamp in settings.stamps.entries]
    assert image
    assert stamps
    for name in (*NAMES, "Mine"):
        apply(name)
        assert settings.target.image == image
        assert [stamp.name for stamp in settings.stamps.entries] == stamps
        assert [tuple(entry.color) for entry in settings.look.colors] == [(0.25, 0.5, 0.75)]
        assert settings.regions.entries[0].look.follow == 0.5
        assert (settings.fit.seed, settings.fit.recording, settings.fit.live) == (7, 50, True)
        assert (settings.backend.threads, settings.stamps.resolution, settings.clip.step) == (3, 64, 2)
        assert (settings.build.layout, settings.build.spread) == ("layout", 0.5)


def test_presets_own_all_settings_of_a_fit() -> None:
    """A new property in these groups must be added to presets or to this list."""
    left = {"fit": {"seed", "live", "recording"}, "limits": set(), "look": {"colors"}}
    left["clip"] = {"start", "end", "step", "scene_start", "fps"}
    for group, names in left.items():
        found = set(getattr(bpy.context.scene.diffbmp, group).bl_rna.properties.keys()) - {"rna_type", "name"}
        assert found == names | {key for owner, key in presets.owned() if owner == group}


def test_an_old_own_preset_loads_after_a_reset(
    folder: Path, settings: bpy.types.PropertyGroup, fresh: bpy.types.PropertyGroup
) -> None:
    (folder / "My_Old_Preset.py").write_text(OLD, encoding="utf-8")
    fresh.fit.count, fresh.fit.preset, fresh.fit.steps, fresh.fit.background = 321, "custom", 77, (0.25, 0.5, 0.75)
    fresh.limits.size_min, fresh.limits.size_max = 3.0, 4.0
    fresh.look.palette, fresh.target.transparent = "given", True
    apply("My Old Preset")
    assert values_of(settings) == values_of(fresh)


def test_an_own_preset_is_saved_applied_and_removed(folder: Path, settings: bpy.types.PropertyGroup) -> None:
    settings.look.palette = "given"
    settings.look.colors.add().color = (0.25, 0.5, 0.75)
    kept = values_of(settings)
    assert bpy.ops.diffbmp.add_preset(name="Deep Sea") == {"FINISHED"}
    assert presets.own_presets() == {"Deep Sea": folder / "Deep_Sea.py"}
    settings.look.colors.clear()
    settings.look.colors.add()
    settings.look.colors.add()
    apply("Default")
    apply("Deep Sea")
    assert values_of(settings) == kept
    assert [tuple(entry.color) for entry in settings.look.colors] == [(0.25, 0.5, 0.75)]
    assert bpy.ops.diffbmp.add_preset(name="Deep Sea", remove_name=True) == {"FINISHED"}
    assert not presets.own_presets()


def test_a_preset_without_a_list_of_colors_keeps_the_list(folder: Path) -> None:
    assert bpy.ops.diffbmp.add_preset(name="Plain") == {"FINISHED"}
    assert "colors" not in (folder / "Plain.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["Mosaic", "Brush Strokes", " Brush_Strokes "])
def test_a_shipped_preset_is_neither_replaced_nor_removed(folder: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match="comes with DiffBMP: choose another name"):
        bpy.ops.diffbmp.add_preset(name=name)
    assert bpy.ops.diffbmp.add_preset(name=name, remove_name=True) == {"CANCELLED"}
    assert not list(folder.iterdir())
    apply("Brush Strokes")


def test_an_own_preset_hides_a_shipped_one_of_the_same_name(folder: Path) -> None:
    (folder / "Mosaic.py").write_text(OLD, encoding="utf-8")
    apply("Mosaic")
    assert bpy.context.scene.diffbmp.fit.count == 321


def test_an_unknown_name_is_reported_and_changes_nothing(settings: bpy.types.PropertyGroup) -> None:
    before = values_of(settings)
    with pytest.raises(RuntimeError, match=r'There is no preset "Mosaics", only Default, Draft, .*Upright Letters'):
        bpy.ops.diffbmp.apply_preset(name="Mosaics")
    assert values_of(settings) == before


WRONG = {
    "settings.look.order = 'nothing'": "has a value that does not suit",
    "settings.fit.background = (0.5, 0.5)": "has a value that does not suit",
    "settings.fit.count = 10000000000000000000000": "has a value that does not suit",
    f"settings.fit.count = 0x{290 * 'f'}": "holds '0xf.*f', which is no setting",
    "settings.fit.count = 1e999": "holds '1e999', which is no setting",
    "settings.fit.count = [].__len__()": r"holds '\[\].__len__\(\)', which is no setting",
    "settings.fit.count = open('ran', 'w')": ".*which is no setting",
    "settings.fit.count = 3; open('ran', 'w')": ".*which is no setting",
    "settings.fit.count = " + 3000 * "(": ".*which is no setting",
    "settings.fit.seed = 3": "has no setting 'fit.seed' to set",
    "settings.build.layout = 'a'": "has no setting 'build.layout' to set",
    "import os": "holds 'import os', which is no setting",
    "open('ran', 'w')": ".*which is no setting",
    "bpy.ops.wm.quit_blender()": ".*which is no setting",
    "item_sub_1.color = (1, 2)": "has a value that does not suit",
    "\0": ".*which is no setting",
}


@pytest.mark.parametrize("line", WRONG)
def test_an_own_preset_that_is_wrong_runs_nothing_and_leaves_the_settings(
    line: str, folder: Path, settings: bpy.types.PropertyGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / "Wrong.py").write_text(f"{OLD}{line}\n", encoding="utf-8")
    settings.look.colors.add().color = (0.25, 0.5, 0.75)
    before = values_of(settings)
    with pytest.raises(RuntimeError, match=f"^Error: The preset 'Wrong' {WRONG[line]}"):
        bpy.ops.diffbmp.apply_preset(name="Wrong")
    assert values_of(settings) == before
    assert [tuple(entry.color) for entry in settings.look.colors] == [(0.25, 0.5, 0.75)]
    assert not (tmp_path / "ran").exists()


def test_an_own_preset_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "Bytes.py").write_bytes(b"\xff\xfe")
    (folder / "Folder.py").mkdir()
    (folder / "Large.py").write_bytes(2_000_000 * b"#")
    for name in ("Bytes", "Folder", "Large"):
        with pytest.raises(RuntimeError, match=f"^Error: The preset '{name}' "):
            bpy.ops.diffbmp.apply_preset(name=name)


def test_applying_a_preset_is_one_undo_step() -> None:
    bpy.context.scene.diffbmp.fit.recipe = "paper"
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.diffbmp.apply_preset("EXEC_DEFAULT", True, name="Mosaic") == {"FINISHED"}
    assert bpy.context.scene.diffbmp.limits.opaque
    bpy.ops.ed.undo()
    settings = bpy.context.scene.diffbmp
    assert (settings.fit.recipe, settings.limits.opaque) == ("paper", False)
