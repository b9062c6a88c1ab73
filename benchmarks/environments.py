"""Environments of their own for peers that need other versions than the project has."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(os.environ.get("KMAD_BENCH_ENVIRONMENTS", Path.home() / ".cache" / "kmad-benchmarks"))

# lifetimes' last release is of 2020: these are the newest versions that it runs on.
LIFETIMES = ("lifetimes==0.11.3", "numpy==1.26.4", "pandas==2.1.4", "scipy==1.12.0", "autograd==1.7.0")
PYMC_MARKETING = ("pymc-marketing==0.19.2",)


def python_with(requirements: Sequence[str]) -> Path:
    """The interpreter of an environment that holds the requirements; it is built once.

    Raises CalledProcessError where they cannot be installed.
    """
    name = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()[:16]
    folder = FOLDER / name
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    done = folder / "complete"
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        uv = shutil.which("uv")
        install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
        subprocess.run([*install, *requirements], check=True, capture_output=True, text=True)
        done.touch()
    return python
