"""`ModalityTransformer`: a table in, `Blocks` out."""

import warnings
from copy import copy
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
from joblib import Memory
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.blocks import Blocks
from sklearn_mm.encoders import Encoder
from sklearn_mm.inputs._base import Input
from sklearn_mm.inputs._column_assignment import claim_columns
from sklearn_mm.inputs._explanation import blocks_of, explain
from sklearn_mm.inputs._ignored import warn_of_ignored
from sklearn_mm.inputs._mixin import InputsMixin
from sklearn_mm.inputs._pretrained import PRETRAINED
from sklearn_mm.inputs._same_parameters import same_parameters
from sklearn_mm.preprocessing._base import check_has_spec
from sklearn_mm.preprocessing.containers._frame import as_frame
from sklearn_mm.preprocessing.containers._tables import check_unique_labels
from sklearn_mm.preprocessing.text._truncation import warn_of_cut_texts
from sklearn_mm.storage import BlockStore
from sklearn_mm.storage._content_keys import hash_rows
from sklearn_mm.storage._store import MEMORY
from sklearn_mm.utils._callbacks import CallbackSupportMixin
from sklearn_mm.utils._learner import take_over
from sklearn_mm.utils._registry import did_you_mean
from sklearn_mm.utils._validation import _fit_context, _get_feature_names

__all__ = ["ModalityTransformer"]


class ModalityTransformer(CallbackSupportMixin, TransformerMixin, InputsMixin, auto_wrap_output_keys=None):
    """Read a table with columns of pictures, sound, texts, numbers and categories into `Blocks`.

    Each column of pictures, sound or texts, or of lists of these, becomes a block, named after it; all columns of
    numbers, categories, dates and vectors together become the block "tabular". What the columns are is found out in
    `fit` (by the rules of `detect_kinds`) or told, and never guessed again. `fit` warns of columns that are ignored
    though their cells differ, unless these merely count the rows. It is the first of two steps, before an estimator in
    a Pipeline; the estimators do the same when they are handed a table.

    Parameters
    ----------
    image, text, tabular, audio, video : "auto", None, str, int, list or Input, default="auto"
        Which columns hold pictures, texts, numbers, categories, dates or vectors, sound, and videos: "auto" finds them,
        None ignores the modality, a name, a position or a list of these says so. An `ImageInput`, `TextInput`,
        `TabularInput`, `AudioInput` or `VideoInput` also says how they are read, and which encoder an estimator uses
        that does not say otherwise.
    inputs : list of (str, Input), default=None
        The long way, as in scikit-learn's ColumnTransformer: named Inputs, several of one modality or of one's own.
        Then only these are used, and the others above must be "auto" or None.
    pretrained : str, path, Encoder, dict or None, default=None
        Pretrained models that encode the blocks whose Inputs name no encoder, as of `MultimodalClassifier`: a dict by
        kind, or one model for all kinds that it reads. Blocks are read as they ask, and the estimator that comes after
        encodes with them.
    memory : str, path, joblib.Memory, BlockStore or None, default=None
        Folder that keeps decoded pictures, so that each is decoded once for all folds, searches and processes that name
        it. Blocks of pictures are then `StoredRows`, which lie in files and not in memory. A transformer that has a
        ``memory`` of its own keeps to that. Without it, those that an Input has a frozen encoder for are `LazyRows`
        where their cells are paths or bytes: they are decoded when they are encoded, a batch at a time.
    verbose : int, default=0
        0 is silent, 1 prints in `fit` what each column was taken for, and why.

    Attributes
    ----------
    inputs_ : dict of str to Input
        The Inputs that read a column; their ``columns`` are the labels of these.
    transformers_ : dict of str to BlockTransformer
        The fitted transformer of each block.
    specs_ : dict of str to BlockSpec
        What a network must know of each block.
    column_kinds_ : dict
        For the columns that no Input names: "image", "audio", "text", "video", "numeric", "categorical", "datetime",
        "vector" or "ignored".
    column_reasons_ : dict
        Why, for the same columns.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (``n_features_in_``,), dtype object
        Their names, if all are strings.

    See Also
    --------
    sklearn_mm.MultimodalClassifier : Takes the same parameters and tables, or `Blocks`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import ModalityTransformer
    >>> X = pd.DataFrame({
    ...     "photo": [np.full((16, 16, 3), shade, dtype=np.uint8) for shade in (10, 200, 90)],
    ...     "title": ["a dark night", "white snow", "in between, grey"],
    ...     "price": [3.5, 8.0, None],
    ... })
    >>> transformer = ModalityTransformer(image="photo").fit(X)
    >>> transformer.column_kinds_
    {'title': 'text', 'price': 'numeric'}
    >>> blocks = transformer.transform(X)
    >>> list(blocks), blocks["photo"].shape
    (['photo', 'title', 'tabular'], (3, 64, 64, 3))
    >>> blocks.present[:, 2]
    array([ True,  True, False])
    """

    _parameter_constraints = {"pretrained": PRETRAINED, "memory": MEMORY, "verbose": ["verbose"]}

    def __init__(
        self,
        image: str | int | list | Input | None = "auto",
        text: str | int | list | Input | None = "auto",
        tabular: str | int | list | Input | None = "auto",
        audio: str | int | list | Input | None = "auto",
        video: str | int | list | Input | None = "auto",
        *,
        inputs: list[tuple[str, Input]] | None = None,
        pretrained: str | PathLike | Encoder | dict | None = None,
        memory: str | PathLike | Memory | BlockStore | None = None,
        verbose: int = 0,
    ):
        self.image = image
        self.text = text
        self.tabular = tabular
        self.audio = audio
        self.video = video
        self.inputs = inputs
        self.pretrained = pretrained
        self.memory = memory
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: ArrayLike | None = None) -> Self:
        """Find out what the columns are, and learn to read them.

        Parameters
        ----------
        X : table or 2-D array of shape (n_rows, n_columns)
            A pandas, polars or pyarrow table, an object array (columns by position), or an array of numbers. An array
            of pictures, (n_rows, height, width, channels), is a table of one column.
        y : array-like of shape (n_rows,), default=None
            The target; only transformers of scikit-learn's that want one use it.

        Returns
        -------
        self : ModalityTransformer
            The fitted transformer.
        """
        self.fit_transform(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X: Any, y: ArrayLike | None = None) -> Blocks:
        """Find out what the columns are, learn to read them, and return them; each cell is read once.

        Parameters
        ----------
        X : table or 2-D array of shape (n_rows, n_columns)
            As in `fit`.
        y : array-like of shape (n_rows,), default=None
            As in `fit`.

        Returns
        -------
        blocks : Blocks
            One array per block, in the order of the Inputs, then of their columns.
        """
        context = self._init_callback_context().call_on_fit_task_begin(estimator=self, X=X, y=y)
        learner = copy(self)  # if it fails, nothing has changed
        blocks = learner._fit_read(X, y)
        take_over(self, learner)
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes={})
        return blocks

    def transform(self, X: Any) -> Blocks:
        """Read other rows.

        Parameters
        ----------
        X : table or 2-D array
            Columns are found by name, in any order; further ones are ignored. Arrays go by position.

        Returns
        -------
        blocks : Blocks
            As of `fit_transform`, one row per row of ``X``.
        """
        check_is_fitted(self)
        return self._read(X, self.specs_)

    def _read(self, X, names):
        """Return the blocks with these names; ``X`` need not have the columns of others."""
        columns = {
            block: (name, input_, labels)
            for name, input_ in self.inputs_.items()
            for block, labels in blocks_of(name, self.inputs_)
        }
        needed = dict.fromkeys(label for block in names for label in columns[block][2])  # a column may be in two blocks
        frame = self._select(X, list(needed))
        parts = {}
        for block in names:
            name, input_, labels = columns[block]
            cells, transformer = _cells_of(frame, labels, input_), self._as_it_reads_now(name, block)
            keys = self._content_keys(transformer, cells)
            parts[block] = keys, *_set_to_read(transformer, self.memory, input_).read(cells)
        return self._assemble(parts)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the blocks, so that a pipeline can ask its last step for names.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored; here because scikit-learn passes it.

        Returns
        -------
        names : ndarray of shape (n_blocks,), dtype object
            The names.
        """
        check_is_fitted(self)
        return np.array(list(self.specs_), dtype=object)

    def set_output(self, *, transform: object = None) -> Self:
        """Do nothing: the output is `Blocks`, never a table.

        Parameters
        ----------
        transform : object, default=None
            Ignored.

        Returns
        -------
        self : ModalityTransformer
            This transformer.
        """
        return self

    @classmethod
    def _of(cls, parameters, owner, modalities):
        """Return what reads tables for an estimator, which may have parameters of modalities that this class lacks."""
        transformer = cls()
        vars(transformer).update(parameters, _owner=owner, modalities=modalities)
        return transformer

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags

    def _fit_read(self, X, y):
        who = self._who
        frame, self._has_labels = as_frame(X, who)
        self._check_labels(frame)
        inputs = {name: input_ for name, input_ in self._resolved_inputs().items() if input_ is not None}
        claims, detected = claim_columns(frame, self._has_labels, inputs, who, self.modalities)
        warn_of_ignored(frame, detected, inputs, who, self.modalities)
        self.inputs_ = {name: inputs[name].set_params(columns=labels) for name, labels in claims.items()}
        self.column_kinds_ = {label: kind for label, (kind, _) in detected.items()}
        self.column_reasons_ = {label: reason for label, (_, reason) in detected.items()}
        if self.verbose:
            print(explain(self._labels, self.inputs_, detected, who))

        self.transformers_, self.specs_, parts = {}, {}, {}
        for name, input_ in self.inputs_.items():
            for block, labels, transformer, *part in self._fit_input(name, input_, frame, y):
                if block in parts:
                    raise ValueError(
                        f"{who}: two blocks would have the name {block!r}. Rename the column, or give the Input "
                        f"another name: inputs=[(name, Input), ...]."
                    )
                self.transformers_[block] = transformer
                self.specs_[block] = input_.make_spec(transformer.spec_, name, block, tuple(map(str, labels)))
                parts[block] = part
        self._warn_of_cut_texts()
        return self._assemble(parts)

    def _warn_of_cut_texts(self):
        """Warn once of what is cut off texts, and not once per column."""
        transformers = {id(transformer): transformer for transformer in self.transformers_.values()}  # some are shared
        cuts = [getattr(transformer, "_cut_texts", None) for transformer in transformers.values()]
        warn_of_cut_texts([cut for cut in cuts if cut], self._who)

    def _assemble(self, parts):
        """Make `Blocks` of keys (None: those of the array's rows), array and presence by block."""
        keys = None
        if self._has_keys:
            keys = [hash_rows(array) if keys is None else keys for keys, array, _ in parts.values()]
            keys = np.stack(keys, axis=1)
        return Blocks(
            {block: array for block, (_, array, _) in parts.items()},
            {block: self.specs_[block] for block in parts},
            np.stack([present for _, _, present in parts.values()], axis=1),
            keys,
        )

    @property
    def _has_keys(self):
        """Whether `Blocks` get content keys, by which what frozen encoders make of rows is found again.

        An estimator that reads a table for itself may not need them, and they take longer than to read stored pictures.
        """
        if self._owner is None or self.memory is None:
            return self._owner is None
        return any(input_._reading.encoder.frozen for input_ in self.inputs_.values() if input_._reading.encoder)

    def _content_keys(self, transformer, cells):
        """Return what cells hold, None if only what is read of them tells, or nobody asks.

        It is to be asked before they are read: of a file that changes in between, the later content then has the key of
        the earlier one, which does not come again.
        """
        return transformer.content_keys(cells) if self._has_keys and hasattr(transformer, "content_keys") else None

    def _as_it_reads_now(self, name, block):
        """Return the fitted transformer of a block with the reading parameters that its Input has by now."""
        transformer = self.transformers_[block]
        input_ = getattr(self, name) if self.inputs is None else dict(self.inputs).get(name)
        now = getattr(input_, "transformer", None)
        names = [parameter for parameter in getattr(transformer, "reading_parameters", ()) if hasattr(now, parameter)]
        changed = {p: getattr(now, p) for p in names if not same_parameters(getattr(now, p), getattr(transformer, p))}
        if not changed:
            return transformer
        transformer = copy(transformer).set_params(**changed)
        transformer._validate_params()
        return transformer

    def _fit_input(self, name, input_, frame, y):
        """Fit one transformer per block, or one for all; yield block, labels, transformer, keys, array and presence."""
        blocks = blocks_of(name, self.inputs_)
        if input_.shared and not input_.together:
            transformer = input_.make_transformer(frame[input_.columns])
            cells = np.concatenate([frame[label].to_numpy(dtype=object) for label in input_.columns])
            cells = pd.Series(cells, name=" + ".join(block for block, _ in blocks))
            keys = self._content_keys(transformer, cells)
            transformer, array, present = _fit_read(transformer, self.memory, input_, cells)
            keys = _settled(keys, transformer)
            for i, (block, labels) in enumerate(blocks):
                rows = slice(i * len(frame), (i + 1) * len(frame))
                yield block, labels, transformer, None if keys is None else keys[rows], array[rows], present[rows]
            return
        for block, labels in blocks:
            transformer = input_.make_transformer(_take(frame, labels))
            cells = _cells_of(frame, labels, input_)
            keys = self._content_keys(transformer, cells)
            transformer, *read = _fit_read(transformer, self.memory, input_, cells, y)
            yield block, labels, transformer, _settled(keys, transformer), *read

    def _check_labels(self, frame):
        """Learn the columns' labels and names."""
        check_unique_labels(frame.columns, self._who)
        self._labels = list(frame.columns)
        self.n_features_in_ = len(self._labels)
        names = _get_feature_names(frame) if self._has_labels else None
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):  # of an earlier fit
            del self.feature_names_in_

    def _select(self, X, needed):
        """Return a frame with the ``needed`` columns: by label, or by position where one side has no names."""
        frame, has_labels = as_frame(X, self._who)
        was_named = hasattr(self, "feature_names_in_")
        is_named = has_labels and any(isinstance(label, str) for label in frame.columns)
        if has_labels and self._has_labels and was_named == is_named:
            self._check_lacks_none(frame, needed)
            return frame
        if frame.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {frame.shape[1]} features, but {self._who} is expecting {self.n_features_in_} features as "
                f"input."
            )
        if was_named:
            warnings.warn(
                f"X does not have valid feature names, but {self._who} was fitted with feature names", stacklevel=3
            )
        elif is_named:
            warnings.warn(f"X has feature names, but {self._who} was fitted without feature names", stacklevel=3)
        return frame.set_axis(self._labels, axis=1)

    def _check_lacks_none(self, frame, needed):
        lacking = [label for label in needed if label not in frame.columns]
        if lacking:
            unused = [label for label in frame.columns if label not in needed]
            lines = [f"  {label!r}{did_you_mean(label, unused)}" for label in lacking]
            raise ValueError(
                "\n".join(
                    [
                        f"X lacks {len(lacking)} of the {len(needed)} columns that {self._who} was fitted to read:",
                        *lines,
                        f"Columns of X that it does not know or read: {unused}. Add or rename columns.",
                    ]
                )
            )
        check_unique_labels([label for label in frame.columns if label in needed], self._who)


def _take(frame, labels):
    return frame if labels == list(frame.columns) else frame[labels]  # the latter copies numbers


def _cells_of(frame, labels, input_):
    return _take(frame, labels) if input_.together else frame[labels[0]]


def _set_to_read(transformer, memory, input_):
    """Return the transformer, or a copy that has this ``memory`` if it takes one and has none, or reads later."""
    changes = {}
    if memory is not None and getattr(transformer, "memory", memory) is None:
        changes["memory"] = memory
    if hasattr(transformer, "reads_later") and input_.encodes_once:
        changes["reads_later"] = True
    if not changes:
        return transformer
    transformer = copy(transformer)
    vars(transformer).update(changes)
    return transformer


def _fit_read(transformer, memory, input_, cells, y=None):
    """Return the fitted transformer, and the array and presence of the cells it was fitted on."""
    reader = _set_to_read(transformer, memory, input_)
    read = reader.fit_read(cells, y)
    check_has_spec(reader)
    if reader is not transformer:  # a model that is taken elsewhere has the memory of whoever asks it
        asked = [name for name in ("memory", "reads_later") if hasattr(transformer, name)]
        vars(reader).update({name: getattr(transformer, name) for name in asked})
    return reader, *read


def _settled(keys, transformer):
    """Return keys that were asked for before the transformer was fitted as they are after it."""
    return keys if keys is None or not hasattr(transformer, "settle_keys") else transformer.settle_keys(keys)
