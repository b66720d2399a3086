"""Settings of torch around fit and predict: they change nothing, and stay as they were found."""

import contextlib
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from sklearn_mm import MultimodalClassifier, MultimodalRegressor
from sklearn_mm.networks import WideLinear
from sklearn_mm.training._settings import own_settings


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


SETTINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "default dtype": default_dtype,
    "default device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "number": rng.normal(size=30),
            "text": [f"w{a} v{b}" for a, b in rng.integers(9, size=(30, 2))],
            "picture": [rng.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(30)],
        }
    )
    return X, X["number"].to_numpy() * 3


SMALL = {"wide": WideLinear(n_folds=2), "batch_size": 15, "max_epochs": 1, "random_state": 0}


def make(estimator, y):
    return estimator(**SMALL), (y if estimator is MultimodalRegressor else y > 0)


@pytest.fixture(scope="module", params=[MultimodalClassifier, MultimodalRegressor], ids=["classifier", "regressor"])
def plain(request, rows):
    X, y = rows
    estimator, y = make(request.param, y)
    estimator.fit(X, y)
    return estimator, y, (estimator.transform(X), estimator.predict(X))


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_around_fit_and_predict_change_nothing(rows, plain, name):
    X, _ = rows
    estimator, y, expected = plain
    with SETTINGS[name]():
        found = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_device()
        fitted = clone(estimator).fit(X, y)
        within = fitted.transform(X), fitted.predict(X)
        assert found == (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_device())
    for result in (within, (fitted.transform(X), fitted.predict(X))):
        for array, wanted in zip(result, expected, strict=True):
            np.testing.assert_array_equal(array, wanted)
    assert not any(tensor.is_inference() for tensor in fitted.net_.module_.state_dict().values())


@pytest.mark.parametrize("name", SETTINGS)
def test_training_goes_on_whatever_was_set_before(rows, name):
    X, y = rows
    clf = MultimodalClassifier(**SMALL)
    with SETTINGS[name]():
        clf.partial_fit(X, y > 0, classes=[False, True])
        clf.predict(X)
    clf.partial_fit(X, y > 0)
    with SETTINGS[name]():
        clf.partial_fit(X, y > 0)
    clf.set_params(warm_start=True).fit(X, y > 0)


def test_the_default_type_comes_back_after_all_threads_that_compute():
    first_within, second_within = threading.Event(), threading.Event()

    def second():
        assert first_within.wait(10)
        with own_settings():
            second_within.set()
            first.join(10)
            assert torch.get_default_dtype() == torch.float32

    def begin():
        with own_settings():
            first_within.set()
            assert second_within.wait(10)

    with default_dtype():
        first, other = threading.Thread(target=begin), threading.Thread(target=second)
        first.start()
        other.start()
        other.join(20)
        assert torch.get_default_dtype() == torch.float64
