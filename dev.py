"""The development commands of DiffBMP, on Linux, macOS and Windows; each does the set-up that it needs.

    python3 dev.py demo            fit a photograph with stamps in Blender, rebuild and render it
    python3 dev.py test [ARGS]     all tests, in Blender 4.5, 5.0 and 5.2; ARGS go to pytest (paths choose suites)
    python3 dev.py bench [ARGS]    the benchmarks, as ratios measured in one run
    python3 dev.py gallery         docs/gallery.md and its pictures
    python3 dev.py lint            formatting, style, types
    python3 dev.py build           every platform's engine and the extension's zip, in build/
    python3 dev.py setup           the environments alone

Environment: CI=true makes a missing Python a failure instead of a skip. DIFFBMP_TORCH=cpu takes PyTorch without CUDA
from PyTorch's own index (on Linux some 0.2 GB instead of 3 GB), where that can be reached.
"""

from __future__ import annotations

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
TIMED_OUT = 124

# Debian's names of what `import bpy` loads from the system.
BLENDER_LIBRARIES = ["libgl1", "libice6", "libsm6", "libx11-6", "libxext6", "libxfixes3", "libxi6"]
BLENDER_LIBRARIES += ["libxkbcommon0", "libxrender1"]


class Failure(Exception):
    """Ends the command with a sentence."""


class PythonMissing(Failure):
    """No working interpreter of a version that an environment needs."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment in the project's folder.

    python: its version, as "3.11". group: its packages, a dependency group in pyproject.toml.
    """

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
        return (
            self.stamp.is_file()
            and self.interpreter.exists()
            and self.stamp.read_text(encoding="utf-8") == self.fingerprint()
        )


MAIN = Environment(ROOT / ".venv", "3.11", "dev", "5.0")
OLDEST = Environment(ROOT / ".venv-4.5", "3.11", "blender-4.5", "4.5")
NEWEST = Environment(ROOT / ".venv-5.2", "3.13", "blender-5.2", "5.2")


# --- commands --------------------------------------------------------------------------------------------------------


def setup() -> None:
    """Makes all environments and this machine's engine."""
    prepare_main()
    for environment in (OLDEST, NEWEST):
        prepare_or_skip(environment)


def demo(args: list[str]) -> None:
    run(prepare_main(), "docs/demo/run.py", *args)


def bench(args: list[str]) -> None:
    run(prepare_main(), "-m", "backend", "bench", *args)


def gallery(args: list[str]) -> None:
    run(prepare_main(), "-m", "docs.gallery.make", *args)


def test(args: list[str]) -> None:
    """Runs every suite, however the earlier ones end; those in Blender, which holds the add-on, in processes."""
    python = prepare_main()
    prepare_readers()
    suites = [(MAIN, "tests", ["--ignore=tests/blender"])]
    suites += [(environment, "tests/blender", []) for environment in (MAIN, OLDEST, NEWEST)]
    chosen = [arg for arg in args if arg.startswith("tests") and (ROOT / arg.split("::")[0]).exists()]
    options = [arg for arg in args if arg not in chosen]

    codes = []
    for environment, folder, extra in suites:
        paths = [path for path in chosen if path.startswith("tests/blender") == (folder == "tests/blender")]
        if (chosen and not paths) or not prepare_or_skip(environment):
            continue
        heading(f"{folder} with Blender {environment.blender}")
        arguments = [*(paths or [folder]), *extra, *options]
        command = [str(environment.interpreter), "-m", "pytest", *arguments]
        codes.append(run(*command, check=False, minutes=15, variables={"DIFFBMP_BACKEND_PYTHON": str(python)}))

    no_test = 5  # pytest's exit code where options such as -k leave none: right for some suites, not for all
    if any(code not in ((0, no_test) if options else (0,)) for code in codes):
        raise Failure("Some tests failed")
    if 0 not in codes:
        raise Failure("No test ran")


def lint() -> None:
    """Runs every check, however the earlier ones end."""
    python = prepare_main()
    sources = [*ROOT.glob("backend/csrc/*"), *ROOT.glob("tests/backend/emulation/*")]
    kernels = sorted(path for path in sources if path.suffix in {".h", ".cpp", ".cu"})
    addon = [link_package() / name for name in ("__init__.py", "operators", "panels")]
    codes = [
        run(python, "-m", "ruff", "format", "--check", ".", check=False),
        run(python, "-m", "ruff", "check", ".", check=False),
        run(python, "-m", "mypy", "dev.py", "backend", "tests", *addon, check=False),
        run(MAIN.script("clang-format"), "--dry-run", "-Werror", *kernels, check=False),
    ]
    if any(codes):
        raise Failure("Some checks failed")


def build() -> None:
    """Makes build/diffbmp-VERSION.zip, the extension as it is installed."""
    python = prepare_main()
    run(python, "-m", "backend.csrc.build", "--all")
    (ROOT / "build").mkdir(exist_ok=True)
    for old in (ROOT / "build").glob("diffbmp-*.zip"):
        old.unlink()
    (tool,) = MAIN.folder.glob("**/bl_pkg/cli/blender_ext.py")  # part of Blender; needs no Blender to run
    run(python, tool, "build", "--source-dir", ROOT, "--output-dir", ROOT / "build")
    (archive,) = (ROOT / "build").glob("diffbmp-*.zip")
    run(python, tool, "validate", archive)
    say(f"{archive.relative_to(ROOT)}: {archive.stat().st_size / 1e6:.1f} MB")


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
    heading(f"Setting up {environment.folder.name}: Python {environment.python}, Blender {environment.blender}")
    environment.stamp.unlink(missing_ok=True)
    if probe([str(environment.interpreter)], environment.python) is None:
        base = find_python(environment.python)
        say(f"from {base}")
        run(base, "-m", "venv", "--clear", environment.folder)
    say("installing " + ", ".join(environment.requirements) + ": this takes some minutes")
    quiet = [] if sys.stdout.isatty() else ["--progress-bar=off"]
    options = ["--disable-pip-version-check", *quiet, *torch_index()]
    run(environment.interpreter, "-m", "pip", "install", *options, *environment.requirements)
    check_blender(environment)
    environment.stamp.write_text(environment.fingerprint(), encoding="utf-8")


def prepare_readers() -> None:
    """In CI, installs ImageMagick for the tests of exports; where it cannot be had, some are skipped."""
    if os.environ.get("CI") == "true" and shutil.which("apt-get") and not shutil.which("convert-im6"):
        run("apt-get", "update", check=False)
        run("apt-get", "install", "-y", "--no-install-recommends", "imagemagick", check=False)


def torch_index() -> list[str]:
    """pip's options for PyTorch without CUDA, where that was asked for and can be had."""
    if os.environ.get("DIFFBMP_TORCH") != "cpu":
        return []
    try:
        urllib.request.urlopen(f"{TORCH_CPU_INDEX}/torch/", timeout=10).close()
    except OSError as error:
        say(f"PyTorch's own index cannot be reached ({error}): taking the usual one")
        return []
    return ["--extra-index-url", TORCH_CPU_INDEX]


def check_blender(environment: Environment) -> None:
    """Imports bpy, and installs the system's libraries that it lacks."""
    say("importing bpy")
    error = import_error(environment)
    missing = re.search(r"(lib\S+\.so\S*): cannot open shared object file", error)
    if missing:
        install_debian(BLENDER_LIBRARIES, f"Blender needs {missing[1]} and finds no such library")
        error = import_error(environment)
    if error:
        raise Failure(f"bpy cannot be imported in {environment.folder.name}:\n{error}")


def import_error(environment: Environment) -> str:
    """What `import bpy` ends with, "" where it works."""
    command = [str(environment.interpreter), "-c", "import bpy"]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600, check=False)
    return result.stderr.strip() or f"exit code {result.returncode}" if result.returncode else ""


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


# --- interpreters ----------------------------------------------------------------------------------------------------

PROBE = """
import importlib.util, json, sys
print(json.dumps(["%d.%d" % sys.version_info[:2], getattr(sys, "_base_executable", sys.executable),
                  importlib.util.find_spec("ensurepip") is not None]))
"""


@dataclass(frozen=True)
class Interpreter:
    path: str
    can_make_environments: bool  # Debian takes that part out of Python


def find_python(version: str) -> str:
    """Path of a working Python of this version. Raises PythonMissing where there is none."""
    found = None
    for command in candidates(version):
        interpreter = probe(command, version)
        if interpreter and interpreter.can_make_environments:
            return interpreter.path
        found = found or interpreter
    if found is None:
        raise PythonMissing(f"Python {version} is needed, and none that works was found: install it and try again")
    install_debian([f"python{version}-venv"], f"{found.path} lacks the module ensurepip")
    return found.path


def candidates(version: str) -> Iterator[list[str]]:
    """Commands that may start a Python of this version, the likeliest first. Some may be shims that fail."""
    suffix = ".exe" if WINDOWS else ""
    yield [sys.executable]
    for name in (f"python{version}", "python3", "python"):
        for folder in os.get_exec_path():
            path = Path(folder, name + suffix)
            if path.is_file():
                yield [str(path)]
    for place in INSTALL_PLACES:
        pattern = place.format(version=version, digits=version.replace(".", ""))
        for found in sorted(glob.glob(os.path.expandvars(os.path.expanduser(pattern)))):
            yield [found]
    if WINDOWS and shutil.which("py"):
        yield ["py", f"-{version}"]


INSTALL_PLACES = (  # of pyenv, uv, Homebrew and the installers, for systems where these are not on the path
    "$PYENV_ROOT/versions/{version}.*/bin/python{version}",
    "~/.pyenv/versions/{version}.*/bin/python{version}",
    "~/.pyenv/pyenv-win/versions/{version}.*/python.exe",
    "$UV_PYTHON_INSTALL_DIR/cpython-{version}*/bin/python{version}",
    "~/.local/share/uv/python/cpython-{version}*/bin/python{version}",
    "~/AppData/Roaming/uv/python/cpython-{version}*/python.exe",
    "~/AppData/Local/Programs/Python/Python{digits}/python.exe",
    "/opt/homebrew/bin/python{version}",
    "/usr/local/bin/python{version}",
    "/usr/bin/python{version}",
    "/Library/Frameworks/Python.framework/Versions/{version}/bin/python{version}",
)


def probe(command: Sequence[str], version: str) -> Interpreter | None:
    """The interpreter that the command starts (of a virtual environment, the one below it), if it is of the version."""
    try:
        result = subprocess.run([*command, "-I", "-c", PROBE], capture_output=True, text=True, timeout=30, check=True)
        found, path, can_make_environments = json.loads(result.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(path, can_make_environments) if found == version else None


# --- small tools -----------------------------------------------------------------------------------------------------


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
        code = TIMED_OUT
    if check and code:
        raise Failure(f"Failed with exit code {code}: {' '.join(text)}")
    return code


def heading(text: str) -> None:
    say(f"\n=== {text}")


def say(text: str) -> None:
    print(text, flush=True)


def main(args: list[str]) -> int:
    with_args = {"demo": demo, "test": test, "bench": bench, "gallery": gallery}
    without = {"lint": lint, "build": build, "setup": setup}
    name, rest = (args[0], args[1:]) if args else ("", [])
    started = time.monotonic()
    try:
        if sys.version_info < (3, 11):  # noqa: UP036  the project's own minimum does not hold for who calls this
            return run(find_python(MAIN.python), __file__, *args, check=False)
        if name in with_args:
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
