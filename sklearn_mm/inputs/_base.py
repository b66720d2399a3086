"""`Input`: which columns hold a modality, how they are read, and what encodes them."""

import inspect
from dataclasses import replace
from numbers import Integral

import numpy as np
import torch.nn as nn
from sklearn.base import BaseEstimator, clone

from sklearn_mm.encoders._registry import auto_encoder, has_auto_encoder, resolve_encoder
from sklearn_mm.inputs._reading import alike, described
from sklearn_mm.preprocessing import BlockTransformer
from sklearn_mm.utils._validation import StrOptions, validate_parameter_constraints

__all__ = ["Input", "is_auto", "own", "same_parameters"]


class Input(BaseEstimator):
    """Base of all Inputs: some columns of a table, how they are read and what encodes them.

    A subclass is a modality. It owes the class attribute ``kind`` and an ``__init__`` that stores at least ``columns``,
    ``transformer`` (a `BlockTransformer`, or "auto") and ``encoder`` (an `Encoder`, a registered name, or "auto");
    ``augment`` and ``shared`` are read too. The other attributes and methods may be overridden.

    Attributes
    ----------
    kind : str
        The modality.
    detects : tuple of str
        Kinds of columns, as `detect_kinds` calls them or, with a `recognise` of its own, its ``kind``, that
        ``columns="auto"`` stands for. By default none, so that columns must be named.
    together : bool
        Whether all columns form one block, named after the Input. By default each column is a block, named after it.
    pool : str
        How the vectors of several items in a cell become one, as of `ImageInput`.
    default_transformer, default_encoder : callable or None
        What makes the transformer and the encoder that "auto" stands for, such as their classes. None is the default
        transformer of the signature, and the encoder that is registered for the kind.
    example_spec : BlockSpec or None
        That of a small block of this modality, with which `check_encoder` checks encoders.
    """

    kind = None
    detects = ()
    together = False
    default_transformer = None
    default_encoder = None
    example_spec = None
    augment = None
    shared = False
    pool = "auto"

    _parameter_constraints = {
        "columns": [str, Integral, tuple, list],
        "transformer": [StrOptions({"auto"}), BlockTransformer],
        "augment": [str, nn.Module, None],
        "shared": ["boolean"],
        "pool": [StrOptions({"auto", "mean", "max", "attention"})],
    }

    def check(self):
        """Raise where a parameter is invalid, or the encoder is one for blocks of another kind, or read otherwise."""
        name = type(self).__name__
        validate_parameter_constraints(self._parameter_constraints, self.get_params(deep=False), name)
        if is_auto(self.transformer) and self._auto_transformer() is None:
            raise ValueError(f"{name} has no default transformer. Hand one in: {name}(transformer=...).")
        self._check_required_reading()

    def recognise(self, cells):
        """Return why some cells are of this modality.

        Parameters
        ----------
        cells : ndarray of shape (n_cells,), dtype object
            Up to 1,000 cells of one column, with something in each.

        Returns
        -------
        reason : str or None
            For people; None if they are not, as by default.
        """
        return None

    def told_columns(self):
        """Return columns that belong to this Input even where ``columns="auto"``.

        Returns
        -------
        columns : list of str or int
            Their names or positions.
        """
        return []

    def make_transformer(self, columns):
        """Return the unfitted transformer that reads some columns.

        Parameters
        ----------
        columns : pandas.DataFrame
            The columns: one, or several if they are read together or by a shared transformer.

        Returns
        -------
        transformer : BlockTransformer
            A new one. It is handed a Series, or a DataFrame if ``together``.
        """
        transformer = self._auto_transformer() if is_auto(self.transformer) else clone(self.transformer)
        transformer.set_params(**self._asked_parameters())
        if self.pool != "auto" and getattr(transformer, "lists", None) == "auto":
            transformer.set_params(lists=True)  # whoever says how to pool has lists, even if there are none in `fit`
        return transformer

    def make_spec(self, spec, name, block, columns):
        """Return what the network must know of a block.

        Parameters
        ----------
        spec : BlockSpec
            What the transformer learnt.
        name : str
            Name of this Input.
        block : str
            Name of the block.
        columns : tuple of str
            Columns that the block was read from.

        Returns
        -------
        spec : BlockSpec
            The same with these names, how it was read, and the encoder, augmentation and pooling of this Input.
        """
        if self.pool != "auto" and spec.pool is None:
            raise ValueError(
                f"`{name}` has pool={self.pool!r}, but its transformer reads column {block!r} as single cells. Let it "
                f"read lists (lists=True), or leave pool='auto'."
            )
        encoder = self.encoder if self.default_encoder is None or not is_auto(self.encoder) else self.default_encoder()
        group = name if self.shared else None
        spec = replace(
            spec,
            name=block,
            columns=columns,
            encoder=encoder,
            augment=self.augment,
            group=group,
            reading=self._known_reading(),
        )
        return spec if self.pool == "auto" else replace(spec, pool=self.pool)

    def has_default_transformer(self):
        """Return whether the transformer reads as the default one of this class does.

        Returns
        -------
        is_default : bool
            True also where the class has no default.
        """
        default = self._auto_transformer()
        if is_auto(self.transformer) or default is None:
            return True
        transformer = clone(self.transformer).set_params(**self._asked_parameters())
        return same_parameters(transformer, default.set_params(**self._reading_of(self.encoder)))

    def check_spec(self, spec, who):
        """Raise ValueError where a block was read otherwise than its encoder needs.

        Parameters
        ----------
        spec : BlockSpec
            What is known of the block.
        who : str
            Whose encoder it is, for error messages.
        """
        if spec.reading is None:
            return
        encoder, wishes = self._resolve(spec.encoder), self._reading_of(spec.encoder)
        default = self._auto_transformer()
        defaults = {} if default is None else default.get_params(deep=False)
        for_others = [name for name, (_, was_auto) in spec.reading.items() if was_auto]
        for name in dict.fromkeys((*wishes, *for_others)):
            if name not in spec.reading and name not in defaults:  # read by a transformer of another class
                continue
            wanted = described(wishes.get(name, defaults.get(name)))
            used, was_auto = spec.reading.get(name, (described(defaults.get(name)), True))
            if alike(wanted, used) or not (was_auto or name in encoder.required_reading):
                continue
            raise ValueError(
                f"{who} cannot use {type(encoder).__name__} for block {spec.name!r}: it reads {name}={wanted!r}, and "
                f"the block was read with {used!r}{' for another encoder' if was_auto else ''}. Name the encoder where "
                f"the block is read: ModalityTransformer({self.kind}={type(self).__name__}(encoder={spec.encoder!r}))."
            )

    def _check_required_reading(self):
        """Raise ValueError where the user has chosen what the encoder cannot do with."""
        encoder, wishes, chosen = self._resolve(self.encoder), self._reading_of(self.encoder), self._chosen_parameters()
        for name in () if encoder is None else encoder.required_reading:
            if name in chosen and not alike(described(wishes[name]), described(chosen[name])):
                raise ValueError(
                    f"{type(self).__name__}: {type(encoder).__name__} needs {name}={wishes[name]!r}, but the "
                    f"{type(self.transformer).__name__} has {name}={chosen[name]!r}. Leave that out, or take another "
                    f"encoder."
                )

    def _chosen_parameters(self):
        """Return the parameters of the transformer that the user chose, by name.

        These are the ones that differ from the default instance of the signature. Of a transformer of another class, or
        where the default is "auto", they are all.
        """
        if is_auto(self.transformer):
            return {}
        parameters, default = self.transformer.get_params(deep=False), self._signature_default()
        if type(self.transformer) is not type(default):
            return parameters
        return {name: v for name, v in parameters.items() if not same_parameters(v, getattr(default, name))}

    def _asked_parameters(self):
        """Return the parameters that the encoder asks for and the user has left open, by name."""
        if not is_auto(self.transformer) and type(self.transformer) is not type(self._signature_default()):
            return {}
        chosen = self._chosen_parameters()
        return {name: value for name, value in self._reading_of(self.encoder).items() if name not in chosen}

    def _known_reading(self):
        """Return ``reading`` of the spec."""
        if not (is_auto(self.transformer) or isinstance(self.transformer, BlockTransformer)):
            return None
        unimportant = getattr(self.transformer, "reading_parameters", ())
        chosen = {name: v for name, v in self._chosen_parameters().items() if name not in unimportant}
        return {
            **{name: (described(value), False) for name, value in chosen.items()},
            **{name: (described(value), True) for name, value in self._asked_parameters().items()},
        }

    def _auto_transformer(self):
        """Return a new transformer that "auto" stands for, or None."""
        if self.default_transformer is not None:
            return self.default_transformer()
        default = self._signature_default()
        return clone(default) if isinstance(default, BaseEstimator) else None

    def _signature_default(self):
        return inspect.signature(type(self)).parameters["transformer"].default

    def _resolve(self, encoder):
        """Return the encoder instance that a value of ``encoder`` stands for; None for "auto" where nothing does."""
        if not is_auto(encoder):
            return resolve_encoder(encoder, self.kind)
        if self.default_encoder is not None:
            return self.default_encoder()
        return auto_encoder(self.kind) if has_auto_encoder(self.kind) else None

    def _reading_of(self, encoder):
        encoder = self._resolve(encoder)
        return {} if encoder is None else dict(encoder.reading)

    def set_params(self, **params):
        """Set parameters of this Input, or below its transformer and encoder (``encoder__cell``).

        Parameters
        ----------
        **params : dict
            Values by key.

        Returns
        -------
        self : Input
            This Input.
        """
        for key in params:
            name, _, nested = key.partition("__")
            value = params.get(name, getattr(self, name, None))
            if nested and isinstance(value, str):
                raise ValueError(
                    f"Invalid parameter {key!r} for {type(self).__name__}: `{name}` is the string {value!r}, which has "
                    f"no parameters. Hand in an instance: {type(self).__name__}({name}={self._example(name, value)})."
                )
        return super().set_params(**params)

    def _example(self, name, value):
        if name == "encoder":
            encoder = self._resolve(value)
            return "..." if encoder is None else f"{type(encoder).__name__}(...)"
        transformer = self._auto_transformer() if name == "transformer" else None
        return "..." if transformer is None else f"{type(transformer).__name__}(...)"


def is_auto(value):
    """Return whether a parameter is "auto"."""
    return isinstance(value, str) and value == "auto"


def own(estimator, default):
    """Return a transformer of an Input's own: a clone where it is the default of a signature, which all would share."""
    return clone(estimator) if estimator is default else estimator


def same_parameters(first, second):
    """Whether two parameters, or all parameters of two estimators, are equal."""
    if isinstance(first, BaseEstimator):
        if type(first) is not type(second):
            return False
        others = second.get_params(deep=False)
        return all(same_parameters(value, others[name]) for name, value in first.get_params(deep=False).items())
    return first is second or np.array_equal(first, second)
