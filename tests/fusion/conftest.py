"""Transformer layers worked out in NumPy, for one row and without padding: what is not there is not handed in."""

from types import SimpleNamespace

import numpy as np
import pytest


def array(tensor):
    return tensor.detach().double().numpy()


def affine(layer, x):
    return x @ array(layer.weight).T + array(layer.bias)


def norm(layer, x):
    deviations = x - x.mean(1, keepdims=True)
    scaled = deviations / np.sqrt((deviations**2).mean(1, keepdims=True) + 1e-5)
    return scaled * array(layer.weight) + array(layer.bias)


def attend(attention, queries, keys):
    """Return what each of the queries (n, width) finds among the keys (m, width)."""
    q = affine(attention.queries, queries)
    k, v = np.split(affine(attention.keys_values, keys), 2, axis=1)
    found = np.empty_like(q)
    for units in np.split(np.arange(q.shape[1]), attention.n_heads):
        for i, query in enumerate(q[:, units]):
            likeness = np.exp(k[:, units] @ query / np.sqrt(len(units)))
            found[i, units] = likeness / likeness.sum() @ v[:, units]
    return affine(attention.out, found)


def think(layer, x):
    """Return the two fully connected layers' result for each of ``x`` (n, width)."""
    return affine(layer.mlp[3], np.maximum(affine(layer.mlp[0], x), 0))


def parts(read, features, row):
    """Return the parts (n_parts, width) that a row has in a block, as `Parts` should."""
    tokens = features.tokens[row][features.mask[row]]
    both = [affine(read.pooled, array(features.pooled[[row]])), affine(read.tokens, array(tokens))]
    return norm(read.norm, np.concatenate(both))


@pytest.fixture
def by_hand():
    return SimpleNamespace(norm=norm, attend=attend, think=think, parts=parts)
