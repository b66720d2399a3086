"""From what users hand in to `Blocks`."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import check_consistent_length

from sklearn_mm.blocks import Blocks
from sklearn_mm.inputs import ModalityTransformer, respecify
from sklearn_mm.preprocessing.containers._tables import check_is_table
from sklearn_mm.utils._messages import name_rows
from sklearn_mm.utils._validation import _check_sample_weight, _num_samples

__all__ = ["Reader", "check_rows", "check_weight", "leave_out_weightless", "number_groups"]


@dataclass
class Reader:
    """Reads tables and `Blocks` as an estimator's parameters say and, once fitted, as its training rows were read.

    Parameters
    ----------
    parameters : dict
        The estimator's parameters of reading, those of a `ModalityTransformer`, as they are now.
    modalities : dict of str to type
        The `Input` class of each of those that are of one modality, as of "image".
    owner : str
        Its name, for error messages.
    transformer : ModalityTransformer or None, default=None
        What reads the table; None if fitted on `Blocks`.
    specs : dict of str to BlockSpec, default=None
        What is known of each block; None if nothing was read yet.
    """

    parameters: dict
    modalities: dict
    owner: str
    transformer: ModalityTransformer | None = None
    specs: dict | None = None

    def fit_read(self, X, y=None):
        """Return the `Blocks` of training rows, and learn how to read more of them."""
        transformer = ModalityTransformer._of(self.parameters, self.owner, self.modalities)
        if isinstance(X, Blocks):
            self.transformer = None
            blocks = respecify(X, transformer._resolved_inputs(), self.owner, self.modalities)
        else:
            self.transformer = transformer
            blocks = transformer.fit_transform(X, y)
        self.specs = blocks.specs
        return blocks

    def read(self, X, names=None):
        """Return the `Blocks` of other rows, as the network knows them; with ``names``, these blocks alone."""
        if isinstance(X, Blocks):
            return self._as_fitted(X, list(self.specs) if names is None else names)
        if self.transformer is None:
            raise TypeError(
                f"{self.owner} was fitted on Blocks, got {type(X).__name__}. Pass the rows through the same "
                "ModalityTransformer first, or put both into a Pipeline."
            )
        transformer = copy(self.transformer)
        for name, value in self.parameters.items():  # which may have been set after fit
            setattr(transformer, name, value)
        return transformer.transform(X) if names is None else transformer._read(X, names)

    def _as_fitted(self, blocks, names):
        """Return some of given `Blocks`, which must have been read as those of fit were."""
        missing = [name for name in names if name not in blocks]
        if missing:
            raise ValueError(
                f"{self.owner} was fitted on the blocks {list(self.specs)}; missing: {missing}, got {list(blocks)}."
            )
        blocks = blocks.select(names)
        for name in names:
            spec, theirs = self.specs[name], blocks.specs[name]
            # Of lists, it counts that they are lists, and not what the Blocks say about pooling.
            pool = spec.pool if theirs.pool and spec.pool else theirs.pool
            if replace(theirs, encoder=spec.encoder, augment=spec.augment, group=spec.group, pool=pool) != spec:
                raise ValueError(
                    f"Block {name!r} was read with other settings than the one {self.owner} was fitted on: got "
                    f"{theirs}, expected {spec}. Use the ModalityTransformer that made the training rows."
                )
        return blocks


def check_rows(X, y, X_val, y_val, owner, needs_y=True):
    """Raise where rows to fit, or to validate with, are no table or not as many as their targets."""
    if y is None and needs_y:
        raise ValueError(f"{owner} requires y to be passed, but the target y is None.")
    for table in [X] if X_val is None else [X, X_val]:
        if not isinstance(table, Blocks):
            check_is_table(table, owner)
    check_consistent_length(X, y)
    if not _num_samples(X if y is None else y):
        raise ValueError(f"Found array with 0 sample(s) while a minimum of 1 is required by {owner}.")
    if needs_y and (X_val is None) != (y_val is None):
        given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{owner}.fit got {given} without {missing}; pass both or neither.")
    if X_val is not None:
        check_consistent_length(X_val, y_val)


def check_weight(sample_weight, X, name="sample_weight"):
    """Return one weight for each row of ``X``, as float64; at least one is above 0."""
    if sample_weight is not None and not np.any(np.asarray(sample_weight)):
        raise ValueError(f"Sample weights must contain at least one non-zero number, got only zeros in {name}.")
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


def number_groups(groups, X):
    """Return the number of the group of each row of ``X``, from 0 on, (n_rows,), or None if there are no groups."""
    if groups is None:
        return None
    shape = np.shape(groups)
    if len(shape) != 1 and shape[1:] != (1,):
        found = f"shape {shape}" if shape else repr(groups)
        raise ValueError(
            f"groups must be an array of shape (n_rows,), the group of each row, got {found}. A column of the table is "
            "given as X['speaker']."
        )
    check_consistent_length(X, groups)
    numbers, names = pd.factorize(np.ravel(groups))
    if (numbers < 0).any():
        raise ValueError(
            f"groups must name the group of each row; it is missing in {name_rows(np.flatnonzero(numbers < 0))}. Give "
            "a row that belongs with no other a group of its own."
        )
    if len(names) < 2:
        raise ValueError(
            f"groups must name at least 2 groups, got {names[0]} alone: its rows are held out together, and there "
            "would be none to learn from. Leave groups out if rows do not belong together."
        )
    return numbers


def leave_out_weightless(X, y, target, weight, groups):
    """Return what belongs to the rows with a weight above 0, so that the others are not even read."""
    if weight.all():
        return X, y, target, weight, groups
    used, parts = np.flatnonzero(weight), (*indexable(X, y), target, weight, groups)
    return [None if part is None else _safe_indexing(part, used) for part in parts]
