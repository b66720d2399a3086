"""A task that the package does not have learns, stops early, is searched over, copied and stored like its own."""

import importlib.util
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklearn_mm import ModalityTransformer, TabularInput
from sklearn_mm.encoders import MLPEncoder

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven"]
CHANCE = 1 / 8


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pickles look for its classes
    spec.loader.exec_module(module)
    return module


PairEmbedder = load("pair_embedder").PairEmbedder


@pytest.fixture(scope="module")
def pairs():
    """A word of eight, and numbers that are near the corner of a cube that stands for it."""
    rng = np.random.default_rng(0)
    which = np.tile(np.arange(8), 24)
    corners = (which[:, None] >> np.arange(3)) & 1
    X = pd.DataFrame(corners + 0.1 * rng.normal(size=(192, 3)), columns=["a", "b", "c"])
    X["word"] = [f"the number {WORDS[number]}" for number in which]
    return X


def embedder(**parameters):
    return PairEmbedder(text="word", batch_size=16, max_epochs=30, lr=0.02, random_state=0).set_params(**parameters)


@pytest.fixture(scope="module")
def fitted(pairs):
    return embedder(early_stopping=True, n_iter_no_change=30).fit(pairs)


def test_blocks_of_a_row_find_each_other(fitted, pairs):
    eight = pairs[:8]  # one row of each word
    assert fitted.score(eight) > 6 * CHANCE
    assert fitted.transform(eight).shape == (8, 16)
    assert fitted.get_feature_names_out().tolist()[:2] == ["pairembedder0", "pairembedder1"]


def test_it_stops_early_by_the_loss_over_batches(fitted):
    losses = [row["valid_loss"] for row in fitted.history_]
    assert fitted.best_epoch_ == np.argmin(losses) + 1
    assert min(losses) < 0.8 * losses[0]
    assert "train_score" not in fitted.history_[0]  # it has none


def test_its_own_score_may_decide(pairs):
    X_val = pairs[184:]
    model = embedder(scoring=lambda model, X, y: model.score(X), max_epochs=4).fit(pairs[:184], X_val=X_val)
    assert max(row["valid_scoring"] for row in model.history_) == model.score(X_val)


def test_grid_search_by_its_own_score(pairs):
    search = GridSearchCV(embedder(max_epochs=6), {"lr": [1e-6, 0.02], "n_dimensions": [8]}, cv=2).fit(pairs)
    assert search.best_params_["lr"] == 0.02
    assert search.best_estimator_.transform(pairs[:2]).shape == (2, 8)


def test_clone_and_pickle(fitted, pairs):
    again = clone(fitted).fit(pairs)
    np.testing.assert_array_equal(again.transform(pairs), fitted.transform(pairs))
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.transform(pairs), fitted.transform(pairs))
    with pytest.raises(NotFittedError):
        clone(fitted).transform(pairs)


def test_blocks_read_before_are_the_same(fitted, pairs):
    blocks = ModalityTransformer(text="word").fit_transform(pairs)
    model = clone(fitted).set_params(text="auto").fit(blocks)
    np.testing.assert_array_equal(model.transform(blocks), fitted.transform(pairs))


class SmallMemory(MLPEncoder):
    """Runs out of memory with more rows than fit."""

    rows_that_fit = 20

    def forward(self, x):
        if len(x["numbers"]) > self.rows_that_fit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return super().forward(x)


def test_where_memory_does_not_suffice_steps_stay_those_of_whole_batches(pairs, monkeypatch):
    encoder = SmallMemory(dropout=0.0)
    tables = [("a", TabularInput(["a"], encoder=encoder)), ("bc", TabularInput(["b", "c"], encoder=encoder))]
    model = PairEmbedder(inputs=tables, batch_size=64, max_epochs=2, optimizer="sgd", random_state=0)
    with pytest.warns(UserWarning, match="does not suffice") as warned:
        short = clone(model).fit(pairs, X_val=pairs)
    assert len(warned) == 2  # 64 to 32, 32 to 16
    monkeypatch.setattr(SmallMemory, "rows_that_fit", 1000)
    whole = clone(model).fit(pairs, X_val=pairs)
    np.testing.assert_allclose(short.transform(pairs), whole.transform(pairs), atol=1e-4)
    losses = [[row["train_loss"] for row in model.history_] for model in (short, whole)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_callbacks_of_skorch_see_it(pairs):
    class Losses(Callback):
        def on_train_begin(self, net, **kwargs):
            self.seen_ = []

        def on_batch_end(self, net, batch=None, loss=None, training=False, **kwargs):
            self.seen_.append((training, len(batch), loss.item()))

    model = embedder(max_epochs=2, early_stopping=True, skorch_callbacks=[("losses", Losses())]).fit(pairs)
    seen = dict(model.net_.callbacks_)["losses"].seen_
    assert {training for training, *_ in seen} == {True, False}
    n_rows = [size for training, size, _ in seen if training]
    losses = [loss for training, _, loss in seen if training]
    halves = len(losses) // 2
    assert np.average(losses[:halves], weights=n_rows[:halves]) == pytest.approx(model.history_[0]["train_loss"])


def test_large_batches_in_parts_learn_as_whole_ones(pairs):
    """The loss of 64 rows, computed 16 at a time, is not the mean of four losses of 16."""
    exact = MLPEncoder(dropout=0.0)
    tables = [("a", TabularInput(["a"], encoder=exact)), ("bc", TabularInput(["b", "c"], encoder=exact))]
    model = PairEmbedder(inputs=tables, max_epochs=2, random_state=0)
    whole = clone(model).set_params(batch_size=64).fit(pairs)
    in_parts = clone(model).set_params(batch_size=16, gradient_accumulation_steps=4).fit(pairs)
    np.testing.assert_allclose(in_parts.transform(pairs), whole.transform(pairs), atol=1e-4)
    losses = [[row["train_loss"] for row in model.history_] for model in (in_parts, whole)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_warm_start_goes_on(pairs):
    model = embedder(warm_start=True, max_epochs=2).fit(pairs).fit(pairs)
    assert model.n_epochs_ == 4


def test_partial_fit_goes_on(pairs):
    model = embedder(lr=0.01)
    for _ in range(20):
        model.partial_fit(pairs)
    assert model.n_epochs_ == 20
    assert model.history_[-1]["train_loss"] < 0.8 * model.history_[0]["train_loss"]
