"""Itemsets by mlxtend, each call in a process of its own with bounds on time and memory.

`python -m benchmarks.rules_mlxtend FOLDER NAME SUPPORT WAY SECONDS` prints as JSON how long one way takes and how many
sets it finds, or what it ran out of: time, memory, or room in an array.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.rules_data import one_hot, read_baskets, take_turns
from kmad import apriori

LIMIT = 120.0
MEMORY = 8 << 30
# Beyond the bound on a call: what reading, a longer step of NumPy and rounds of short calls may take.
GRACE = 120.0


def peer(way: str, **options: Any) -> Callable[[pd.DataFrame, float], Any]:
    return lambda frame, support: getattr(import_module("mlxtend.frequent_patterns"), way)(
        frame, min_support=support, **options
    )


WAYS: dict[str, Callable[[pd.DataFrame, float], Any]] = {
    "kmad": lambda frame, support: apriori(frame, min_support=support),
    "mlxtend fpgrowth": peer("fpgrowth"),
    "mlxtend apriori": peer("apriori"),
    "mlxtend apriori, low memory": peer("apriori", low_memory=True),
}


def beside_mlxtend(folder: Path, name: str, support: float) -> dict[str, Any]:
    """What every way took; one that has not ended when the best of mlxtend's so far had is stopped."""
    done: dict[str, Any] = {}
    for way in WAYS:
        # A short call is not stopped: what it takes varies.
        limit = min([LIMIT, *(max(one["seconds"], 5.0) for w, one in done.items() if w != "kmad" and "seconds" in one)])
        done[way] = run_apart(folder, name, support, way, limit)
        print(f"{name} {support} {way}: {done[way]}", flush=True)
    return done


def run_apart(folder: Path, name: str, support: float, way: str, limit: float) -> dict[str, Any]:
    arguments = ["-m", "benchmarks.rules_mlxtend", str(folder), name, str(support), way, str(limit)]
    try:
        child = subprocess.run(
            [sys.executable, *arguments],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[1],
            timeout=limit + GRACE,
        )
    except subprocess.TimeoutExpired:
        return {"ran out of": "time", "limit": limit}
    return json.loads(child.stdout.splitlines()[-1])


def measure(folder: Path, name: str, support: float, way: str, limit: float) -> dict[str, Any]:
    baskets = read_baskets(folder, name)
    assert baskets is not None
    frame = one_hot(baskets)
    signal.signal(signal.SIGALRM, stop)

    def call() -> int:
        signal.setitimer(signal.ITIMER_REAL, limit)
        n = len(WAYS[way](frame, support))
        signal.setitimer(signal.ITIMER_REAL, 0)
        return n

    try:
        seconds, sets = take_turns({way: call})
    except TimeoutError:
        return {"ran out of": "time", "limit": limit}
    except MemoryError:
        return {"ran out of": "memory"}
    except ValueError as error:
        # What NumPy and SciPy say of arrays too large for their counts.
        return {"ran out of": "room", "error": str(error)}
    return {"seconds": seconds[way], "sets": sets[way]}


def stop(*_: object) -> None:
    raise TimeoutError


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("support", type=float)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print(json.dumps(measure(arguments.folder, arguments.name, arguments.support, arguments.way, arguments.seconds)))


if __name__ == "__main__":
    main()
