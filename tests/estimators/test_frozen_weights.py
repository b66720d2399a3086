"""Weights of frozen encoders: once in memory and in a pickle, and nobody's to change."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.preprocessing import ImageTransformer


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(96, 5000))


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (60, 16, 16, 3), dtype=np.uint8)
    return X, np.arange(60) % 2


def classifier(module, **params):
    image = ImageInput(0, transformer=ImageTransformer(16), encoder=ModuleEncoder(module))
    # without the linear part, which has some numbers for each of the many features
    defaults = {"image": image, "head": "linear", "wide": None, "max_epochs": 2, "random_state": 0}
    return MultimodalClassifier(**{**defaults, **params})


def layers(clf):
    return clf.net_.module_.encoders.encoders[0].layers


def through_joblib(clf):
    file = io.BytesIO()
    joblib.dump(clf, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {"pickle": lambda clf: pickle.loads(pickle.dumps(clf)), "joblib": through_joblib, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True, "weight_averaging": "ema"}, {"warm_start": True}], ids=str
)
def test_a_pickle_of_a_fitted_estimator_has_the_module_once(module, pictures, params):
    X, y = pictures
    clf = classifier(module, **params).fit(X, y)
    size = len(pickle.dumps(module))
    file = io.BytesIO()
    joblib.dump(clf, file)
    assert len(pickle.dumps(clf)) < 1.05 * size
    assert len(file.getvalue()) < 1.05 * size
    again = pickle.loads(pickle.dumps(clf))
    assert len(pickle.dumps(again)) < 1.05 * size
    again.get_params()
    assert len(pickle.dumps(again)) < 1.05 * size


@pytest.mark.parametrize("copied", COPIES)
def test_copies_predict_the_same_with_the_same_weights_in_memory(module, pictures, copied):
    X, y = pictures
    clf = classifier(module).fit(X, y)
    other = COPIES[copied](clf)
    np.testing.assert_array_equal(other.predict_proba(X), clf.predict_proba(X))
    assert layers(other) is layers(clf)
    held = vars(other.image.encoder)["_held"]
    assert held._module is None, "the parameter is copied only when it is asked for"
    assert held is vars(next(iter(other.specs_.values())).encoder)["_held"]
    assert other.image.encoder.module is not module
    assert all(weight.requires_grad for weight in other.image.encoder.module.parameters())


@pytest.mark.parametrize("copied", [None, *COPIES])
def test_a_user_who_changes_the_module_changes_no_fitted_estimator(module, pictures, copied):
    X, y = pictures
    clf = classifier(module).fit(X, y)
    before = clf.predict_proba(X)
    clf = COPIES[copied](clf) if copied else clf
    with torch.no_grad():
        clf.image.encoder.module[0].weight.mul_(3)
        clf.image.encoder.module[0].weight.data.mul_(3)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), before)
    assert torch.equal(again.image.encoder.module[0].weight, clf.image.encoder.module[0].weight)
    assert not np.allclose(clone(clf).fit(X, y).predict_proba(X), before)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize("copied", COPIES)
def test_training_goes_on_with_copies(module, pictures, copied):
    X, y = pictures
    clf = classifier(module, warm_start=True).fit(X, y)
    other = COPIES[copied](clf)
    np.testing.assert_array_equal(other.fit(X, y).predict_proba(X), clf.fit(X, y).predict_proba(X))
    assert layers(other) is layers(clf)
    other.set_params(image__encoder__trainable="all", warm_start=False).fit(X, y)
    assert not torch.equal(layers(other)[0].weight, module[0].weight)


@pytest.mark.parametrize("copied", COPIES)
def test_training_that_goes_on_copies_no_module(module, pictures, copied):
    X, y = pictures
    other = COPIES[copied](classifier(module, warm_start=True).fit(X, y))
    other.fit(X, y).partial_fit(X, y)
    held = vars(other.image.encoder)["_held"]
    assert held._module is None
    with pytest.raises(ValueError, match=r"image__encoder__module \(was Sequential"):
        other.set_params(image__encoder__module=nn.Sequential(nn.Flatten())).fit(X, y)
    other.set_params(image__encoder__module=held.module).fit(X, y)


def test_the_module_of_a_user_stays_as_it_is(module, pictures):
    X, y = pictures
    before = copy.deepcopy(module.state_dict())
    versions = [tensor._version for tensor in module.state_dict().values()]
    clf = classifier(module, early_stopping=True, weight_averaging="ema").fit(X, y)
    pickle.dumps(clf)
    assert clf.image.encoder.module is module
    assert module.training
    assert all(weight.requires_grad for weight in module.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert versions == [tensor._version for tensor in module.state_dict().values()]


def test_all_folds_and_candidates_have_the_same_weights_in_memory(module, pictures):
    X, y = pictures
    fitted = cross_validate(classifier(module), X, y, cv=3, return_estimator=True)["estimator"]
    shared = layers(fitted[0])
    assert shared is not module
    assert all(layers(clf) is shared for clf in fitted)
    search = GridSearchCV(classifier(module, max_epochs=1), {"fusion": ["sum", "gated"]}, cv=2).fit(X, y)
    assert layers(search.best_estimator_) is shared
    assert all(torch.equal(*pair) for pair in zip(shared.parameters(), module.parameters(), strict=True))
