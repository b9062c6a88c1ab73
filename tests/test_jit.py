import ast
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import event

import kmad
from kmad import _jit
from kmad._jit import FUSE, REORDER, frozen, fusing_kernel, inner_kernel, kernel, reordering_kernel

SOURCES = sorted(Path(kmad.__file__).parent.rglob("*.py"))
FLAGS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
DECORATORS = {"kernel", "fusing_kernel", "inner_kernel", "reordering_kernel"}

# Prints, for every kernel of the package, its flags, whether it has a cache, and whether it was compiled.
INSPECT = """
import importlib, json, pkgutil
from numba.core import event
from numba.core.dispatcher import Dispatcher
with event.install_recorder("numba:compile") as compilations:
    import kmad
    found = pkgutil.walk_packages(kmad.__path__, "kmad.")
    modules = [importlib.import_module(module.name) for module in found if "__" not in module.name]
kernels = {
    f"{module.__name__}.{name}": {
        "options": {key: sorted(v) if isinstance(v, set) else v for key, v in value.targetoptions.items()},
        "cached": type(value._cache).__name__ != "NullCache",
        "signatures": len(value.signatures),
    }
    for module in modules for name, value in vars(module).items()
    if isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__
}
print(json.dumps({"compilations": len(compilations.buffer), "kernels": kernels}))
"""


def inspect(**environment):
    done = subprocess.run(
        [sys.executable, "-c", INSPECT],
        env={**os.environ, "NUMBA_DISABLE_JIT": "0", **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def inspected():
    return inspect(KMAD_CACHE="1")


class Njit:
    """Stands for numba.njit: keeps the flags, and has a writable place for the cache or not."""

    def __init__(self, *, writable):
        self.writable = writable
        self.flags = None

    def __call__(self, **flags):
        if flags["cache"] and not self.writable:
            raise RuntimeError("cannot cache function: no locator available")
        self.flags = flags
        return lambda function: function


def double(x):
    return 2 * x


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def kernels_of(tree):
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(name, ast.Name) and name.id in DECORATORS for name in node.decorator_list)
    ]


def test_kernel_keeps_numbers_as_they_are(monkeypatch):
    njit = Njit(writable=True)
    monkeypatch.setattr(numba, "njit", njit)
    assert kernel(double)(3) == 6
    assert njit.flags == {**FLAGS, "cache": _jit.CACHE, "fastmath": False}


def test_fusing_kernel_may_fuse_alone(monkeypatch):
    njit = Njit(writable=True)
    monkeypatch.setattr(numba, "njit", njit)
    assert fusing_kernel(double)(3) == 6
    assert njit.flags["fastmath"] == {"contract"} == FUSE


def test_reordering_kernel_may_reorder_and_fuse_alone(monkeypatch):
    njit = Njit(writable=True)
    monkeypatch.setattr(numba, "njit", njit)
    assert reordering_kernel(double)(3) == 6
    assert njit.flags["fastmath"] == {"reassoc", "contract"} == REORDER


def test_inner_kernel_is_for_kernels_alone(monkeypatch):
    njit = Njit(writable=True)
    monkeypatch.setattr(numba, "njit", njit)
    assert inner_kernel(double)(3) == 6
    assert njit.flags.pop("no_cpython_wrapper") is True
    assert njit.flags == {**FLAGS, "cache": _jit.CACHE, "fastmath": False}


@pytest.mark.parametrize(("wanted", "writable", "cached"), [(1, 1, True), (1, 0, False), (0, 1, False), (0, 0, False)])
def test_kernel_is_cached_where_it_can_and_may_be(monkeypatch, wanted, writable, cached):
    njit = Njit(writable=bool(writable))
    monkeypatch.setattr(numba, "njit", njit)
    monkeypatch.setattr(_jit, "CACHE", bool(wanted))
    assert kernel(double)(3) == 6
    assert njit.flags["cache"] == cached


def test_kernel_without_a_file_compiles_without_a_cache():
    space = {}
    exec(compile("def half(x):\n    return x / 2\n", "<nowhere>", "exec"), space)  # noqa: S102 - a function of no file
    assert kernel(space["half"])(3.0) == 1.5


def test_frozen_is_a_view_that_cannot_be_written():
    array = np.arange(3.0)
    view = frozen(array)
    assert view.base is array
    assert not view.flags.writeable
    assert array.flags.writeable


def test_import_compiles_nothing(inspected):
    assert inspected["compilations"] == 0
    assert inspected["kernels"]
    assert {name for name, found in inspected["kernels"].items() if found["signatures"]} == set()


def test_kernels_have_the_allowed_flags(inspected):
    for name, found in inspected["kernels"].items():
        options = found["options"]
        fastmath = options.pop("fastmath", False)
        assert fastmath in (False, sorted(FUSE), sorted(REORDER)), name
        options.pop("no_cpython_wrapper", None)
        assert options == {**FLAGS, "nopython": True, "boundscheck": None}, name
        assert found["cached"], name


def test_cache_is_switched_off_by_the_environment(inspected):
    uncached = inspect(KMAD_CACHE="0")["kernels"]
    assert uncached.keys() == inspected["kernels"].keys()
    assert not any(found["cached"] for found in uncached.values())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_numba_is_imported_by_one_module(path):
    imported = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert ("numba" in imported) == (path.name == "_jit.py")


def test_kernels_call_no_kernels_of_other_files():
    kernels = {(path.stem, node.name) for path in SOURCES for node in kernels_of(tree_of(path))}
    assert ("_nearest", "assign_few") in kernels
    for path in SOURCES:
        tree = tree_of(path)
        foreign = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if ((node.module or "").rpartition(".")[2], alias.name) in kernels
        }
        for node in kernels_of(tree):
            names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
            assert not names & foreign, f"{path.name}: {node.name}"


def test_inner_kernels_are_called_by_kernels_alone():
    inner = {node.name for path in SOURCES for node in kernels_of(tree_of(path)) if is_inner(node)}
    assert "intersect" in inner
    for path in SOURCES:
        tree = tree_of(path)
        # A kernel's name stands in the tree where it is defined, which is no use of it.
        within = {id(name) for node in kernels_of(tree) for name in ast.walk(node)}
        here = {node.name for node in kernels_of(tree) if is_inner(node)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in within}
        assert not used & here, path.name


def is_inner(node):
    return any(isinstance(name, ast.Name) and name.id == "inner_kernel" for name in node.decorator_list)


def test_kernels_have_no_defaults_and_a_docstring():
    kernels = [(path.stem, node) for path in SOURCES for node in kernels_of(tree_of(path))]
    assert [(stem, node.name) for stem, node in kernels if node.args.defaults or not ast.get_docstring(node)] == []
    assert len(kernels) > 10


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_held_while_own_kernels_compile(enabled):
    own, foreign = ({"dispatcher": type("Dispatcher", (), {"py_func": f})} for f in (_jit.frozen, np.mean))
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        states = []
        for status, data in zip(["START"] * 3 + ["END"] * 3, [foreign, own, own, own, own, foreign], strict=True):
            event.broadcast(event.Event("numba:compile", event.EventStatus[status], data))
            states.append(gc.isenabled())
        assert states == [enabled, False, False, False, enabled, enabled]
    finally:
        (gc.enable if before else gc.disable)()
