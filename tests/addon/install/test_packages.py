"""What is installed: the build of PyTorch and the requirements."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.install import lock, packages
from diffbmp.operators.install.packages import Card, choose_build
from diffbmp.operators.install.verdict import judge
from diffbmp.operators.process.child import clean_environment

from tests.addon.support.wheels import VERSION, native_tag, write_wheel

ROOT = Path(__file__).resolve().parents[3]


def test_the_installed_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = dict(project["optional-dependencies"])
    assert {f"cuda{major}": extras.pop(f"cuda{major}") for major in packages.CUDA_PACKAGES} == {
        f"cuda{major}": list(names) for major, names in packages.CUDA_PACKAGES.items()
    }
    assert extras.pop("torch") == [packages.TORCH]
    assert list(packages.PACKAGES) == [*project["dependencies"], *(name for names in extras.values() for name in names)]


@pytest.mark.parametrize(
    ("driver", "variants"),
    [
        ("610.10", ("cu130", "cu128", "cu126")),
        ("580.65.06", ("cu130", "cu128", "cu126")),
        ("572.16", ("cu128", "cu126")),
        ("525.60.13", ("cu126",)),
        ("470.82", ("cpu",)),
    ],
)
def test_the_driver_decides_the_build(driver: str, variants: tuple[str, ...]) -> None:
    assert choose_build(Card("Card", driver), system="linux").variants == variants
    assert choose_build(Card("Card", driver), system="win32").variants == variants
    assert choose_build(Card("Card", driver), system="darwin").variants == ()
    assert choose_build(Card("Card", driver), "cpu", "linux").variants == ("cpu",)


def test_a_build_says_why_it_was_chosen() -> None:
    assert choose_build(Card("RTX 4090", "580.1"), system="linux").reason == (
        "PyTorch for CUDA 13.0: RTX 4090, driver 580.1"
    )
    old = choose_build(Card("GTX 1660", "470.82"), system="linux")
    assert old.reason.endswith("The driver 470.82 of the GTX 1660 is too old: at least 525 is needed")
    assert choose_build(None, system="linux").variants == ("cpu",)
    with pytest.raises(UserError, match=r"470.82 .* is too old: .* - update NVIDIA's driver, or choose the CPU"):
        choose_build(Card("GTX 1660", "470.82"), "nvidia", "linux")
    with pytest.raises(UserError, match="No NVIDIA card with a driver was found"):
        choose_build(None, "nvidia", "linux")


def test_the_answer_of_the_driver_is_read() -> None:
    text = "NVIDIA H100 80GB HBM3, 580.95.05\nNVIDIA T4, 580.95.05\n"
    assert packages.read_card(text) == Card("NVIDIA H100 80GB HBM3", "580.95.05")
    assert packages.read_card("NVIDIA-SMI has failed because it couldn't communicate, sorry\n") is None
    assert packages.read_card("") is None


@pytest.mark.skipif(os.name != "posix", reason="stands in for a program by a shell script")
def test_the_card_is_found_through_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\n[ $# = 2 ] && echo 'NVIDIA GeForce RTX 4090, 581.29'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert packages.find_card() == Card("NVIDIA GeForce RTX 4090", "581.29")


def test_pytorch_comes_from_its_own_index_and_from_a_mirror_if_set() -> None:
    own = "https://download.pytorch.org/whl/cu130"
    assert packages.torch_options("cu130", "") == ["--index-url", own]
    assert packages.torch_options("cu130", "https://m") == ["--index-url", "https://m"]
    assert packages.torch_options("", "") == []
    assert "nvidia-cuda-nvrtc==13.*" in packages.cuda_packages("cu130")
    assert "nvidia-cuda-nvrtc-cu12" in packages.cuda_packages("cu126")
    assert packages.cuda_packages("cpu") == packages.cuda_packages("") == ()


@pytest.mark.parametrize(
    "index",
    [
        *("", "https://mirror.example/simple", "https://jane:secret@mirror.example:8443/simple", "file:///srv/simple"),
        *("http://localhost:3141/simple", "http://127.0.0.1/simple", "http://[::1]:80/"),
    ],
)
def test_a_safe_index_is_taken(index: str) -> None:
    assert packages.checked_index(f" {index} ") == index


@pytest.mark.parametrize(
    "index",
    [
        *("http://mirror.example/simple", "HTTP://jane:secret@mirror.example", "http://localhost.example/", "https://"),
        *("http://127.0.0.1.example/", "http://localhost@mirror.example", "ftp://mirror.example", "mirror.example"),
        *("http://[::1/", "https://[x/simple", "git+http://mirror.example", "http:mirror"),
    ],
)
def test_an_index_that_others_could_change_is_refused(index: str) -> None:
    with pytest.raises(UserError, match="is not safe: use an address with https://") as caught:
        packages.checked_index(index)
    assert "secret" not in caught.value.message
    assert "jane" not in caught.value.message


def test_the_computer_of_any_address_is_known() -> None:
    hosts = {"https://jane:p@Mirror.example:8080/simple": "mirror.example", "https://[x/simple": "", "a b": "", "": ""}
    assert {index: packages.host_of(index) for index in hosts} == hosts


def test_the_usual_index_has_some_builds() -> None:
    assert lock.usual("cu130", "linux", "x86_64") == lock.usual("cpu", "win32", "AMD64") == lock.PYPI
    assert lock.usual("cpu", "linux", "x86_64") == "cpu"
    assert lock.usual("cu130", "win32", "AMD64") == "cu130"
    assert lock.usual("cu126", "linux", "x86_64") == "cu126"


def test_the_locks_have_the_tested_versions_and_hashes() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    tested = dict(pin.split("==") for pin in groups["dev"])
    locked = lock.locked_hashes()
    assert all(locked.values())
    assert lock.locked_torch() == f"torch=={tested['torch']}"
    names = [re.split("[<>=]", name)[0] for name in (packages.TORCH, *packages.PACKAGES, *packages.CUDA_PACKAGES[13])]
    assert not {(name.replace("-", "_"), tested[name]) for name in names} - set(locked)
    for path in lock.LOCKS.glob("*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert all(
            re.match(r"[a-z0-9-]+==[\w.+]+( ; .*)? \\$|    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in lines
        )


def test_wheels_decide_the_python_version(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        packages.wheel_versions(tmp_path / "nowhere")
    with pytest.raises(UserError, match="has no PyTorch"):
        packages.wheel_versions(tmp_path)
    write_wheel(tmp_path, "torch", "9.0+cpu", tag="cp311-cp311-other_system")
    with pytest.raises(UserError, match="is for another system: it must be for"):
        packages.wheel_versions(tmp_path)
    write_wheel(tmp_path, "torch", "9.0+cpu", tag=native_tag("3.9"))
    with pytest.raises(UserError, match=r"is for Python 3\.9: 3\.11 to 3\.14 can be used"):
        packages.wheel_versions(tmp_path)
    write_wheel(tmp_path, "torch", "9.0+cpu", tag=native_tag("3.11"))
    write_wheel(tmp_path, "torch", "9.0+cpu", tag=native_tag("3.13"))
    assert packages.wheel_versions(tmp_path) == ("3.13", "3.11")
    assert packages.wheel_cuda_packages(tmp_path) == ()
    write_wheel(tmp_path, "cuda_bindings", "12.9.1", tag=native_tag())
    assert packages.wheel_cuda_packages(tmp_path) == packages.CUDA_PACKAGES[12]


def engine(name: str, works: bool, device: str = "", cause: str = "", error: float | None = None) -> str:
    number = "null" if error is None else error
    return (
        f'{{"name": "{name}", "works": {str(works).lower()}, "device": "{device}", "cause": "{cause}", '
        f'"image_error": {number}}}'
    )


def test_the_verdict_is_a_plain_sentence() -> None:
    def verdict(*engines: str, has_card: bool = False) -> tuple[bool, str, bool]:
        found = judge(f'A warning\n{{"engines": [{", ".join(engines)}]}}\n', "", has_card)
        return found.works, found.sentence, found.complete

    cpu = engine("cpu", True, "8 CPU threads, AVX2", error=1e-7)
    cuda = engine("cuda:0", True, "NVIDIA RTX 4090", error=1e-7)
    none = engine("cuda", False, cause="This PyTorch is built without CUDA")
    slow = engine("reference", True, "PyTorch", error=1e-7)
    assert verdict(none, cpu, slow) == (True, "Ready: 8 CPU threads, AVX2, proven equal to the reference", True)
    assert verdict(none, cpu, slow, has_card=True)[1].endswith(
        ". The engine for NVIDIA cards does not run: This PyTorch is built without CUDA"
    )
    assert verdict(cuda, cpu, slow)[1] == (
        "Ready: NVIDIA RTX 4090 and 8 CPU threads, AVX2, each proven equal to the reference"
    )
    wrong = verdict(engine("cpu", False, "8 CPU threads", error=0.1), slow)
    assert wrong == (False, "The engine cpu differs from the reference: choose another", True)
    assert verdict(none, slow)[0] is False
    alone = engine("cpu", True, "8 CPU threads, AVX2"), engine("reference", False, cause="The reference needs PyTorch")
    assert verdict(none, *alone) == (True, "Ready: 8 CPU threads, AVX2", True)
    assert verdict(none, *alone, has_card=True)[1] == (
        "Ready: 8 CPU threads, AVX2. The engine for NVIDIA cards does not run: This PyTorch is built without CUDA"
    )
    assert judge("Segmentation fault", "exit code 3", False).sentence == "The backend does not work: exit code 3"


def test_variables_of_other_software_do_not_reach_a_child() -> None:
    foreign = {
        **dict.fromkeys(
            ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_INDEX_URL", "VIRTUAL_ENV", "CONDA_PREFIX"), "x"
        ),
        **dict.fromkeys(("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "__PYVENV_LAUNCHER__"), "x"),
    }
    network = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
    kept = dict.fromkeys(("PATH", "HOME", "TEMP", "CUDA_VISIBLE_DEVICES", *network), "y")
    assert clean_environment({**foreign, **kept}) == kept
    assert "PATH" in clean_environment()


def test_wheels_of_this_python_suit_this_system(tmp_path: Path) -> None:
    write_wheel(tmp_path, "torch", "9.0+cpu", tag=native_tag())
    assert packages.wheel_versions(tmp_path) == (VERSION,)
    assert sys.version.startswith(VERSION)
