"""Estimators on a GPU, which this machine seems to have."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone

from sklearn_mm import ImageInput, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.encoders import CNNEncoder, ModuleEncoder
from sklearn_mm.networks import WideLinear
from sklearn_mm.preprocessing import ImageTransformer

N = 40


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "number": rng.normal(size=N),
            "category": rng.choice(list("abc"), N),
            "text": [f"w{a} v{b}" for a, b in rng.integers(9, size=(N, 2))],
            "picture": [rng.integers(0, 255, (16, 16, 3), dtype=np.uint8) for _ in range(N)],
        }
    )


def target_of(estimator, X):
    if isinstance(estimator, MultimodalRegressor):
        return X["number"].to_numpy() * 3
    return np.where(X["number"] > 0, "yes", "no")


def frozen():
    return ImageInput("picture", encoder=ModuleEncoder(nn.Sequential(nn.Conv2d(3, 4, 16, stride=16), nn.ReLU())))


ROUGH = {"max_epochs": 1, "random_state": 0}
FEW_STEPS = {**ROUGH, "wide": WideLinear(n_folds=2), "batch_size": 20}
SMALL = {**FEW_STEPS, "image": ImageInput("picture", transformer=ImageTransformer(8), encoder=CNNEncoder((4,)))}
CASES = {
    "classifier": MultimodalClassifier(**ROUGH),
    "regressor": MultimodalRegressor(**ROUGH),
    "without wide": MultimodalClassifier(**{**SMALL, "wide": None}),
    "early stopping": MultimodalClassifier(early_stopping=True, **SMALL),
    "early stopping, regressor": MultimodalRegressor(early_stopping=True, weight_averaging="ema", **SMALL),
    "scoring": MultimodalClassifier(early_stopping=True, scoring="accuracy", **SMALL),
    "averaging": MultimodalClassifier(weight_averaging="ema", **SMALL),
    "limited time": MultimodalRegressor(max_time=100, **SMALL),
    "sgd": MultimodalClassifier(optimizer="sgd", gradient_accumulation_steps=2, **SMALL),
    "frozen": MultimodalClassifier(inputs=[("picture", frozen())], **FEW_STEPS),
    "frozen, tokens": MultimodalClassifier(inputs=[("picture", frozen())], text=None, fusion="attention", **FEW_STEPS),
    "heads": MultimodalClassifier(balancing="heads", **SMALL),
    "modulation": MultimodalClassifier(balancing="modulation", modality_dropout=0.2, **SMALL),
    **{fusion: MultimodalClassifier(fusion=fusion, **SMALL) for fusion in ("gated", "film", "bottleneck", "lowrank")},
}


def outputs(estimator, X):
    return estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)


def tensors_of(estimator):
    return [*estimator.net_.module_.state_dict().values()]


@pytest.fixture(scope="module")
def of_cpu():
    """What estimators say that were fitted on the CPU, by their names."""
    return {}


@pytest.mark.parametrize("name", CASES)
def test_a_gpu_learns_what_the_cpu_learns(table, gpu, name, of_cpu):
    X = table
    estimator = clone(CASES[name])
    y = target_of(estimator, X)
    estimator.fit(X, y)
    assert gpu.n_on_it > 100
    assert {parameter.device for parameter in estimator.net_.module_.parameters()} == {gpu.device}
    if name not in of_cpu:  # asked for where a GPU seems to be; of which kind makes no difference
        of_cpu[name] = outputs(clone(CASES[name]).set_params(device="cpu").fit(X, y), X)
    np.testing.assert_allclose(outputs(estimator, X), of_cpu[name], atol=1e-4)
    assert estimator.transform(X).shape == (N, len(estimator.get_feature_names_out()))


@pytest.mark.parametrize("estimator", [MultimodalClassifier, MultimodalRegressor], ids=["classifier", "regressor"])
def test_training_goes_on_there(table, gpu, estimator):
    X = table
    estimator = estimator(warm_start=True, **SMALL)
    y = target_of(estimator, X)
    estimator.fit(X, y).fit(X, y)
    outputs(estimator, X)
    estimator.fit(X, y, X_val=X[:20], y_val=y[:20])
    estimator.set_params(device="cpu").fit(X, y)
    estimator.set_params(device="auto").fit(X, y)
    partial = clone(estimator).partial_fit(
        X, y, **({"classes": ["no", "yes"]} if hasattr(estimator, "classes_") else {})
    )
    outputs(partial.partial_fit(X, y), X)


def test_rows_that_lack_blocks(table, gpu):
    X = table.copy()
    X.loc[::3, "picture"], X.loc[1::3, "text"], X.loc[::4, "number"] = None, "", np.nan
    y = np.arange(N) % 3
    clf = MultimodalClassifier(**SMALL).fit(X, y)
    assert clf.predict_proba(X).shape == (N, 3)


def test_ratings_with_levels(table, gpu):
    X = pd.concat([table, table], ignore_index=True)  # levels are taken where there are many rows for each
    y = 1.0 + np.arange(len(X)) % 2
    for validation in ({}, {"X_val": table, "y_val": y[:N]}):
        reg = MultimodalRegressor(**SMALL).fit(X, y, **validation)
        assert reg.net_.module_.top.wide.levels is not None
        assert reg.predict(X).shape == (len(X),)


@pytest.mark.parametrize("loss", ["focal", "ordinal"])
def test_losses(table, gpu, loss):
    X = table
    y = np.arange(N) % 3
    MultimodalClassifier(loss=loss, early_stopping=True, **SMALL).fit(X, y).predict_proba(X)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_losses_of_numbers(table, gpu, loss):
    X = table
    y = np.column_stack([X["number"], X["number"] ** 2])
    MultimodalRegressor(loss=loss, early_stopping=True, **SMALL).fit(X, y).predict(X)


def test_several_labels_and_weights(table, gpu):
    X = table
    y = np.column_stack([X["number"] > 0, X["number"] > 1]).astype(int)
    clf = MultimodalClassifier(early_stopping=True, class_weight="balanced", **SMALL)
    clf.fit(X, y, sample_weight=np.arange(N)).predict_proba(X)


def test_tables_alone(table, gpu):
    X = table
    for estimator in (MultimodalClassifier(**ROUGH), MultimodalRegressor(**ROUGH)):
        y = target_of(estimator, X)
        outputs(estimator.fit(X[["number", "category"]], y), X[["number", "category"]])
        outputs(estimator.fit(X[["number"]].to_numpy(), y), X[["number"]].to_numpy())


def test_lists_of_pictures_and_texts(table, gpu):
    X = pd.DataFrame(
        {"pictures": [[p] * (i % 3) for i, p in enumerate(table["picture"])], "texts": [[t, t] for t in table["text"]]}
    )
    clf = MultimodalClassifier(**FEW_STEPS).fit(X, np.arange(N) % 2)
    assert clf.predict_proba(X).shape == (N, 2)


def test_stored_features(table, gpu, tmp_path):
    X = table
    clf = clone(CASES["frozen"]).set_params(memory=tmp_path)
    y = target_of(clf, X)
    first = clf.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(clone(clf).fit(X, y).predict_proba(X), first, atol=1e-5)


class SmallMemory(nn.Conv2d):
    """Runs out of memory with more pictures than fit."""

    pictures_that_fit = 16

    def forward(self, x):
        if len(x) > self.pictures_that_fit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return super().forward(x)


def test_features_that_do_not_fit_are_computed_in_smaller_batches(table, gpu, monkeypatch):
    X = table
    module = SmallMemory(3, 4, 16, stride=16)
    clf = MultimodalClassifier(image=ImageInput("picture", encoder=ModuleEncoder(module, width=4)), **FEW_STEPS)
    y = target_of(clf, X)
    with pytest.warns(UserWarning, match=f"The memory of {gpu.device.type} does not suffice for what a frozen encoder"):
        fitted = clone(clf).set_params(batch_size=10).fit(X, y)
    assert (fitted.net_.n_parts, fitted.net_.batch_size) == (4, 10)
    monkeypatch.setattr(SmallMemory, "pictures_that_fit", N)
    np.testing.assert_allclose(
        fitted.predict_proba(X), clf.set_params(batch_size=10).fit(X, y).predict_proba(X), atol=1e-5
    )


def test_what_was_fitted_there_loads_without(table, gpu):
    X = table
    clf = MultimodalClassifier(**SMALL)
    y = target_of(clf, X)
    expected = clf.fit(X, y).predict_proba(X)
    loaded = pickle.loads(pickle.dumps(clf))
    assert {tensor.device.type for tensor in tensors_of(loaded)} == {"cpu"}
    assert {tensor.device for tensor in tensors_of(clf)} >= {gpu.device}
    np.testing.assert_allclose(loaded.set_params(device="cpu").predict_proba(X), expected, atol=1e-4)
    loaded.set_params(warm_start=True).fit(X, y)


def test_moments_of_the_optimiser_are_loaded_without_too(table, gpu):
    clf = clone(CASES["frozen"])
    clf.partial_fit(table, target_of(clf, table), classes=["no", "yes"])
    loaded = pickle.loads(pickle.dumps(clf))
    assert loaded._loss is loaded.net_.criterion_.criterion
    assert {weight.device for weight in clf.net_.module_.parameters()} == {gpu.device}
    moments = [tensor for state in loaded.net_.optimizer_.state.values() for tensor in state.values()]
    assert {tensor.device.type for tensor in moments} == {"cpu"}
    assert any(tensor.ndim and tensor.any() for tensor in moments)
    assert loaded.net_.optimizer_.state.keys() < set(loaded.net_.module_.parameters())


def test_augmentation(table, gpu):
    X = table
    clf = MultimodalClassifier(inputs=[("picture", ImageInput("picture", augment="auto"))], **FEW_STEPS)
    clf.fit(X, target_of(clf, X)).predict(X)
