"""From what users hand in to `Blocks`."""

from copy import copy
from dataclasses import replace

import numpy as np
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import check_consistent_length

from sklearn_mm.blocks import Blocks
from sklearn_mm.inputs import InputsMixin, ModalityTransformer, respecify
from sklearn_mm.preprocessing.containers._tables import check_is_table
from sklearn_mm.utils._validation import _check_sample_weight, _num_samples

__all__ = ["ReadingMixin", "check_weight", "leave_out_weightless"]


class ReadingMixin(InputsMixin):
    """What an estimator learns of tables and `Blocks` in ``fit``, and how it reads more of them."""

    def _check_rows(self, X, y, X_val=None, y_val=None):
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        for table in [X] if X_val is None else [X, X_val]:
            if not isinstance(table, Blocks):
                check_is_table(table, type(self).__name__)
        check_consistent_length(X, y)
        if not _num_samples(y):
            raise ValueError(f"Found array with 0 sample(s) while a minimum of 1 is required by {type(self).__name__}.")
        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{type(self).__name__}.fit got {given} without {missing}; pass both or neither.")
        if X_val is not None:
            check_consistent_length(X_val, y_val)

    def _read_fit(self, X, y):
        """Return the `Blocks` of training rows, and learn how to read more of them."""
        if isinstance(X, Blocks):
            self.transformer_ = None
            blocks = respecify(X, self._resolved_inputs(), type(self).__name__, self.modalities)
            for attribute in ("n_features_in_", "feature_names_in_"):  # of an earlier fit on a table
                vars(self).pop(attribute, None)
        else:
            parameters = {name: getattr(self, name) for name in (*self.modalities, "inputs", "memory", "verbose")}
            self.transformer_ = ModalityTransformer._of(parameters, type(self).__name__, self.modalities)
            blocks = self.transformer_.fit_transform(X, y)
            self.n_features_in_ = self.transformer_.n_features_in_
            if hasattr(self.transformer_, "feature_names_in_"):
                self.feature_names_in_ = self.transformer_.feature_names_in_
        self.specs_ = blocks.specs
        return blocks

    def _read(self, X):
        """Return the `Blocks` of other rows, as the network knows them."""
        name = type(self).__name__
        if not isinstance(X, Blocks):
            if self.transformer_ is None:
                raise TypeError(
                    f"{name} was fitted on Blocks, got {type(X).__name__}. Pass the rows through the same "
                    "ModalityTransformer first, or put both into a Pipeline."
                )
            reader = copy(self.transformer_)
            for parameter in (*self.modalities, "inputs", "memory"):  # which may have been set after fit
                setattr(reader, parameter, getattr(self, parameter))
            return reader.transform(X)
        missing = [block for block in self.specs_ if block not in X]
        if missing:
            raise ValueError(f"{name} was fitted on the blocks {list(self.specs_)}; missing: {missing}, got {list(X)}.")
        blocks = X.select(self.specs_)
        for block, spec in self.specs_.items():
            theirs = blocks.specs[block]
            # Of lists, it counts that they are lists, and not what the Blocks say about pooling.
            pool = spec.pool if theirs.pool and spec.pool else theirs.pool
            if replace(theirs, encoder=spec.encoder, augment=spec.augment, group=spec.group, pool=pool) != spec:
                raise ValueError(
                    f"Block {block!r} was read with other settings than the one {name} was fitted on: got {theirs}, "
                    f"expected {spec}. Use the ModalityTransformer that made the training rows."
                )
        return blocks


def check_weight(sample_weight, target, name="sample_weight"):
    """Return one weight for each row, as float64; at least one is above 0."""
    if sample_weight is not None and not np.any(np.asarray(sample_weight)):
        raise ValueError(f"Sample weights must contain at least one non-zero number, got only zeros in {name}.")
    return _check_sample_weight(sample_weight, target, dtype=np.float64, ensure_non_negative=True)


def leave_out_weightless(X, y, target, sample_weight):
    """Return what belongs to the rows with a weight above 0, so that the others are not even read."""
    weight = check_weight(sample_weight, target)
    if weight.all():
        return X, y, target, sample_weight
    used = np.flatnonzero(weight)
    return [_safe_indexing(part, used) for part in (*indexable(X, y), target, weight)]
