"""The checks of the project, each a session: `nox -l` lists them; what follows `--` goes to pytest."""

import os
import re
import shutil
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "doctests"]

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")["project"]


def tool(name: str) -> str:
    """Return the requirement of the extra `dev` for the tool `name`."""
    requirements = PROJECT["optional-dependencies"]["dev"]
    return next(line for line in requirements if Requirement(line).name == name)


# On all processors.
SIDE_BY_SIDE = ("-n", "auto", "--dist", "worksteal")


def run_tests(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run pytest in the session's environment, its caches in a place of its own."""
    environment.setdefault("NUMBA_CACHE_DIR", str(Path(session.create_tmp()) / "numba"))
    session.run("python", "-m", "pytest", *arguments, *session.posargs, env=environment)


@nox.session
def lint(session: nox.Session) -> None:
    """Run the pre-commit hooks on every file that git knows."""
    session.install(*map(tool, ["pre-commit", "pre-commit-hooks", "ruff"]))
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the package."""
    session.install("-e", ".", tool("mypy"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests."""
    session.install("-e", ".[test]")
    run_tests(session, *SIDE_BY_SIDE)


@nox.session
def nojit(session: nox.Session) -> None:
    """Run the tests as plain Python: every branch of the package must be taken."""
    session.install("-e", ".[test]")
    run_tests(session, "--cov", *SIDE_BY_SIDE, NUMBA_DISABLE_JIT="1")


@nox.session
def bounds(session: nox.Session) -> None:
    """Run the tests with every array index of the kernels checked."""
    session.install("-e", ".[test]")
    run_tests(session, *SIDE_BY_SIDE, NUMBA_BOUNDSCHECK="1")


@nox.session(python=re.search(r"\d+\.\d+", PROJECT["requires-python"])[0])
def lowest(session: nox.Session) -> None:
    """Run the tests on the oldest Python with the oldest dependencies that pyproject.toml allows."""
    pins = str(Path(session.create_tmp()) / "lowest.txt")
    session.install(tool("uv"))
    resolve = ["--extra", "test", "--resolution", "lowest-direct", "--no-header", "--quiet", "--output-file", pins]
    session.run("uv", "pip", "compile", "pyproject.toml", "--python", session.python, *resolve)
    session.install("-e", ".[test]", "-c", pins)
    session.run("uv", "pip", "freeze", "--exclude-editable")
    run_tests(session, *SIDE_BY_SIDE)


@nox.session
def doctests(session: nox.Session) -> None:
    """Run the examples in the docstrings, in the README and in the docs."""
    session.install("-e", ".[test]")
    run_tests(session, "--doctest-modules", "src", "README.md", "docs")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build; warnings are errors."""
    session.install("-e", ".[docs]")
    shutil.rmtree(ROOT / "docs" / "generated", ignore_errors=True)
    session.run("sphinx-build", "-n", "-W", "--keep-going", "-E", "docs", "docs/_build")


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, check what they hold, and test the wheel where there is no source."""
    session.install(tool("build"))
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)
    session.run("python", "-m", "build", "--outdir", str(folder))
    (built,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    check_wheel(session, built)
    check_sdist(session, source)

    session.install(f"{built}[test]")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / source.name.removesuffix(".tar.gz")
    shutil.rmtree(unpacked / "src")
    session.chdir(unpacked)
    session.run("python", "-m", "kmad")
    run_tests(session, "tests/test_package.py", "tests/test_main.py", "tests/test_datasets.py")


def check_wheel(session: nox.Session, path: Path) -> None:
    """Fail unless the wheel holds the package, its metadata and nothing else."""
    package = ROOT / "src" / "kmad"
    sources = {f"kmad/{file.relative_to(package).as_posix()}" for file in package.rglob("*") if file.is_file()}
    expected = {name for name in sources if "__pycache__" not in name}
    metadata = f"kmad-{PROJECT['version']}.dist-info"
    expected |= {f"{metadata}/{name}" for name in ["METADATA", "RECORD", "WHEEL", "licenses/LICENSE"]}
    with zipfile.ZipFile(path) as archive:
        difference = expected ^ set(archive.namelist())
    if difference:
        session.error(f"{path.name} should hold the package alone; too much or missing: {sorted(difference)}")


def check_sdist(session: nox.Session, path: Path) -> None:
    """Fail unless the sdist holds what builds and tests the package and nothing else."""
    expected = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "conftest.py", "docs", "pyproject.toml"}
    expected |= {".gitignore", "src", "tests"}
    with tarfile.open(path) as archive:
        found = {name.split("/")[1] for name in archive.getnames()}
    if found != expected:
        session.error(f"{path.name} should hold {sorted(expected)}, holds {sorted(found)}")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks once each."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "benchmarks", "--benchmark-enable", *session.posargs)


@nox.session(venv_backend="none")
def fresh(session: nox.Session) -> None:
    """Run the README's install commands word for word, each in an empty environment."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^pip install .*$", readme, flags=re.MULTILINE)
    if [command.rpartition(" && ")[2] for command in commands] != ["python -m kmad", "python -m pytest -n auto"]:
        session.error(f"README.md should install to run the example and to run the tests, has {commands}")
    for command in commands:
        folder = Path(session.create_tmp()).resolve() / "venv"
        venv.create(folder, clear=True, with_pip=True)
        scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
        path = os.pathsep.join([str(scripts), os.environ["PATH"]])
        session.run("bash", "-c", command, env={"PATH": path, "VIRTUAL_ENV": str(folder)}, external=True)
