"""The rules of the house: the places of files, and forbidden texts. pyproject.toml has the import contracts."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from tests.support import house

ROOT = Path(__file__).resolve().parent.parent

TOP_LEVEL = {
    *("blender_manifest.toml", "__init__.py", "operators", "panels", "backend", "tests", "docs", ".ci", "dev.py"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "SECURITY.md", "pyproject.toml", ".gitignore"),
    *(".gitattributes", ".editorconfig", ".github", ".pre-commit-config.yaml"),
}


def tracked_files() -> list[Path]:
    """The project's files relative to its folder: tracked by git, or new and not ignored."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("only a git checkout says which files are the project's")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    return [Path(name) for name in sorted(set(listing.split("\0"))) if name and (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, relative names resolved against the project's folder as "./a.b"."""
    package = path.parent.parts
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "./" + ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (prefix, node.module) if part).replace("./.", "./")
            yield from ((node.lineno, f"{module}.{alias.name}".replace("./.", "./")) for alias in node.names)


def test_the_top_level_has_only_known_files() -> None:
    assert {path.parts[0] for path in tracked_files()} == TOP_LEVEL


def test_imports_inside_the_packages_are_relative() -> None:
    """The name of the add-on's package differs between installations."""
    own = {"backend", "operators", "panels", "diffbmp"}
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files()
        if path.parts[0] in {"backend", "operators", "panels", "__init__.py"}
        for line, name in imported_modules(path)
        if name.split(".")[0] in own
    ]
    assert not wrong


def test_the_seam_needs_only_the_standard_library_and_numpy() -> None:
    """Blender's own Python imports it."""
    allowed = sys.stdlib_module_names | {"numpy"}
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files()
        if path.parts[:2] == ("backend", "job")
        for line, name in imported_modules(path)
        if not name.startswith("./backend.job") and name.split(".")[0] not in allowed
    ]
    assert not wrong


def test_rooms_have_few_arrows_between_them() -> None:
    graph = house.import_graph()
    assert len(house.arrows(graph)) <= 80
    assert len(house.arrows(graph, inside_operators=True)) <= 80


def test_folders_have_few_modules() -> None:
    assert {folder: count for folder, count in house.modules_of_folders().items() if count > 14} == {}


def test_the_root_module_imports_nothing_of_the_package_on_load() -> None:
    """So that pytest, mypy and the backend run in the folder without Blender."""
    outside = [node for node in parse(Path("__init__.py")).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert all(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in outside)


def test_nothing_changes_the_search_path_or_global_state() -> None:
    wrong = []
    for path in python_files():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Global):
                wrong.append(f"{path}:{node.lineno} global {', '.join(node.names)}")
            if isinstance(node, ast.Attribute) and node.attr == "path" and ast.unparse(node.value) == "sys":
                wrong.append(f"{path}:{node.lineno} sys.path")
    assert not wrong


def test_files_and_functions_are_short() -> None:
    limits = {".py": 400, ".h": 300, ".cpp": 300, ".cu": 300}
    wrong = []
    for path in tracked_files():
        if path.suffix in limits:
            lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
            if lines > limits[path.suffix]:
                wrong.append(f"{path}: {lines} lines, at most {limits[path.suffix]}")
    for path in python_files():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 50:
                    wrong.append(f"{path}:{node.lineno} {node.name}: {lines} lines, at most 50")
    assert not wrong


def test_a_fit_asks_numpy_for_nothing_that_depends_on_the_processor() -> None:
    """Its own versions of these are not rounded alike everywhere: see docs/recipe.md."""
    elementary = {"exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "float_power", "cbrt", "hypot"}
    elementary |= {"sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh"}
    products = {"matmul", "dot", "vdot", "inner", "tensordot", "einsum", "convolve", "correlate", "linalg", "fft"}
    forbidden = elementary | products | {"random"}
    rooms = {"engines", "fitting", "metrics", "native", "pictures", "templates"}
    wrong = []
    for path in python_files():
        if path.parts[0] != "backend" or path.parts[1] not in rooms or "cuda" in path.parts:
            continue
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np" and node.attr in forbidden:
                wrong.append(f"{path}:{node.lineno} np.{node.attr}")
    assert not wrong


def test_no_file_is_large() -> None:
    assert not [str(path) for path in tracked_files() if (ROOT / path).stat().st_size > 2_000_000]


def test_tests_are_not_packages() -> None:
    """With an __init__.py, pytest would take this folder as their package, whatever its name."""
    assert not [str(path) for path in python_files() if path.parts[0] == "tests" and path.name == "__init__.py"]


# Hosts of package registries and paths of somebody's machine. In halves, so that this file does not hold them.
FORBIDDEN = {
    "a package registry's host": r"py"
    + r"pi\.(org|io)|python"
    + r"hosted|npm"
    + r"js\.|conda\.(org|anaconda)|deb\.deb"
    + r"ian",
    "a path of one machine": r"(?<![\w.~])/(wo" + r"rk|ro" + r"ot|ho" + r"me|Us" + r"ers)/\w|\.\./sha" + r"red",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_texts_name_no_external_place(what: str) -> None:
    wrong = []
    for path in tracked_files():
        data = (ROOT / path).read_bytes()
        if b"\0" in data or path.name == "LICENSE":
            continue
        for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
            if re.search(FORBIDDEN[what], line):
                wrong.append(f"{path}:{number}: {line.strip()}")
    assert not wrong


def test_development_requirements_meet_those_of_the_project() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = dict(pin.split("==") for pin in data["dependency-groups"]["dev"])
    for group in data["dependency-groups"].values():
        assert all("==" in requirement for requirement in group)
    extras = [
        names for extra, names in data["project"]["optional-dependencies"].items() if not extra.startswith("cuda")
    ]
    for requirement in [*data["project"]["dependencies"], *(name for names in extras for name in names)]:
        name, least = requirement.split(">=")
        assert [int(n) for n in pins[name].split(".")] >= [int(n) for n in least.split(".")]


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension's zip, built from the working tree by Blender's own tool and valid for it."""
    blender = find_spec("bpy")
    assert blender is not None
    assert blender.origin is not None
    (tool,) = Path(blender.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    archive = tmp_path_factory.mktemp("extension") / "diffbmp.zip"
    for arguments in (
        ["build", "--source-dir", str(ROOT), "--output-filepath", str(archive)],
        ["validate", str(archive)],
    ):
        result = subprocess.run(
            [sys.executable, tool, *arguments], capture_output=True, text=True, timeout=100, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr
    return archive


def test_the_extension_has_only_the_files_that_blender_needs(extension: Path) -> None:
    names = set(zipfile.ZipFile(extension).namelist())
    assert {"blender_manifest.toml", "__init__.py", "LICENSE", "backend/__main__.py", "backend/job/job.py"} <= names
    assert {f"operators/install/locks/{name}.txt" for name in ("pip", "base", "torch", "cuda12", "cuda13")} <= names
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert folders == {"operators", "panels", "backend"}
    assert {name for name in names if "/" not in name} == {"blender_manifest.toml", "__init__.py", "LICENSE"}
    libraries = {name for name in names if name.startswith("backend/lib/")}
    assert libraries
    assert {Path(name).suffix for name in libraries} <= {".so", ".dll", ".dylib"}
    sources = {path.as_posix() for path in tracked_files() if path.parts[0] in folders and path.name[0] != "."}
    assert sources == {name for name in names - libraries if "/" in name}


def test_the_backend_of_the_extension_fits_and_leaves_the_code_unchanged(extension: Path, tmp_path: Path) -> None:
    code, target, out = tmp_path / "code", tmp_path / "target.png", tmp_path / "out"
    zipfile.ZipFile(extension).extractall(code)
    Image.radial_gradient("L").resize((32, 24)).save(target)
    before = sorted(code.rglob("*"))
    python = [sys.executable, "-E", "-s", "-X", f"pycache_prefix={tmp_path / 'cache'}", "-m", "backend"]
    options = ["--count", "5", "--size", "32", "--iterations", "2", "--engine", "cpu"]
    command = [*python, "fit", str(target), "--templates", str(target), "--out", str(out), *options]
    result = subprocess.run(command, cwd=code, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (out / "layout.npz").is_file()
    assert sorted(code.rglob("*")) == before
