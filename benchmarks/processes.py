"""What needs a process of its own: imports, the first fit, and peak memory."""

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compare import say
from benchmarks.data import draw_blobs
from benchmarks.peers import INTELEX, KMAD, KMEANS

ROOT = Path(__file__).parents[1]

TIMED = """
import time
{before}
start = time.perf_counter()
{timed}
print(time.perf_counter() - start)
"""
DRAW = """
import numpy as np
X = np.random.default_rng(0).normal(size=(3_000, {features}))
X[:1_000] += 20
X[2_000:] -= 20
"""
# Python looks through what numba has left, a tenth of a second, when it happens to fall due: not in what comes after.
IMPORTS = {
    "import numpy": ("", "import numpy"),
    "import kmad": ("", "import kmad"),
    "import kmad, after numpy": ("import numpy", "import kmad"),
    "import numba, sklearn.base": ("", "import numba, sklearn.base"),
    "from kmad import KMad": ("", "from kmad import KMad"),
    "from kmad import KMad, after numba and sklearn.base": (
        "import gc, numba, sklearn.base; gc.collect()",
        "from kmad import KMad",
    ),
    "from sklearn.cluster import KMeans": ("", "from sklearn.cluster import KMeans"),
}

# Resetting the peak works on Linux alone; elsewhere the peak of the imports may hide a small one of the fit.
MEMORY = """
import sys
from pathlib import Path
import numpy as np

def peak():
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024
    import resource
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

{load}
make().fit(np.random.default_rng(0).normal(size=(2_000, 2)))
X = np.load(sys.argv[1])
X.sum()
reset = Path("/proc/self/clear_refs")
if reset.exists():
    reset.write_text("5")
before = peak()
make().fit(X)
print(peak() - before)
"""
LOAD = {
    KMAD: "from kmad import KMad as make",
    KMEANS: "from sklearn.cluster import KMeans\nmake = lambda: KMeans(10, n_init=1, random_state=0)",
    INTELEX: "from sklearnex.cluster import KMeans\nmake = lambda: KMeans(10, n_init=1, random_state=0)",
}


@cache
def byte_code() -> tempfile.TemporaryDirectory[str]:
    """Where fresh processes keep Python's byte code, which goes when this one ends.

    pip writes it when it installs a package; other installers do not, and where Python may not write it either, every
    process compiles the sources of all that it imports once more, which takes longer than anything that is timed.
    """
    return tempfile.TemporaryDirectory()


def run(code: str, *arguments: str, **environment: str) -> float:
    """The number that `code` prints last in a fresh process, which finds byte code of what others have imported."""
    kept = {"PYTHONPYCACHEPREFIX": byte_code().name, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | kept | environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(done.stdout.split()[-1])


def measure_imports(rounds: int) -> list[dict[str, Any]]:
    """Seconds of each import, the processes in turn."""
    say("imports")
    codes = {name: TIMED.format(before=before, timed=timed) for name, (before, timed) in IMPORTS.items()}
    times: dict[str, list[float]] = {name: [] for name in codes}
    # The first turn reads the files from disk and writes byte code.
    for turn in range(rounds + 1):
        for name, code in codes.items():
            seconds = run(code)
            if turn:
                times[name].append(seconds)
    return [{"what": name, "seconds": seconds} for name, seconds in times.items()]


def time_first_fit(code: str) -> tuple[float, float, int]:
    """Seconds with an empty cache and with what that leaves in it, and how many functions are compiled."""
    with tempfile.TemporaryDirectory() as folder:
        empty, warm = (run(code, NUMBA_CACHE_DIR=folder, KMAD_CACHE="1") for _ in range(2))
        return empty, warm, len(list(Path(folder).rglob("*.nbc")))


def measure_first_fits(feature_counts: tuple[int, ...], rounds: int) -> list[dict[str, Any]]:
    """Seconds of the first fit after the import, with an empty cache of machine code and then with that cache."""
    results = []
    for features in feature_counts:
        say(f"first fit, {features} features")
        draw = DRAW.format(features=features)
        code = TIMED.format(before=f"{draw}\nfrom kmad import KMad", timed="KMad().fit(X)")
        empty, warm, n_kernels = map(list, zip(*(time_first_fit(code) for _ in range(rounds)), strict=True))
        results.append({"features": features, "empty": empty, "warm": warm, "n_kernels": n_kernels})
    draw = DRAW.format(features=2)
    fit = "KMeans(3, n_init=1, random_state=0).fit(X)"
    code = TIMED.format(before=f"{draw}\nfrom sklearn.cluster import KMeans", timed=fit)
    results.append({"features": 2, "peer": KMEANS, "warm": [run(code) for _ in range(rounds + 1)][1:]})
    return results


def measure_memory(sizes: list[int]) -> list[dict[str, Any]]:
    """Peak bytes over the input, for rows of two features."""
    results = []
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "X.npy"
            np.save(path, draw_blobs(rows, 2, 10).X)
            for name, load in LOAD.items():
                say(f"memory, {rows:,} rows, {name}")
                try:
                    over = [run(MEMORY.format(load=load), str(path))]
                except subprocess.CalledProcessError:
                    over = []
                results.append({"rows": rows, "peer": name, "bytes": over})
    return results
