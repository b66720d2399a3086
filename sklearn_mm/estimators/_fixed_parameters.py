"""Which parameters a network was made with: where training goes on, these can no longer act."""

from sklearn.base import BaseEstimator

from sklearn_mm.inputs._same_parameters import same_parameters
from sklearn_mm.utils._held_module import hold
from sklearn_mm.utils._messages import abbreviated_repr

__all__ = ["check_unchanged", "parameters_of_network"]


def parameters_of_network(estimator):
    """Return the parameters that shape what is read and the network, also nested ones, as a dict.

    Left out are those that take effect at any time, such as the folder of pictures (``reading_parameters`` of a
    transformer). Of modules there are the holders, because to ask for a module that was loaded copies it.
    """
    params = {}
    for name in sorted([*estimator.modalities, *estimator._network_parameters]):
        params |= _nested(name, getattr(estimator, name))
    return params


def _nested(key, value):
    """Return a parameter and, by longer keys, those that it has itself."""
    params = {key: hold(value)}
    if isinstance(value, dict):  # such as models by kind; a copy of it, because it may be written to
        params[key] = dict(value)
        own = list(value.items())
    elif isinstance(value, list):  # such as pairs of names and Inputs
        own = [pair for pair in value if isinstance(pair, tuple | list) and len(pair) == 2]
    elif isinstance(value, type) or not hasattr(value, "get_params"):
        return params
    elif type(value).get_params is not BaseEstimator.get_params:  # of pipelines and the like, steps have keys as well
        return params | {f"{key}__{name}": hold(nested) for name, nested in value.get_params().items()}
    else:
        names = set(value._get_param_names()) - set(getattr(value, "reading_parameters", ()))
        held = getattr(value, "held_parameters", {})
        own = [(name, held[name] if name in held else getattr(value, name)) for name in sorted(names)]
    for name, nested in own:
        params |= _nested(f"{key}__{name}", nested)
    return params


def check_unchanged(estimator, before):
    """Raise ValueError where parameters of the network are not what they were when it was made.

    Parameters
    ----------
    estimator : estimator
        The one whose training goes on.
    before : dict
        What `parameters_of_network` returned then.
    """
    now = parameters_of_network(estimator)
    changed = [key for key in {**before, **now} if not (key in before and key in now and _same(before[key], now[key]))]
    if changed:
        # Those that are replaced as a whole stand for what is below them.
        tops = [key for key in changed if not any(key.startswith(f"{other}__") for other in changed)]
        lines = [f"{key.removeprefix('inputs__')} (was {_shown(before, key)}, is {_shown(now, key)})" for key in tops]
        raise ValueError(
            f"{type(estimator).__name__} goes on with the network that it has, on which some parameters can no longer "
            f"act: {', '.join(lines)}. Set them back, or begin anew: fit with warm_start=False, or fit a clone."
        )


def _same(first, second):
    """Return whether two values are equal; what is below estimators has keys of its own."""
    if isinstance(first, BaseEstimator):
        return type(first) is type(second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys()
    if isinstance(first, list | tuple):  # such as pairs of names and Inputs
        return type(first) is type(second) and len(first) == len(second) and all(map(_same, first, second))
    return same_parameters(first, second)


def _shown(params, key):
    return abbreviated_repr(params[key]) if key in params else "not there"
