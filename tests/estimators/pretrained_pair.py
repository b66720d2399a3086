"""An embedder that trains nothing: a pretrained pair of towers, from the package's parts."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from sklearn_mm.estimators._joint_space import MODALITIES, JointSpace, map_rows
from sklearn_mm.estimators._reader import Reader


class PretrainedPair(TransformerMixin, BaseEstimator):
    """Vectors of pictures and texts by a dual encoder; zeros for rows that have neither."""

    def __init__(self, model, image="auto", text="auto", batch_size=64):
        self.model = model
        self.image = image
        self.text = text
        self.batch_size = batch_size

    def fit(self, X, y=None):
        """Find out what the columns are."""
        self.space_ = JointSpace(self.model, "PretrainedPair")
        self.inputs_ = self.space_.inputs({"image": self.image, "text": self.text})
        reader = self._reader()
        reader.fit_read(X)
        self.transformer_, self.specs_ = reader.transformer, reader.specs
        self.n_features_in_ = self.transformer_.n_features_in_
        if hasattr(self.transformer_, "feature_names_in_"):
            self.feature_names_in_ = self.transformer_.feature_names_in_
        return self

    def _reader(self, transformer=None, specs=None):
        parameters = {**self.inputs_, "inputs": None, "memory": None, "verbose": 0}
        return Reader(parameters, MODALITIES, "PretrainedPair", transformer, specs)

    def transform(self, X, blocks=None):
        """Return vectors of length 1 or 0, (n_rows, width)."""
        names = list(self.specs_) if blocks is None else list(blocks)
        read = self._reader(self.transformer_, self.specs_).read(X, names)
        network = self.space_.network({name: self.specs_[name] for name in names})
        vectors = map_rows(network, read, self.batch_size, "cpu", "float32", None)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1)
