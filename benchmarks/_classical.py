"""What scikit-learn users do with pictures and texts today: TF-IDF, pixels, gradients, and a linear model."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_mm.preprocessing import ImageTransformer

_DECODED = {}  # by size and column of paths: the classical models are not to be slowed down by decoding once more


def pictures(paths, size):
    """Return the pictures (n, size, size, 3) of a column of paths, each read once per process."""
    missing = [path for path in paths if (size, path) not in _DECODED]
    if missing:
        read = ImageTransformer(size=size).fit_transform(missing)
        _DECODED.update({(size, path): picture for path, picture in zip(missing, read, strict=True)})
    return np.stack([_DECODED[size, path] for path in paths])


def pixels(paths):
    """Return the 32 × 32 pixels of pictures, in [0, 1]."""
    return pictures(paths, 32).reshape(len(paths), -1) / 255


def gradients(paths, cell=8, n_angles=9):
    """Return histograms of oriented gradients of 64 × 64 pictures (Dalal, Triggs. CVPR 2005)."""
    grey = pictures(paths, 64).mean(3)
    down, right = np.gradient(grey, axis=(1, 2))
    length, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi / np.pi * n_angles
    low = np.floor(angle).astype(int) % n_angles
    share, side = angle - np.floor(angle), 64 // cell
    cells = np.zeros((len(paths), side, side, n_angles))
    for place in range(n_angles):
        part = length * ((low == place) * (1 - share) + ((low + 1) % n_angles == place) * share)
        cells[..., place] = part.reshape(len(paths), side, cell, side, cell).sum((2, 4))
    blocks = np.concatenate([cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:]], 3)
    for _ in range(2):  # normalise, clip, normalise
        blocks = np.minimum(blocks / np.sqrt((blocks**2).sum(3, keepdims=True) + 1e-3), 0.2)
    return blocks.reshape(len(paths), -1)


def tfidf(column):
    """Return a transformer of a text column to TF-IDF of its words and its character n-grams."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(FunctionTransformer(_texts, kw_args={"column": column}), make_union(words, characters))


def components(column, read, n_components=100):
    """Return a transformer of a picture column to principal components of what ``read`` makes of it."""
    return make_pipeline(
        FunctionTransformer(_read, kw_args={"column": column, "read": read}),
        FewComponents(n_components),
        StandardScaler(),
        FunctionTransformer(_tenth),
    )


class FewComponents(TransformerMixin, BaseEstimator):
    """`PCA` with as many components as asked for, or as the rows allow."""

    def __init__(self, n_components):
        self.n_components = n_components

    def fit(self, X, y=None):
        self.pca_ = PCA(min(self.n_components, len(X) - 1), random_state=0).fit(X)
        return self

    def transform(self, X):
        return self.pca_.transform(X)


def _texts(X, column):
    return X[column].fillna("").astype(str)


def _read(X, column, read):
    return read(list(X[column]))


def _tenth(X):
    return X / 10  # so that a hundred components weigh as much as a text
