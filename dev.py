"""The development commands of DiffBMP, on Linux, macOS and Windows; each does the set-up that it needs.

    python3 dev.py demo              fit a photograph with stamps in Blender, rebuild and render it
    python3 dev.py test [ARGS]       all tests, in Blender 4.5, 5.0 and 5.2; ARGS go to pytest (paths choose suites)
        --blender 5.2                the add-on's tests in this Blender alone; the backend's where a path names them
        --coverage                   the lines that the tests reach, in build/coverage; the add-on's in Blender 5.0
    python3 dev.py bench [ARGS]      the benchmarks, as ratios measured in one run
    python3 dev.py gallery           docs/gallery.md and its pictures
    python3 dev.py fuzz [ARGS]       damaged and hostile input of every kind; --minutes N
    python3 dev.py soak [ARGS]       the add-on in background Blender, by seed; --minutes N
    python3 dev.py lock              the hashes of what the add-on installs, in operators/install/locks/
    python3 dev.py lint              formatting, style, types, who imports whom
    python3 dev.py build             every platform's engine and the extension's zip, in build/
    python3 dev.py release VERSION   the release's files, in build/release/; commits nothing, uploads nothing
    python3 dev.py setup             the environments alone

Environment: CI=true makes a missing Python a failure instead of a skip. DIFFBMP_TORCH=cpu takes PyTorch without CUDA
from PyTorch's own index (on Linux some 0.2 GB instead of 3 GB), where that can be reached.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
WINDOWS = sys.platform == "win32"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
ADDON_TESTS = "tests/addon"
# What some commands run in the main environment.
PROGRAMS = {"demo": ["docs/demo/run.py"], "bench": ["-m", "backend", "bench"], "gallery": ["-m", "docs.gallery.make"]}
PROGRAMS |= {name: ["-m", f"tests.trust.{name}"] for name in ("fuzz", "soak")} | {"lock": ["-m", "tests.support.locks"]}

# Some processes, each with whole modules, which share what they set up: a module alone is sooner done without them.
PARALLEL = ["--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder"]

# Debian's names of what `import bpy` loads from the system.
BLENDER_LIBRARIES = ["libgl1", "libice6", "libsm6", "libx11-6", "libxext6", "libxfixes3", "libxi6"]
BLENDER_LIBRARIES += ["libxkbcommon0", "libxrender1"]


class Failure(Exception):
    """Ends the command with a sentence."""


class PythonMissing(Failure):
    """No working interpreter of a version that an environment needs."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment in the project's folder. group: its packages, a dependency group in pyproject.toml."""

    folder: Path
    python: str
    group: str
    blender: str

    @property
    def interpreter(self) -> Path:
        return self.script("python")

    def script(self, name: str) -> Path:
        return self.folder / ("Scripts" if WINDOWS else "bin") / (f"{name}.exe" if WINDOWS else name)

    @property
    def requirements(self) -> list[str]:
        import tomllib  # here, because the older Pythons that main() hands over from lack it

        with open(ROOT / "pyproject.toml", "rb") as file:
            return list(tomllib.load(file)["dependency-groups"][self.group])

    def fingerprint(self) -> str:
        """Changes whenever the packages or the interpreter do."""
        parts = [self.python, *self.requirements, (self.folder / "pyvenv.cfg").read_text(encoding="utf-8")]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def stamp(self) -> Path:
        return self.folder / "diffbmp-stamp"

    def is_ready(self) -> bool:
        made = self.stamp.is_file() and self.interpreter.exists()
        return made and self.stamp.read_text(encoding="utf-8") == self.fingerprint()


MAIN = Environment(ROOT / ".venv", "3.11", "dev", "5.0")
OLDEST = Environment(ROOT / ".venv-4.5", "3.11", "blender-4.5", "4.5")
NEWEST = Environment(ROOT / ".venv-5.2", "3.13", "blender-5.2", "5.2")
ENVIRONMENTS = (MAIN, OLDEST, NEWEST)


def setup() -> None:
    """Makes all environments and this machine's engine."""
    prepare_main()
    for environment in (OLDEST, NEWEST):
        prepare_or_skip(environment)


def test(args: list[str]) -> None:
    """Runs every suite, however the earlier ones end; those in Blender, which holds the add-on, in processes."""
    parser = argparse.ArgumentParser("dev.py test", add_help=False, allow_abbrev=False)
    parser.add_argument("--blender", choices=[environment.blender for environment in ENVIRONMENTS])
    parser.add_argument("--coverage", action="store_true")
    own, others = parser.parse_known_args(args)
    chosen = [arg for arg in others if arg.startswith("tests") and (ROOT / arg.split("::")[0]).exists()]
    options = [arg for arg in others if arg not in chosen]
    paths = chosen or ([ADDON_TESTS] if own.blender else ["tests", ADDON_TESTS])
    of_addon = [path for path in paths if path.startswith(ADDON_TESTS)]
    suites = [(MAIN, [path for path in paths if path not in of_addon], [f"--ignore={ADDON_TESTS}"])]
    blenders = (MAIN,) if own.coverage else ENVIRONMENTS
    suites += [(environment, of_addon, []) for environment in blenders if own.blender in (None, environment.blender)]

    variables = {"DIFFBMP_BACKEND_PYTHON": str(prepare_main()), "COVERAGE_FILE": str(ROOT / "build" / "coverage.data")}
    if own.coverage:
        run(MAIN.interpreter, "-m", "coverage", "erase", variables=variables)
        options += ["--cov", "--cov-append", "--cov-report=html:build/coverage"]
    codes = []
    for environment, paths, extra in suites:
        if not paths or not prepare_or_skip(environment):
            continue
        say(f"\n=== {' '.join(paths)} with Blender {environment.blender}")
        command = [str(environment.interpreter), "-m", "pytest", *paths, *extra]
        shared = PARALLEL if all((ROOT / path).is_dir() for path in paths) else []
        codes.append(run(*command, *shared, *options, check=False, minutes=30, variables=variables))
    no_test = 5  # pytest's exit code where options such as -k leave none: right for some suites, not for all
    if 0 not in codes or any(code not in ((0, no_test) if options else (0,)) for code in codes):
        raise Failure("Some tests failed, or none ran")


def lint() -> None:
    """Runs every check, however the earlier ones end."""
    python = prepare_main()
    sources = [*ROOT.glob("backend/csrc/*"), *ROOT.glob("tests/backend/emulation/*")]
    kernels = sorted(path for path in sources if path.suffix in {".h", ".cpp", ".cu"})
    addon = [link_package() / name for name in ("__init__.py", "operators", "panels")]
    path = {"PYTHONPATH": str(link_package().parent)}
    codes = [
        run(python, "-m", "ruff", "format", "--check", ".", check=False),
        run(python, "-m", "ruff", "check", ".", check=False),
        run(python, "-m", "mypy", "dev.py", "backend", "tests", *addon, check=False),
        run(MAIN.script("lint-imports"), "--cache-dir", "build/cache/imports", check=False, variables=path),
        run(MAIN.script("clang-format"), "--dry-run", "-Werror", *kernels, check=False),
    ]
    if any(codes):
        raise Failure("Some checks failed")


def build(folder: Path = ROOT / "build") -> None:
    """Makes diffbmp-VERSION.zip, the extension as it is installed."""
    run(prepare_main(), "-m", "backend.csrc.build", "--all")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("diffbmp-*.zip"):
        old.unlink()
    extension_tool("build", "--source-dir", ROOT, "--output-dir", folder)
    (archive,) = folder.glob("diffbmp-*.zip")
    extension_tool("validate", archive)
    say(f"{archive.relative_to(ROOT)}: {archive.stat().st_size / 1e6:.1f} MB")


def release(args: list[str]) -> None:
    """Makes build/release/: the zip, the index of an extension repository, and the notes. See docs/contributing.md."""
    version, folder = " ".join(args), ROOT / "build" / "release"
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout:
        raise Failure("There are changes that are not committed: commit or remove them, then release")
    notes = state_version(ROOT, version, time.strftime("%Y-%m-%d"))
    shutil.rmtree(folder, ignore_errors=True)
    build(folder)
    extension_tool("server-generate", "--repo-dir", folder)
    (folder / "notes.md").write_text(notes, encoding="utf-8")
    say(f"Next: git commit -am 'Version {version}', git tag v{version}, and upload what lies in build/release/")


def state_version(root: Path, version: str, day: str) -> str:
    """Writes the version wherever it is stated. Returns the release's notes: what the changelog had as Unreleased."""
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = re.search(r"(?<=## \[Unreleased\]\n).*?(?=\n## |\Z)", changelog, re.DOTALL)
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or f"## [{version}]" in changelog:
        raise Failure(f"{version or 'Nothing'} cannot be released: say a new version of three numbers, as 1.2.0")
    if unreleased is None or not unreleased[0].strip():
        raise Failure("CHANGELOG.md has nothing under Unreleased: say there what changes")
    for name, old, new in (
        ("blender_manifest.toml", r'^version = ".*"', f'version = "{version}"'),
        ("CITATION.cff", r"^version: .*(\ndate-released: .*)?", f"version: {version}\ndate-released: {day}"),
        ("CHANGELOG.md", r"^## \[Unreleased\]", f"## [Unreleased]\n\n## [{version}] - {day}"),
    ):
        text = (root / name).read_text(encoding="utf-8")
        (root / name).write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE), encoding="utf-8", newline="\n")
    return unreleased[0].strip() + "\n"


def extension_tool(*arguments: str | Path) -> None:
    """Runs the part of Blender that makes extensions; it needs no Blender to run."""
    (tool,) = MAIN.folder.glob("**/bl_pkg/cli/blender_ext.py")
    run(MAIN.interpreter, tool, *arguments)


# --- environments ----------------------------------------------------------------------------------------------------


def prepare_main() -> Path:
    """The development environment's Python, with this machine's engine built."""
    prepare(MAIN)
    run(MAIN.interpreter, "-m", "backend.csrc.build")  # checks by itself whether there is something to do
    return MAIN.interpreter


def prepare_or_skip(environment: Environment) -> bool:
    """Whether the environment is there. A missing Python is said and skipped, under CI it is a failure."""
    try:
        prepare(environment)
    except PythonMissing as error:
        if os.environ.get("CI") == "true":
            raise
        say(f"SKIPPED Blender {environment.blender}: {error}")
        return False
    return True


def prepare(environment: Environment) -> None:
    """Makes the environment or brings it up to date, where its stamp does not say that it is."""
    if environment.is_ready():
        return
    say(f"\n=== Setting up {environment.folder.name}: Python {environment.python}, Blender {environment.blender}")
    environment.stamp.unlink(missing_ok=True)
    if not probe([str(environment.interpreter)], environment.python)[0]:
        run(find_python(environment.python), "-m", "venv", "--clear", environment.folder)
    say("installing " + ", ".join(environment.requirements) + ": this takes some minutes")
    quiet = [] if sys.stdout.isatty() else ["--progress-bar=off"]
    options = ["--disable-pip-version-check", *quiet, *torch_index()]
    run(environment.interpreter, "-m", "pip", "install", *options, *environment.requirements)
    check_blender(environment)
    environment.stamp.write_text(environment.fingerprint(), encoding="utf-8")


def torch_index() -> list[str]:
    """pip's options for PyTorch without CUDA, where that was asked for and can be had."""
    if os.environ.get("DIFFBMP_TORCH") == "cpu":
        try:
            urllib.request.urlopen(f"{TORCH_CPU_INDEX}/torch/", timeout=10).close()
            return ["--extra-index-url", TORCH_CPU_INDEX]
        except OSError as error:
            say(f"PyTorch's own index cannot be reached ({error}): taking the usual one")
    return []


def check_blender(environment: Environment) -> None:
    """Imports bpy, and installs the system's libraries that it lacks."""
    command = [str(environment.interpreter), "-c", "import bpy"]
    for first in (True, False):
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600, check=False)
        if result.returncode == 0:
            return
        missing = re.search(r"(lib\S+\.so\S*): cannot open shared object file", result.stderr)
        if not (missing and first):
            break
        install_debian(BLENDER_LIBRARIES, f"Blender needs {missing[1]} and finds no such library")
    raise Failure(
        f"bpy cannot be imported in {environment.folder.name}: exit code {result.returncode}\n{result.stderr}"
    )


def install_debian(packages: Sequence[str], reason: str) -> None:
    """Installs packages of Debian (or a relative) as root; otherwise fails with the reason and the command to run."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        raise Failure(f"{reason}: install it by your system's package manager (Debian calls it {' '.join(packages)})")
    if os.geteuid() != 0:
        raise Failure(f"{reason}. Run this, then try again:\n  sudo {' '.join(command)}")
    say(f"{reason}: installing {' '.join(packages)}")
    run("apt-get", "update", check=False)  # a stale list may still do
    run(*command, variables={"DEBIAN_FRONTEND": "noninteractive"})


# Debian takes what makes environments, ensurepip, out of Python.
PROBE = """
import importlib.util, json, sys
print(json.dumps(["%d.%d" % sys.version_info[:2], getattr(sys, "_base_executable", sys.executable),
                  importlib.util.find_spec("ensurepip") is not None]))
"""


def find_python(version: str) -> str:
    """Path of a working Python of this version. Raises PythonMissing where there is none."""
    incomplete = ""
    for command in candidates(version):
        path, makes_environments = probe(command, version)
        if makes_environments:
            return path
        incomplete = incomplete or path
    if not incomplete:
        raise PythonMissing(f"Python {version} is needed, and none that works was found: install it and try again")
    install_debian([f"python{version}-venv"], f"{incomplete} lacks the module ensurepip")
    return incomplete


def candidates(version: str) -> Iterator[list[str]]:
    """Commands that may start a Python of this version, the likeliest first. Some may be shims that fail."""
    yield [sys.executable]
    places = [os.path.expandvars(os.path.expanduser(place.format(version))) for place in INSTALL_PLACES]
    folders = [*os.get_exec_path(), *(found for place in places for found in sorted(glob.glob(place)))]
    for name in (f"python{version}", "python3", "python"):
        for folder in folders:
            path = Path(folder, f"{name}.exe" if WINDOWS else name)
            if path.is_file():
                yield [str(path)]
    if WINDOWS and shutil.which("py"):  # knows what the installers installed
        yield ["py", f"-{version}"]


INSTALL_PLACES = (  # of pyenv, uv, Homebrew and the system, for systems where these are not on the path
    *("$PYENV_ROOT/versions/{}.*/bin", "~/.pyenv/versions/{}.*/bin", "~/.pyenv/pyenv-win/versions/{}.*"),
    *("$UV_PYTHON_INSTALL_DIR/cpython-{}*/bin", "~/.local/share/uv/python/cpython-{}*/bin"),
    *("~/AppData/Roaming/uv/python/cpython-{}*", "/opt/homebrew/bin", "/usr/local/bin", "/usr/bin"),
)


def probe(command: Sequence[str], version: str) -> tuple[str, bool]:
    """Path of the Python behind the command, "" if it is of another version; and whether it makes environments."""
    try:
        result = subprocess.run([*command, "-I", "-c", PROBE], capture_output=True, text=True, timeout=30, check=True)
        found, path, makes_environments = json.loads(result.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return "", False
    return (path, makes_environments) if found == version else ("", False)


def link_package() -> Path:
    """A link to this folder that is named as the add-on's package, whatever the folder itself is called."""
    link = MAIN.folder / "package" / "diffbmp"
    if not (link.exists() and link.samefile(ROOT)):
        link.parent.mkdir(exist_ok=True)
        if os.path.lexists(link):  # of a folder that was moved
            (os.rmdir if WINDOWS else os.unlink)(link)
        if WINDOWS:  # a junction needs no rights
            subprocess.run(["cmd", "/c", "mklink", "/J", str(link), str(ROOT)], check=True, timeout=60)
        else:
            link.symlink_to(Path("..", ".."), target_is_directory=True)
    return link


def run(*command: str | Path, check: bool = True, minutes: float = 60, variables: dict[str, str] | None = None) -> int:
    """Runs a command in the project's folder, its output shown. Returns its exit code; `check`: raises Failure."""
    text = [str(part) for part in command]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(variables or {})}
    try:
        code = subprocess.run(text, cwd=ROOT, env=environment, timeout=60 * minutes, check=False).returncode
    except subprocess.TimeoutExpired:
        say(f"Stopped after {minutes:g} minutes: {' '.join(text)}")
        code = 124
    if check and code:
        raise Failure(f"Failed with exit code {code}: {' '.join(text)}")
    return code


def say(text: str) -> None:
    print(text, flush=True)


def main(args: list[str]) -> int:
    with_args = {"test": test, "release": release}
    without = {"lint": lint, "build": build, "setup": setup}
    name, *rest = args or [""]
    started = time.monotonic()
    try:
        if sys.version_info < (3, 11):  # noqa: UP036  the project's own minimum does not hold for who calls this
            return run(find_python(MAIN.python), __file__, *args, check=False)
        if name in PROGRAMS:
            run(prepare_main(), *PROGRAMS[name], *rest, minutes=600)
        elif name in with_args:
            with_args[name](rest)
        elif name in without and not rest:
            without[name]()
        else:
            say(__doc__ or "")
            return 0 if name in ("-h", "--help", "help") else 2
    except Failure as failure:
        say(f"\ndev.py {name}: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130
    say(f"dev.py {name}: done in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
