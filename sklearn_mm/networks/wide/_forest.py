"""Trees that scikit-learn has grown as tensors, all of which take a step at once; and the bins that they know."""

import numpy as np
import torch
import torch.nn as nn

__all__ = ["Bins", "Forest"]

_MAX_BINS = 255  # as many as boosted trees take


class Bins:
    """Split the values of each feature into at most 255 bins, with about equally many of the rows in each.

    Trees are grown on the numbers of bins. Scikit-learn's would look for bins in each fit again, and for rows with
    weights that takes longer than growing.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features), dtype float32
        Of the rows that trees are grown on.
    """

    def __init__(self, features):
        self.edges = [_edges(column) for column in features.T]

    def transform(self, features):
        """Return how many edges lie below each value, uint8 (n_rows, n_features)."""
        pairs = zip(self.edges, features.T, strict=True)
        return np.column_stack([np.searchsorted(edges, column) for edges, column in pairs]).astype(np.uint8)

    def thresholds(self, features, bins):
        """Return the values of features (their numbers) above which the number of the bin is larger than ``bins``."""
        first = np.cumsum([0, *map(len, self.edges)])
        return np.concatenate([*self.edges, [0]])[first[features] + bins.astype(np.int64)]


def _edges(values):
    """Return rising numbers that lie halfway between the values next to them: rounding moves no value across one."""
    distinct = np.unique(values)
    places = np.arange(len(distinct) - 1)
    if len(distinct) > _MAX_BINS:
        cuts = np.quantile(values, np.linspace(0, 1, _MAX_BINS + 1)[1:-1], method="lower")
        places = np.unique(np.searchsorted(distinct, cuts)).clip(max=len(distinct) - 2)
    return ((distinct[places].astype(np.float64) + distinct[places + 1]) / 2).astype(np.float32)


class Forest(nn.Module):
    """The trees of fitted models of scikit-learn: features in, outputs out.

    Parameters
    ----------
    models : list of HistGradientBoostingRegressor, HistGradientBoostingClassifier or ExtraTreesRegressor
        Fitted to numbers of bins; each gives one output, or one for each class.
    n_iter : int
        How many iterations of boosted trees count.
    bins : Bins
        Whose numbers they are.
    """

    def __init__(self, models, n_iter, bins):
        super().__init__()
        baselines, trees = zip(*[_read(model, n_iter) for model in models], strict=True)
        trees = [tree for of_model in trees for tree in of_model]
        sizes = [len(tree["value"]) for tree in trees]
        first = np.cumsum([0, *sizes[:-1]])
        nodes = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
        is_leaf, place = nodes["is_leaf"], np.arange(sum(sizes))
        feature = np.where(is_leaf, 0, nodes["feature"]).astype(np.int64)
        threshold = bins.thresholds(feature, np.where(is_leaf, 0, nodes["threshold"]))
        self.register_buffer("root", torch.from_numpy(first))
        self.register_buffer("feature", torch.from_numpy(feature))
        self.register_buffer("threshold", torch.from_numpy(threshold.astype(np.float32)))
        for side in ("left", "right"):  # who has come to a leaf stays there
            child = np.where(is_leaf, place, nodes[side].astype(np.int64) + np.repeat(first, sizes))
            self.register_buffer(side, torch.from_numpy(child))
        self.register_buffer("value", torch.from_numpy(nodes["value"].astype(np.float32)))
        self.register_buffer("baseline", torch.from_numpy(np.concatenate(baselines).astype(np.float32)))
        self.depth = _depth(nodes["is_leaf"], self.left.numpy(), self.right.numpy(), first)

    def forward(self, features):
        """Map features (batch, n_features) to outputs (batch, n_outputs)."""
        features = features.float()  # as they were when the trees were grown
        node = self.root.expand(len(features), -1)
        for _ in range(self.depth):
            goes_left = features.gather(1, self.feature[node]) <= self.threshold[node]
            node = torch.where(goes_left, self.left[node], self.right[node])
        return self.value[node].unflatten(1, (len(self.baseline), -1)).sum(2) + self.baseline


def _read(model, n_iter):
    """Return the baselines of the outputs of a model, and its trees as dicts of arrays, those of an output together."""
    if hasattr(model, "estimators_"):
        trees = [_read_tree(estimator.tree_, 1 / len(model.estimators_)) for estimator in model.estimators_]
        return np.zeros(1), trees
    names = {"feature": "feature_idx", "threshold": "num_threshold", "left": "left", "right": "right", "value": "value"}
    of_outputs = zip(*model._predictors[:n_iter], strict=True)
    nodes = [tree.nodes for of_output in of_outputs for tree in of_output]
    trees = [{own: of_tree[name] for own, name in names.items()} for of_tree in nodes]
    trees = [tree | {"is_leaf": of_tree["is_leaf"] > 0} for tree, of_tree in zip(trees, nodes, strict=True)]
    return np.ravel(model._baseline_prediction), trees


def _read_tree(tree, weight):
    return {
        "feature": tree.feature,
        "threshold": tree.threshold,
        "left": tree.children_left,
        "right": tree.children_right,
        "value": weight * tree.value.ravel(),
        "is_leaf": tree.children_left < 0,
    }


def _depth(is_leaf, left, right, roots):
    """Return how many steps lead from the roots to the farthest leaf."""
    depth, level = 0, roots
    while (level := level[~is_leaf[level]]).size:
        depth, level = depth + 1, np.concatenate([left[level], right[level]])
    return depth
