import os

from hypothesis import settings

# Compiling takes longer than any deadline. Without the jit a kernel is some hundred times slower, and that
# run is there to see every line, not every case. CI draws the same cases every time.
settings.register_profile("jit", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("nojit", settings.get_profile("jit"), max_examples=10)
settings.load_profile("nojit" if os.environ.get("NUMBA_DISABLE_JIT") == "1" else "jit")
