"""Boosted trees beside a linear model: grown by scikit-learn, out of fold, and evaluated by torch."""

import math
import time

import numpy as np
import torch
import torch.nn as nn
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from sklearn_mm.networks.losses._classification import CrossEntropyLoss
from sklearn_mm.networks.losses._regression import SquaredErrorLoss
from sklearn_mm.networks.wide._calibration import calibrate
from sklearn_mm.networks.wide._deep_share import settle_share

__all__ = ["BoostedTrees", "trees_pay"]

_KINDS = {CrossEntropyLoss: HistGradientBoostingClassifier, SquaredErrorLoss: HistGradientBoostingRegressor}
_MIN_ROWS = 200
_MIN_ROWS_OF_CLASS = 20  # so that no fold takes all of them
_MAX_OUTPUTS = 10  # each of which has trees of its own
_MAX_ITER = 150
_MAX_BINS = 255
_SETTINGS = {"learning_rate": 0.07, "max_leaf_nodes": 8, "early_stopping": False, "random_state": 0}


def trees_pay(loss, target):
    """Return whether there are trees for a loss, and rows enough with this target to grow them."""
    if type(loss) not in _KINDS or len(target) < _MIN_ROWS or loss.n_outputs > _MAX_OUTPUTS:
        return False
    if type(loss) is SquaredErrorLoss:
        return True
    columns = np.asarray(target).reshape(len(target), -1).T.astype(np.int64)
    n_classes = 2 if loss.yes_or_no else loss.n_outputs
    return all(np.bincount(column, minlength=n_classes).min() >= _MIN_ROWS_OF_CLASS for column in columns)


class BoostedTrees(nn.Module):
    """What boosted trees add to the outputs of another model: nothing, until they are grown.

    A weighted mean predicts, of what the trees say and what the other model says. How many trees there are, how sure
    they may be, and their weight in this mean are those that predict best out of fold.

    References
    ----------
    Friedman: Greedy Function Approximation: A Gradient Boosting Machine. Annals of Statistics 29, 2001.

    Wolpert: Stacked Generalization. Neural Networks 5, 1992.
    """

    def __init__(self):
        super().__init__()
        self.share, self.scale = 0.0, 1.0
        self.register_buffer("shift", torch.zeros(1))
        self.forest = None

    def forward(self, features, others):
        """Return what is added to ``others``, the outputs (batch, n_outputs) of the other model.

        ``features`` (batch, n_features) are what the trees were grown on, of these rows.
        """
        if self.share == 0:
            return torch.zeros_like(others)
        return self.share * (self.scale * self.forest(features).to(others) + self.shift - others)

    def grow(self, features, others, target, weight, loss, folds, end=math.inf):
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
            What is minimised, one for which `trees_pay`.
        folds : ndarray of shape (n_rows,), dtype int
            Which rows are left out together; those of -1 never are.
        end : float, default=inf
            When to be done, by `time.perf_counter`; there are no trees where the time does not suffice.
        """
        self.share, self.forest = 0.0, None
        edges = [_bin_edges(column) for column in features.numpy().T]
        binned = np.column_stack([_bins(*pair) for pair in zip(features.numpy().T, edges, strict=True)])
        targets = target.reshape(len(target), -1).numpy().T
        weights = weight.reshape(len(weight), -1).expand(-1, len(targets)).numpy().T

        def fitted(rows, n_iter):
            """Return a model for each column of the target, in a list."""
            models = [_KINDS[type(loss)](max_iter=n_iter, **_SETTINGS) for _ in targets]
            for model, y, of_rows in zip(models, targets, weights, strict=True):
                model.fit(binned[rows], y[rows], None if (of_rows == 1).all() else of_rows[rows])
            return models

        def losses(outputs, rows=slice(None)):
            return loss(outputs, target[rows]) * weight[rows]

        left_out = [np.flatnonzero(folds == fold) for fold in range(folds.max() + 1)]
        of_folds, stage_losses = [], 0
        for rows in left_out:
            if len(left_out) < 2 or time.perf_counter() > end:
                return torch.zeros_like(others)
            of_folds.append(fitted(np.setdiff1d(np.arange(len(binned)), rows), _MAX_ITER))
            stages = [losses(outputs, rows).sum().item() for outputs in _stages(of_folds[-1], binned[rows])]
            stage_losses += np.array(stages)
        n_iter = 1 + int(stage_losses.argmin())
        outputs = torch.zeros_like(others)
        for rows, models in zip(left_out, of_folds, strict=True):
            outputs[rows] = _Forest(models, n_iter, edges)(features[rows])
        _, self.scale, self.shift = calibrate(outputs, losses)
        outputs = self.scale * outputs + self.shift
        self.share = settle_share(others, outputs - others, target, weight, loss)
        if self.share > 0:
            self.forest = _Forest(fitted(slice(None), n_iter), n_iter, edges)
        return self.share * (outputs - others)


def _bin_edges(values):
    """Return at most 254 rising numbers between the values, about equally many of which lie between each two.

    Scikit-learn would look for them again for each model, and by weights of rows that takes longer than growing.
    """
    distinct = np.unique(values)
    if len(distinct) > _MAX_BINS:
        cuts = np.quantile(values, np.linspace(0, 1, _MAX_BINS + 1)[1:-1], method="lower")
        places = np.unique(np.searchsorted(distinct, cuts)).clip(max=len(distinct) - 2)
    else:
        places = np.arange(len(distinct) - 1)
    return ((distinct[places].astype(np.float64) + distinct[places + 1]) / 2).astype(np.float32)


def _bins(values, edges):
    """Return the number of edges that lie below each value."""
    return np.searchsorted(edges, values, side="left").astype(np.uint8)


def _stages(models, X):
    """Yield the outputs (n_rows, n_outputs) after one iteration, two and so on."""
    staged = [
        model.staged_decision_function(X) if is_classifier(model) else model.staged_predict(X) for model in models
    ]
    for outputs in zip(*staged, strict=True):
        yield torch.from_numpy(np.column_stack(outputs)).float()


class _Forest(nn.Module):
    """The first iterations of fitted models as tensors, in which all trees take a step at once.

    Parameters
    ----------
    models : list of HistGradientBoostingRegressor or HistGradientBoostingClassifier
        Each gives one output, or one for each class.
    n_iter : int
        How many iterations.
    edges : list of ndarray
        Of the bins of each feature, whose numbers the models were fitted to.
    """

    def __init__(self, models, n_iter, edges):
        super().__init__()
        trees = [
            tree
            for model in models
            for of_output in zip(*model._predictors[:n_iter], strict=True)
            for tree in of_output
        ]
        sizes = [len(tree.nodes) for tree in trees]
        nodes, place = np.concatenate([tree.nodes for tree in trees]), np.arange(sum(sizes))
        first = np.cumsum([0, *sizes[:-1]])
        self.depth = int(nodes["depth"].max())
        is_leaf = nodes["is_leaf"].astype(bool)
        self.register_buffer("root", torch.from_numpy(first))
        feature = np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.int64)
        self.register_buffer("feature", torch.from_numpy(feature))
        first_edge = np.cumsum([0, *map(len, edges)])
        threshold = np.concatenate([*edges, [0]])[first_edge[feature] + nodes["num_threshold"].astype(np.int64)]
        self.register_buffer("threshold", torch.from_numpy(threshold.astype(np.float32)))
        for side in ("left", "right"):  # who has come to a leaf stays there
            child = nodes[side].astype(np.int64) + np.repeat(first, sizes)
            self.register_buffer(side, torch.from_numpy(np.where(is_leaf, place, child)))
        self.register_buffer("value", torch.from_numpy(nodes["value"].astype(np.float32)))
        baseline = np.concatenate([np.ravel(model._baseline_prediction) for model in models])
        self.register_buffer("baseline", torch.from_numpy(baseline.astype(np.float32)))

    def forward(self, features):
        """Map features (batch, n_features) to outputs (batch, n_outputs)."""
        features = features.float()  # as they were when the trees were grown
        node = self.root.expand(len(features), -1)
        for _ in range(self.depth):
            goes_left = features.gather(1, self.feature[node]) <= self.threshold[node]
            node = torch.where(goes_left, self.left[node], self.right[node])
        return self.value[node].unflatten(1, (len(self.baseline), -1)).sum(2) + self.baseline
