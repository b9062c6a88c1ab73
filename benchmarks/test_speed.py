"""Times that should not grow from one version to the next; `nox -s bench` runs them."""

import pytest

from benchmarks.data import Data, draw_blobs
from benchmarks.processes import DRAW, IMPORTS, TIMED, run
from kmad import KMad

SIZES = [(100_000, 2, 10), (20_000, 16, 20)]


@pytest.fixture(scope="module", params=SIZES, ids=[f"{rows}x{features}" for rows, features, _ in SIZES])
def data(request) -> Data:
    return draw_blobs(*request.param)


def test_fit(benchmark, data):
    model = benchmark.pedantic(KMad().fit, (data.X,), rounds=5, warmup_rounds=1)
    assert model.n_clusters_ == data.n_clusters


def test_fit_with_n_clusters(benchmark, data):
    model = benchmark.pedantic(KMad(n_clusters=data.n_clusters).fit, (data.X,), rounds=5, warmup_rounds=1)
    assert model.n_clusters_ == data.n_clusters


def test_fit_float32(benchmark, data):
    model = benchmark.pedantic(KMad().fit, (data.X.astype("float32"),), rounds=5, warmup_rounds=1)
    assert model.n_clusters_ == data.n_clusters


def test_predict(benchmark, data):
    model = KMad(n_clusters=data.n_clusters).fit(data.X)
    labels = benchmark.pedantic(model.predict, (data.X,), rounds=5, warmup_rounds=1)
    assert (labels == model.labels_).all()


# These time the whole of a fresh process: what they import beside kmad is in the name, and has a row of its own.
@pytest.mark.parametrize("name", IMPORTS)
def test_import(benchmark, name):
    before, timed = IMPORTS[name]
    assert benchmark.pedantic(run, (TIMED.format(before=before, timed=timed),), rounds=3, warmup_rounds=1) > 0


@pytest.mark.parametrize("features", [2, 16])
@pytest.mark.parametrize("cache", ["warm", "empty"])
def test_first_fit(benchmark, tmp_path, cache, features):
    code = TIMED.format(before=f"{DRAW.format(features=features)}\nfrom kmad import KMad", timed="KMad().fit(X)")
    folders = (tmp_path / str(number) for number in range(4))

    def setup() -> tuple[tuple[str], dict[str, str]]:
        folder = tmp_path if cache == "warm" else next(folders)
        return (code,), {"NUMBA_CACHE_DIR": str(folder), "KMAD_CACHE": "1"}

    # It fills the one cache, and writes the byte code of Python for both.
    run(code, NUMBA_CACHE_DIR=str(tmp_path), KMAD_CACHE="1")
    assert benchmark.pedantic(run, setup=setup, rounds=3) > 0
