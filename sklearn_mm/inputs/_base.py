"""`Input`: which columns hold a modality, how they are read, and what encodes them."""

import inspect
from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
import torch.nn as nn
from sklearn.base import BaseEstimator, clone

from sklearn_mm.blocks import BlockSpec, VectorSpec
from sklearn_mm.encoders import VectorEncoder
from sklearn_mm.encoders._registry import auto_encoder, has_auto_encoder, resolve_encoder
from sklearn_mm.inputs._cell_functions import check_reads_cells, check_vectors
from sklearn_mm.inputs._encoder_reading import Reading, find_mismatch
from sklearn_mm.inputs._same_parameters import is_auto, same_parameters
from sklearn_mm.preprocessing import BlockTransformer, EmbeddingTransformer
from sklearn_mm.utils._parameter_names import NotedParameterNames
from sklearn_mm.utils._validation import StrOptions, validate_parameter_constraints

__all__ = ["Input", "own"]


class Input(NotedParameterNames, BaseEstimator):
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
    warns_of : tuple of {"strings", "files"}
        Which ignored columns ``fit`` warns of while this Input looks for columns, because they may be its own:
        identifiers ("strings"), bytes and paths that nothing recognises ("files"). By default neither.
    shares_columns_with : tuple of str
        Kinds of other Inputs that may name the same column. By default none.
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
    warns_of = ()
    shares_columns_with = ()
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

    def check(self) -> None:
        """Raise where a parameter is invalid, or the encoder is one for blocks of another kind, or read otherwise."""
        name = type(self).__name__
        validate_parameter_constraints(self._parameter_constraints, self.get_params(deep=False), name)
        reading = self._reading
        if is_auto(reading.transformer) and self._open_transformer(reading.encoder) is None:
            raise ValueError(f"{name} has no default transformer. Hand one in: {name}(transformer=...).")
        check_reads_cells(name, reading.transformer, reading.encoder)
        is_open = is_auto(reading.transformer)
        reading.check(name, self._open_transformer(reading.encoder) if is_open else reading.transformer)

    def recognise(self, cells: np.ndarray) -> str | None:
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

    def takes(self, cell: object) -> bool:
        """Return whether a container among the cells of a column that was recognised is left to the transformer.

        Parameters
        ----------
        cell : object
            An array, a list, a dict and the like.

        Returns
        -------
        is_taken : bool
            By default True. Others are a TypeError.
        """
        return True

    def told_columns(self) -> list:
        """Return columns that belong to this Input even where ``columns="auto"``.

        Returns
        -------
        columns : list of str or int
            Their names or positions.
        """
        return []

    def auto_transformer(self) -> BlockTransformer | None:
        """Return the transformer that "auto" stands for, before the encoder is asked how it is to read.

        Returns
        -------
        transformer : BlockTransformer or None
            A new one; None if there is no default.
        """
        if self.default_transformer is not None:
            return self.default_transformer()
        default = self._signature_default()
        return clone(default) if isinstance(default, BaseEstimator) else None

    def make_transformer(self, columns: pd.DataFrame) -> BlockTransformer:
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
        reading = self._reading
        is_open = is_auto(reading.transformer)
        transformer = self._open_transformer(reading.encoder) if is_open else clone(reading.transformer)
        transformer.set_params(**reading.from_encoder)
        if isinstance(transformer, EmbeddingTransformer):
            transformer.set_params(kind=self.kind)
        if self.pool != "auto" and getattr(transformer, "lists", None) == "auto":
            transformer.set_params(lists=True)  # whoever says how to pool has lists, even if there are none in `fit`
        return transformer

    def make_spec(self, spec: BlockSpec, name: str, block: str, columns: tuple[str, ...]) -> BlockSpec:
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
        encoder = self.encoder
        if is_auto(encoder):
            encoder = self._stand_in(isinstance(spec, VectorSpec)) or encoder
        group = name if self.shared else None
        spec = replace(
            spec,
            name=block,
            columns=columns,
            encoder=encoder,
            augment=self.augment,
            group=group,
            reading=self._reading.record(),
        )
        return spec if self.pool == "auto" else replace(spec, pool=self.pool)

    def has_default_transformer(self) -> bool:
        """Return whether the transformer reads as the default one of this class does.

        Returns
        -------
        is_default : bool
            True also where the class has no default.
        """
        default = self.auto_transformer()
        if is_auto(self.transformer) or default is None:
            return True
        if type(self.transformer) is not type(default):
            return False
        encoder = self._resolve(self.encoder)
        default.set_params(**({} if encoder is None else encoder.reading))
        parameters = {**self.transformer.get_params(deep=False), **self._reading.from_encoder}
        return all(same_parameters(value, getattr(default, name)) for name, value in parameters.items())

    def check_spec(self, spec: BlockSpec, who: str) -> None:
        """Raise ValueError where a block was read otherwise than its encoder needs.

        Parameters
        ----------
        spec : BlockSpec
            What is known of the block.
        who : str
            Whose encoder it is, for error messages.
        """
        encoder, default = self._resolve(spec.encoder), self.auto_transformer()
        if encoder is not None:
            check_vectors(spec, encoder, who, self._written(spec))
        defaults = {} if default is None else default.get_params(deep=False)
        mismatch = None if encoder is None else find_mismatch(spec, encoder, defaults)
        if mismatch is not None:
            name, wanted, used, origin = mismatch
            chosen = {"user": "", "encoder": " for another encoder", "default": ", the default"}[origin]
            raise ValueError(
                f"{who} cannot use {type(encoder).__name__} for block {spec.name!r}: it reads {name}={wanted!r}, and "
                f"the block was read with {name}={used!r}{chosen}. Name the encoder where the block is read: "
                f"{self._written(spec)}."
            )

    def _written(self, spec):
        """Return how the encoder of a block is named where the block is read."""
        written = f"{type(self).__name__}(encoder={spec.encoder!r})"
        # Modalities of the package have an encoder by default, and ModalityTransformer a parameter for each.
        short, listed = f"{self.kind}={written}", f"inputs=[({spec.name!r}, {written}), ...]"
        return f"ModalityTransformer({short if has_auto_encoder(self.kind) else listed})"

    @property
    def encodes_once(self) -> bool:
        """Whether the encoder is frozen, so that it reads each row once."""
        encoder = self._resolve(self.encoder)
        return encoder is not None and encoder.frozen

    @property
    def _reading(self):
        encoder, transformer, default = self._resolve(self.encoder), self.transformer, self._signature_default()
        if encoder is not None and encoder.embed_cells is not None and same_parameters(transformer, default):
            transformer = default = "auto"
        elif is_auto(default) and encoder is not None and encoder.completes_reading:
            default = self.auto_transformer()
        return Reading(transformer, default, encoder)

    def _open_transformer(self, encoder):
        """Return the transformer that reads where none was chosen; None if there is none."""
        if encoder is not None and encoder.embed_cells is not None:
            return EmbeddingTransformer(encoder.embed_cells)
        return self.auto_transformer()

    def _signature_default(self):
        return inspect.signature(type(self)).parameters["transformer"].default

    def _resolve(self, encoder):
        """Return the encoder instance that a value of ``encoder`` stands for; None for "auto" where nothing does."""
        if is_auto(encoder):
            encoder = self._stand_in()
            if encoder is None:
                return auto_encoder(self.kind) if has_auto_encoder(self.kind) else None
        return resolve_encoder(encoder, self.kind)

    def _stand_in(self, of_vectors=False):
        """Return the encoder that "auto" stands for in this Input; None where that is left to the estimator."""
        if isinstance(self.transformer, EmbeddingTransformer):
            return VectorEncoder()
        encoder = None if self.default_encoder is None else self.default_encoder()
        return VectorEncoder() if of_vectors and not getattr(encoder, "reads_vectors", False) else encoder

    def set_params(self, **params: Any) -> Self:
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
        transformer = self.auto_transformer() if name == "transformer" else None
        return "..." if transformer is None else f"{type(transformer).__name__}(...)"


def own(estimator, default):
    """Return a transformer of an Input's own: a clone where it is the default of a signature, which all would share."""
    return clone(estimator) if estimator is default else estimator
