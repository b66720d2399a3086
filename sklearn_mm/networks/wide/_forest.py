"""Trees that scikit-learn has grown as tensors, all of which take a step at once; and the bins that they know."""

import numpy as np
import torch
import torch.nn as nn
from sklearn.ensemble import ExtraTreesClassifier

__all__ = ["Bins", "Forest"]

_MAX_BINS = 255  # as many as boosted trees take
_LEAST = 0.005  # is added to probabilities of random trees: half a vote of a hundred


class Bins:
    """Split the values of each feature into at most 255 bins, with about equally many of the rows in each.

    Trees are grown on the numbers of bins. Scikit-learn's would look for bins in each fit again, and for rows with
    weights that takes longer than growing.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features), dtype float32
        Of the rows that trees are grown on.
    n_codes : int, default=0
        How many of the first features are codes of categories. Those with at most 255 of them have no order, and a bin
        for each.

    Attributes
    ----------
    edges : list of ndarray
        What lies between the bins of each feature.
    order : ndarray of shape (n_features,), dtype int
        The features in the order in which trees see them: those without an order first.
    n_categorical : int
        How many these are.
    """

    def __init__(self, features, n_codes=0):
        self.edges = [_edges(column) for column in features.T]
        codes = [np.unique(column).astype(np.int64) for column in features.T[:n_codes]]
        categorical = [place for place, values in enumerate(codes) if len(values) <= _MAX_BINS]
        self.order = np.array([*categorical, *np.setdiff1d(np.arange(features.shape[1]), categorical)])
        self.n_categorical = len(categorical)
        self._codes = [codes[place] for place in categorical]

    def transform(self, features):
        """Return how many edges lie below each value, uint8 (n_rows, n_features), in the order of trees."""
        columns = [np.searchsorted(self.edges[place], features[:, place]) for place in self.order]
        return np.column_stack(columns).astype(np.uint8)

    def thresholds(self, features, bins):
        """Return the values of features (their numbers) above which the number of the bin is larger than ``bins``."""
        first = np.cumsum([0, *map(len, self.edges)])
        return np.concatenate([*self.edges, [0]])[first[features] + bins.astype(np.int64)]

    def by_code(self, feature, by_bin, unknown):
        """Return what there is by bin of a feature without an order by code, and for those that are not known."""
        codes = self._codes[feature]
        found = np.full(codes.max(initial=0) + 2, unknown)
        found[codes] = by_bin[: len(codes)]
        return found


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
    models : list of estimators
        Boosted trees (histogram-based), or random ones, fitted to numbers of bins; each gives one output, or one for
        each class or label. Outputs of random trees are logarithms of the odds of a label, or of probabilities of
        classes.
    bins : Bins
        Whose numbers they are.
    """

    def __init__(self, models, bins):
        super().__init__()
        baselines, trees, sets = zip(*[_read(model, bins) for model in models], strict=True)
        n_nodes = [sum(len(tree["value"]) for tree in of_model) for of_model in trees]
        trees = [tree for of_model in trees for tree in of_model]
        sizes = [len(tree["value"]) for tree in trees]
        first = np.cumsum([0, *sizes[:-1]])
        nodes = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
        is_leaf, place = nodes["is_leaf"], np.arange(sum(sizes))
        feature = bins.order[np.where(is_leaf, 0, nodes["feature"]).astype(np.int64)]
        is_set = nodes["lefts"] >= 0
        threshold = bins.thresholds(feature, np.where(is_leaf | is_set, 0, nodes["threshold"]))
        self.register_buffer("root", torch.from_numpy(first))
        lefts = [codes for of_model in sets for codes in of_model]
        n_before = np.repeat(np.cumsum([0, *map(len, sets)])[:-1], n_nodes)
        self.register_buffer("set", torch.from_numpy(np.where(is_set, nodes["lefts"] + n_before, -1)))
        self.register_buffer("goes_left", _side_by_side(lefts) if lefts else None)
        self.register_buffer("feature", torch.from_numpy(feature))
        self.register_buffer("threshold", torch.from_numpy(threshold.astype(np.float32)))
        for side in ("left", "right"):  # who has come to a leaf stays there
            child = np.where(is_leaf, place, nodes[side].astype(np.int64) + np.repeat(first, sizes))
            self.register_buffer(side, torch.from_numpy(child))
        self.register_buffer("value", torch.from_numpy(nodes["value"].astype(np.float32)))
        self.register_buffer("baseline", torch.from_numpy(np.concatenate(baselines).astype(np.float32)))
        self.link = _link(models[0])
        self.depth = _depth(nodes["is_leaf"], self.left.numpy(), self.right.numpy(), first)

    def forward(self, features):
        """Map features (batch, n_features) to outputs (batch, n_outputs)."""
        features = features.float()  # as they were when the trees were grown
        node = self.root.expand(len(features), -1)
        for _ in range(self.depth):
            values = features.gather(1, self.feature[node])
            goes_left = values <= self.threshold[node]
            if self.goes_left is not None:
                codes = values.long().clamp(0, self.goes_left.shape[1] - 1)
                goes_left = torch.where(self.set[node] < 0, goes_left, self.goes_left[self.set[node], codes])
            node = torch.where(goes_left, self.left[node], self.right[node])
        # There is a tree for each output, or one that gives all of them.
        of_trees = self.value[node].unflatten(1, (len(self.baseline) // self.value.shape[1], -1))
        outputs = of_trees.sum(2).flatten(1) + self.baseline
        return outputs if self.link is None else self.link(outputs)


def _side_by_side(sets):
    """Return arrays of different length as rows of one tensor; the last value of each goes on."""
    length = max(map(len, sets))
    return torch.from_numpy(np.stack([np.pad(codes, (0, length - len(codes)), mode="edge") for codes in sets]))


def _link(model):
    """Return what makes outputs of what random trees say of classes: None for numbers, or for boosted trees."""
    if not isinstance(model, ExtraTreesClassifier):
        return None
    return _log_odds if np.max(model.n_classes_) == 2 else _log_probabilities


def _log_odds(probabilities):
    return _log_probabilities(probabilities) - _log_probabilities(1 - probabilities)


def _log_probabilities(probabilities):
    return (probabilities + _LEAST).log()


def _read(model, bins):
    """Return the baselines of a model's outputs, its trees as dicts of arrays, and which codes go left in some nodes.

    The trees of an output lie together. Nodes that ask for a category name an array among the latter in "lefts".
    """
    if hasattr(model, "estimators_"):
        trees = [_read_tree(estimator.tree_, 1 / len(model.estimators_)) for estimator in model.estimators_]
        return np.zeros(trees[0]["value"].shape[1]), trees, []
    names = {"feature": "feature_idx", "threshold": "num_threshold", "left": "left", "right": "right"}
    predictors = [tree for of_output in zip(*model._predictors, strict=True) for tree in of_output]
    trees, sets = [], []
    for predictor in predictors:
        nodes = predictor.nodes
        asks = (nodes["is_categorical"] > 0) & (nodes["is_leaf"] == 0)
        lefts = np.full(len(nodes), -1)
        lefts[asks] = len(sets) + np.arange(asks.sum())
        sets += [_codes_to_the_left(model, node, predictor.raw_left_cat_bitsets, bins) for node in nodes[asks]]
        tree = {own: nodes[name] for own, name in names.items()} | {"value": nodes["value"][:, np.newaxis]}
        trees.append(tree | {"is_leaf": nodes["is_leaf"] > 0, "lefts": lefts})
    return np.ravel(model._baseline_prediction), trees, sets


def _codes_to_the_left(model, node, bitsets, bins):
    """Return whether each code goes left at a node of boosted trees, and at last, whether those that are not known do.

    A fit numbers the categories that it has seen.
    """
    feature, unknown = node["feature_idx"], node["missing_go_to_left"] > 0
    seen = model._preprocessor.named_transformers_["encoder"].categories_[feature]  # numbers of bins
    bits = np.unpackbits(bitsets[node["bitset_idx"]].astype("<u4").view(np.uint8), bitorder="little")
    by_bin = np.full(_MAX_BINS + 1, unknown)
    by_bin[seen] = bits[: len(seen)] > 0
    return bins.by_code(feature, by_bin, unknown)


def _read_tree(tree, weight):
    value = tree.value  # (n_nodes, n_outputs, n_classes): a number, or how large the share of each class is
    value = value[:, :, 1] if value.shape[2] == 2 else value.transpose(0, 2, 1)[:, :, 0]
    return {
        "feature": tree.feature,
        "threshold": tree.threshold,
        "left": tree.children_left,
        "right": tree.children_right,
        "value": weight * value,
        "is_leaf": tree.children_left < 0,
        "lefts": np.full(tree.node_count, -1),
    }


def _depth(is_leaf, left, right, roots):
    """Return how many steps lead from the roots to the farthest leaf."""
    depth, level = 0, roots
    while (level := level[~is_leaf[level]]).size:
        depth, level = depth + 1, np.concatenate([left[level], right[level]])
    return depth
