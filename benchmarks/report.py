"""The sections of the report: each returns what it measured, ready for JSON."""

import os
import platform
import time
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

import numba
from sklearn.cluster import KMeans

from benchmarks.compare import Effort, compare, say, time_run
from benchmarks.data import OVERLAPPING, Data, Floats, blobs_name, draw_blobs, draw_customers, read_set
from benchmarks.peers import INTELEX, K_FOUND, KMAD, KMEANS, KMEANS_TEN, Peer
from benchmarks.processes import measure_first_fits, measure_imports, measure_memory
from kmad import KMad

# Rows, features and clusters of the blobs.
SIZES = [
    (1_000_000, 2, 10),
    (10_000_000, 2, 10),
    (1_000_000, 3, 10),
    (1_000_000, 8, 20),
    (1_000_000, 16, 20),
    (200_000, 64, 20),
    (3_000, 2, 15),
]
BIRCH1 = "birch1"
BIRCH1_FILE = "A_sipu_birch1.txt.gz"
CUSTOMERS = 1_000_000
GROWING = (KMAD, KMEANS, INTELEX)
PREDICTING = (KMAD, KMEANS, INTELEX)
# What is fitted before predicting, and how the file of a set begins that K is beyond doubt in, or nearly.
PREDICT_FIT_ROWS = 20_000
CLEAR_TIERS = ("A_", "B_")
PACKAGES = [
    "kmad",
    "numpy",
    "numba",
    "scipy",
    "scikit-learn",
    "scikit-learn-intelex",
    "faiss-cpu",
    "fast-hdbscan",
    "pyclustering",
]


class Form(NamedTuple):
    """The full report or the quick one."""

    shrink: int  # the number of rows is divided by it
    fits: Effort
    growth: Effort
    processes: int  # fresh processes of each kind
    first_fits: tuple[int, ...]  # features of the first fits

    def rows(self, rows: int) -> int:
        return rows if rows <= 5_000 else max(1_000, rows // self.shrink)


FULL = Form(1, Effort(), Effort(seconds=12.0), 3, (2, 16))
QUICK = Form(100, Effort(2, seconds=0.5, longest=0.5, warm=0.02), Effort(2, seconds=0.3, warm=0.02), 1, (2,))


def describe_machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def list_versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def compare_fits(form: Form, peers: dict[str, Peer], folder: Path | None) -> list[dict[str, Any]]:
    """All peers on blobs, apart and overlapping, on Birch1 and on customers."""
    results = []
    for spread in (1.0, OVERLAPPING):
        for rows, features, clusters in SIZES:
            data = draw_blobs(form.rows(rows), features, clusters, spread)
            given = clusters if spread == 1.0 else None
            case = blobs_name(rows, features, clusters, spread)
            # Only the density says how many clusters overlap: those that look for K themselves are for the clear case.
            those = peers if spread == 1.0 else {name: peers[name] for name in peers if name not in K_FOUND}
            results.append(fit_record(case, data, compare(data, those, form.fits, n_clusters=given)))
    if folder and (folder / BIRCH1_FILE).exists():
        data = read_set(folder / BIRCH1_FILE)
        results.append(fit_record(BIRCH1, data, compare(data, peers, form.fits, n_clusters=data.n_clusters)))
    data = draw_customers(form.rows(CUSTOMERS))
    case = f"{CUSTOMERS:,} customers"
    results.append(fit_record(case, data, compare(data, peers, form.fits, n_clusters=data.n_clusters)))
    return results


def compare_sets(form: Form, peers: dict[str, Peer], folder: Path | None) -> list[dict[str, Any]]:
    """KMad beside K-means that is told K, on the labelled sets of a folder."""
    results = []
    paths = sorted(folder.glob("*.txt.gz")) if folder else []
    for path in paths:
        if path.name.startswith(CLEAR_TIERS) and path.name != BIRCH1_FILE:
            data = read_set(path)
            found = compare(data, choose(peers, (KMAD, KMEANS, KMEANS_TEN)), form.growth, n_clusters=data.n_clusters)
            results.append(fit_record(data.name, data, found))
    return results


def fit_record(case: str, data: Data, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    rows, features = data.X.shape
    return {
        "case": case,
        "name": data.name,
        "rows": rows,
        "features": features,
        "n_clusters": data.n_clusters,
        "results": results,
    }


def measure_growth(form: Form, peers: dict[str, Peer], fits: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Time by number of rows, of features and of clusters; what `fits` holds is not run again."""
    most = form.rows(10_000_000)
    by_rows = [(rows, 2, 10) for rows in (1_000, 10_000, 100_000, 1_000_000, 10_000_000) if rows <= most]
    rows = form.rows(100_000)
    by_features = [(rows, features, 10) for features in (1, 2, 3, 4, 8, 16, 32, 64)]
    counts = [clusters for clusters in (2, 5, 10, 20, 50, 100, 200) if clusters * 100 <= rows]
    series = {
        "rows": by_rows,
        "features": by_features,
        "clusters, 2 features": [(rows, 2, clusters) for clusters in counts],
        "clusters, 8 features": [(rows, 8, clusters) for clusters in counts],
    }
    known = {fit["name"]: fit for fit in fits}
    growth: dict[str, list[dict[str, Any]]] = {}
    for name, sizes in series.items():
        growth[name] = []
        for size in sizes:
            record = known.get(blobs_name(*size))
            if record is None:
                data = draw_blobs(*size)
                found = compare(data, choose(peers, GROWING), form.growth, n_clusters=data.n_clusters)
                record = known[data.name] = fit_record(data.name, data, found)
            results = {peer: record["results"][peer] for peer in GROWING if peer in record["results"]}
            growth[name].append(record | {"results": results})
    return growth


def choose(peers: dict[str, Peer], names: tuple[str, ...]) -> dict[str, Peer]:
    return {name: peer for name, peer in peers.items() if name in names}


def take_turns(tasks: dict[str, Callable[[], Any]], effort: Effort) -> dict[str, list[float]]:
    """Seconds of each task, in turn and after one turn that is not counted."""
    turns = [{name: time_run(task, effort.warm)[1] for name, task in tasks.items()} for _ in range(effort.rounds + 1)]
    return {name: [turn[name] for turn in turns[1:]] for name in tasks}


def measure_predict(form: Form, peers: dict[str, Peer]) -> list[dict[str, Any]]:
    """Models of the same number of clusters predict all rows; what they were fitted to does not matter for the time."""
    results = []
    for rows, features, clusters in ((1_000_000, 2, 10), (1_000_000, 16, 20)):
        case = blobs_name(rows, features, clusters)
        data = draw_blobs(form.rows(rows), features, clusters)
        say(f"predict, {data.name}")
        few = data.X[:PREDICT_FIT_ROWS]
        tasks = {KMAD: predicting(KMad(n_clusters=clusters).fit(few), data.X)}
        tasks[KMEANS] = predicting(KMeans(clusters, n_init=1, random_state=0).fit(few), data.X)
        if INTELEX in peers:
            kmeans = import_module("sklearnex.cluster").KMeans
            tasks[INTELEX] = predicting(kmeans(clusters, n_init=1, random_state=0).fit(few), data.X)
        results.append({"case": case, "name": data.name, "seconds": take_turns(tasks, form.fits)})
    return results


def predicting(model: Any, X: Floats) -> Callable[[], Any]:
    return lambda: model.predict(X)


def measure_threads(form: Form) -> list[dict[str, Any]]:
    """KMad with one thread and with two, and whether the results are the same to the last bit."""
    results = []
    for size in ((10_000_000, 2, 10), (1_000_000, 16, 20)):
        data = draw_blobs(form.rows(size[0]), *size[1:])
        say(f"threads, {data.name}")
        models = {n: KMad(n_jobs=n) for n in (1, 2)}
        times = take_turns({str(n): fitting(model, data.X) for n, model in models.items()}, form.fits)
        results.append(
            {
                "case": blobs_name(*size),
                "name": data.name,
                "seconds": times,
                "equal": outcome(models[1]) == outcome(models[2]),
            }
        )
    return results


def fitting(model: Any, X: Floats) -> Callable[[], Any]:
    return lambda: model.fit(X)


def outcome(model: Any) -> tuple[bytes, bytes, float]:
    return model.labels_.tobytes(), model.cluster_centers_.tobytes(), model.inertia_


def measure_read(form: Form) -> dict[str, Any]:
    """A fit of many rows beside one compiled loop that reads them, as X.min(axis=0) does."""
    data = draw_blobs(form.rows(10_000_000), 2, 10)
    say(f"one read, {data.name}")
    lowest = least(data.X)
    assert lowest == tuple(data.X.min(axis=0))
    tasks = {"fit": fitting(KMad(), data.X), "read": lambda: least(data.X), "numpy": lambda: data.X.min(axis=0)}
    return {"name": data.name, "seconds": take_turns(tasks, form.fits)}


@numba.njit(error_model="numpy")
def least(X: Floats) -> tuple[float, float]:  # (n, 2)
    """Column minima, in one thread."""
    first, second = X[0, 0], X[0, 1]
    for i in range(len(X)):
        first = min(first, X[i, 0])
        second = min(second, X[i, 1])
    return first, second


def measure_processes(form: Form) -> dict[str, Any]:
    sizes = [form.rows(rows) for rows in (1_000_000, 10_000_000)]
    return {
        "memory": measure_memory(sizes if form is FULL else sizes[1:]),
        "imports": measure_imports(form.processes),
        "first_fits": measure_first_fits(form.first_fits, form.processes),
    }


def run_report(form: Form, peers: dict[str, Peer], folder: Path | None, keep: Callable[[dict[str, Any]], None]) -> None:
    """Measure section by section, and `keep` what there is after each."""
    start = time.perf_counter()
    report: dict[str, Any] = {}
    # Fresh processes first: beside this one they are then alone in memory.
    sections: dict[str, Callable[[], Any]] = {
        "processes": lambda: measure_processes(form),
        "fits": lambda: compare_fits(form, peers, folder),
        "growth": lambda: measure_growth(form, peers, report["fits"]),
        "predict": lambda: measure_predict(form, peers),
        "threads": lambda: measure_threads(form),
        "read": lambda: measure_read(form),
        "sets": lambda: compare_sets(form, peers, folder),
    }
    for name, section in sections.items():
        report[name] = section()
        keep(report | {"seconds": time.perf_counter() - start})
