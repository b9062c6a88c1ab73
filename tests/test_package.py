import re
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest

import kmad

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def run(code: str) -> str:
    """Run `code` in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_lazy():
    loaded = run("import sys, kmad; print(*(name.partition('.')[0] for name in sys.modules))").split()
    assert "kmad" in loaded
    assert not {"matplotlib", "narwhals", "numba", "numpy", "pandas", "scipy", "sklearn"} & set(loaded)


@pytest.mark.parametrize("name", kmad.__all__)
def test_public_name_loads(name):
    value = kmad.__getattr__(name)
    assert value is getattr(kmad, name)
    assert value.__name__.rpartition(".")[2] == name
    assert name in dir(kmad)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'kmad' has no attribute 'KMeans'"):
        _ = kmad.KMeans


def test_version_is_that_of_the_distribution():
    assert kmad.__version__ == metadata.version("kmad") == PROJECT["version"]


def test_api_page_shows_the_public_names():
    public = set()
    for name in kmad.__all__:
        value = getattr(kmad, name)
        is_module = isinstance(value, ModuleType)
        public |= {f"{name}.{member}" for member in value.__all__} if is_module else {name}
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    tables = re.findall(r"^```\{eval-rst\}\n\.\. autosummary::\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    shown = re.findall(r"^ {4}([\w.]+)$", "".join(tables), flags=re.MULTILINE)
    assert sorted(shown) == sorted(public)


def test_development_page_gives_a_reason_for_each_dependency():
    required = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in required} - {"kmad"}
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \|", page, flags=re.MULTILINE)
    assert sorted(name for row in rows for name in row.split("`, `")) == sorted(names)


def test_nothing_global_changes():
    code = """
import os, signal, threading, warnings
import numba, numpy, sklearn
import numba.core.config

def state():
    return {
        "environment": dict(os.environ),
        "numba": {n: v for n, v in vars(numba.core.config).items() if n.isupper()},
        "numba threads": numba.get_num_threads(),
        "numpy errors": numpy.geterr(),
        "numpy print": numpy.get_printoptions(),
        "numpy random": repr(numpy.random.get_state()),
        "scikit-learn": sklearn.get_config(),
        "signal": signal.getsignal(signal.SIGINT),
        "threads": threading.active_count(),
        "warnings": list(warnings.filters),
    }

before = state()
from kmad import KMad, datasets
KMad().fit(datasets.make_customers(300).data)
after = state()
print([name for name in before if before[name] != after[name]])
"""
    assert run(code).strip() == "[]"
