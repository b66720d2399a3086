"""How Sphinx builds the documentation; run it with ``bash tools/docs``."""

import os
import sys
from pathlib import Path

from docutils import nodes
from sphinx.util.nodes import make_refnode
from sphinx_gallery.sorting import ExplicitOrder

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("SKLEARN_MM_DATA", str(HERE / "_build" / "data"))  # examples leave the user's home alone

import reference  # noqa: E402

import sklearn_mm  # noqa: E402

project = "sklearn-mm"
author = "the sklearn-mm developers"
version = release = sklearn_mm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
]
smartquotes = False  # quotes in types and code stay such that they can be copied
toc_object_entries_show_parents = "hide"
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
default_role = "py:obj"
nitpicky = True
# Of other libraries nothing is fetched at build time: their names stay plain, except scikit-learn's (see below).
nitpick_ignore_regex = [
    ("py:.*", r"(joblib|numpy|pandas|pathlib|PIL|skorch|tokenizers|torch)(\..*)?"),
    # Every torch module's; what "Attributes" of the same page describes.
    ("py:.*", "decoder_type|fixed_length|forward|frozen"),
]
suppress_warnings = ["config.cache"]  # functions in the configuration cannot be pickled, and need not be

autosummary_context = {
    "group_names": reference.group_names,
    "inherited_methods": reference.inherited_methods,
    "names_elsewhere": reference.names_elsewhere,
    "own_methods": reference.own_methods,
}
autodoc_typehints = "none"
autodoc_preserve_defaults = True  # or classes in them are written in a way that links nowhere
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

GROUPS = (
    "inputs",
    "fusion",
    "pretrained",
    "search",
    "text_out",
    "training",
    "scikit_learn",
)  # of examples, in this order
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("sklearn_mm",),
    "reference_url": {"sklearn_mm": None},
    "reset_argv": lambda config, script: QUICK.get(Path(script["src_file"]).name, []),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,  # that page would load its script from elsewhere
    "default_thumb_file": str(HERE / "data_way.svg"),
    "subsection_order": ExplicitOrder([*[f"../examples/{group}" for group in GROUPS], "*"]),
}
# Arguments of the examples that take minutes at full length.
QUICK = {"plot_emoji.py": ["--epochs", "2", "--results", str(HERE / "_build" / "results")]}

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_title = "sklearn-mm"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"tour": []}
html_theme_options = {
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = author


def link_name(app, env, node, content):
    """Link a name that is public under another module than the one it is spoken of in, or that is scikit-learn's."""
    name = node["reftarget"]
    if name.startswith("sklearn."):
        url = f"https://scikit-learn.org/stable/modules/generated/{name}.html"
        return nodes.reference("", "", content, internal=False, refuri=url)
    first = name.partition(".")[0]
    for module in reference.MODULES:
        found = env.domains["py"].objects.get(f"{module}.{name}")
        if found is not None and first in reference.find_public(module):
            return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content, name)
    return None


def setup(app):
    app.connect("missing-reference", link_name)
