"""The steps of an installation in their order. They know nothing of Blender."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...backend.job import Action, UserError
from ..process.child import leashed_module
from ..process.worker import ADD_ON_FOLDER, backend_command
from .calls import Calls, Cancelled, State, reason
from .env_folder import BackendFolder, Marker
from .lock import PYPI, check_wheels, digest, is_locked, lock_options, locked_torch, usual
from .packages import (
    PACKAGES,
    TORCH,
    Build,
    Plan,
    choose_build,
    cuda_packages,
    find_card,
    has_nvidia_driver,
    index_options,
    torch_options,
    wheel_cuda_packages,
    wheel_versions,
)
from .pip import Pip, is_missing
from .pythons import VERSIONS, Python, find_python, probe
from .verdict import Verdict, judge

_UNPACKED = 4.5
"""Upper estimate of how many times larger packages are than their wheels."""


def find_build(plan: Plan, calls: Calls) -> Build:
    """Returns the build of PyTorch that suits the card. Raises UserError as choose_build does."""
    if plan.wheels:
        return Build((), f"The packages in {plan.wheels}")
    calls.begin("Looking for a graphics card", 0.01)
    build = choose_build(find_card() if plan.device != "cpu" else None, plan.device)
    calls.note(build.reason)
    return build


def choose_python(plan: Plan, calls: Calls) -> Python:
    """Returns the plan's Python, or finds one. Raises UserError where none suits."""
    versions = wheel_versions(plan.wheels) if plan.wheels else VERSIONS
    calls.begin("Looking for a Python", 0.02)
    python = probe([plan.python]) if plan.python else find_python(versions, check=calls.check)
    if python is None or python.version not in versions:
        raise UserError(f"{plan.python} is not a Python {' or '.join(versions)} that can make environments")
    calls.note(f"Python {python.version}: {python.path}")
    return python


def check_space(plan: Plan, build: Build, state: State) -> None:
    """Raises UserError where the disk has too little room."""
    download, unpacked = build.sizes
    if plan.wheels:
        download = 0
        unpacked = int(sum(path.stat().st_size for path in plan.wheels.glob("*.whl")) * _UNPACKED / 1e6)
    state.total = download
    plan.folder.check_space(max(download + unpacked - plan.folder.size(), 0))


@contextmanager
def whole_stays_whole(folder: BackendFolder, state: State) -> Iterator[None]:
    """Keeps a working environment in use where an installation fails before it replaces any package."""
    before, packages, was_whole = folder.marker, folder.packages(), not folder.flaw()
    try:
        yield
    except (Cancelled, UserError):
        if was_whole and before is not None and not state.replaces and folder.packages() == packages:
            folder.write_marker(before)
        raise


def make_environment(folder: BackendFolder, calls: Calls, pip: Pip, python: Python) -> None:
    """Makes the environment, or reuses that of an earlier installation with the same Python version."""
    calls.begin("Making the environment", 0.03)
    folder.write_marker(Marker(base=python.path, python=python.version))
    if folder.version() == python.version and pip.version() > (0, 0):
        folder.drop_incomplete()
        return
    calls.state.replaces = True
    code, lines = calls.run(leashed_module(python.path, "venv", "--clear", folder.env), folder.path)
    if code:
        raise UserError(f"The environment cannot be made with {python.path}: {reason(code, lines)}", Action.SHOW_LOG)


def install_packages(plan: Plan, calls: Calls, pip: Pip, build: Build, python: str) -> list[str]:
    """Installs all packages, in the tested versions unless the plan wants the newest. Returns their requirements."""
    if plan.wheels:
        return _install_wheels(plan, plan.wheels, calls, pip, python)
    calls.begin("Updating pip", 0.05)
    pip.renew()
    if plan.newest:
        variant = _first_there(
            build.variants or (PYPI,), calls, lambda name: _install_newest_torch(plan, pip, name, python)
        )
        rest = [*PACKAGES, *cuda_packages(_variant(plan.folder) or variant)]
        pip.install(index_options(plan.index), rest, python, (0.75, 0.95))
        return [TORCH, *rest]
    variants = [usual(variant) for variant in build.variants]
    if plan.index or not variants:  # a mirror may have nothing but what the usual index has
        variants.append(PYPI)
    _first_there(variants, calls, lambda name: _install_locked(plan, calls, pip, name, python))
    return [TORCH, *PACKAGES]


def _first_there(variants: Sequence[str], calls: Calls, install: Callable[[str], None]) -> str:
    """Installs the first variant of PyTorch that the index has; returns it. Raises UserError where that fails."""
    for variant in variants[:-1]:
        try:
            install(variant)
        except UserError:
            if not is_missing(calls.state.lines):
                raise
            calls.note(f"The index has no PyTorch {variant or 'of the tested version'}")
        else:
            return variant
    install(variants[-1])
    return variants[-1]


def _install_wheels(plan: Plan, wheels: Path, calls: Calls, pip: Pip, python: str) -> list[str]:
    """Installs from a folder of wheels. Returns the requirements."""
    if not plan.newest:
        calls.begin("Comparing the wheels with those that were tested", 0.05)
        if unknown := check_wheels(wheels, calls.check):
            calls.note(f"Installed without a hash, because other versions were tested: {', '.join(unknown)}")
    requirements = [TORCH, *PACKAGES, *wheel_cuda_packages(wheels)]
    options = ["--no-index", "--find-links", str(wheels), "--no-cache-dir"]
    pip.install(options, requirements, python, (0.06, 0.95))
    return requirements


def _install_locked(plan: Plan, calls: Calls, pip: Pip, variant: str, python: str) -> None:
    """Installs what the locks list, and a variant of PyTorch that no lock has by its exact version."""
    index, there = index_options(plan.index), _variant(plan.folder)
    # pip takes a build with a suffix for one without it.
    anew = ["--force-reinstall"] if there and there != variant else []
    if variant == PYPI:
        pip.install([*index, *anew, *lock_options("base", "torch")], [], python, (0.06, 0.95))
        return
    cuda = [f"cuda{variant[2:-1]}"] if cuda_packages(variant) else []
    pip.install([*index, *lock_options("base", *cuda)], [], python, (0.06, 0.3))
    own, lock = torch_options(variant, plan.index), f"torch-{variant}"
    if is_locked(lock):
        pip.install([*own, *lock_options(lock)], [], python, (0.3, 0.95))
        return
    version = f"{locked_torch()}+{variant}"
    calls.note(f"{version} and NVIDIA's libraries for it are pinned by their versions, without hashes")
    pip.install(own, [version], python, (0.3, 0.95))


def _install_newest_torch(plan: Plan, pip: Pip, variant: str, python: str) -> None:
    """Installs the newest version of a variant of PyTorch."""
    options, there = torch_options(variant, plan.index), _variant(plan.folder)
    if there and variant and there != variant:
        # pip does not tell builds for different devices apart.
        pip.install([*options, "--force-reinstall", "--no-deps"], [TORCH], python, (0.06, 0.4))
    pip.install(options, [TORCH], python, (0.06, 0.75))


def _variant(folder: BackendFolder) -> str:
    """The variant of the installed PyTorch, such as "cu130"; "" where there is none or it is unknown."""
    return folder.packages().get("torch", "").partition("+")[2]


def check_backend(plan: Plan, calls: Calls) -> Verdict:
    """Runs the backend's check of itself. Returns its verdict."""
    calls.begin("Checking the backend against the reference", 0.96)
    command = backend_command(str(plan.folder.interpreter), plan.byte_code, "doctor", "--json")
    code, lines = calls.run(command, ADD_ON_FOLDER)
    return judge("\n".join(lines), reason(code, lines), has_nvidia_driver())


def tidy_up(plan: Plan, calls: Calls, python: Python, requirements: Sequence[str]) -> None:
    """Deletes pip's cache, and marks the environment as whole."""
    calls.begin("Tidying up", 0.99)
    folder, lock = plan.folder, "" if plan.newest or plan.wheels else digest()
    shutil.rmtree(folder.cache, ignore_errors=True)  # it is as large as the environment
    size, packages = folder.size(), folder.packages()
    folder.write_marker(Marker(True, python.version, python.path, size, packages, list(requirements), lock))
    calls.state.step, calls.state.fraction = "Done", 1.0
