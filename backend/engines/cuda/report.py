"""Reports the registers and memory of the CUDA kernels per architecture: python -m backend.engines.cuda.report [--json]

This works without a card and without a driver.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from ...job import UserError
from . import compiler

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
"""Turing, Ampere, Ada, Hopper and Blackwell, for servers and desktops."""

_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_MEMORY = re.compile(r"(\d+) bytes (smem|cmem)")


@dataclass(frozen=True)
class Variant:
    """An architecture and compiler options."""

    architecture: str
    linear: bool
    textured: bool

    @property
    def options(self) -> str:
        return f"LINEAR={self.linear:d} TEXTURED={self.textured:d}"


OPTIONS = [(linear, textured) for linear in (False, True) for textured in (False, True)]
VARIANTS = [Variant(architecture, *options) for options in OPTIONS for architecture in ARCHITECTURES]


@dataclass(frozen=True)
class Usage:
    """The resources of a kernel: registers and spilled bytes per thread, shared bytes per block, constant bytes."""

    kernel: str
    registers: int
    spills: int
    shared: int
    constant: int


def measure(variants: Iterable[Variant]) -> dict[Variant, list[Usage]]:
    """Compiles each variant and returns its kernels. Raises UserError with the compiler's first error."""
    chosen = list(variants)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(chosen, pool.map(_measured, chosen), strict=True))


def explain(found: dict[Variant, list[Usage]]) -> str:
    """Formats the registers as a table: a row per kernel, a column per architecture."""
    columns = list(dict.fromkeys(variant.architecture for variant in found))
    lines = ["Registers per thread + spilled bytes; shared memory per block, bytes"]
    for options in dict.fromkeys(variant.options for variant in found):
        of_options = {
            v.architecture: {u.kernel: u for u in usages} for v, usages in found.items() if v.options == options
        }
        lines += ["", f"{options:<20}" + "".join(f"{column:>9}" for column in columns) + "   shared"]
        for kernel in sorted({kernel for usages in of_options.values() for kernel in usages}):
            row = [of_options.get(column, {}).get(kernel) for column in columns]
            shared = max(usage.shared for usage in row if usage)
            lines.append(f"{kernel:<20}" + "".join(f"{_cell(usage):>9}" for usage in row) + f"{shared:>9}")
    return "\n".join(lines)


def parse(log: str) -> list[Usage]:
    """Parses the kernels from a log of ptxas -v, without the functions that they call."""
    usages = []
    for text in re.split(r"(?=Compiling entry function)", log)[1:]:
        entry, spills, used = _ENTRY.search(text), _SPILLS.search(text), _USED.search(text)
        if not (entry and spills and used):
            raise ValueError(f"Not a log of ptxas -v: {text[:200]}")
        memory = dict.fromkeys(("smem", "cmem"), 0)
        for size, kind in _MEMORY.findall(text[used.start() :].splitlines()[0]):
            memory[kind] += int(size)
        spilled = int(spills[1]) + int(spills[2])
        usages.append(Usage(entry[1], int(used[1]), spilled, memory["smem"], memory["cmem"]))
    return usages


def _measured(variant: Variant) -> list[Usage]:
    return parse(compiler.report(variant.architecture, linear=variant.linear, textured=variant.textured))


def _cell(usage: Usage | None) -> str:
    if usage is None:
        return "-"
    return f"{usage.registers}+{usage.spills}" if usage.spills else f"{usage.registers}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Report the registers and memory of the CUDA kernels.")
    parser.add_argument("--json", action="store_true", help="write JSON")
    as_json = parser.parse_args().json
    try:
        found = measure(VARIANTS)
    except UserError as error:
        sys.exit(error.message)
    data = [{**asdict(variant), **asdict(usage)} for variant, usages in found.items() for usage in usages]
    sys.stdout.write((json.dumps(data, indent=1) if as_json else explain(found)) + "\n")


if __name__ == "__main__":
    main()
