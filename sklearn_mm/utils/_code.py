"""What functions and classes do, as something that can be hashed: where that cannot be told, an error."""

import builtins
import dis
import functools
import sys
import types
from dataclasses import dataclass
from hashlib import blake2b
from importlib import metadata
from pathlib import Path

__all__ = ["ClassOf", "UnknownCodeError", "code_of_class", "code_of_function", "code_of_module"]

# What a function may use of the standard library, beside its own code: modules that read nothing that changes.
_PURE = {
    "__future__", "abc", "builtins", "collections", "contextlib", "copy", "copyreg", "dataclasses", "enum", "functools",
    "itertools", "logging", "math", "numbers", "operator", "re", "string", "sys", "types", "typing", "warnings",
}  # fmt: skip
_READS_MORE = {"__import__", "compile", "eval", "exec", "globals", "input", "locals", "open"}
_SAYS_NOTHING = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__firstlineno__",
    "__static_attributes__", "__annotate__", "__annotate_func__", "__abstractmethods__", "_abc_impl", "__parameters__",
    "__orig_bases__", "__signature__",
}  # fmt: skip


class UnknownCodeError(ValueError):
    """It cannot be told what code does."""


@dataclass(frozen=True)
class ClassOf:
    """A class of an object that is there already."""

    cls: type


def code_of_function(function):
    """Return what a function is made of: its code, defaults, what it closes over and the globals that it uses."""
    if (library := _library(function.__module__)) is not None:
        return library, function.__qualname__
    names = function.__code__.co_freevars
    cells = {name: cell.cell_contents for name, cell in zip(names, function.__closure__ or (), strict=True)}
    if "__class__" in cells:  # for super(), of an object that is there
        cells["__class__"] = ClassOf(cells["__class__"])
    used = {name: _global(name, function.__globals__) for name in sorted(_globals_used(function.__code__))}
    return _content(function.__code__), function.__defaults__, function.__kwdefaults__, cells, used, vars(function)


def code_of_class(cls, of_object=False):
    """Return what a class is made of: the name of a library's, with its version, and all that is in a user's.

    With ``of_object``, ``__init__`` is left out, which has done to the object what it does; it may have loaded files.
    """
    library = _library(cls.__module__)
    if library is None:
        skipped = _SAYS_NOTHING | {"__init__"} if of_object else _SAYS_NOTHING
        content = {name: _attribute(value) for name, value in vars(cls).items() if name not in skipped}
        bases = [base for base in cls.__bases__ if base is not object]
        return cls.__qualname__, content, [*map(ClassOf, bases)] if of_object else bases, type(cls)
    for base in cls.__mro__:
        for name, value in vars(base).items():  # may have been put there by somebody else
            if isinstance(value, types.FunctionType) and _library(value.__module__) is None:
                raise UnknownCodeError(f"{name} of {base.__qualname__} is not of {base.__module__}")
    return library, cls.__module__, cls.__qualname__


def code_of_module(module):
    """Return name and version of a library's module."""
    library = _library(module.__name__)
    if library is None:
        raise UnknownCodeError(f"module {module.__name__}")
    return library, module.__name__


def _attribute(value):
    """Return what is behind an attribute of a class."""
    if isinstance(value, staticmethod | classmethod):
        return type(value).__name__, value.__func__
    if isinstance(value, property):
        return "property", value.fget, value.fset, value.fdel
    if isinstance(value, functools.cached_property):
        return "cached", value.func
    if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):  # of slots
        return "slot"
    return value


def _global(name, globals_):
    if name in globals_:
        return globals_[name]
    if name in _READS_MORE or not hasattr(builtins, name):
        raise UnknownCodeError(f"a function uses {name}")
    return "built in"


def _globals_used(code):
    """Return the names of the globals that code, and what is defined in it, looks up."""
    names = set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(step.argval)
        elif step.opname == "IMPORT_NAME" and (not step.argval or _library(step.argval) is None):
            raise UnknownCodeError(f"a function imports {step.argval}")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _globals_used(constant)
    return names


def _content(code):
    """Return what is executed; not where it was written."""
    flow = code.co_code, code.co_exceptiontable, code.co_flags, code.co_argcount, code.co_kwonlyargcount
    return flow, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, list(map(_const, code.co_consts))


def _const(constant):
    if isinstance(constant, types.CodeType):
        return _content(constant)
    if isinstance(constant, tuple):
        return list(map(_const, constant))
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)


@functools.cache
def _library(module):
    """Return name and version of the library that a module is of; None for a user's own."""
    top = (module or "").partition(".")[0]
    if top == "sklearn_mm":
        return top, _own_sources()
    if top in sys.stdlib_module_names:
        if top in _PURE:
            return top, sys.version
        raise UnknownCodeError(f"module {module}")
    file = getattr(sys.modules.get(top), "__file__", None)
    for name in _packages_of(top) if file is not None else ():
        package = metadata.distribution(name)
        if Path(package.locate_file("")).resolve() in Path(file).resolve().parents:  # and not where it is written
            return top, package.version
    return None


@functools.cache
def _packages_of(top):
    """Return the packages that may have brought what is imported by a name, most of which have that name."""
    try:
        metadata.distribution(top)
        return [top]
    except metadata.PackageNotFoundError:
        return metadata.packages_distributions().get(top, [])


@functools.cache
def _own_sources():
    digest = blake2b(digest_size=16)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
