"""Every numba flag of the library, in one decorator."""

import gc
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numba.core import event
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=np.generic)

CACHE = os.environ.get("KMAD_CACHE", "1") != "0"

# Only the flags that keep inf, nan and signed zeros right: products may be fused, sums reordered into lanes.
FUSE = frozenset({"contract"})
REORDER = FUSE | {"reassoc"}


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on its first call, without the GIL, and keep the machine code on disk."""
    return _compile(function, fastmath=False)


def fusing_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like `kernel`, and a product and a sum may be one instruction, rounded once: for polynomials."""
    return _compile(function, fastmath=set(FUSE))


def inner_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like `kernel`, but called by kernels alone: from Python the call would crash.

    What takes arguments from Python is not compiled, which is a third of the work where they are many.
    """
    return _compile(function, fastmath=False, no_cpython_wrapper=True)


def reordering_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Like `kernel`, and the compiler may reorder sums: for distance loops over finite numbers."""
    return _compile(function, fastmath=set(REORDER))


def frozen(array: NDArray[S]) -> NDArray[S]:
    """A read-only view: to numba a writable array is another type, and another compilation."""
    view = array.view()
    view.flags.writeable = False
    return view


def _compile(function: Callable[P, R], *, fastmath: bool | set[str], **flags: Any) -> Callable[P, R]:
    def jit(*, cache: bool) -> Callable[P, R]:
        # Nobody calls kernels from C: without the way in from there they compile 3 % faster.
        ways: dict[str, Any] = {"no_cfunc_wrapper": True, **flags}
        compiled = numba.njit(nogil=True, error_model="numpy", cache=cache, fastmath=fastmath, **ways)(function)
        return cast("Callable[P, R]", compiled)

    if not CACHE:
        return jit(cache=False)
    try:
        return jit(cache=True)
    except RuntimeError:
        # No writable place for the cache: numba raises here, at import (numba issues 4032 and 4908).
        return jit(cache=False)


class _NoCollection(event.Listener):
    """Hold Python's garbage collector while a kernel compiles: it would take a fifth of the time, and find nothing.

    numba tells of a compilation under a lock, so there is one at a time, with those of the functions it calls inside.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._was_on = False

    def on_start(self, event: Any) -> None:
        if is_own(event):
            if not self._depth:
                self._was_on = gc.isenabled()
                gc.disable()
            self._depth += 1

    def on_end(self, event: Any) -> None:
        if is_own(event):
            self._depth -= 1
            if self._was_on and not self._depth:
                gc.enable()


def is_own(event: Any) -> bool:
    """Whether it is a kernel of this library that is compiled."""
    return str(event.data["dispatcher"].py_func.__module__).startswith("kmad.")


event.register("numba:compile", _NoCollection())  # type: ignore[no-untyped-call]
