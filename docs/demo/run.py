"""The demo: a photograph made of leaves, petals, brush strokes and letters, through the add-on's own buttons.

    python3 dev.py demo

makes a scene with the stamps, runs Optimize and Build as a script would, saves the result and renders it with Cycles.
It writes to build/demo: demo.blend (before), result.blend (after), the renders, and comparison.png with target, engine
and Blender side by side. The photograph is NASA's, of the astronaut Eileen Collins (public domain, from scikit-image's
collection).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import bpy
import stamps

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def main() -> None:
    args = parse()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    add_on = enable_add_on(args.backend)
    scene = make_scene(args.target)
    settings = scene.diffbmp
    settings.fit.count, settings.fit.size, settings.fit.steps = args.count, args.size, args.steps
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "demo.blend"), compress=True)

    check(bpy.ops.diffbmp.optimize())
    check(bpy.ops.diffbmp.build())
    result = settings.build.scene
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "result.blend"), compress=True)
    for samples in (1, 16):
        result.cycles.samples = samples
        result.render.filepath = str(out / f"blender_{samples}.png")
        bpy.ops.render.render(write_still=True, scene=result.name)

    layout = Path(settings.build.layout)
    compare = [args.backend or sys.executable, HERE / "compare.py", args.target, layout, out]
    code = subprocess.run([str(part) for part in compare], cwd=ROOT, check=False, timeout=600).returncode
    # bpy 4.5 never exits while the add-on is registered.
    add_on.unregister()
    sys.exit(code)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fits a photograph with stamps in Blender, rebuilds and renders it.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo", help="folder for the results")
    parser.add_argument("--target", type=Path, default=HERE / "astronaut.jpg")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--backend", default="", help="the backend's Python (the one that runs this)")
    return parser.parse_args()


def enable_add_on(backend: str) -> ModuleType:
    """Registers the add-on from this checkout; in Blender it is an installed extension."""
    spec = spec_from_file_location("diffbmp", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    if spec is None or spec.loader is None:
        sys.exit(f"{ROOT} holds no add-on")
    module = module_from_spec(spec)
    sys.modules["diffbmp"] = module
    spec.loader.exec_module(module)
    module.register()
    add_on = bpy.context.preferences.addons.new()
    add_on.module = "diffbmp"
    add_on.preferences.python = backend
    return module


def make_scene(target: Path) -> bpy.types.Scene:
    """Fills the current scene: the target's image, and a collection with a row of stamps, each a textured plane."""
    scene = bpy.context.scene
    collection = bpy.data.collections.new("Stamps")
    scene.collection.children.link(collection)
    left = 0.0
    for name, pixels in stamps.draw_all().items():
        height, width = pixels.shape[:2]
        image = bpy.data.images.new(name, width, height, alpha=True)
        image.pixels.foreach_set((pixels[::-1] / 255).astype("float32").ravel())
        image.pack()
        plane = stamp_plane(image)
        plane.location.x = left + width / 200
        left += width / 100 + 0.1
        collection.objects.link(plane)
    settings = scene.diffbmp
    settings.target.image = bpy.data.images.load(str(target))
    settings.stamps.collection = collection
    # White stamps take the fitted color unchanged; the others mix in their own.
    settings.stamps.mode, settings.stamps.blend = "multiply", 0.6
    return scene


def stamp_plane(image: bpy.types.Image) -> bpy.types.Object:
    """A plane that shows the image, with 100 pixels per unit."""
    x, y = image.size[0] / 200, image.size[1] / 200
    mesh = bpy.data.meshes.new(image.name)
    mesh.from_pydata([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new().data.foreach_set("uv", [0, 0, 1, 0, 1, 1, 0, 1])
    material = bpy.data.materials.new(image.name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    texture.location = (-300, 300)
    for output, entry in (("Color", "Base Color"), ("Alpha", "Alpha")):
        material.node_tree.links.new(texture.outputs[output], shader.inputs[entry])
    mesh.materials.append(material)
    return bpy.data.objects.new(image.name, mesh)


def check(result: set[str]) -> None:
    if "FINISHED" not in result:
        sys.exit("The demo ended early; the reason is printed above")


if __name__ == "__main__":
    main()
