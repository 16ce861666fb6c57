"""Measure the architecture: rooms, arrows between them, modules and lines of each folder.

`ENV/bin/python -m tests.support.house`, from the project's folder. A room is a folder or a file right below `backend`;
`operators` and `panels` are a room each. Inside `operators`, its folders and files are the rooms.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("backend", "operators", "panels")


def import_graph() -> grimp.ImportGraph:
    """Returns the imports of the package `diffbmp`, whatever the name of the project's folder."""
    spec = spec_from_file_location("diffbmp", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    sys.modules.setdefault("diffbmp", module_from_spec(spec))
    return grimp.build_graph("diffbmp", cache_dir=None)


def room_of(module: str) -> str:
    """The room of a module in the whole house; "" outside of rooms."""
    _, part, *rest = [*module.split("."), ""]
    if part not in PARTS:
        return ""
    return f"backend.{rest[0]}" if part == "backend" and rest[0] else part


def room_of_operators(module: str) -> str:
    """The room of a module inside `operators`; "" for other modules and its __init__."""
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "operators" else ""


def arrows(graph: grimp.ImportGraph, *, inside_operators: bool = False) -> set[tuple[str, str]]:
    """The pairs of rooms whose first imports from the second."""
    room = room_of_operators if inside_operators else room_of
    pairs = {(room(m), room(other)) for m in graph.modules for other in graph.find_modules_directly_imported_by(m)}
    return {(one, other) for one, other in pairs if one and other and one != other}


def modules_of_folders() -> Counter[str]:
    """The number of modules in each folder, without __init__ and __main__."""
    files = (
        path for part in (*PARTS, "tests") for path in (ROOT / part).rglob("*.py") if not path.name.startswith("__")
    )
    return Counter(path.parent.relative_to(ROOT).as_posix() for path in files)


def lines_of_folders() -> Counter[str]:
    """The lines of Python in each folder, without subfolders."""
    lines: Counter[str] = Counter()
    for part in PARTS:
        for path in (ROOT / part).rglob("*.py"):
            lines[path.parent.relative_to(ROOT).as_posix()] += len(path.read_text(encoding="utf-8").splitlines())
    return lines


def main() -> None:
    graph = import_graph()
    whole, inside = arrows(graph), arrows(graph, inside_operators=True)
    modules, lines = modules_of_folders(), lines_of_folders()
    out = [f"{'folder':<32}{'modules':>8}{'lines':>8}"]
    out += [f"{folder:<32}{modules[folder]:>8}{count:>8}" for folder, count in sorted(lines.items())]
    out += [f"{part:<40}{sum(n for f, n in lines.items() if f.split('/')[0] == part):>8}" for part in PARTS]
    out.append(f"arrows between rooms: {len(whole)} in the whole house, {len(inside)} inside operators")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
