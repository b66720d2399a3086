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
from sklearn_mm.networks.wide._calibration import calibrate
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

    A weighted mean predicts, of what the trees say and what the other model says. Of few rows the first fold tells
    whether they are boosted or random ones, which suit noise, and know many classes or labels at once; how many
    iterations they have, how sure they may be, and their weight in this mean is what predicts best out of fold.

    References
    ----------
    Friedman: Greedy Function Approximation: A Gradient Boosting Machine. Annals of Statistics 29, 2001.

    Geurts, Ernst, Wehenkel: Extremely Randomized Trees. Machine Learning 63, 2006.

    Wolpert: Stacked Generalization. Neural Networks 5, 1992.
    """

    def __init__(self):
        super().__init__()
        self.share, self.scale = 0.0, 1.0
        self.register_buffer("shift", torch.zeros(1))
        self.forest = self._sort = None

    def forward(self, features, others):
        """Return what is added to ``others``, the outputs (batch, n_outputs) of the other model.

        ``features`` (batch, n_features) are what the trees were grown on, of these rows.
        """
        if self.share == 0:
            return torch.zeros_like(others)
        return self.share * (self.scale * self.forest(features).to(others) + self.shift - others)

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
        self.share, self.forest = 0.0, None
        kept, added = [folds != fold for fold in range(folds.max() + 1)], torch.zeros_like(others)
        if len(kept) < 2 or not trees_pay(loss, target) or not _have_all_classes(target, kept):
            return added
        left_out = torch.from_numpy(folds >= 0)
        table = _Table(features, target, weight, n_codes, loss)
        found = table.of_folds(kept, end)
        if found is None:
            return added
        n_stages = min(len(fold.losses) for fold in found)
        stage = int(np.sum([fold.losses[:n_stages] for fold in found], axis=0).argmin())
        outputs = torch.zeros_like(others)
        for fold, rows in zip(found, kept, strict=True):
            outputs[~rows] = fold.stages[stage]
        theirs, outputs, sort = others[left_out], outputs[left_out], found[0].sort
        _, scale, shift = table.calibrate(sort, outputs, left_out.numpy())
        correction = scale * outputs + shift - theirs
        share = settle_share(theirs, correction, target[left_out], weight[left_out], loss)
        if share > 0:
            added[left_out] = share * correction
            self.share, self.scale, self.shift = share, scale, shift
            self._sort = _shorter(sort, _EVERY * (1 + stage))
            self.forest = table.forest(self._sort)
        return added

    def regrow(self, features, target, weight, n_codes=0):
        """Grow trees on more rows, of the sort and as many iterations as `grow` found best; it has the parameters."""
        if self.share > 0:
            self.forest = _Table(features, target, weight, n_codes).forest(self._sort).to(self.shift.dtype)


class _OfFold(NamedTuple):
    """Trees that have not seen a fold, and what they say of it."""

    sort: object  # of trees: a model that is not fitted
    models: list
    rows: np.ndarray  # of the fold, by number
    stages: torch.Tensor  # outputs (n_stages, n_rows, n_outputs) after each few iterations; random trees have one stage
    losses: np.ndarray  # of the stages

    def goes_on(self):
        """Return whether the last iterations are the best, so that more may be better."""
        return self.losses.argmin() >= 0.9 * len(self.losses)


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

    def of_folds(self, kept, end):
        """Return the trees that predict the first fold best, without each fold: `_OfFold`; None where time is short.

        ``kept`` says for each fold which rows it leaves.
        """
        boosted, random = _sorts(self.loss, self.target)
        first = [self._of_fold(sort, kept[0]) for sort in boosted if time.perf_counter() <= end]
        best = min(first, key=self._least_loss, default=None)
        for _ in range(_DOUBLED):
            if best is None or not best.goes_on() or time.perf_counter() > end:
                break
            twice = clone(best.sort).set_params(max_iter=2 * best.sort.max_iter)
            best = self._of_fold(twice, kept[0], best.models)
        first = [] if best is None else [best]
        first += [self._of_fold(sort, kept[0]) for sort in random if time.perf_counter() <= end]
        found = [min(first, key=self._least_loss, default=None)]
        for rows in kept[1:]:
            if time.perf_counter() > end:
                return None
            wanted = int(_FURTHER * _EVERY * (1 + found[0].losses.argmin()))
            found.append(self._of_fold(_shorter(found[0].sort, wanted), rows))
        return found

    def _of_fold(self, sort, kept, begun=None):
        models, rows = self._fitted(sort, kept, begun), np.flatnonzero(~kept)
        if _is_boosted(sort):
            staged = [_staged_outputs(model, self.binned[rows]) for model in models]
            staged = itertools.islice(zip(*staged, strict=True), _EVERY - 1, None, _EVERY)
            stages = torch.stack([torch.from_numpy(np.column_stack(outputs)).float() for outputs in staged])
        else:
            stages = Forest(models, self.bins)(self.features[rows]).unsqueeze(0)
        losses = [self._losses(outputs, rows).sum().item() for outputs in stages]
        return _OfFold(sort, models, rows, stages, np.array(losses))

    def _least_loss(self, fold):
        """Return the loss of the best stage, calibrated: else those that are too timid could not be compared."""
        return self.calibrate(fold.sort, fold.stages[fold.losses.argmin()], fold.rows)[0]

    def calibrate(self, sort, outputs, rows):
        """Return what `calibrate` does of outputs of some rows that trees of a sort have not seen."""
        max_scale = _MAX_SCALE_OF_RANDOM_CLASSES if isinstance(sort, ExtraTreesClassifier) else 1.0
        return calibrate(outputs, lambda outputs: self._losses(outputs, rows), max_scale)

    def _losses(self, outputs, rows):
        return self.loss(outputs, self.target[rows]) * self.weight[rows]

    def _fitted(self, sort, rows, begun=None):
        """Return models of a sort, fitted to some rows; ``begun`` are those that are to go on.

        There is one for each column of the target, or one that tells all labels.
        """
        columns = self.all_columns if isinstance(sort, ExtraTreesClassifier) else self.columns
        models = [clone(sort) for _ in columns]
        if begun is not None:
            models = [model.set_params(max_iter=sort.max_iter, warm_start=True) for model in begun]
        elif self.bins.n_categorical and _is_boosted(sort):
            categorical = np.arange(len(self.bins.order)) < self.bins.n_categorical
            models = [model.set_params(categorical_features=categorical) for model in models]
        for model, (y, weight) in zip(models, columns, strict=True):
            model.fit(self.binned[rows], y[rows], None if (weight == weight[0]).all() else weight[rows])
        return models

    def forest(self, sort):
        """Return what models of a sort say that are fitted to all rows."""
        return Forest(self._fitted(sort, slice(None)), self.bins)


def _is_boosted(sort):
    return isinstance(sort, HistGradientBoostingRegressor | HistGradientBoostingClassifier)


def _shorter(sort, n_iter):
    """Return a model of a sort with as many iterations at most."""
    return clone(sort).set_params(max_iter=min(sort.max_iter, n_iter)) if _is_boosted(sort) else sort


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
