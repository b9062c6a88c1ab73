import _thread
import gc
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from queue import SimpleQueue

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import effective_n_jobs, parallel_config

from kmad import KMad, _threads
from kmad._threads import CHUNK_ROWS, MAX_CHUNKS, Threads, even_ranges, row_chunks, serve


@given(n_rows=st.integers(1, 20 * CHUNK_ROWS))
def test_chunks_cover_the_rows_once_and_evenly(n_rows):
    chunks = row_chunks(n_rows)
    assert chunks[0][0] == 0
    assert chunks[-1][1] == n_rows
    assert all(before[1] == after[0] for before, after in pairwise(chunks))
    sizes = [stop - start for start, stop in chunks]
    assert max(sizes) - min(sizes) <= 1
    assert len(chunks) <= MAX_CHUNKS
    assert len(chunks) == 1 or min(sizes) >= CHUNK_ROWS


def test_chunks_do_not_ask_for_the_number_of_threads():
    n_rows = 5 * CHUNK_ROWS + 1
    seen = []
    for n_jobs in (1, 2, 3):
        with Threads(n_jobs) as threads:
            seen.append(threads.map(lambda start, stop: (start, stop), row_chunks(n_rows)))
    assert seen == [row_chunks(n_rows)] * 3
    assert len(seen[0]) == 5


@pytest.mark.parametrize("n_jobs", [1, 2, 4, -1, None])
def test_map_returns_results_in_the_order_of_chunks(n_jobs):
    def task(start, stop):
        time.sleep(0.02 if start == 0 else 0)
        return stop - start

    with Threads(n_jobs) as threads:
        assert threads.map(task, [(0, 5), (5, 6), (6, 9)]) == [5, 1, 3]
        assert threads.map(task, iter([(0, 2), (2, 3)])) == [2, 1]


@pytest.mark.parametrize(("n_jobs", "n_chunks"), [(1, 3), (2, 1)])
def test_map_starts_no_threads_without_need(n_jobs, n_chunks):
    chunks = [(c, c + 1) for c in range(n_chunks)]
    with Threads(n_jobs) as threads:
        names = threads.map(lambda *_: threading.current_thread().name, chunks)
    assert set(names) == {threading.current_thread().name}


def test_map_runs_chunks_at_the_same_time():
    barrier = threading.Barrier(2, timeout=30)
    with Threads(2) as threads:
        assert sorted(threads.map(lambda *_: barrier.wait(), [(0, 1), (1, 2)])) == [0, 1]


def test_map_keeps_its_helpers_until_the_end():
    before = _thread._count()
    with Threads(2) as threads:
        for _ in range(3):
            threads.map(lambda start, stop: start + stop, [(0, 1), (1, 2), (2, 3)])
            assert _thread._count() <= before + 1
    end = time.monotonic() + 30
    while _thread._count() > before:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_map_waits_for_no_helper_that_has_begun_nothing(monkeypatch):
    monkeypatch.setattr(_threads, "start_new_thread", lambda *_: None)
    with Threads(3) as threads:
        assert threads.map(lambda start, stop: start + stop, [(0, 1), (1, 2)]) == [1, 3]


def test_serve_does_one_job_after_the_other():
    seen, jobs, done = [], SimpleQueue(), SimpleQueue()
    for job in ([1, 2], [3]):
        jobs.put((iter([partial(seen.append, n) for n in job]), done))
    jobs.put(None)
    serve(jobs)
    assert seen == [1, 2, 3]
    assert [done.get() for _ in seen] == [None] * 3


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_map_raises_what_a_task_raises(n_jobs):
    with pytest.raises(ZeroDivisionError), Threads(n_jobs) as threads:
        threads.map(lambda start, _: 1 // start, [(1, 2), (0, 1), (2, 3)])


def test_what_nobody_has_begun_is_left_once_a_task_raises(monkeypatch):
    monkeypatch.setattr(_threads, "start_new_thread", lambda *_: None)
    begun = []

    def task(start, _):
        begun.append(start)
        return 1 // start

    with Threads(2) as threads, pytest.raises(ZeroDivisionError):
        threads.map(task, [(1, 2), (0, 1), (2, 3), (3, 4)])
    assert begun == [1, 0]


def test_map_raises_what_a_helper_raises():
    barrier = threading.Barrier(2, timeout=30)

    def task(*_):
        barrier.wait()
        if threading.current_thread() is not threading.main_thread():
            raise LookupError

    with Threads(2) as threads:
        with pytest.raises(LookupError):
            threads.map(task, [(0, 1), (1, 2)])
        assert threads.map(lambda start, _: start, [(0, 1), (1, 2)]) == [0, 1]


def test_helpers_hold_nothing_of_the_work_they_have_done():
    rows = np.zeros(5)
    held = weakref.ref(rows)
    with Threads(2) as threads:
        threads.map(lambda start, stop, rows=rows: rows[start:stop].sum(), [(0, 2), (2, 5)])
        del rows
        gc.collect()
        assert held() is None


def test_threads_that_were_ended_start_again():
    threads = Threads(2)
    for _ in range(2):
        with threads:
            assert threads.map(max, [(0, 1), (1, 2)]) == [1, 2]


@given(sizes=st.lists(st.integers(0, 9), min_size=1), n_ranges=st.integers(1, 8))
def test_ranges_of_groups_cover_them_once_and_evenly(sizes, n_ranges):
    offsets = np.cumsum([0, *sizes])
    ranges = even_ranges(offsets, n_ranges)
    assert len(ranges) == n_ranges
    assert [g for start, stop in ranges for g in range(start, stop)] == list(range(len(sizes)))
    held = [offsets[stop] - offsets[start] for start, stop in ranges]
    assert max(held) <= sum(sizes) / n_ranges + max(sizes) + 1


def test_helpers_that_nobody_ended_do_not_keep_the_process():
    code = "from kmad._threads import Threads; print(Threads(2).map(max, [(0, 1), (1, 2)]))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[1, 2]"


def test_threads_follow_the_context_of_joblib():
    with parallel_config(backend="threading", n_jobs=2), Threads(None) as threads:
        assert len(threads.map(lambda *_: None, [(0, 1), (1, 2)])) == 2
        assert threads._n_threads == 2
    assert Threads(None)._n_threads == 1
    for n_jobs in (-1, -2, -1000, 1, 3):
        assert Threads(n_jobs)._n_threads == effective_n_jobs(n_jobs)
    with parallel_config(backend="sequential"):
        assert Threads(-1)._n_threads == 1


def test_fits_in_several_threads_at_once_agree():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(m, 1, (40, 2)) for m in (0, 9)])
    alone = KMad().fit(X)
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: KMad().fit(X), range(8)))
    for model in models:
        assert np.array_equal(model.labels_, alone.labels_)
        assert np.array_equal(model.cluster_centers_, alone.cluster_centers_)


def test_fits_in_forked_processes_agree():
    code = """
import multiprocessing, warnings
import numpy as np
from kmad import KMad, _threads
_threads.CHUNK_ROWS = 16
rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(m, 1, (40, 2)) for m in (0, 9)])

def fit(n_jobs):
    return KMad(n_jobs=n_jobs).fit(X).labels_

if __name__ == "__main__":
    here = fit(2)
    # Where a process cannot be forked, or Python warns of it, the others are spawned.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    warnings.simplefilter("ignore", DeprecationWarning)
    with multiprocessing.get_context(method).Pool(2) as pool:
        print(all(np.array_equal(here, there) for there in pool.map(fit, [1, 2, 2], 1)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "True", done.stderr
