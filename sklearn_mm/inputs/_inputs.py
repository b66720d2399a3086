"""Inputs: which columns hold a modality, how they are read, and what encodes them."""

import inspect
from dataclasses import replace
from numbers import Integral

import numpy as np
import torch.nn as nn
from sklearn.base import BaseEstimator, clone

from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.inputs._detect import detect_table_kind
from sklearn_mm.inputs._sklearn_transformer import NumbersTransformer
from sklearn_mm.preprocessing import BlockTransformer, ImageTransformer, TabularTransformer, TextTransformer
from sklearn_mm.utils._validation import HasMethods, StrOptions, validate_parameter_constraints

__all__ = ["ImageInput", "Input", "TabularInput", "TextInput"]

# Signatures show what is used; `_own` gives each Input an instance of its own.
_IMAGE_TRANSFORMER = ImageTransformer()
_TABULAR_TRANSFORMER = TabularTransformer()


def _own(estimator, default):
    return clone(estimator) if estimator is default else estimator


class Input(BaseEstimator):
    """Base of all Inputs: some columns of a table, how they are read and what encodes them.

    A subclass is a modality. It owes the class attribute ``kind`` and an ``__init__`` that stores at least ``columns``,
    ``transformer`` (a `BlockTransformer`) and ``encoder`` (an `Encoder`, or a registered name); ``augment`` and
    ``shared`` are read too. The other attributes and methods may be overridden.

    Attributes
    ----------
    kind : str
        The modality.
    detects : tuple of str
        Kinds of columns, as `detect_kinds` calls them, that ``columns="auto"`` stands for. By default none, so that
        columns must be named.
    together : bool
        Whether all columns form one block, named after the Input. By default each column is a block, named after it.
    pool : str
        How the vectors of several items in a cell become one, as of `ImageInput`.
    """

    kind = None
    detects = ()
    together = False
    augment = None
    shared = False
    pool = "auto"

    _parameter_constraints = {
        "columns": [str, Integral, tuple, list],
        "transformer": [BlockTransformer],
        "augment": [str, nn.Module, None],
        "shared": ["boolean"],
        "pool": [StrOptions({"auto", "mean", "max", "attention"})],
    }

    def check(self):
        """Raise where a parameter is invalid, or the encoder is one for another kind of blocks."""
        validate_parameter_constraints(self._parameter_constraints, self.get_params(deep=False), type(self).__name__)
        if not (isinstance(self.encoder, str) and self.encoder == "auto"):
            resolve_encoder(self.encoder, self.kind)

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
            A clone. It is handed a Series, or a DataFrame if ``together``.
        """
        return self._reading_lists(clone(self.transformer))

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
            The same with these names, and with the encoder, augmentation and pooling of this Input.
        """
        if self.pool != "auto" and spec.pool is None:
            raise ValueError(
                f"`{name}` has pool={self.pool!r}, but its transformer reads column {block!r} as single cells. Let it "
                f"read lists (lists=True), or leave pool='auto'."
            )
        group = name if self.shared else None
        spec = replace(spec, name=block, columns=columns, encoder=self.encoder, augment=self.augment, group=group)
        return spec if self.pool == "auto" else replace(spec, pool=self.pool)

    def has_default_transformer(self):
        """Return whether the transformer reads as the default one of this class does.

        Returns
        -------
        is_default : bool
            True also where the class has no default.
        """
        default = inspect.signature(type(self)).parameters["transformer"].default
        return not isinstance(default, BaseEstimator) or same_parameters(self.transformer, default)

    def check_spec(self, spec, who):
        """Raise ValueError where a block was read otherwise than its encoder needs.

        Parameters
        ----------
        spec : BlockSpec
            What is known of the block.
        who : str
            Whose encoder it is, for error messages.
        """

    def _reading_lists(self, transformer):
        """Return the transformer, which reads cells as lists even if none is one, if the Input says how to pool."""
        if self.pool != "auto" and getattr(transformer, "lists", None) == "auto":
            transformer.set_params(lists=True)
        return transformer

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
            return f"{type(resolve_encoder(value, self.kind)).__name__}(...)"
        return f"{self.kind.title()}Transformer(...)" if name == "transformer" else "..."


class ImageInput(Input):
    """Columns of pictures, how they are read, augmented and encoded.

    Each column is one block, named after it.

    Parameters
    ----------
    columns : "auto", str, int or list of these, default="auto"
        Names or positions of the columns; "auto" finds all columns of pictures.
    transformer : ImageTransformer, default=ImageTransformer()
        How pictures are read: size, colour, what happens to unreadable ones. Each column gets a clone.
    encoder : str or Encoder, default="auto"
        What encodes the pictures: a registered name ("cnn", "resnet", "vit") or an instance. "auto" leaves it to the
        estimator.
    augment : "auto", "light", "strong", None or torch.nn.Module, default="auto"
        How pictures are varied in training, batch by batch. Stronger needs more epochs and keeps the network from
        knowing pictures by heart. "auto" is "light", and None before a frozen encoder. For settings of one's own, such
        as mirror images, hand in a `sklearn_mm.training.ImageAugmentation`.
    shared : bool, default=False
        Whether all columns are read with the same settings learnt from all of them, and encoded with the same
        weights: for pictures of the same sort, such as front and back. Needs fewer rows.
    pool : {"auto", "mean", "max", "attention"}, default="auto"
        For columns whose cells are lists of pictures (several photos of one thing): how the vectors that the encoder
        makes of the pictures of a row become one vector. Their order does not matter. "mean" and "max" go element by
        element; "max" hears what a single picture shows among many. "attention" learns which pictures count [1]_, and
        needs more rows. "auto" is "mean" where there are lists in ``fit``, and else reads single pictures; naming a
        way also reads lists later that ``fit`` had none of.

    Notes
    -----
    Of lists, all pictures are encoded by the one encoder, as many at a time as the rows of a batch have, and varied in
    training each by itself. To fusions, the vectors of a row's pictures are the tokens of the block.

    References
    ----------
    .. [1] Ilse, Tomczak, Welling: Attention-based Deep Multiple Instance Learning. ICML 2018.

    Examples
    --------
    >>> from sklearn_mm import ImageInput
    >>> from sklearn_mm.preprocessing import ImageTransformer
    >>> ImageInput(["front", "back"], transformer=ImageTransformer(size=32), shared=True).transformer.size
    32

    Two products, one with three photos:

    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import ModalityTransformer
    >>> dark, light = np.zeros((2, 40, 40, 3), dtype=np.uint8) + np.uint8([[[[20]]], [[[230]]]])
    >>> X = pd.DataFrame({"photos": [[dark, light, dark], light]})
    >>> ModalityTransformer(image=ImageInput("photos", pool="attention")).fit_transform(X)["photos"].counts
    array([3, 1])
    """

    kind = "image"
    detects = ("image",)

    def __init__(
        self,
        columns="auto",
        *,
        transformer=_IMAGE_TRANSFORMER,
        encoder="auto",
        augment="auto",
        shared=False,
        pool="auto",
    ):
        self.columns = columns
        self.transformer = _own(transformer, _IMAGE_TRANSFORMER)
        self.encoder = encoder
        self.augment = augment
        self.shared = shared
        self.pool = pool


class TextInput(Input):
    """Columns of text, how they are read and encoded.

    Each column is one block, named after it.

    Parameters
    ----------
    columns : "auto", str, int or list of these, default="auto"
        Names or positions of the columns; "auto" finds all columns of text.
    transformer : "auto" or TextTransformer, default="auto"
        How strings become token ids. "auto" reads as the encoder asks: words, or n-grams for a bag of embeddings.
        Each column gets a clone.
    encoder : str or Encoder, default="auto"
        What encodes the token ids: a registered name ("bag", "gru", "lstm", "rnn", "textcnn", "transformer") or an
        instance. "auto" leaves it to the estimator.
    shared : bool, default=False
        Whether all columns have one vocabulary, learnt from all of them, and are encoded with the same weights: for
        texts of the same sort, such as question and answer. Needs fewer rows.
    pool : {"auto", "mean", "max", "attention"}, default="auto"
        For columns whose cells are lists of texts (such as several reviews of one thing): how the vectors that the
        encoder makes of the texts of a row become one vector, as of `ImageInput`.

    Examples
    --------
    >>> from sklearn_mm import TextInput
    >>> from sklearn_mm.encoders import RNNEncoder
    >>> TextInput("title", encoder=RNNEncoder()).set_params(encoder__cell="gru").encoder
    RNNEncoder(cell='gru')
    """

    kind = "text"
    detects = ("text",)

    _parameter_constraints = {
        **Input._parameter_constraints,
        "transformer": [StrOptions({"auto"}), BlockTransformer],
    }

    def __init__(self, columns="auto", *, transformer="auto", encoder="auto", shared=False, pool="auto"):
        self.columns = columns
        self.transformer = transformer
        self.encoder = encoder
        self.shared = shared
        self.pool = pool

    def make_transformer(self, columns):
        return self._reading_lists(clone(self.transformer) if self.transformer != "auto" else self._auto_transformer())

    def make_spec(self, spec, name, block, columns):
        spec = super().make_spec(spec, name, block, columns)
        return replace(spec, tokenizer_is_auto=True) if self.transformer == "auto" else spec

    def has_default_transformer(self):
        return self.transformer == "auto" or same_parameters(self.transformer, self._auto_transformer())

    def check_spec(self, spec, who):
        wanted = _tokenizer(spec.encoder)
        if getattr(spec, "tokenizer_is_auto", False) and spec.tokenizer != wanted:
            encoder = type(resolve_encoder(spec.encoder, "text")).__name__
            raise ValueError(
                f"{who} cannot use {encoder} for block {spec.name!r}: it reads tokens of tokenizer={wanted!r}, and the "
                f"block was read with {spec.tokenizer!r} for another encoder. Name the encoder where the block is "
                f"read: ModalityTransformer(text=TextInput(encoder={spec.encoder!r}))."
            )

    def _auto_transformer(self):
        return TextTransformer(tokenizer=_tokenizer(self.encoder))


class TabularInput(Input):
    """Columns of numbers, categories, dates and ready-made vectors, how they are read and encoded.

    All columns together are one block, named "tabular" or, in ``inputs=``, as the Input is.

    Parameters
    ----------
    columns : "auto", str, int or list of these, default="auto"
        Names or positions of the columns; "auto" finds all columns of numbers, categories, dates and vectors
        (embeddings computed elsewhere: 1-D arrays, or lists or tuples of numbers, all of one length, or strings of
        these).
    transformer : transformer, default=TabularTransformer()
        How cells become numbers and codes. Any transformer of scikit-learn's kind that maps a DataFrame to numbers
        does. A `TabularTransformer` is told the kind of each column by the rules of `detect_kinds`, unless its own
        ``kinds`` says otherwise; columns that ``kinds`` names belong to the table also under ``columns="auto"``.
    encoder : str or Encoder, default="auto"
        What encodes the rows: a registered name such as "mlp", or an instance. "auto" leaves it to the estimator.

    Examples
    --------
    >>> from sklearn.impute import SimpleImputer
    >>> from sklearn_mm import TabularInput
    >>> TabularInput(["width", "height"], transformer=SimpleImputer()).set_params(transformer__strategy="median")
    TabularInput(columns=['width', 'height'],
                 transformer=SimpleImputer(strategy='median'))

    Vectors are numbers of the table:

    >>> import pandas as pd
    >>> from sklearn_mm import ModalityTransformer
    >>> X = pd.DataFrame({"embedding": [[0.1, 0.7, 0.2], [0.3, 0.1, 0.9]]})
    >>> ModalityTransformer(tabular=TabularInput("embedding")).fit_transform(X)["tabular"]["numbers"].shape
    (2, 3)
    """

    kind = "tabular"
    detects = ("numeric", "categorical", "datetime", "vector")
    together = True

    _parameter_constraints = {**Input._parameter_constraints, "transformer": [HasMethods(["fit", "transform"])]}

    def __init__(self, columns="auto", *, transformer=_TABULAR_TRANSFORMER, encoder="auto"):
        self.columns = columns
        self.transformer = _own(transformer, _TABULAR_TRANSFORMER)
        self.encoder = encoder

    def told_columns(self):
        kinds = getattr(self.transformer, "kinds", None)
        return list(kinds) if isinstance(self.transformer, TabularTransformer) and isinstance(kinds, dict) else []

    def make_transformer(self, columns):
        transformer = clone(self.transformer)
        if isinstance(transformer, TabularTransformer):
            told = transformer.kinds if isinstance(transformer.kinds, dict) else {}
            found = {label: detect_table_kind(column) for label, column in columns.items() if label not in told}
            return transformer.set_params(kinds={**found, **told})
        return transformer if isinstance(transformer, BlockTransformer) else NumbersTransformer(transformer)


def _tokenizer(encoder):
    return getattr(resolve_encoder(encoder, "text"), "tokenizer", "word")


def same_parameters(first, second):
    """Whether two parameters, or all parameters of two estimators, are equal."""
    if isinstance(first, BaseEstimator):
        if type(first) is not type(second):
            return False
        others = second.get_params(deep=False)
        return all(same_parameters(value, others[name]) for name, value in first.get_params(deep=False).items())
    return first is second or np.array_equal(first, second)
