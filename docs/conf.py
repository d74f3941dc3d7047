"""Sphinx configuration: ``sphinx-build -W -b html docs docs/_build/html``.

No page needs the network, neither to be built nor to be read.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import skgd

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import reference
import thumbnails

# Before Sphinx looks which pages there are.
reference.write(Path(__file__).parent)

project = "skgd"
author = "the skgd developers"
project_copyright = "the skgd developers, BSD-3-Clause"
version = release = skgd.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb", "**.zip"]
templates_path = ["_templates"]
default_role = "literal"
smartquotes = False  # quotes are mostly code here
toc_object_entries_show_parents = "hide"
suppress_warnings = ["config.cache"]

autosummary_generate = True
# The pages about Ray need no Ray.
autodoc_mock_imports = [] if find_spec("ray") else ["ray"]
autodoc_typehints = "none"
numpydoc_show_class_members = False

copybutton_prompt_text = ">>> |... "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_line_continuation_character = "\\"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # examples/ also holds scripts that are no pages.
    "ignore_pattern": r"(^|[\\/])(?!plot_)[^\\/]*\.py$",
    "within_subsection_order": "gallery.TeachingOrder",
    "reset_modules": ("matplotlib", "gallery.same_look"),
    "matplotlib_animations": True,
    "capture_repr": ("_repr_html_",),
    "doc_module": ("skgd",),
    "backreferences_dir": "api/generated/backreferences",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "skgd"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["skgd.css"]
html_js_files = ["search_summary.js"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "github_url": "https://github.com/skgd/skgd",
    "logo": {"text": f"skgd {version}"},
    "navbar_align": "left",
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
}
html_sidebars = {"index": []}


def skip_routing(app, what, name, obj, skip, options):
    """Leave out the metadata-routing methods, which scikit-learn documents."""
    routing = name.startswith("set_") and name.endswith("_request")
    return True if routing or name == "get_metadata_routing" else skip


def setup(app):
    app.connect("autodoc-skip-member", skip_routing)
    thumbnails.connect(app)
