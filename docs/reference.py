"""What the API reference lists, found in the package, so that a new public name appears by itself."""

import importlib
import inspect
import re

from sklearn.base import BaseEstimator

from sklearn_mm.encoders import Encoder
from sklearn_mm.fusion import Fusion
from sklearn_mm.inputs import Input

__all__ = ["MODULES", "find_public", "group_names", "inherited_methods", "names_elsewhere", "own_methods"]

# In this order a name is looked up: one that is public in several modules has its page under the first.
MODULES = [
    "sklearn_mm",
    "sklearn_mm.preprocessing",
    "sklearn_mm.encoders",
    "sklearn_mm.fusion",
    "sklearn_mm.decoders",
    "sklearn_mm.inputs",
    "sklearn_mm.networks",
    "sklearn_mm.training",
    "sklearn_mm.estimators",
    "sklearn_mm.inspection",
    "sklearn_mm.datasets",
    "sklearn_mm.utils",
    "sklearn_mm.utils.estimator_checks",
]

_ROLE = re.compile(r":\w+:`([^`<]*?)\s*(?:<[^`]*>)?`")  # a link to a page that only scikit-learn's documentation has


def _encodes(kind):
    return lambda thing: inspect.isclass(thing) and issubclass(thing, Encoder) and thing.kind == kind


def _is_base(thing):
    return inspect.isclass(thing) and any(issubclass(other, thing) and other is not thing for other in _classes())


# Groups of names: the first test that a name passes decides. Those that are shown last are tested first.
_SHOWN_LAST = [
    ("To derive one's own from", _is_base),
    ("Functions", inspect.isroutine),
]
_SHOWN_FIRST = [
    ("Estimators", lambda thing: hasattr(thing, "score") and issubclass(thing, BaseEstimator)),
    ("Inputs", lambda thing: inspect.isclass(thing) and issubclass(thing, Input)),
    ("Pictures", _encodes("image")),
    ("Texts", _encodes("text")),
    ("Tables", _encodes("tabular")),
    ("Any kind of block", _encodes(None)),
    ("Fusions", lambda thing: inspect.isclass(thing) and issubclass(thing, Fusion)),
    ("Transformers", lambda thing: hasattr(thing, "transform")),
    ("Others", lambda thing: True),
]


def find_public(module):
    """Return the objects that ``module`` exports, by name."""
    module = importlib.import_module(module)
    return {name: getattr(module, name) for name in module.__all__}


def _classes():
    return [thing for module in MODULES for thing in find_public(module).values() if inspect.isclass(thing)]


def names_elsewhere(module):
    """Return the full public names of what ``module`` exports and an earlier module has a page for."""
    earlier = {}
    for other in MODULES[: MODULES.index(module)]:
        for name, thing in find_public(other).items():
            earlier.setdefault(id(thing), f"{other}.{name}")
    return [earlier[id(thing)] for thing in find_public(module).values() if id(thing) in earlier]


def group_names(module):
    """Return pairs of a title and names: what ``module`` exports and no earlier module has a page for."""
    elsewhere = {full.rpartition(".")[2] for full in names_elsewhere(module)}
    groups = {title: [] for title, _ in _SHOWN_FIRST + _SHOWN_LAST}
    for name, thing in find_public(module).items():
        if name not in elsewhere:
            groups[next(title for title, test in _SHOWN_LAST + _SHOWN_FIRST if test(thing))].append(name)
    return [(title, names) for title, names in groups.items() if names]


def own_methods(module, name):
    """Return the names of the methods of a class that this package documents, in the class or its bases."""
    return sorted(_documented_methods(module, name, "sklearn_mm"))


def inherited_methods(module, name):
    """Return pairs of a method that a class has from scikit-learn alone and the first line of its description."""
    own = own_methods(module, name)
    theirs = _documented_methods(module, name, "sklearn")
    return [
        (method, _ROLE.sub(r"\1", theirs[method].splitlines()[0])) for method in sorted(theirs) if method not in own
    ]


def _documented_methods(module, name, package):
    documented = {}
    for base in getattr(importlib.import_module(module), name).__mro__:
        if base.__module__.partition(".")[0] == package:
            for method, thing in vars(base).items():
                if inspect.isfunction(thing) and not method.startswith("_") and thing.__doc__:
                    documented.setdefault(method, inspect.getdoc(thing))
    return documented
