from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "kmad"
author = "the kmad developers"
project_copyright = f"2026, {author}"
version = release = metadata.version("kmad")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

autodoc_typehints = "none"  # numpydoc writes the types
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False  # the template of classes lists the methods
numpydoc_validation_checks = {
    "all",
    "ES01",  # a summary may say it all
    "EX01",  # the example of a class covers its methods
    "RT02",  # "self : KMad" and "labels : ndarray" say what comes back
    "SA01",  # few things are related
}

html_theme = "pydata_sphinx_theme"
html_title = f"kmad {release}"
html_theme_options = {"show_toc_level": 2}

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


def skip_generated_member(*event: object) -> bool | None:
    """Leave out members that nobody wrote: fields of named tuples, and scikit-learn's request methods."""
    _app, _kind, name, member, _skip, _options = event
    is_request = re.fullmatch("set_[a-z]+_request", str(name))
    return bool(is_request) or type(member).__name__ == "_tuplegetter" or None


def setup(app: Sphinx) -> None:
    """Connect the handlers."""
    app.connect("autodoc-skip-member", skip_generated_member)
