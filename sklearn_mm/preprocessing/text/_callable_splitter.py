"""A user's function that splits texts: checked, and copied and pickled by name where it cannot be otherwise."""

import importlib
import sys
from collections.abc import Iterable, Mapping

__all__ = ["CallableSplitter", "copyable"]


def copyable(function):
    """Return what is to be copied and pickled in place of a function, and becomes it again there.

    That is a reference by name for a method that a module offers as a function, such as ``jieba.lcut``, whose object
    has a lock and cannot be copied. Everything else is returned as it is.
    """
    module = sys.modules.get(type(getattr(function, "__self__", None)).__module__)
    name = getattr(function, "__name__", "")
    return _Reference(module.__name__, name) if getattr(module, name, None) == function else function


class _Reference:
    """A function that pickle and deepcopy find by its name in a module."""

    def __init__(self, module, name):
        self.module = module
        self.name = name

    def __call__(self, text):  # a shallow copy keeps the reference
        return _find(self.module, self.name)(text)

    def __reduce__(self):
        return _find, (self.module, self.name)


def _find(module, name):
    return getattr(importlib.import_module(module), name)


class CallableSplitter:
    """Split a text by a user's function from str to a list of str, and leave stop words out."""

    def __init__(self, function, stop_words):
        self.function = function
        self.stop_words = stop_words

    def __getstate__(self):
        return {**vars(self), "function": copyable(self.function)}

    def __call__(self, text):
        tokens = self.function(text)
        if isinstance(tokens, (str, bytes, Mapping)) or not isinstance(tokens, Iterable):
            raise TypeError(self._complaint(f"an object of type {type(tokens).__name__}", text))
        tokens = list(tokens)
        for token in tokens:
            if not isinstance(token, str):
                raise TypeError(self._complaint(f"a list with an element of type {type(token).__name__}", text))
        return [token for token in tokens if token.strip() and token not in self.stop_words]

    def _complaint(self, got, text):
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return (
            f"TextTransformer needs a tokenizer that returns a list of str for a str, but {name} returned {got} for "
            f"{text[:60]!r}. Of a transformers tokenizer, hand in its `tokenize` or its `backend_tokenizer`."
        )
