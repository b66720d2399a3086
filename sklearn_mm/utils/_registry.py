"""Short names for components: ``"gated"`` for ``GatedFusion()``."""

import difflib
import inspect

__all__ = ["Registry", "did_you_mean"]


def did_you_mean(name, known):
    """Return the sentence " Did you mean …?" about the known name that reads most like ``name``, or nothing."""
    close = difflib.get_close_matches(str(name), map(str, known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


class Registry:
    """Map short names to component classes, and whatever a user hands in to an instance.

    Parameters
    ----------
    what : str
        What is registered ("fusion", "image encoder"), for error messages.
    base : type
        The class that instances must belong to.
    """

    def __init__(self, what, base):
        self.what = what
        self.base = base
        self._factories = {}
        self._listed_last = set()

    def register(self, name, factory, listed_last=False):
        """Make ``name`` stand for ``factory()``; returns ``factory``."""
        self._factories[name] = factory
        if listed_last:
            self._listed_last.add(name)
        return factory

    @property
    def names(self):
        """Registered names, sorted; at the end those that are to be listed last."""
        return sorted(self._factories, key=lambda name: (name in self._listed_last, name))

    def items(self):
        """Pairs of a name and what makes the instance it stands for."""
        return self._factories.items()

    def resolve(self, component):
        """Return an instance for a registered name; pass instances of ``base`` through."""
        if isinstance(component, self.base):
            return component
        if isinstance(component, str):
            if component in self._factories:
                return self._factories[component]()
            hint = did_you_mean(component, self.names)
            raise ValueError(f"Unknown {self.what} {component!r}.{hint} Known names: {', '.join(self.names)}.")
        got = (
            f"the class {component.__name__}; write {component.__name__}()"
            if inspect.isclass(component)
            else f"an object of type {type(component).__name__}"
        )
        raise TypeError(
            f"The {self.what} must be one of the names {self.names} or an instance of {self.base.__name__}, got {got}."
        )
