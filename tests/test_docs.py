"""The documentation speaks of what there is: every public name, every example, and no page that is not there.

`bash tools/docs` builds it with warnings as errors, which finds the same and more; this is what can be known at once.
"""

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import sklearn_mm

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLES = sorted((ROOT / "examples").rglob("plot_*.py"))
NO_PAGES = {"_build", "_templates", "auto_examples", "generated", "backreferences"}
PAGES = sorted(page for page in DOCS.rglob("*.rst") if not NO_PAGES & set(page.relative_to(DOCS).parts))
MARKDOWN = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])

LIBRARIES = {"joblib", "numpy", "pandas", "pathlib", "PIL", "sklearn", "sklearn_mm", "skorch", "tokenizers", "torch"}


def load_reference():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load_reference()

# What users may rely on. Names are added to it, and leave it only with a deprecation.
SURFACE = {
    "sklearn_mm": [
        *["MultimodalClassifier", "MultimodalRegressor", "ModalityTransformer", "ZeroShotClassifier"],
        *["MultimodalEmbedder", "MultimodalGenerator", "MultimodalRetriever", "find_duplicates"],
        *["ImageInput", "TextInput", "TabularInput"],
    ],
    "sklearn_mm.preprocessing": [
        *["BlockStore", "Blocks", "ImageTransformer", "Ragged", "StoredRows", "TabularTransformer", "TextTransformer"],
        *["BlockSpec", "BlockTransformer", "MediaDecoder", "MediaTransformer", "UnreadableError"],
        *["EmbeddingTransformer", "TextNumbers", "VectorSpec"],
    ],
    "sklearn_mm.encoders": [
        *["CNNEncoder", "ResNetEncoder", "ViTEncoder", "MLPEncoder"],
        *["ModuleEncoder", "PretrainedEncoder", "VectorEncoder"],
        *["BagEncoder", "RNNEncoder", "SelfAttentionEncoder", "TextCNNEncoder"],
        *["Encoder", "ImageEncoder", "TextEncoder", "TabularEncoder", "Features"],
    ],
    "sklearn_mm.fusion": [
        *["ConcatFusion", "SumFusion", "ProductFusion", "MaxFusion", "GatedFusion", "LateFusion", "Fusion"],
        *["AttentionFusion", "BilinearFusion", "BottleneckFusion", "FiLMFusion", "LowRankTensorFusion"],
    ],
    "sklearn_mm.decoders": ["Decoder", "TransformerDecoder", "Search", "BeamSearch", "GreedySearch", "Sampling"],
    "sklearn_mm.inputs": ["Input", "detect_kinds"],
    "sklearn_mm.networks": [
        *["Head", "MLPHead", "EnsembleHead", "WideLinear", "MultimodalNetwork"],
        *["Loss", "ClassifierLoss", "RegressorLoss"],
        *["CrossEntropyLoss", "FocalLoss", "OrdinalLoss", "SquaredErrorLoss", "AbsoluteErrorLoss"],
        *["HuberLoss", "PoissonLoss", "QuantileLoss"],
    ],
    "sklearn_mm.training": ["ImageAugmentation"],
    "sklearn_mm.inspection": ["Duplicates", "RetrievalDisplay", "find_duplicates"],
    "sklearn_mm.datasets": ["load_emoji", "get_data_home", "clear_data_home"],
    "sklearn_mm.utils.estimator_checks": ["check_encoder", "check_estimator", "check_fusion", "check_transformer"],
}


@pytest.mark.parametrize("module", SURFACE)
def test_what_users_rely_on_exists_and_is_documented(module):
    public = reference.find_public(module)
    for name in SURFACE[module]:
        assert name in public, f"{module} no longer exports {name}"
        assert inspect.getdoc(public[name]), f"{module}.{name} has no docstring"


def test_every_public_name_is_in_the_reference():
    listed = re.findall(r"^   (sklearn_mm[\w.]*)$", (DOCS / "api" / "index.rst").read_text("utf-8"), re.MULTILINE)
    assert listed == reference.MODULES
    pages = {f"{module}.{name}" for module in listed for _, names in reference.group_names(module) for name in names}
    for module in listed:
        elsewhere = reference.names_elsewhere(module)
        assert pages.issuperset(elsewhere)
        here = {name for _, names in reference.group_names(module) for name in names}
        assert here | {full.rpartition(".")[2] for full in elsewhere} == set(reference.find_public(module))


def test_no_folder_exports_what_the_reference_leaves_out():
    documented = {id(thing) for module in reference.MODULES for thing in reference.find_public(module).values()}
    for folder in pkgutil.iter_modules(sklearn_mm.__path__, "sklearn_mm."):
        module = importlib.import_module(folder.name)
        for name in getattr(module, "__all__", []):
            assert id(getattr(module, name)) in documented, f"{folder.name} is in no module of docs/reference.py"


def test_names_appear_in_one_group():
    for module in reference.MODULES:
        names = [name for _, names in reference.group_names(module) for name in names]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_has_a_title_and_its_folder_a_heading(path):
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    title, line, blank, text = docstring.split("\n", 3)
    assert line == "=" * len(title)
    assert not blank
    assert text.strip()
    assert (path.parent / "README.rst").exists(), f"sphinx-gallery needs {path.parent / 'README.rst'}"


def document(target, page):
    """Return the path without suffix of a document that a page links to."""
    return DOCS / target.lstrip("/") if target.startswith("/") else page.parent / target


def is_document(target, page):
    path = document(target, page)
    if path.relative_to(DOCS).parts[0] == "auto_examples":
        return path.name == "index"
    return any(path.with_name(f"{path.name}{suffix}").exists() for suffix in (".rst", ".md"))


def links_of(page):
    text = page.read_text("utf-8")
    yield from re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`", text)
    for body in re.findall(r"\.\. toctree::\n((?:\n|   .*\n?)+)", text):
        entries = [line.strip() for line in body.splitlines()]
        yield from (entry for entry in entries if entry and not entry.startswith(":") and "*" not in entry)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_between_pages(page):
    text = page.read_text("utf-8")
    for target in links_of(page):
        assert is_document(target, page), f"{page.name} links to {target}, which is not there"
    labels = {f"sphx_glr_{label_of(example)}" for example in EXAMPLES}
    labels |= {label for other in PAGES for label in re.findall(r"^\.\. _(\w+):$", other.read_text("utf-8"), re.M)}
    for target in re.findall(r":ref:`(?:[^`<]*<)?([^`>]+)>?`", text):
        assert target in labels, f"{page.name} refers to {target}, which is not there"


def label_of(example):
    return "_".join(("auto_examples", *example.relative_to(ROOT / "examples").parts))


def names_in(text):
    """Return what is in single backticks: links to the reference, or to another library's."""
    code_roles_and_links = r"^ *>>> (?:.+\n)+|``[^`]*``|:\w+:`[^`]*`|`[^`]*`_"
    text = re.sub(code_roles_and_links, "", f"{text}\n", flags=re.MULTILINE)
    found = re.findall(r"`([^`<>]+?)(?:\s<([^`>]+)>)?`", text)
    return [(target or shown).lstrip("~") for shown, target in found]


def can_be_found(name):
    first, _, rest = name.partition(".")
    if first in LIBRARIES:
        try:
            return pkgutil.resolve_name(name) is not None
        except (ImportError, AttributeError):
            return False
    public = [things[first] for things in map(reference.find_public, reference.MODULES) if first in things]
    return bool(public) and (not rest or hasattr(public[0], rest))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_names_that_pages_speak_of(page):
    for name in names_in(page.read_text("utf-8")):
        assert can_be_found(name), f"{page.name} speaks of {name}, which is not there or not public"


def docstrings(thing):
    yield inspect.getdoc(thing)
    for base in thing.__mro__ if inspect.isclass(thing) else []:
        if base.__module__.startswith("sklearn_mm"):
            methods = [method for name, method in vars(base).items() if not name.startswith("_")]
            yield from (inspect.getdoc(method) for method in methods if inspect.isfunction(method))


@pytest.mark.parametrize("module", reference.MODULES)
def test_names_that_docstrings_speak_of(module):
    unknown = [
        (title, name)
        for title, thing in reference.find_public(module).items()
        for name in names_in("\n\n".join(filter(None, docstrings(thing))))
        if not (hasattr(thing, name.removeprefix(f"{title}.")) or can_be_found(name))
    ]
    assert not unknown, "docstrings speak of names that are not public: write them with two backticks"


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_markdown_pages_name(page):
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:\s]+)\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
    for path in re.findall(r"`((?:docs|examples|sklearn_mm|tests|tools|benchmarks)/[\w./-]+\.\w+)`", text):
        assert (ROOT / path).exists(), f"{page.name} names {path}, which is not there"
