"""What "auto" stands for, by the rules of the user guide."""

import numpy as np
import pytest
import torch.nn as nn

from sklearn_mm import ImageInput, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.encoders import BagEncoder, MLPEncoder, ModuleEncoder, ResNetEncoder
from sklearn_mm.fusion import ConcatFusion
from sklearn_mm.networks import MLPHead, Objective, WideLinear
from sklearn_mm.training._trainer import Trainer


@pytest.fixture
def fitted(table, numeric_target):
    """Return a function that fits an estimator for one epoch and returns its network."""

    def fit(Estimator, **parameters):
        X, y = table
        target = y if Estimator is MultimodalClassifier else numeric_target
        return Estimator(max_epochs=1, random_state=0, **parameters).fit(X, target).net_.module_

    return fit


@pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
def test_components(fitted, Estimator):
    network = fitted(Estimator)
    kinds = {name: type(network.encoders[name]) for name in network.encoders.names}
    assert kinds == {"photo": ResNetEncoder, "title": BagEncoder, "tabular": MLPEncoder}
    assert (type(network.top.fusion), type(network.top.head), type(network.top.wide)) == (
        ConcatFusion,
        MLPHead,
        WideLinear,
    )
    assert network.top.wide.block_names == ["photo", "title", "tabular"]
    assert network.top.head.hidden_layer_sizes


@pytest.mark.parametrize(
    ("Estimator", "wide", "width"),
    [
        (MultimodalClassifier, "auto", 32),
        (MultimodalRegressor, "auto", 2),
        (MultimodalClassifier, None, 128),
        (MultimodalRegressor, None, 128),
    ],
)
def test_width_of_texts(fitted, Estimator, wide, width):
    network = fitted(Estimator, image=None, wide=wide)
    assert network.encoders["title"].embedding_dim == width


def test_a_frozen_picture_is_not_augmented_and_the_wide_part_sees_its_features(fitted):
    frozen = ModuleEncoder(nn.Conv2d(3, 4, 3), trainable="none")
    network = fitted(MultimodalClassifier, image=ImageInput(encoder=frozen))
    assert network.top.wide.block_names == ["photo", "title", "tabular"]
    assert network.top.wide.feature_names == ["photo"]
    assert not list(network.encoders.augment[network.encoders.names.index("photo")].modules())[1:]


@pytest.mark.parametrize(("n_rows", "size"), [(20, 8), (128, 8), (256, 16), (600, 32), (2000, 64), (10_000, 64)])
def test_batch_size(n_rows, size):
    objective = Objective()
    assert Trainer(MultimodalClassifier())._batch_size(n_rows, objective) == (size, 1)
    assert Trainer(MultimodalClassifier(batch_size=5))._batch_size(n_rows, objective) == (5, 1)


@pytest.mark.parametrize(
    ("Estimator", "parameters", "validates"),
    [
        (MultimodalClassifier, {}, False),
        (MultimodalRegressor, {}, True),
        (MultimodalRegressor, {"wide": None}, False),
        (MultimodalRegressor, {"early_stopping": False}, False),
    ],
)
def test_rows_are_held_out_by_regressors_with_a_wide_part(Estimator, parameters, validates):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = X[:, 0] if Estimator is MultimodalRegressor else X[:, 0] > 0
    model = Estimator(max_epochs=1, random_state=0, **parameters).fit(X, y)
    assert ("valid_loss" in model.history_[0]) == validates
