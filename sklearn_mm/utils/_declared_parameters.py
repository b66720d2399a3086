"""Parameters as declared fields, as in dataclasses, from which `__init__`, constraints and docstring are made."""

import inspect
import re
from dataclasses import dataclass, replace
from itertools import groupby
from textwrap import indent
from typing import Any, TypeVar, dataclass_transform

import numpy as np

__all__ = ["parameter", "with_parameters"]

_Class = TypeVar("_Class", bound=type)
_SECTION = re.compile(r"^(\w.*)\n-{3,}$", re.MULTILINE)  # of a numpydoc docstring


@dataclass
class _Parameter:
    """A field that `with_parameters` takes from its class; where that was forgotten, it is a descriptor and says so."""

    default: Any
    constraints: list | None
    doc: str | None
    kw_only: bool
    before: str | None

    def __set_name__(self, owner, name):
        self.owner, self.name = owner, name

    def __get__(self, instance, owner=None):
        return self if instance is None else self._refuse()

    def __set__(self, instance, value):
        self._refuse()

    def _refuse(self):
        raise TypeError(
            f"{self.owner.__name__} declares the parameter {self.name!r}, which no __init__ takes: write "
            f"@with_parameters above class {self.owner.__name__}."
        )


def parameter(
    *,
    default: Any,
    constraints: list | None = None,
    doc: str | None = None,
    kw_only: bool = True,
    before: str | None = None,
) -> Any:
    """Declare a parameter in the body of a class that `with_parameters` decorates, as ``name: type = parameter(...)``.

    A class that declares a parameter of its bases anew keeps its place, and constraints and docstring if it gives none.

    Parameters
    ----------
    default : object
        Default value.
    constraints : list, default=None
        What scikit-learn's ``_parameter_constraints`` has for it; None if ``fit`` does not check it.
    doc : str, default=None
        Its entry in the docstring: the type, to which the default is added, and below it the paragraph. Neighbours with
        one ``doc`` and one default share an entry.
    kw_only : bool, default=True
        Whether it can be passed by name only.
    before : str, default=None
        The inherited parameter before which a new one comes. By default, and if there is none of this name, it comes
        after all of them.

    Returns
    -------
    field : object
        What `with_parameters` looks for.

    See Also
    --------
    with_parameters : Makes ``__init__``, constraints and docstring of such fields.
    """
    return _Parameter(default, constraints, doc, kw_only, before)


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(parameter,))
def with_parameters(class_: _Class) -> _Class:
    """Give a class what follows from its declared parameters and those of its bases, as dataclasses do.

    That is an ``__init__`` that stores them and does nothing else, annotated as the fields are,
    ``_parameter_constraints``, and the section "Parameters" of the docstring, unless the class has written one. As in
    dataclasses, parameters come in the reverse order of the MRO, the last base's first, and of two that declare the
    same one the class that is earlier in the MRO wins. Words in braces, in the docstring and in those of parameters,
    are what ``_doc_words`` has for them.

    Parameters
    ----------
    class_ : type
        The class, whose ``__init__`` is replaced.

    Returns
    -------
    class_ : type
        The same class.

    See Also
    --------
    parameter : Declares one.

    Examples
    --------
    >>> from sklearn_mm import MultimodalRegressor
    >>> from sklearn_mm.utils import parameter, with_parameters
    >>> @with_parameters
    ... class BoundedRegressor(MultimodalRegressor):
    ...     '''Predict numbers from a bound on.'''
    ...
    ...     max_epochs: int = parameter(default=5)
    ...     low: float = parameter(default=0.0, constraints=[float], doc="float\\nLeast prediction.")
    >>> BoundedRegressor(low=1.0)
    BoundedRegressor(low=1.0)
    >>> BoundedRegressor().get_params()["max_epochs"]
    5
    >>> BoundedRegressor.__doc__.endswith("Least prediction.")
    True
    """
    class_._own_parameters = {name: value for name, value in vars(class_).items() if isinstance(value, _Parameter)}
    for name in class_._own_parameters:
        delattr(class_, name)
    parameters = _collect(class_)
    _check_all_declared(class_, parameters)
    class_.__init__ = _make_init(class_, parameters)
    class_.__init__.__annotations__ = _annotations(class_, parameters)
    constraints = {name: p.constraints for name, p in parameters.items() if p.constraints is not None}
    class_._parameter_constraints = {**getattr(class_, "_parameter_constraints", {}), **constraints}
    if class_.__doc__ is not None:
        class_.__doc__ = _complete(class_.__doc__, parameters, getattr(class_, "_doc_words", {}))
    return class_


def _collect(cls):
    """Return the parameters of a class by name, those that can be passed by position first."""
    parameters = {}
    for base in reversed(cls.__mro__):
        for name, declared in vars(base).get("_own_parameters", {}).items():
            if name in parameters:
                inherited = parameters[name]
                constraints = inherited.constraints if declared.constraints is None else declared.constraints
                parameters[name] = replace(declared, constraints=constraints, doc=declared.doc or inherited.doc)
            else:
                names = list(parameters)
                names.insert(names.index(declared.before) if declared.before in names else len(names), name)
                parameters = {name: parameters.get(name, declared) for name in names}
    return dict(sorted(parameters.items(), key=lambda item: item[1].kw_only))


def _check_all_declared(cls, parameters):
    _, *arguments = inspect.signature(cls.__init__).parameters.values()
    named = [p.name for p in arguments if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    undeclared = [name for name in named if name not in parameters]
    if undeclared:
        raise TypeError(
            f"{cls.__name__} cannot get an __init__ of its declared parameters alone: one that is written by hand has "
            f"{', '.join(undeclared)} as well. Declare these with parameter() too."
        )


def _make_init(cls, parameters):
    positional = {name: p.default for name, p in parameters.items() if not p.kw_only}
    keyword = {name: p.default for name, p in parameters.items() if p.kw_only}
    signature = ", ".join(["self", *positional, *(["*", *keyword] if keyword else [])])
    body = "".join(f"\n    self.{name} = {name}" for name in parameters) or "\n    pass"
    namespace = {}
    exec(f"def __init__({signature}):{body}", {"__name__": cls.__module__}, namespace)
    init = namespace["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__defaults__, init.__kwdefaults__ = tuple(positional.values()), keyword
    return init


def _annotations(cls, parameters):
    """Return the types of parameters by name, in their order."""
    types = {}
    for base in reversed(cls.__mro__):
        if "_own_parameters" in vars(base):
            types.update(_types_of_fields(base))
    return {name: types[name] for name in parameters if name in types}


def _types_of_fields(cls):
    try:
        return inspect.get_annotations(cls, eval_str=True)
    except Exception:  # strings that cannot be evaluated, or not yet, stay as they are
        return inspect.get_annotations(cls)


def _complete(docstring, parameters, words):
    """Return a docstring with the section "Parameters" before its first other section, and all words filled in."""
    docstring = inspect.cleandoc(docstring)
    first = _SECTION.search(docstring)
    if parameters and not (first and first[1] == "Parameters"):
        start = first.start() if first else len(docstring)
        sections = [docstring[:start].rstrip(), _parameters_section(parameters), docstring[start:]]
        docstring = "\n\n".join(filter(None, sections))
    for word, text in words.items():
        docstring = docstring.replace("{" + word + "}", text)
    return docstring


def _parameters_section(parameters):
    lines = ["Parameters", "----------"]
    for (doc, default), group in groupby(parameters, lambda name: (parameters[name].doc, parameters[name].default)):
        type_, _, paragraph = inspect.cleandoc(doc or "").partition("\n")
        type_and_default = ", ".join(filter(None, [type_, f"default={_written(default)}"]))
        lines.append(f"{', '.join(group)} : {type_and_default}")
        lines.extend([indent(paragraph, "    ")] if paragraph else [])
    return "\n".join(lines)


def _written(default):
    """Return a default as the docstrings write it: in double quotes, floats as short as may be."""
    if isinstance(default, str):
        return f'"{default}"'
    if isinstance(default, float) and np.isfinite(default):
        return min(np.format_float_scientific(default, trim="-", exp_digits=1), repr(default), key=len)
    return repr(default)
