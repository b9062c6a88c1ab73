"""Every numba flag of the library, in one decorator."""

import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=np.generic)

CACHE = os.environ.get("KMAD_CACHE", "1") != "0"

# Only the flags that keep inf, nan and signed zeros right: sums may be reordered into lanes, products fused.
REORDER = frozenset({"reassoc", "contract"})


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on its first call, without the GIL, and keep the machine code on disk."""
    return _compile(function, fastmath=False)


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
        compiled = numba.njit(nogil=True, error_model="numpy", cache=cache, fastmath=fastmath, **flags)(function)
        return cast("Callable[P, R]", compiled)

    if not CACHE:
        return jit(cache=False)
    try:
        return jit(cache=True)
    except RuntimeError:
        # No writable place for the cache: numba raises here, at import (numba issues 4032 and 4908).
        return jit(cache=False)
