"""The linear part sees what frozen encoders say, wherever the features come from."""

import pickle
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, MultimodalRegressor, TextInput
from sklearn_mm.encoders import ModuleEncoder, PretrainedEncoder
from sklearn_mm.networks import WideLinear
from sklearn_mm.networks.wide._calibration import calibrate
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.training._dataset import BlockDataset


class Signs(nn.Module):
    """What no histogram tells: how the four quarters of a picture of +-1 agree with fixed patterns."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("patterns", torch.randn(3 * 16 * 16, 12, generator=generator))

    def forward(self, x):
        return x.flatten(1) @ self.patterns


def image(pool="auto"):
    return ImageInput("photo", transformer=ImageTransformer(16), encoder=ModuleEncoder(Signs(), width=12), pool=pool)


def make_table(n_rows=120, lists=False):
    """Pictures of noise, and a class that is a linear function of what `Signs` says."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(256, size=(n_rows, 16, 16, 3), dtype=np.uint8)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    score = Signs()(x)[:, 0].numpy()
    cells = [[a, a] for a in pictures] if lists else list(pictures)
    X = pd.DataFrame({"photo": pd.Series(cells, dtype=object)})
    return X, np.where(score > np.median(score), "yes", "no")


def fitted(X, y, **parameters):
    settings = {"max_epochs": 1, "random_state": 0, "image": image(), **parameters}
    return MultimodalClassifier(**settings).fit(X, y)


def of_linear_part(clf, X):
    """Return the outputs of the linear part alone."""
    clf.net_.module_.top.share = 0.0
    return clf.decision_function(X)


def parsed(texts):
    """A frozen encoder that is a function: numbers between spaces as vectors."""
    return np.array([text.split() for text in texts], dtype=float)


@pytest.mark.parametrize(("reads", "most"), [("pictures", 1.0), ("numbers", 4.0)])
def test_scores_may_be_scaled_up_where_there_are_features_alone(reads, most):
    X, y = make_table(300)
    of_column = image()
    if reads == "numbers":
        X = pd.DataFrame({"photo": [" ".join(map(str, row)) for row in np.random.default_rng(0).normal(size=(300, 4))]})
        of_column = TextInput("photo", encoder=PretrainedEncoder(parsed))
    with mock.patch("sklearn_mm.networks.wide._cross_fitting.calibrate", wraps=calibrate) as calibrated:
        fitted(X, y, image=None, inputs=[("photo", of_column)])
    assert {call.args[2] for call in calibrated.call_args_list} == {most}


@pytest.fixture(scope="module")
def noise():
    return make_table()


def test_it_learns_from_features_what_pictures_do_not_tell_it(noise):
    X, y = noise
    clf = fitted(X[:80], y[:80])
    assert clf.net_.module_.top.wide.feature_names == ["photo"]
    assert np.mean((of_linear_part(clf, X[80:]) > 0) == (y[80:] == "yes")) > 0.8


@pytest.mark.parametrize("way", ["not kept", "memory", "two steps"])
def test_it_is_the_same_wherever_features_are(noise, tmp_path, way):
    X, y = noise
    expected = of_linear_part(fitted(X[:80], y[:80]), X)
    if way == "not kept":
        with mock.patch("sklearn_mm.training._trainer.encode_frozen", lambda blocks, *others: blocks):
            clf = fitted(X[:80], y[:80])
    elif way == "memory":
        fitted(X[:80], y[:80], memory=tmp_path)
        clf = fitted(X[:80], y[:80], memory=tmp_path)
    else:
        reader = ModalityTransformer(image=image())
        blocks = reader.fit_transform(X[:80])
        clf = MultimodalClassifier(max_epochs=1, random_state=0).fit(blocks, y[:80])
        X = reader.transform(X)
    np.testing.assert_allclose(of_linear_part(clf, X), expected, atol=1e-4)


def test_rows_without_the_block_neither_count_nor_gain_by_it(noise):
    X, y = noise
    X = X.assign(size=np.arange(120.0))
    X.loc[::5, "photo"] = None
    clf = fitted(X, y, tabular="size")
    whole = clf.net_.module_.top.wide.feature_models[0]
    there = fitted(X[X["photo"].notna()], y[X["photo"].notna()], tabular="size")
    torch.testing.assert_close(whole.mean, there.net_.module_.top.wide.feature_models[0].mean)
    torch.testing.assert_close(whole.scale, there.net_.module_.top.wide.feature_models[0].scale)
    with torch.no_grad():
        before = of_linear_part(clf, X[:20])
        whole.mean += 1
        after = of_linear_part(clf, X[:20])
    np.testing.assert_array_equal(before[::5], after[::5])
    assert (before[1:5] != after[1:5]).all()


def test_a_list_of_a_picture_twice_is_the_picture(noise):
    X, y = noise
    lists, _ = make_table(lists=True)
    expected = of_linear_part(fitted(X[:80], y[:80]), X)
    for pool in ("mean", "attention"):
        clf = fitted(lists[:80], y[:80], image=image(pool))
        np.testing.assert_allclose(of_linear_part(clf, lists), expected, atol=1e-3)


def test_training_goes_on_and_pickles_predict_alike(noise):
    X, y = noise
    clf = fitted(X[:80], y[:80], warm_start=True).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X))
    assert np.mean((of_linear_part(clf, X) > 0) == (y == "yes")) > 0.9


def test_validation_rows_and_the_refit_see_features_too(noise):
    X, y = noise
    target = (y == "yes") * 2.0 + 0.05 * np.arange(120) / 120
    reg = MultimodalRegressor(image=image(), max_epochs=1, random_state=0).fit(X, target)
    assert "valid_loss" in reg.history_[0]
    model = reg.net_.module_.top.wide.feature_models[0]
    assert model.weight.abs().sum() > 0
    assert reg.score(X, target) > 0.5


def test_an_encoder_that_is_trained_is_not_seen(noise):
    X, y = noise
    trained = ImageInput(
        "photo", transformer=ImageTransformer(16), encoder=ModuleEncoder(Signs(), width=12, trainable="all")
    )
    assert fitted(X, y, image=trained).net_.module_.top.wide.feature_names == []


def test_one_row_of_each_class_is_told_by_features(noise):
    rng = np.random.default_rng(1)
    centres = rng.integers(256, size=(5, 16, 16, 3))
    pictures = np.clip(centres.repeat(20, 0) + rng.normal(0, 60, size=(100, 16, 16, 3)), 0, 255).astype(np.uint8)
    X = pd.DataFrame({"photo": pd.Series(list(pictures), dtype=object)})
    y = np.arange(5).repeat(20)
    clf = fitted(X[::20], y[::20])
    assert (of_linear_part(clf, X).argmax(1) == y).mean() > 0.9


@pytest.mark.parametrize(("frozen", "share"), [(True, 0.1), (False, 0.25)])
def test_less_of_the_deep_part_is_added_where_all_is_frozen(noise, frozen, share):
    X, y = noise
    tabular = None if frozen else "size"
    clf = fitted(X.assign(size=np.arange(120.0)), y, tabular=tabular)
    assert clf.net_.module_.top.share == pytest.approx(share)
    clf = fitted(X, y, wide=WideLinear(deep_share=0.7))
    assert clf.net_.module_.top.share == pytest.approx(0.7)


@pytest.mark.skipif(torch.__version__ < (2, 6), reason="torch.export knows too few operations")
def test_export(noise):
    X, y = noise
    X = X.copy()
    X.loc[1, "photo"] = None
    reader = ModalityTransformer(image=image())
    blocks = reader.fit_transform(X)
    network = MultimodalClassifier(max_epochs=1, random_state=0).fit(blocks, y).net_.module_.eval()
    batch = BlockDataset(blocks, raw=network.top.raw_blocks)[slice(0, 8)]
    with torch.no_grad():
        exported = torch.export.export(network, (batch,)).module()
        torch.testing.assert_close(exported(batch), network(batch))


def test_a_regressor_reads_few_dimensions_of_what_its_linear_part_sees_too(noise):
    X, y = noise
    target = (y == "yes") + 0.01 * np.arange(120)
    reg = MultimodalRegressor(image=image(), max_epochs=1, random_state=0).fit(X, target)
    (dropout, linear), *others = reg.net_.module_.top.projections
    assert (dropout.p, linear.in_features, linear.out_features) == (0.8, 12, 2)
    assert not others
    assert reg.transform(X).shape[1] == 2
    wider = MultimodalRegressor(image=image(), wide=WideLinear(text_width=5), max_epochs=1, random_state=0)
    assert wider.fit(X, target).transform(X).shape[1] == 5


@pytest.mark.parametrize(
    ("task", "trainable", "apart"),
    [(MultimodalRegressor, "all", True), (MultimodalRegressor, "none", False), (MultimodalClassifier, "all", False)],
)
def test_numbers_are_a_mean_of_what_a_tuned_encoder_and_the_linear_part_say(noise, task, trainable, apart):
    encoder = PretrainedEncoder(nn.Conv2d(3, 4, 4, stride=4), trainable=trainable)
    X, y = noise
    target = y if task is MultimodalClassifier else (y == "yes") + 0.1 * np.arange(len(y))
    photo = ImageInput("photo", transformer=ImageTransformer(16), encoder=encoder)
    model = task(image=photo, max_epochs=1, early_stopping=False, random_state=0).fit(X, target)
    top = model.net_.module_.top
    assert top.wide.apart == apart
    assert top.share == (0.5 if trainable == "all" else 1.0)
    np.testing.assert_array_equal(model.predict(X), pickle.loads(pickle.dumps(model)).predict(X))


@pytest.mark.parametrize(("task", "wide"), [(MultimodalClassifier, "auto"), (MultimodalRegressor, None)])
def test_classes_and_networks_without_a_linear_part_read_all_features(noise, task, wide):
    X, y = noise
    estimator = task(image=image(), wide=wide, max_epochs=1, random_state=0).fit(X, (y == "yes") * 1)
    assert len(estimator.net_.module_.top.projections) == 0
    assert estimator.transform(X).shape[1] == 12


@pytest.mark.parametrize("fusion", ["attention", "bilinear", "bottleneck", "film", "gated", "late", "lowrank", "sum"])
def test_fusions_take_few_dimensions_of_frozen_features(noise, fusion):
    X, _ = noise
    X = X.assign(size=np.arange(120.0))
    X.loc[::5, "photo"] = None
    settings = {"image": image(), "tabular": "size", "fusion": fusion, "max_epochs": 1, "random_state": 0}
    reg = MultimodalRegressor(**settings).fit(X, np.arange(120.0))
    assert np.isfinite(reg.predict(X)).all()
    np.testing.assert_allclose(pickle.loads(pickle.dumps(reg)).predict(X), reg.predict(X))


def test_a_picture_that_says_nothing_costs_a_regressor_nothing(noise):
    X, _ = noise
    X = X.assign(size=np.random.default_rng(2).normal(size=120))
    target = X["size"].to_numpy() + 0.3 * np.random.default_rng(3).normal(size=120)
    scores = []
    for picture in (image(), None):
        reg = MultimodalRegressor(image=picture, tabular="size", random_state=0).fit(X[:80], target[:80])
        scores.append(reg.score(X[80:], target[80:]))
    assert scores[0] > scores[1] - 0.03
