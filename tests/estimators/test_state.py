"""What an estimator is after a fit that failed, and which parameters take effect after one that did not."""

import functools
import pickle
import shutil

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_mm import (
    ImageInput,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    TabularInput,
    TextInput,
)
from sklearn_mm.encoders import CNNEncoder, RNNEncoder
from sklearn_mm.preprocessing import ImageTransformer, TabularTransformer, TextTransformer


def photo(**options):
    """A new input: what a test sets in it changes no other test."""
    return ImageInput("photo", transformer=ImageTransformer(size=16), **{"encoder": CNNEncoder((4,)), **options})


class Break(Callback):
    """Raises at the end of an epoch."""

    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("broken")


def ways_to_fail(X, y):
    """Return, by the stage of a fit that fails, what to set, rows and targets to fit on, and what the error says."""
    unreadable = X.assign(photo="nowhere.png")
    return {
        "parameter": ({"lr": -1.0}, X, y, "'lr' parameter|Invalid learning rate"),  # partial_fit checks parameters once
        "scoring": ({"scoring": "acuracy"}, X, y, "unknown name"),
        "target": ({}, X, [None, *y[1:]], "NaN"),
        "columns": ({"image": "foto"}, X, y, "'foto'"),
        "reading": ({}, unreadable, y, "cannot read"),
        "network": ({"fusion": "gatd"}, X, y, "Unknown fusion"),
        "training": ({"skorch_callbacks": [Break()]}, X, y, "broken"),
        "divergence": ({"lr": 1e30, "optimizer": "sgd", "wide": None}, X, y, "training loss"),
    }


@pytest.fixture(scope="module")
def pickled(table, numeric_target):
    """Make pickles of estimators that were fitted on their target, each once."""
    X, y = table

    @functools.cache
    def fit(estimator_class):
        target = y.to_numpy() if estimator_class is MultimodalClassifier else numeric_target
        model = estimator_class(image=photo(), text=None, max_epochs=2, random_state=0)
        return pickle.dumps(model.fit(X, target))

    return fit


STAGES = ["parameter", "scoring", "target", "columns", "reading", "network", "training", "divergence"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("way", ["fit", "warm_start", "partial_fit"])
@pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
def test_a_fit_that_fails_changes_nothing(table, numeric_target, pickled, Estimator, way, stage):
    X, y = table
    y = y.to_numpy() if Estimator is MultimodalClassifier else numeric_target
    failing, X_bad, y_bad, message = ways_to_fail(X, y)[stage]
    if way == "partial_fit" and stage == "scoring":
        pytest.skip("partial_fit does not score")
    model = pickle.loads(pickled(Estimator))
    before, outputs, names = pickle.dumps(model), model.predict(X), set(vars(model))
    earlier = {name: getattr(model, name) for name in failing}
    model.set_params(**failing, warm_start=way == "warm_start")
    with pytest.raises((ValueError, RuntimeError), match="can no longer act|" + message):
        model.partial_fit(X_bad, y_bad) if way == "partial_fit" else model.fit(X_bad, y_bad)
    model.set_params(**earlier, warm_start=False)
    assert set(vars(model)) == names
    np.testing.assert_array_equal(model.predict(X), outputs)
    assert len(pickle.dumps(model)) == len(before)


@pytest.mark.parametrize("stage", STAGES)
def test_a_first_fit_that_fails_leaves_the_estimator_unfitted(table, stage):
    X, y = table
    failing, X, y, message = ways_to_fail(X, y.to_numpy())[stage]
    model = MultimodalClassifier(image=photo(), text=None, max_epochs=2, random_state=0)
    model.set_params(**failing)
    names = set(vars(model))
    with pytest.raises((ValueError, RuntimeError), match=message):
        model.fit(X, y)
    assert set(vars(model)) == names
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_fit_on_other_labels_that_fails_keeps_the_labels(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(max_epochs=2, random_state=0).fit(X, y)
    with pytest.raises(RuntimeError, match="broken"):
        clf.set_params(skorch_callbacks=[Break()]).fit(X[:, :2], np.where(X[:, 1] > 0, 1, 0))
    assert clf.n_features_in_ == 3
    assert set(clf.predict(X)) == {"yes", "no"}


def test_the_earlier_model_predicts_while_another_is_fitted(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(max_epochs=2, random_state=0).fit(X, y)
    outputs, seen = clf.predict_proba(X), []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(clf.predict_proba(X))

    clf.set_params(skorch_callbacks=[Watch()], warm_start=True).fit(X, y)
    for probabilities in seen:
        np.testing.assert_array_equal(probabilities, outputs)
    assert not np.array_equal(clf.predict_proba(X), outputs)


@pytest.mark.parametrize(
    ("transformer", "cells", "bad"),
    [
        (ImageTransformer(size=8), [np.zeros((9, 9, 3), np.uint8)] * 3, ["nowhere.png"]),
        (TextTransformer(min_frequency=2), ["one two", "two one"], ["all", "differ"]),
        (TabularTransformer(), [[1.0, 2.0], [3.0, 4.0]], [[1.0, np.inf]]),
        (ModalityTransformer(), [[1.0, "x y"], [3.0, "y z"]] * 20, [[{"a": 1}, "x"]] * 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_transformers_too(transformer, cells, bad):
    cells, bad = (np.array(rows, dtype=object) if isinstance(rows[0], list) else rows for rows in (cells, bad))
    transformer = clone(transformer)
    with pytest.raises((ValueError, TypeError)):
        transformer.fit(bad)
    assert not [name for name in vars(transformer) if name.endswith("_")]
    transformer.fit(cells)
    before = pickle.dumps(transformer)
    with pytest.raises((ValueError, TypeError)):
        transformer.fit(bad)
    assert pickle.dumps(transformer) == before


# parameters that concern reading take effect on a fitted model


@pytest.fixture
def moved(table, photo_folder, tmp_path):
    """A table whose paths lie below a folder, another one that holds the pictures, and the targets."""
    X, y = table
    X = X.assign(photo=X["photo"].str.rpartition("/")[2])
    shutil.copytree(photo_folder, tmp_path / "later")
    return X, y, photo_folder, tmp_path / "later"


def fitted(X, y, folder, **options):
    image = ImageInput("photo", transformer=ImageTransformer(size=16, root=folder, **options), encoder=CNNEncoder((4,)))
    return MultimodalClassifier(image=image, text=None, max_epochs=1, random_state=0).fit(X, y)


@pytest.mark.parametrize("restored", [False, True])
def test_files_that_moved(moved, restored):
    X, y, folder, later = moved
    clf = fitted(X, y, folder)
    expected = clf.predict_proba(X)
    if restored:
        clf = pickle.loads(pickle.dumps(clf))
    clf.set_params(image__transformer__root="nowhere")
    with pytest.raises(ValueError, match="no such file"):
        clf.predict_proba(X)
    np.testing.assert_array_equal(clf.set_params(image__transformer__root=later).predict_proba(X), expected)


def test_on_error_after_fit(moved):
    X, y, folder, _ = moved
    clf = fitted(X, y, folder)
    X = X.assign(photo=["nowhere.png", *X["photo"][1:]])
    with pytest.raises(ValueError, match='pass on_error="warn"'):
        clf.predict(X)
    with pytest.warns(UserWarning, match="read as missing"):
        assert clf.set_params(image__transformer__on_error="warn").predict(X).shape == (96,)
    with pytest.raises(ValueError, match="'on_error' parameter of ImageTransformer"):
        clf.set_params(image__transformer__on_error="wran").predict(X)


def test_a_loader_threads_and_memory_after_fit(moved, tmp_path):
    X, y, folder, _ = moved
    clf = fitted(X, y, folder)
    expected, calls = clf.predict_proba(X), []

    def loader(cell):
        calls.append(cell)
        return (folder / cell).read_bytes()

    clf.set_params(image__transformer__loader=loader, image__transformer__root=None, image__transformer__n_jobs=1)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    assert len(calls) == 96
    clf.set_params(memory=tmp_path / "kept").predict_proba(X)
    assert any((tmp_path / "kept").rglob("*"))


def test_what_shapes_arrays_stays_as_it_was_fitted(moved):
    X, y, folder, _ = moved
    clf = fitted(X, y, folder)
    expected = clf.predict_proba(X)
    np.testing.assert_array_equal(clf.set_params(image__transformer__size=8).predict_proba(X), expected)


def test_the_first_of_two_steps(moved):
    X, _, folder, later = moved
    first = ModalityTransformer(
        inputs=[("shot", ImageInput("photo", transformer=ImageTransformer(size=16, root=folder)))]
    ).fit(X)
    expected = first.transform(X)["photo"]
    first.set_params(shot__transformer__root="nowhere", shot__transformer__on_error="ignore")
    np.testing.assert_array_equal(first.set_params(shot__transformer__root=later).transform(X)["photo"], expected)


def test_the_batch_size_of_predictions(yes_no, monkeypatch):
    X, y = yes_no
    clf = MultimodalClassifier(max_epochs=1, random_state=0).fit(X, y)
    sizes, forward = [], type(clf.net_.module_).forward
    monkeypatch.setattr(
        type(clf.net_.module_),
        "forward",
        lambda self, batch: sizes.append(len(batch["present"])) or forward(self, batch),
    )
    clf.set_params(batch_size=100).predict(X)
    assert sizes == [100, 21]


# what can no longer act is refused where training goes on


@pytest.fixture(scope="module")
def going_on(table):
    """The pickle of a classifier whose next fit goes on."""
    image = photo(encoder=CNNEncoder(channels=(8,)))
    clf = MultimodalClassifier(image=image, fusion="concat", warm_start=True, max_epochs=1, random_state=0)
    return pickle.dumps(clf.fit(*table))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fusion": "gated"}, r"fusion \(was 'concat', is 'gated'\)"),
        ({"head": "linear"}, r"head \(was 'auto', is 'linear'\)"),
        ({"wide": None}, r"wide \(was 'auto', is None\)"),
        ({"loss": "focal"}, "loss"),
        ({"image__transformer__size": 8}, r"image__transformer__size \(was 16, is 8\)"),
        ({"image__encoder__channels": (4,)}, r"image__encoder__channels \(was \(8,\), is \(4,\)\)"),
        ({"text": TextInput(encoder=RNNEncoder())}, "text "),
        ({"image": None}, "image "),
    ],
    ids=str,
)
@pytest.mark.parametrize("partial", [False, True])
def test_a_network_that_is_there_keeps_its_shape(table, going_on, changes, message, partial):
    X, y = table
    clf = pickle.loads(going_on).set_params(**changes)
    with pytest.raises(ValueError, match=r"goes on with the network that it has.*" + message):
        clf.partial_fit(X, y) if partial else clf.fit(X, y)
    if not partial:
        clone(clf).fit(X, y)


def test_what_may_change_where_training_goes_on(table, tmp_path):
    X, y = table
    image = photo()
    clf = MultimodalClassifier(image=image, inputs=None, warm_start=True, max_epochs=1, random_state=0).fit(X, y)
    clf.set_params(lr=1e-3, image__transformer__on_error="ignore", memory=tmp_path, modality_dropout=0.2, verbose=0)
    clf.set_params(image=clone(image)).fit(X, y)
    assert clf.net_.module_.encoders.modality_dropout == 0.2
    assert clf.n_epochs_ == 2
    named = MultimodalClassifier(inputs=[("pic", image)], warm_start=True, max_epochs=1, random_state=0).fit(X, y)
    named.set_params(inputs=[("pic", clone(image))]).fit(X, y)
    with pytest.raises(ValueError, match=r"no longer act: inputs \(was"):
        named.set_params(inputs=[("photo", clone(image))]).fit(X, y)


def test_parameters_of_named_inputs_and_of_steps_can_no_longer_act_either(table):
    X, y = table
    steps = make_pipeline(SimpleImputer(), StandardScaler())
    inputs = [("pic", photo()), ("numbers", TabularInput(["weight"], transformer=steps))]
    clf = MultimodalClassifier(inputs=inputs, warm_start=True, max_epochs=1, random_state=0).fit(X, y)
    before = clf.get_params()
    for change in ({"pic__transformer__size": 8}, {"numbers__transformer__simpleimputer__strategy": "median"}):
        (key,) = change
        with pytest.raises(ValueError, match=rf"no longer act: {key} \(was [^ ]*, is [^ ]*\)\. Set them back"):
            clf.set_params(**change).fit(X, y)
        clf.set_params(**{key: before[key]})
    clf.set_params(pic__transformer__on_error="ignore").fit(X, y)
