"""Names of parameters, found once per class: scikit-learn inspects the signature again in each of its calls."""

__all__ = ["NotedParameterNames"]


class NotedParameterNames:
    """A base, before `sklearn.base.BaseEstimator`, that notes the names of a class's parameters.

    `get_params`, `clone` and the check of parameters ask for them, and reading a table makes and clones dozens of
    objects: in a profile of short fits and predictions, inspecting signatures was a twentieth of the time.
    """

    @classmethod
    def _get_param_names(cls):
        made_from, names = vars(cls).get("_noted_parameter_names", (None, ()))
        if made_from is not cls.__init__:  # not noted yet, or a decorator has replaced ``__init__`` since
            names = tuple(super()._get_param_names())
            cls._noted_parameter_names = cls.__init__, names
        return list(names)
