"""What holds for the package as a whole: imports, public names, docstrings."""

import ast
import functools
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import sklearn_mm
from sklearn_mm.preprocessing import BlockSpec

ROOT = Path(sklearn_mm.__file__).parent
SUBPACKAGES = [
    "datasets",
    "decoders",
    "encoders",
    "estimators",
    "fusion",
    "inputs",
    "inspection",
    "networks",
    "preprocessing",
    "retrieval",
    "training",
]

# What the modules of a folder may import from the package; `utils` lies below all of them.
MAY_IMPORT = {
    "utils": set(),
    "storage": set(),
    "blocks": {"storage"},
    "preprocessing": {"blocks", "storage"},
    "encoders": {"blocks"},
    "decoders": {"encoders"},
    "fusion": set(),
    "datasets": set(),
    "inputs": {"blocks", "storage", "preprocessing", "encoders"},
    "inspection": {"blocks", "storage", "preprocessing", "inputs"},
    "networks": {"blocks", "decoders", "encoders", "fusion", "retrieval"},
    "training": {"blocks", "storage", "encoders", "decoders"},
    "retrieval": {"storage"},
    "estimators": {
        *("blocks", "storage", "inputs", "preprocessing", "encoders", "decoders", "fusion", "networks", "training"),
        "retrieval",
    },
    "testing": {"blocks", "storage", "inputs", "preprocessing", "encoders", "fusion", "networks"},
}
# The same within `preprocessing`; `_base.py`, the base of all transformers, may be imported by those that have one.
MAY_IMPORT_IN_PREPROCESSING = {
    "audio": {"_base", "cells", "containers", "media", "video"},  # which may have sound
    "cells": set(),
    "containers": set(),
    "media": {"_base", "cells", "containers"},
    "embedding": {"_base", "cells", "containers", "media"},
    "image": {"_base", "cells", "containers", "media"},
    "text": {"_base", "cells", "containers"},
    "video": {"_base", "cells", "containers", "media", "image"},
    "tabular": {"_base", "cells", "containers"},
    "_base.py": set(),
    "__init__.py": {"_base", "audio", "embedding", "image", "media", "tabular", "text", "video"},
}
LOOK_FROM_OUTSIDE = {"estimator_checks.py"}  # the public door to `testing`


@functools.cache
def imported_names(path):
    """Return the modules that a file imports, but for those that type checkers alone are to see."""
    return list(find_imports(path))


def find_imports(path):
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    for_types = [node for node in nodes if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    unseen = {inner for node in for_types for inner in ast.walk(node)}
    for node in nodes:
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    folder = path.relative_to(ROOT).parts[0]
    if folder == "__init__.py" or path.name in LOOK_FROM_OUTSIDE:
        return
    for name in imported_names(path):
        if name.startswith("sklearn_mm."):
            assert name.split(".")[1] in MAY_IMPORT[folder] | {folder, "utils"}, f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "preprocessing").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_within_preprocessing_point_one_way(path):
    folder = path.relative_to(ROOT / "preprocessing").parts[0]
    for name in imported_names(path):
        if name.startswith("sklearn_mm.preprocessing"):
            imported = name.split(".")[2]  # never the folder as a whole, which imports all others
            assert imported in MAY_IMPORT_IN_PREPROCESSING[folder] | {folder}, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_private_helpers_of_scikit_learn_have_one_door(path):
    if path.name == "_validation.py":
        return
    private = [name for name in imported_names(path) if name.startswith("sklearn.") and "._" in name]
    assert not private, f"import these through sklearn_mm/utils/_validation.py: {private}"


def public_modules():
    yield sklearn_mm
    for name in [*SUBPACKAGES, "utils", "utils.estimator_checks"]:
        yield importlib.import_module(f"sklearn_mm.{name}")


def test_no_group_is_repeated_possessively():
    """Python before 3.11.5 mismatches them (gh-106052), but not an atomic group around a repetition: (?>(?:...)*)."""
    files = [path for path in ROOT.rglob("*.py") if re.search(r"\)(?:[*+?]|\{+[\d,]*\}+)\+", path.read_text("utf-8"))]
    assert not files


@pytest.mark.parametrize("module", list(public_modules()), ids=lambda module: module.__name__)
def test_public_names_are_sorted_and_exist(module):
    names = getattr(module, "__all__", [])
    assert names == sorted(names)
    for name in names:
        assert hasattr(module, name)


def public_objects():
    for module in public_modules():
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield pytest.param(thing, id=f"{module.__name__}.{name}")


# numpydoc's codes for what is wanted beyond what its parser needs: summary, parameters, returns
WANTED = {"GL08", "SS01", "SS03", "SS06", "PR01", "PR02", "PR03", "PR06", "PR07", "PR09", "RT01", "YD01"}


@pytest.mark.parametrize("thing", list(public_objects()))
def test_docstrings_are_numpydoc(thing):
    name = f"{thing.__module__}.{thing.__qualname__}"
    errors = [error for error in validate(name)["errors"] if error[0] in WANTED]
    if inspect.isclass(thing) and ("__init__" not in vars(thing) or BlockSpec in thing.__bases__):
        # parameters of the base are documented there
        errors = [error for error in errors if not error[0].startswith("PR")]
    assert not errors, f"{name}: {errors}"


@pytest.mark.parametrize("thing", [param for param in public_objects() if inspect.isclass(param.values[0])])
def test_documented_defaults_are_those_of_the_signature(thing):
    parameters = NumpyDocString(inspect.getdoc(thing))["Parameters"]
    signature = inspect.signature(thing) if parameters else None  # exceptions have none
    for parameter in parameters:
        _, _, documented = parameter.type.partition("default=")
        for name in parameter.name.split(", "):
            default = signature.parameters[name].default if name in signature.parameters else inspect.Parameter.empty
            if documented and default is not inspect.Parameter.empty:
                assert _same_default(documented, default), f"{name}: documented {documented}, default {default!r}"
            elif default is not inspect.Parameter.empty:
                assert "default" in parameter.type, f"{thing.__name__}: the default of {name} is not documented"


def _same_default(documented, default):
    documented = documented.replace('"', "'").strip()
    if documented == repr(default):
        return True
    try:
        return eval(documented) == default
    except (NameError, SyntaxError):
        return False


ANNOTATED = {*SUBPACKAGES, "blocks", "storage", "utils"}


def public_functions():
    """Yield what users call."""
    for param in public_objects():
        (thing,) = param.values
        for name, member in inspect.getmembers(thing, inspect.isroutine) if inspect.isclass(thing) else [("", thing)]:
            _, _, module = (getattr(member, "__module__", None) or "").partition("sklearn_mm.")
            is_public = not name.startswith("_") or name == "__init__"
            if module.partition(".")[0] in ANNOTATED and is_public:
                yield pytest.param(inspect.unwrap(member), id=f"{param.id}.{name}".removesuffix("."))


@pytest.mark.parametrize("function", list(public_functions()))
def test_public_signatures_are_annotated(function):
    signature = inspect.signature(function)
    bare = [name for name, p in signature.parameters.items() if p.annotation is p.empty and name not in ("self", "cls")]
    if function.__name__ != "__init__" and signature.return_annotation is signature.empty:
        bare.append("return")
    assert not bare


def test_types_are_shipped():
    assert (ROOT / "py.typed").exists()


def test_every_module_can_be_imported_alone():
    for module in pkgutil.walk_packages([str(ROOT)], "sklearn_mm."):
        importlib.import_module(module.name)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


CORE_ONLY = """
import importlib.machinery
import sys
OPTIONAL = {
    "faiss", "huggingface_hub", "hypothesis", "matplotlib", "peft", "polars", "pyarrow", "pytest", "rich",
    "sacrebleu", "safetensors", "soundfile", "soxr", "spacy", "stop_words", "torchvision", "transformers", "voyager",
}

class Refuse:  # can be found, as torch does with some, but not imported
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in OPTIONAL:
            return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        raise ModuleNotFoundError(f"{spec.name} is not installed here")

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Refuse())

import socket
def refuse(*args, **kwargs):
    raise OSError("the network is closed here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""


def test_import_and_fit_without_any_extra_and_with_closed_network():
    code = CORE_ONLY + (
        "import numpy as np, pandas as pd\n"
        "from sklearn_mm import MultimodalClassifier\n"
        "from sklearn_mm.datasets import load_emoji\n"
        "X, y = load_emoji(return_X_y=True)\n"
        "X = X[:40].assign(number=np.arange(40.0), colour=['red', 'blue'] * 20)\n"
        "clf = MultimodalClassifier(max_epochs=1).fit(X, y[:40])\n"
        "assert list(clf.specs_) == ['image', 'text', 'tabular'], clf.specs_\n"
        "clf.predict(X)\n"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr


WHAT_TORCH_SEES = """
import os
import sys

class Stop:  # as soon as something heavy is imported
    def find_spec(self, name, path=None, target=None):
        if name in {"torch", "sklearn_mm.estimators"}:
            print(os.environ.get("GOMP_SPINCOUNT"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Stop())
import sklearn_mm
"""


@pytest.mark.parametrize(
    ("before", "given", "spins"),
    [
        ("", {}, "5000"),
        ("", {"GOMP_SPINCOUNT": "7"}, "7"),
        ("", {"OMP_WAIT_POLICY": "PASSIVE"}, "None"),
        ("import torch", {}, "None"),
    ],
    ids=str,
)
def test_threads_do_not_spin_for_long_unless_somebody_says_so(before, given, spins):
    settings = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    command = [sys.executable, "-c", before + WHAT_TORCH_SEES]
    done = subprocess.run(command, env={**settings, **given}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == spins


def test_import_has_no_side_effect():
    code = (
        "import sys, os, warnings, logging\n"
        "import torch, sklearn, skorch, pandas, PIL, tokenizers\n"
        "import numpy as np\n"
        "def state():\n"
        "    return (torch.get_rng_state().tolist(), torch.get_num_threads(), torch.get_default_dtype(),\n"
        "            np.random.get_state()[1].tolist(), dict(os.environ), list(warnings.filters),\n"
        "            list(logging.getLogger().handlers))\n"
        "before = state()\n"
        "import sklearn_mm\n"
        "assert state() == before\n"
        "loaded = {'huggingface_hub', 'matplotlib', 'peft', 'polars', 'safetensors', 'soundfile',\n"
        "          'soxr', 'spacy', 'stop_words', 'transformers', 'torchvision'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = run(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
