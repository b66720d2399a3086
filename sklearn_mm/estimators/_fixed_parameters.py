"""Which parameters a network was made with: where training goes on, these can no longer act."""

from sklearn.base import BaseEstimator

from sklearn_mm.inputs._same_parameters import same_parameters
from sklearn_mm.utils._held_module import hold
from sklearn_mm.utils._messages import abbreviated_repr

__all__ = ["check_unchanged", "parameters_of_network"]


def parameters_of_network(estimator):
    """Return the parameters that shape what is read and the network, also nested ones, as a dict.

    Left out are those that take effect at any time, such as the folder of pictures (``reading_parameters`` of a
    transformer).
    """
    names = {*estimator.modalities, *estimator._network_parameters}
    params = {key: value for key, value in estimator.get_params().items() if key.partition("__")[0] in names}
    owners = {key: params.get(key.rpartition("__")[0]) for key in params}
    return {
        key: hold(value)
        for key, value in params.items()
        if key.rpartition("__")[2] not in getattr(owners[key], "reading_parameters", ())
    }


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
        lines = [f"{key} (was {_shown(before, key)}, is {_shown(now, key)})" for key in tops]
        raise ValueError(
            f"{type(estimator).__name__} goes on with the network that it has, on which some parameters can no longer "
            f"act: {', '.join(lines)}. Set them back, or begin anew: fit with warm_start=False, or fit a clone."
        )


def _same(first, second):
    """Return whether two values are equal; what is below estimators has keys of its own."""
    if isinstance(first, BaseEstimator):
        return type(first) is type(second)
    if isinstance(first, list | tuple):  # such as pairs of names and Inputs
        return type(first) is type(second) and len(first) == len(second) and all(map(_same, first, second))
    return same_parameters(first, second)


def _shown(params, key):
    return abbreviated_repr(params[key]) if key in params else "not there"
