"""What everything with Inputs shares: one parameter per modality, or ``inputs`` instead of them (composition)."""

from copy import copy
from functools import partial
from numbers import Integral
from typing import Any, Self

from sklearn.base import clone

from sklearn_mm.encoders import Encoder
from sklearn_mm.encoders._registry import pretrained_encoder
from sklearn_mm.inputs._base import Input
from sklearn_mm.inputs._modalities import MODALITIES
from sklearn_mm.inputs._pretrained import encoders_by_kind
from sklearn_mm.inputs._same_parameters import is_auto
from sklearn_mm.utils._parameter_names import NotedParameterNames
from sklearn_mm.utils._pillow_settings import send_with_settings
from sklearn_mm.utils._validation import (
    StrOptions,
    _BaseComposition,
    validate_parameter_constraints,
)

__all__ = ["InputsMixin"]


class InputsMixin(NotedParameterNames, _BaseComposition):
    """Base of estimators with parameters for modalities, such as ``image`` and ``text``, or ``inputs`` instead of them.

    The parameters of Inputs, also of those in the list ``inputs``, are parameters of the estimator, as
    ``image__transformer__size`` or ``title__encoder__cell``.

    Attributes
    ----------
    modalities : dict of str to type
        The `Input` class of each of these parameters. A class with a parameter for a modality of its own extends it:
        ``modalities = {**MultimodalClassifier.modalities, "sensor": SensorInput}``.
    """

    modalities = MODALITIES
    audio = video = pretrained = None  # in classes without these parameters
    _owner = None  # name of the estimator that this one works for, and whose name errors carry

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        send_with_settings(cls)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of this estimator and of its Inputs.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of Inputs, and the Inputs of ``inputs`` by name.

        Returns
        -------
        params : dict
            Values by key.
        """
        return self._get_params("inputs", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator or of its Inputs.

        Parameters
        ----------
        **params : dict
            Values by key. Keys such as ``image__transformer__size`` need an Input: ``image=ImageInput(...)``.

        Returns
        -------
        self : estimator
            This estimator.
        """
        for key in params:
            name, _, nested = key.partition("__")
            value = params.get(name, getattr(self, name, None))
            if nested and name not in self.modalities and isinstance(value, str):
                raise ValueError(
                    f"Invalid parameter {key!r} for {self._who}: {name}={value!r} has no parameters. Hand in an "
                    f"instance instead of its short name."
                )
            if nested and name in self.modalities and not isinstance(value, Input):
                columns = "..." if value is None or is_auto(value) else repr(value)
                raise ValueError(
                    f"Invalid parameter {key!r} for {self._who}: {name}={value!r} has no parameters. Hand in an "
                    f"Input: {name}={self.modalities[name].__name__}({columns})."
                )
        return self._set_params("inputs", **params)

    def __sklearn_clone__(self):
        if not isinstance(self.pretrained, dict):
            return super().__sklearn_clone__()
        other = copy(self)
        other.pretrained = None  # functions and modules by kind may be large, or be such that cannot be copied
        other = super(InputsMixin, other).__sklearn_clone__()
        other.pretrained = {
            kind: clone(model) if isinstance(model, Encoder) else model for kind, model in self.pretrained.items()
        }
        return other

    def _validate_params(self):
        validate_parameter_constraints(self._parameter_constraints, self.get_params(deep=False), type(self).__name__)
        self._check_modalities()
        self._check_pairs()

    def _check_modalities(self):
        for name in self.modalities:
            if not hasattr(self, name):
                raise TypeError(
                    f"{type(self).__name__} has no parameter {name!r}, which its `modalities` name. Store it in "
                    f'__init__, or declare it as {name}: object = parameter(default="auto") in a class that '
                    f"sklearn_mm.utils.with_parameters decorates."
                )

    def _check_pairs(self):
        for pair in self.inputs if isinstance(self.inputs, list) else ():
            if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
                raise TypeError(f"`inputs` of {self._who} must be pairs (name, Input), got {pair!r} among them.")
            name, input_ = pair
            if isinstance(input_, type) and issubclass(input_, Input):
                raise TypeError(
                    f"`inputs` of {self._who} must be pairs (name, Input), got the class {input_.__name__} for "
                    f"{name!r}. Write an instance: ({name!r}, {input_.__name__}(...))."
                )
            if not isinstance(input_, Input):
                raise TypeError(
                    f"`inputs` of {self._who} must be pairs (name, Input), got {input_!r} for {name!r}. Write for "
                    f"example ({name!r}, TextInput({name!r}))."
                )

    @property
    def _who(self):
        return self._owner or type(self).__name__

    def _resolved_inputs(self):
        """Return clones of the Inputs by name, in order; None for modalities that are ignored.

        The names are those of ``modalities``, or else those of ``inputs``, which can be none of these.
        """
        column = [StrOptions({"auto"}), str, Integral, tuple, list, Input, None]
        validate_parameter_constraints(
            {**dict.fromkeys(self.modalities, column), "inputs": [list, None]},
            {name: getattr(self, name) for name in (*self.modalities, "inputs")},
            caller_name=self._who,
        )
        if self.inputs is None:
            inputs = {name: self._short(name, getattr(self, name)) for name in self.modalities}
        else:
            inputs = self._long()
        inputs_there = [input_ for input_ in inputs.values() if input_ is not None]
        kinds = [input_.kind for input_ in (*self.modalities.values(), *inputs_there)]
        encoders = encoders_by_kind(self.pretrained, list(dict.fromkeys(kinds)), self._who)
        for input_ in inputs_there:
            if input_.kind in encoders:
                input_.default_encoder = partial(pretrained_encoder, encoders[input_.kind])
            input_.check()
        return inputs

    def _short(self, name, value):
        if value is None:
            return None
        if not isinstance(value, Input):
            return self.modalities[name](value)
        kind = self.modalities[name].kind
        if value.kind != kind:
            raise ValueError(
                f"`{name}` of {self._who} takes Inputs of kind {kind!r}, got {type(value).__name__} of kind "
                f"{value.kind!r}. Use inputs=[(name, {type(value).__name__}(...)), ...] for all Inputs."
            )
        return clone(value)

    def _long(self):
        for name, input_class in self.modalities.items():
            value = getattr(self, name)
            if not (value is None or is_auto(value)):
                raise ValueError(
                    f"{self._who} got both `inputs` and `{name}`={value!r}. With `inputs`, only these are used: add "
                    f"(name, {input_class.__name__}(...)) to them."
                )
        if not self.inputs:
            raise ValueError(f"`inputs` of {self._who} must have at least one pair (name, Input), got [].")
        self._check_pairs()
        self._validate_names([name for name, _ in self.inputs])
        return {name: clone(input_) for name, input_ in self.inputs}
