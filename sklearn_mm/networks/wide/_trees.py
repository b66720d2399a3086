"""Trees beside a linear model, grown out of fold by scikit-learn: what they add to its outputs."""

import math
import time
from typing import NamedTuple

import numpy as np
import torch
import torch.nn as nn
from sklearn.base import clone, is_classifier
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor

from sklearn_mm.networks.losses._classification import CrossEntropyLoss
from sklearn_mm.networks.losses._regression import SquaredErrorLoss
from sklearn_mm.networks.wide._calibration import calibrate
from sklearn_mm.networks.wide._deep_share import settle_share
from sklearn_mm.networks.wide._forest import Bins, Forest

__all__ = ["Trees", "trees_pay"]

_MIN_ROWS = 200
_MIN_ROWS_OF_CLASS = 20  # so that no fold takes all of them
_MAX_OUTPUTS = 5  # each of which has trees of its own: of ten classes they took four times as long, and told no more
_FEW_ROWS = 3000  # up to which random trees are tried, which are deep, and large of many rows
_FURTHER = 1.5  # times as many iterations as were best for the first fold are tried for others
_DOUBLED = 2  # times at most, while the last iterations of the first fold are the best
# A split looks at some of the columns, so that trees are not all alike. See decision 45.
_OF_FEW_ROWS = {"max_iter": 100, "learning_rate": 0.1, "max_leaf_nodes": 8, "max_features": 0.4}
_OF_MANY_ROWS = {"max_iter": 300, "learning_rate": 0.04, "max_leaf_nodes": 16, "max_features": 0.2}
_OF_MANY_CLEAR_ROWS = {"max_iter": 150, "learning_rate": 0.1, "max_leaf_nodes": 16, "max_features": 0.4}
_RANDOM = {"n_estimators": 100, "min_samples_split": 5, "max_features": 0.5, "random_state": 0}


def trees_pay(loss, target):
    """Return whether there are trees for a loss, and rows enough with this target to grow them."""
    if type(loss) not in (SquaredErrorLoss, CrossEntropyLoss):
        return False
    if len(target) < _MIN_ROWS or loss.n_outputs > _MAX_OUTPUTS:
        return False
    if type(loss) is SquaredErrorLoss:
        return True
    columns = np.asarray(target).reshape(len(target), -1).T.astype(np.int64)
    n_classes = 2 if loss.yes_or_no else loss.n_outputs
    return all(np.bincount(column, minlength=n_classes).min() >= _MIN_ROWS_OF_CLASS for column in columns)


def _sorts(loss, n_rows):
    """Return the sorts of trees that are tried, models that are not fitted: boosted ones, and random ones if any."""
    few = n_rows <= _FEW_ROWS
    numbers = type(loss) is SquaredErrorLoss
    boosting = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    settings = [_OF_FEW_ROWS] if few else [_OF_MANY_ROWS, _OF_MANY_CLEAR_ROWS]
    boosted = [boosting(**of_sort, early_stopping=False, random_state=0) for of_sort in settings]
    return boosted, [ExtraTreesRegressor(**_RANDOM)] if few and numbers else []


class Trees(nn.Module):
    """What trees add to the outputs of another model: nothing, until they are grown.

    A weighted mean predicts, of what the trees say and what the other model says. Whether they are boosted or, of few
    rows with noise, random ones the first fold tells; how many iterations they have, how sure they may be, and their
    weight in this mean is what predicts best out of fold.

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
        self.forest = self._sort = self._n_iter = None

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
        table = _Table(features, target, weight, n_codes)

        def losses(outputs, rows=left_out):
            return loss(outputs, target[rows]) * weight[rows]

        def of_fold(sort, rows):
            models = table.fitted(sort, rows)
            stages = _stages(models, table.binned[~rows])
            return _OfFold(sort, models, np.array([losses(outputs, ~rows).sum().item() for outputs in stages]))

        boosted, random = _sorts(loss, len(target))
        first = [of_fold(sort, kept[0]) for sort in boosted if time.perf_counter() <= end]
        if not first:
            return added
        best = min(first, key=_OfFold.least)
        for _ in range(_DOUBLED):
            if not best.goes_on() or time.perf_counter() > end:
                break
            best = of_fold(clone(best.sort).set_params(max_iter=2 * best.sort.max_iter), kept[0])
        first = [best, *(of_fold(sort, kept[0]) for sort in random if time.perf_counter() <= end)]
        best = min(first, key=_OfFold.least)
        sort, found = _shorter(best.sort, int(_FURTHER * (1 + best.losses.argmin()))), [best]
        for rows in kept[1:]:
            if time.perf_counter() > end:
                return added
            found.append(of_fold(sort, rows))
        n_most = min(len(fold.losses) for fold in found)
        n_iter = 1 + int(np.sum([fold.losses[:n_most] for fold in found], axis=0).argmin())
        outputs = torch.zeros_like(others)
        for fold, rows in zip(found, kept, strict=True):
            outputs[~rows] = Forest(fold.models, n_iter, table.bins)(features[~rows])
        theirs, outputs = others[left_out], outputs[left_out]
        _, scale, shift = calibrate(outputs, losses)
        correction = scale * outputs + shift - theirs
        share = settle_share(theirs, correction, target[left_out], weight[left_out], loss)
        if share > 0:
            added[left_out] = share * correction
            self.share, self.scale, self.shift = share, scale, shift
            self._sort, self._n_iter = sort, n_iter
            self.forest = table.forest(sort, n_iter)
        return added

    def regrow(self, features, target, weight, n_codes=0):
        """Grow trees on more rows, of the sort and as many iterations as `grow` found best; it has the parameters."""
        if self.share > 0:
            forest = _Table(features, target, weight, n_codes).forest(self._sort, self._n_iter)
            self.forest = forest.to(self.shift.dtype)


class _OfFold(NamedTuple):
    """Trees that have not seen a fold."""

    sort: object  # of trees: a model that is not fitted
    models: list
    losses: np.ndarray  # of the fold, after each iteration; random trees have one

    def least(self):
        return self.losses.min()

    def goes_on(self):
        """Return whether the last iterations are the best, so that more may be better."""
        return self.losses.argmin() >= 0.9 * len(self.losses)


class _Table:
    """Rows as trees are grown on them; for the parameters see `Trees.grow`."""

    def __init__(self, features, target, weight, n_codes):
        self.bins = Bins(features.numpy(), n_codes)
        self.binned = self.bins.transform(features.numpy())
        self.targets = target.reshape(len(target), -1).numpy().T
        self.weights = weight.reshape(len(weight), -1).expand(-1, len(self.targets)).numpy().T

    def fitted(self, sort, rows):
        """Return a model of a sort for each column of the target, fitted to some rows."""
        models = [clone(sort) for _ in self.targets]
        if self.bins.n_categorical and "categorical_features" in sort.get_params():
            categorical = np.arange(len(self.bins.order)) < self.bins.n_categorical
            models = [model.set_params(categorical_features=categorical) for model in models]
        for model, y, of_rows in zip(models, self.targets, self.weights, strict=True):
            model.fit(self.binned[rows], y[rows], None if (of_rows == of_rows[0]).all() else of_rows[rows])
        return models

    def forest(self, sort, n_iter):
        """Return what models that are fitted to all rows say after so many iterations."""
        return Forest(self.fitted(_shorter(sort, n_iter), slice(None)), n_iter, self.bins)


def _shorter(sort, n_iter):
    """Return a model of a sort with as many iterations at most."""
    max_iter = sort.get_params().get("max_iter")
    return sort if max_iter is None else clone(sort).set_params(max_iter=min(max_iter, n_iter))


def _have_all_classes(target, kept):
    """Return whether all folds leave some rows of each class: equal rows share a fold, and may be all of a class."""
    if target.is_floating_point() and len(target.unique()) > 2:  # numbers
        return True
    columns = target.reshape(len(target), -1).T
    return all(
        len(column[torch.from_numpy(rows)].unique()) == len(column.unique()) for column in columns for rows in kept
    )


def _stages(models, X):
    """Yield the outputs (n_rows, n_outputs) after each iteration; random trees have one."""
    staged = [_staged_outputs(model, X) for model in models]
    for outputs in zip(*staged, strict=True):
        yield torch.from_numpy(np.column_stack(outputs)).float()


def _staged_outputs(model, X):
    if isinstance(model, ExtraTreesRegressor):
        return [model.predict(X)]
    return model.staged_decision_function(X) if is_classifier(model) else model.staged_predict(X)
