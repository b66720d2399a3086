"""Trees beside a linear model, grown out of fold by scikit-learn: what they add to its outputs."""

import itertools
import math
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn as nn
from sklearn.base import clone, is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from sklearn_mm.networks.losses._classification import CrossEntropyLoss
from sklearn_mm.networks.losses._regression import SquaredErrorLoss
from sklearn_mm.networks.wide._calibration import calibrate, is_sure
from sklearn_mm.networks.wide._deep_share import settle_share
from sklearn_mm.networks.wide._forest import Bins, Forest

__all__ = ["Trees", "are_few", "trees_pay"]

_MIN_ROWS = 200
_MIN_ROWS_OF_CLASS = 20  # so that no fold takes all of them
_MAX_OUTPUTS = 5  # each of which has trees of its own: of ten classes boosted ones took four times as long
_MAX_OUTPUTS_OF_RANDOM = 20  # which know all classes or labels in one leaf: some MB each
_FEW_ROWS = 3000  # up to which random trees are tried, which are deep, and large of many rows
_EVERY = 5  # iterations of boosted trees are looked at
_FURTHER = 1.5  # times as many iterations as were best for the first fold are tried for others
_DOUBLED = 2  # times at most, while the last iterations of the first fold are the best
# A split looks at some of the columns, so that trees are not all alike. See decision 45.
_OF_FEW_ROWS = {"max_iter": 100, "learning_rate": 0.1, "max_leaf_nodes": 8, "max_features": 0.4}
_OF_MANY_ROWS = {"max_iter": 300, "learning_rate": 0.04, "max_leaf_nodes": 16, "max_features": 0.2}
_OF_MANY_CLEAR_ROWS = {"max_iter": 150, "learning_rate": 0.1, "max_leaf_nodes": 16, "max_features": 0.4}
_RANDOM = {"n_estimators": 100, "min_samples_split": 5, "max_features": 0.5, "random_state": 0}
_MAX_SCALE_OF_RANDOM_CLASSES = 3.0  # means over trees that are each sure of other classes are too timid


def are_few(target):
    """Return whether random trees, too, are tried of as many rows."""
    return len(target) <= _FEW_ROWS


def trees_pay(loss, target):
    """Return whether there are trees for a loss, and rows enough with this target to grow them."""
    if type(loss) not in (SquaredErrorLoss, CrossEntropyLoss) or len(target) < _MIN_ROWS:
        return False
    if not any(_sorts(loss, target)):
        return False
    if type(loss) is SquaredErrorLoss:
        return True
    columns = np.asarray(target).reshape(len(target), -1).T.astype(np.int64)
    n_classes = 2 if loss.yes_or_no else loss.n_outputs
    return all(np.bincount(column, minlength=n_classes).min() >= _MIN_ROWS_OF_CLASS for column in columns)


def _sorts(loss, target):
    """Return the sorts of trees that are tried, models that are not fitted: boosted ones, and random ones if any."""
    few = are_few(target)
    numbers = type(loss) is SquaredErrorLoss
    boosting = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    settings = [_OF_FEW_ROWS] if few else [_OF_MANY_ROWS, _OF_MANY_CLEAR_ROWS]
    boosted = [boosting(**of_sort, early_stopping=False, random_state=0) for of_sort in settings]
    random = ExtraTreesRegressor if numbers else ExtraTreesClassifier
    most = _MAX_OUTPUTS if numbers else _MAX_OUTPUTS_OF_RANDOM
    return (
        boosted if loss.n_outputs <= _MAX_OUTPUTS else [],
        [random(**_RANDOM)] if few and loss.n_outputs <= most else [],
    )


class Trees(nn.Module):
    """What trees add to the outputs of another model: nothing, until they are grown.

    A weighted mean predicts, of what the trees say and what the other model says. Of few rows there are boosted and
    random ones, which suit noise, and know many classes or labels at once. Fold after fold is left out until one sort
    surely predicts better; where none does, the mean of both may. How many iterations they have, how sure they may be,
    and their weight beside the other model is what predicts best out of fold.

    References
    ----------
    Friedman: Greedy Function Approximation: A Gradient Boosting Machine. Annals of Statistics 29, 2001.

    Geurts, Ernst, Wehenkel: Extremely Randomized Trees. Machine Learning 63, 2006.

    Wolpert: Stacked Generalization. Neural Networks 5, 1992.
    """

    def __init__(self):
        super().__init__()
        self.share = 0.0
        self.sorts = nn.ModuleList()

    def forward(self, features, others):
        """Return what is added to ``others``, the outputs (batch, n_outputs) of the other model.

        ``features`` (batch, n_features) are what the trees were grown on, of these rows.
        """
        if self.share == 0:
            return torch.zeros_like(others)
        outputs = torch.stack([of_sort(features) for of_sort in self.sorts]).mean(0)
        return self.share * (outputs.to(others) - others)

    def grow(self, features, others, target, weight, loss, folds, end=math.inf, n_codes=0):
        """Grow trees on all rows, and return what those that have not seen a row add to ``others``, as `forward` does.

        Parameters
        ----------
        features : torch.Tensor of shape (n_rows, n_features)
            What trees see. What a model says of rows that it has learnt from should be out of fold.
        others : torch.Tensor of shape (n_rows, n_outputs)
            Outputs of the other model, out of fold.
        target, weight : torch.Tensor
            What ``loss`` takes, and the weight of each element of the loss.
        loss : Loss
            What is minimised. There are no trees where it is none that `trees_pay` for, with this target.
        folds : ndarray of shape (n_rows,), dtype int
            Which rows are left out together; those of -1 never are, and to them trees add nothing.
        end : float, default=inf
            When to be done, by `time.perf_counter`; there are no trees where the time does not suffice.
        n_codes : int, default=0
            How many of the first features are codes of categories.
        """
        self.share, self.sorts = 0.0, nn.ModuleList()
        kept, added = [folds != fold for fold in range(folds.max() + 1)], torch.zeros_like(others)
        if len(kept) < 2 or not trees_pay(loss, target) or not _have_all_classes(target, kept):
            return added
        table = _Table(features, target, weight, n_codes, loss)
        compared = table.compared(kept, end)
        if not compared:
            return added
        choices = [[of_sort] for of_sort in compared] + ([compared] if len(compared) > 1 else [])
        rows = compared[0].rows
        outputs = [torch.stack([of_sort.outputs for of_sort in choice]).mean(0) for choice in choices]
        best = int(np.argmin([table.row_losses(of_choice, rows).sum().item() for of_choice in outputs]))
        correction = outputs[best] - others[rows]
        share = settle_share(others[rows], correction, target[rows], weight[rows], loss)
        if share > 0:
            added[rows] = share * correction
            self.share = share
            self.sorts.extend(_TreesOfSort(of_sort, table) for of_sort in choices[best])
        return added

    def regrow(self, features, target, weight, n_codes=0):
        """Grow trees on more rows, of the sorts and as many iterations as `grow` found best; it has the parameters."""
        if self.share > 0:
            table = _Table(features, target, weight, n_codes)
            for of_sort in self.sorts:
                of_sort.regrow(table)


class _TreesOfSort(nn.Module):
    """Trees of a sort that know all rows of a table, scaled and shifted as was best out of fold.

    Parameters
    ----------
    out_of_fold : _OutOfFold
        Those of the same sort that do not know a fold each.
    table : _Table
        The rows.
    """

    def __init__(self, out_of_fold, table):
        super().__init__()
        self.model, self.scale = out_of_fold.best_model(), out_of_fold.scale
        self.register_buffer("shift", out_of_fold.shift)
        self.forest = table.forest(self.model)

    def forward(self, features):
        return self.scale * self.forest(features) + self.shift

    def regrow(self, table):
        """Grow as many trees on the rows of another table."""
        self.forest = table.forest(self.model).to(self.shift.dtype)


class _Fold(NamedTuple):
    """What trees say of a fold that they have not seen."""

    models: list | None  # which have said it, as long as they may go on
    rows: np.ndarray  # of the fold, by number
    stages: torch.Tensor  # outputs (n_stages, n_rows, n_outputs) after each few iterations; random trees have one stage
    losses: np.ndarray  # of the stages


class _OutOfFold:
    """Trees of a sort, a model that is not fitted, that have not seen a fold each: `leave_out` adds one.

    Attributes
    ----------
    rows : ndarray of shape (n_rows,), dtype int
        The rows of the folds, by number.
    outputs : torch.Tensor of shape (n_rows, n_outputs)
        What those say of a row that have not seen it, after as many iterations as are best for all of them; multiplied
        by ``scale``, and ``shift`` added.
    loss : float
        The mean of these outputs, by which sorts can be compared: before, some are too timid.
    """

    def __init__(self, table, model, kept, begun=None):
        self._table, self.model, self._folds = table, model, []
        self._add(table.of_fold(model, kept, begun))

    def leave_out(self, kept):
        """Grow trees on the rows that are ``kept``, a mask, with no more iterations than may be wanted."""
        wanted = int(_FURTHER * _EVERY * (1 + self._folds[0].losses.argmin()))
        fold = self._table.of_fold(_shorter(self.model, wanted), kept)
        self._add(fold._replace(models=None))  # forests are large, and only the first fold may go on

    def goes_on(self):
        """Return whether the last iterations are the best for the first fold, so that more may be better."""
        return self._folds[0].losses.argmin() >= 0.9 * len(self._folds[0].losses)

    def doubled(self, kept):
        """Return the same with twice as many iterations for the first fold, which leaves the rows ``kept``."""
        twice = clone(self.model).set_params(max_iter=2 * self.model.max_iter)
        return _OutOfFold(self._table, twice, kept, self._folds[0].models)

    def best_model(self):
        """Return a model that is not fitted, with as many iterations as are best."""
        return _shorter(self.model, _EVERY * (1 + self._stage))

    def row_losses(self):
        """Return the loss of each row."""
        return self._table.row_losses(self.outputs, self.rows)

    def _add(self, fold):
        self._folds.append(fold)
        n_stages = min(len(fold.losses) for fold in self._folds)
        self._stage = int(np.sum([fold.losses[:n_stages] for fold in self._folds], axis=0).argmin())
        self.rows = np.concatenate([fold.rows for fold in self._folds])
        outputs = torch.cat([fold.stages[self._stage] for fold in self._folds])
        self.loss, self.scale, self.shift = self._table.calibrate(self.model, outputs, self.rows)
        self.outputs = self.scale * outputs + self.shift


class _Table:
    """Rows as trees are grown on them, by the ``loss`` where some are compared; for the others see `Trees.grow`."""

    def __init__(self, features, target, weight, n_codes, loss=None):
        self.features, self.target, self.weight, self.loss = features, target, weight, loss
        self.bins = Bins(features.numpy(), n_codes)
        self.binned = self.bins.transform(features.numpy())
        targets = target.reshape(len(target), -1).numpy()
        weights = weight.reshape(len(weight), -1).expand(-1, targets.shape[1]).numpy()
        self.columns = list(zip(targets.T, weights.T, strict=True))
        self.all_columns = self.columns if targets.shape[1] == 1 else [(targets, weights.mean(1))]

    def compared(self, kept, end):
        """Return each sort of trees that none surely surpasses, `_OutOfFold` of all folds; none where time is short.

        ``kept`` says for each fold which rows it leaves. Of boosted ones, the best for the first fold alone goes on.
        """
        boosted, random = (
            [_OutOfFold(self, model, kept[0]) for model in models if time.perf_counter() <= end]
            for models in _sorts(self.loss, self.target)
        )
        best = min(boosted, key=lambda of_sort: of_sort.loss, default=None)
        for _ in range(_DOUBLED):
            if best is None or not best.goes_on() or time.perf_counter() > end:
                break
            best = best.doubled(kept[0])
        left = random if best is None else [best, *random]
        for rows in kept[1:]:
            if time.perf_counter() > end:
                return []
            left = _unsurpassed(left)
            for of_sort in left:
                of_sort.leave_out(rows)
        return left

    def of_fold(self, model, kept, begun=None):
        """Return the `_Fold` of the rows that are not ``kept``."""
        models, rows = self._fitted(model, kept, begun), np.flatnonzero(~kept)
        if _is_boosted(model):
            staged = [_staged_outputs(fitted, self.binned[rows]) for fitted in models]
            staged = itertools.islice(zip(*staged, strict=True), _EVERY - 1, None, _EVERY)
            stages = torch.stack([torch.from_numpy(np.column_stack(outputs)).float() for outputs in staged])
        else:
            stages = Forest(models, self.bins)(self.features[rows]).unsqueeze(0)
        losses = [self.row_losses(outputs, rows).sum().item() for outputs in stages]
        return _Fold(models, rows, stages, np.array(losses))

    def calibrate(self, model, outputs, rows):
        """Return what `calibrate` does of outputs of some rows that trees of a sort have not seen."""
        max_scale = _MAX_SCALE_OF_RANDOM_CLASSES if isinstance(model, ExtraTreesClassifier) else 1.0
        return calibrate(outputs, lambda outputs: self.row_losses(outputs, rows), max_scale)

    def row_losses(self, outputs, rows):
        """Return the loss of each of some rows."""
        losses = self.loss(outputs, self.target[rows]) * self.weight[rows]
        return losses.reshape(len(losses), -1).sum(1)

    def _fitted(self, model, rows, begun=None):
        """Return fitted models, for some rows; ``begun`` are those that are to go on.

        There is one for each column of the target, or one that tells all labels.
        """
        columns = self.all_columns if isinstance(model, ExtraTreesClassifier) else self.columns
        models = [clone(model) for _ in columns]
        if begun is not None:
            models = [going_on.set_params(max_iter=model.max_iter, warm_start=True) for going_on in begun]
        elif self.bins.n_categorical and _is_boosted(model):
            categorical = np.arange(len(self.bins.order)) < self.bins.n_categorical
            models = [fresh.set_params(categorical_features=categorical) for fresh in models]
        for fitted, (y, weight) in zip(models, columns, strict=True):
            fitted.fit(self.binned[rows], y[rows], None if (weight == weight[0]).all() else weight[rows])
        return models

    def forest(self, model):
        """Return what trees of a sort say that are grown on all rows."""
        return Forest(self._fitted(model, slice(None)), self.bins)


def _unsurpassed(sorts):
    """Return `_OutOfFold` s without one that surely predicts worse than the other; there are at most two."""
    if len(sorts) == 2:
        gains = sorts[0].row_losses() - sorts[1].row_losses()
        return [sorts[1]] if is_sure(gains, 2) else [sorts[0]] if is_sure(-gains, 2) else sorts
    return sorts


def _is_boosted(model):
    return isinstance(model, HistGradientBoostingRegressor | HistGradientBoostingClassifier)


def _shorter(model, n_iter):
    """Return a model with as many iterations at most."""
    return clone(model).set_params(max_iter=min(model.max_iter, n_iter)) if _is_boosted(model) else model


def _have_all_classes(target, kept):
    """Return whether all folds leave some rows of each class: equal rows share a fold, and may be all of a class."""
    if target.is_floating_point() and len(target.unique()) > 2:  # numbers
        return True
    columns = target.reshape(len(target), -1).T
    return all(
        len(column[torch.from_numpy(rows)].unique()) == len(column.unique()) for column in columns for rows in kept
    )


def _staged_outputs(model, X):
    return model.staged_decision_function(X) if is_classifier(model) else model.staged_predict(X)
