"""How the parameters of training make the training: scorers, time, steps, precision, warm starts, interruption."""

import pickle
import signal
import time

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer, log_loss
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, GradientNormClipping

from sklearn_mm import (
    ImageInput,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    TabularInput,
    TextInput,
)
from sklearn_mm.encoders import BagEncoder, CNNEncoder, MLPEncoder
from sklearn_mm.networks import MLPHead
from sklearn_mm.preprocessing import Blocks, ImageTransformer

BOTH = pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
PLAIN = {"tabular": TabularInput(encoder=MLPEncoder(dropout=0.0)), "head": MLPHead(dropout=0.0)}  # no dropout, no norm


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(121, 3))
    return X, np.where(X[:, 0] + 0.5 * rng.normal(size=121) > 0, "yes", "no")


def numeric(y):
    return (y == "yes") + 0.5


# scoring


def test_early_stopping_goes_by_the_scorer(numbers):
    X, y = numbers
    clf = MultimodalClassifier(scoring="neg_log_loss", early_stopping=True, n_iter_no_change=4, max_epochs=60, lr=0.05)
    clf.set_params(lr_schedule="constant", random_state=0).fit(X, y, X_val=X[:40], y_val=y[:40])
    scores = [row["valid_neg_log_loss"] for row in clf.history_]
    assert clf.best_epoch_ == 1 + int(np.argmax(scores))
    assert clf.n_epochs_ == clf.best_epoch_ + 4 < 60
    assert -log_loss(y[:40], clf.predict_proba(X[:40])) == pytest.approx(max(scores), rel=1e-5)


def test_a_callable_scorer_sees_a_fitted_estimator_blocks_and_the_users_labels(table):
    X, y = table
    seen = []

    def scorer(estimator, X, y):
        seen.append((type(X), list(y), list(estimator.predict(X)), estimator.n_epochs_))
        return -len(seen)  # worse every time

    clf = MultimodalClassifier(image=None, scoring=scorer, n_iter_no_change=2, max_epochs=9, random_state=0)
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    assert [row["valid_scoring"] for row in clf.history_] == [-1, -2, -3]
    assert clf.best_epoch_ == 1
    assert all(kind is Blocks and labels == list(y[80:]) for kind, labels, _, _ in seen)
    assert [n_epochs for *_, n_epochs in seen] == [0, 1, 2]
    assert list(clf.predict(X[80:])) == seen[0][2]


def test_rows_that_are_held_out_are_scored_with_their_own_labels(numbers):
    X, y = numbers
    seen = []
    truth = dict(zip(X[:, 0], y, strict=True))

    def scorer(estimator, X, y):
        numbers = estimator.transformer_.transform(np.array([[key] * 3 for key in truth]))["tabular"]["numbers"][:, 0]
        label = dict(zip(numbers.tolist(), truth.values(), strict=True))
        seen.append([label[number] == given for number, given in zip(X["tabular"]["numbers"][:, 0], y, strict=True)])
        return 0.0

    MultimodalClassifier(scoring=scorer, early_stopping=True, max_epochs=1).fit(X, pd.Series(y, index=range(200, 321)))
    assert np.all(seen)
    assert len(seen[0]) == 13


def test_weights_of_validation_rows_go_to_the_scorer_that_takes_them(numbers):
    X, y = numbers
    weight = np.r_[np.ones(20), np.zeros(21)]
    fits = []
    for scoring in ["accuracy", lambda estimator, X, y: get_scorer("accuracy")(estimator, X, y)]:
        clf = MultimodalClassifier(scoring=scoring, max_epochs=2, random_state=0)
        fits.append(clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:], sample_weight_val=weight))
    weighted, plain = fits
    assert weighted.history_[-1]["valid_accuracy"] == weighted.score(X[80:100], y[80:100])
    assert plain.history_[-1]["valid_scoring"] == plain.score(X[80:], y[80:])
    assert weighted.score(X[80:100], y[80:100]) != weighted.score(X[80:], y[80:])


def test_a_perfect_score_ends_training(numbers):
    X, _ = numbers
    X = X[np.abs(X[:, 0]) > 0.4]
    y = X[:, 0] > 0
    clf = MultimodalClassifier(scoring="accuracy", max_epochs=60, n_iter_no_change=60, lr=0.02, random_state=0)
    clf.fit(X, y, X_val=X, y_val=y)
    assert clf.n_epochs_ == clf.best_epoch_ < 60
    assert clf.score(X, y) == 1 == clf.history_[-1]["valid_accuracy"]
    assert all(row["valid_accuracy"] < 1 for row in clf.history_[:-1])


def test_scoring_of_regressors(numbers):
    X, _ = numbers
    reg = MultimodalRegressor(scoring="neg_mean_absolute_error", max_epochs=5, random_state=0)
    reg.fit(X, X[:, 0] * 100, X_val=X[:30], y_val=X[:30, 0] * 100)
    best = reg.history_[reg.best_epoch_ - 1]["valid_neg_mean_absolute_error"]
    assert np.abs(reg.predict(X[:30]) - X[:30, 0] * 100).mean() == pytest.approx(-best, rel=1e-4)


def test_scoring_is_shown(numbers, capsys):
    MultimodalClassifier(scoring="f1_macro", early_stopping=True, max_epochs=2, verbose=2).fit(*numbers)
    assert "valid_f1_macro" in capsys.readouterr().out


@pytest.mark.parametrize("early_stopping", [True, False])
def test_an_unknown_scorer_is_an_error(numbers, early_stopping):
    with pytest.raises(ValueError, match=r"scoring.*accuracy"):
        MultimodalClassifier(scoring="acuracy", early_stopping=early_stopping).fit(*numbers)


def test_a_scorer_must_give_a_number(numbers):
    with pytest.raises(ValueError, match=r"scoring of MultimodalClassifier must give one number, got \{'a': 1\}"):
        MultimodalClassifier(scoring=lambda *args: {"a": 1}, early_stopping=True).fit(*numbers)


def test_scoring_changes_no_weights(numbers):
    """It draws no random numbers and leaves the network as it is."""
    X, y = numbers
    fits = [MultimodalClassifier(early_stopping=False, max_epochs=3, random_state=0, scoring=s) for s in ("loss", "f1")]
    for clf in fits:
        clf.fit(X, y == "yes", X_val=X, y_val=y == "yes")
    np.testing.assert_array_equal(*(clf.predict_proba(X) for clf in fits))


# max_time


def test_training_ends_in_time_with_the_rate_down(numbers):
    X, y = numbers
    clf = MultimodalClassifier(max_time=1.5, max_epochs=100_000, random_state=0)
    clone(clf).set_params(max_epochs=1).fit(X, y)  # what is loaded once
    start = time.perf_counter()
    clf.fit(X, y, X_val=X, y_val=y)
    assert 1.4 < time.perf_counter() - start < 30  # so long only where others take the processor
    assert clf.n_epochs_ < 100_000
    assert clf.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(0, abs=1e-6)
    assert clf.score(X, y) == pytest.approx(clf.history_[clf.best_epoch_ - 1]["valid_score"])


def test_time_that_is_not_needed_changes_nothing(numbers):
    X, y = numbers
    clf = MultimodalClassifier(max_epochs=3, random_state=0)
    free, limited = clone(clf).fit(X, y), clone(clf).set_params(max_time=1e6).fit(X, y)
    np.testing.assert_array_equal(free.predict_proba(X), limited.predict_proba(X))


def test_the_least_time_gives_one_batch(numbers):
    with pytest.warns(ConvergenceWarning, match="max_time was over after 1 of the 15 batches of the first epoch"):
        clf = MultimodalClassifier(max_time=1e-9).fit(*numbers)
    assert clf.n_epochs_ == 1
    assert clf.predict(numbers[0]).shape == (121,)


# warm_start and partial_fit


@BOTH
def test_warm_start_goes_on(numbers, Estimator):
    X, y = numbers
    y = y if Estimator is MultimodalClassifier else numeric(y)
    model = Estimator(max_epochs=2, lr=0.02, warm_start=True, random_state=0).fit(X, y)
    outputs, losses = model.predict(X[:3]), [row["train_loss"] for row in model.history_]
    model.set_params(max_epochs=1, lr=1e-12).fit(X, y)  # so little that nothing changes
    assert_same = np.testing.assert_array_equal if Estimator is MultimodalClassifier else np.testing.assert_allclose
    assert_same(model.predict(X[:3]), outputs)
    model.set_params(max_epochs=3, lr=0.02).fit(X, y)
    assert model.n_epochs_ == model.best_epoch_ == 6
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4, 5, 6]
    assert [row["train_loss"] for row in model.history_[:2]] == losses
    assert model.history_[-1]["train_loss"] < losses[0]
    cold = model.set_params(warm_start=False, max_epochs=1).fit(X, y)
    assert cold.n_epochs_ == 1


def test_warm_start_keeps_what_was_learnt_of_rows_and_targets(table, numeric_target):
    X, _ = table
    reg = MultimodalRegressor(image=None, warm_start=True, max_epochs=1).fit(X[:60], numeric_target[:60])
    specs, scale = reg.specs_, reg.target_scale_
    reg.fit(X[60:], numeric_target[60:] * 1000)
    assert reg.specs_ is specs
    assert reg.target_scale_ is scale


def test_early_stopping_of_a_warm_start_restores_its_own_best(numbers):
    X, y = numbers
    clf = MultimodalClassifier(warm_start=True, max_epochs=4, early_stopping=True, lr=0.05, random_state=0).fit(X, y)
    clf.fit(X, y)
    losses = [row["valid_loss"] for row in clf.history_]
    assert clf.best_epoch_ == 5 + int(np.argmin(losses[4:]))


def test_warm_start_of_other_classes_or_blocks_is_an_error(numbers, table):
    X, y = numbers
    clf = MultimodalClassifier(warm_start=True, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        clf.fit(X, np.where(y == "yes", "yes", "maybe"))
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        clf.fit(X[y == "yes"], y[y == "yes"])
    with pytest.raises(ValueError, match="X has 2 features, but MultimodalClassifier is expecting 3"):
        clf.fit(X[:, :2], y)
    X, y = table
    clf = MultimodalClassifier(warm_start=True, max_epochs=1)
    clf.fit(ModalityTransformer(image=None).fit_transform(X), y)
    with pytest.raises(ValueError, match=r"fitted on the blocks \['title', 'tabular'\]; missing: \['title'\]"):
        clf.fit(ModalityTransformer(image=None, text=None).fit_transform(X), y)


def test_partial_fit_learns_from_chunks(table):
    X, y = table
    clf = MultimodalClassifier(image=None, lr=5e-3, random_state=0)
    for epoch in range(8):
        for rows in np.arange(96).reshape(3, 32):
            clf.partial_fit(X.iloc[rows], y.iloc[rows], classes=np.unique(y) if epoch == 0 else None)
    animals = [label.split()[1] for label in y]  # the pictures are not looked at
    assert np.mean([label.split()[1] for label in clf.predict(X)] == np.array(animals)) > 0.9
    assert clf.n_epochs_ == len(clf.history_) == 24


def test_partial_fit_of_targets_keeps_their_scale(numbers):
    X, _ = numbers
    reg = MultimodalRegressor(lr=0.01, random_state=0).partial_fit(X[:60], X[:60, 0] * 100)
    scale = reg.target_scale_.copy()
    for _ in range(15):
        reg.partial_fit(X, X[:, 0] * 100)
    np.testing.assert_array_equal(reg.target_scale_, scale)
    assert reg.score(X, X[:, 0] * 100) > 0.9
    with pytest.raises(ValueError, match=r"y must have the shape of y of the call before, \(n_rows,\), got \(121, 2\)"):
        reg.partial_fit(X, X[:, :2])


def test_partial_fit_is_one_pass_at_lr_and_the_optimiser_goes_on(numbers):
    X, y = numbers
    clf = MultimodalClassifier(lr=0.01, batch_size=121, random_state=0)
    steps = []
    for _ in range(3):
        clf.partial_fit(X, y, classes=["no", "yes"])
        steps.append({int(state["step"]) for state in clf.net_.optimizer_.state.values()})
        assert clf.net_.optimizer_.param_groups[0]["lr"] == 0.01
        clf = pickle.loads(pickle.dumps(clf))
    assert steps == [{1}, {2}, {3}]
    clf.fit(X, y)
    assert not clf.net_.optimizer_.state  # of no use for prediction


def test_partial_fit_goes_on_from_fit_and_sees_rows_in_new_orders(numbers):
    X, y = numbers
    clf = MultimodalClassifier(max_epochs=3, random_state=0).fit(X, y)
    orders = []

    class Orders(Callback):
        def on_batch_begin(self, net, batch, **kwargs):
            orders.append(batch.rows.tolist())

    clf.set_params(skorch_callbacks=[Orders()])
    before = clf.predict_proba(X)
    clf.partial_fit(X, y).partial_fit(X, y)
    assert clf.n_epochs_ == 5
    assert 0 < np.abs(clf.predict_proba(X) - before).max() < 0.5
    assert orders[0] != orders[len(orders) // 2]


def test_partial_fit_of_labels(numbers):
    X, _ = numbers
    Y = (X > 0).astype(int)
    clf = MultimodalClassifier(lr=0.02, random_state=0)
    for _ in range(40):
        clf.partial_fit(X, Y, classes=[0, 1, 2])
    assert (clf.predict(X) == Y).mean() > 0.9


def test_class_weights_of_partial_fit(numbers):
    X, y = numbers
    clf = MultimodalClassifier(class_weight={"yes": 5.0}, random_state=0)
    clf.partial_fit(X[y == "no"], y[y == "no"], classes=["no", "yes"]).partial_fit(X, y)
    np.testing.assert_array_equal(clf._class_weight, [1, 5])


@pytest.mark.parametrize(
    ("parameters", "classes", "message"),
    [
        ({}, None, "classes must be passed on the first call to partial_fit"),
        ({}, ["yes"], r"needs at least two classes, got \['yes'\]"),
        ({}, ["yes", "maybe"], r"y has classes that the call before lacks: \['no'\]"),
        ({"early_stopping": True}, ["no", "yes"], "partial_fit does not support early_stopping=True"),
        ({"class_weight": "balanced"}, ["no", "yes"], "'balanced' is not supported for partial_fit"),
        ({"lr": -1}, ["no", "yes"], "'lr' parameter"),
    ],
    ids=str,
)
def test_what_partial_fit_refuses(numbers, parameters, classes, message):
    with pytest.raises(ValueError, match=message):
        MultimodalClassifier(**parameters).partial_fit(*numbers, classes=classes)


# steps


@BOTH
@pytest.mark.parametrize("n_rows", [121, 72, 65, 40, 41])
def test_accumulated_batches_are_large_ones(numbers, Estimator, n_rows):
    X, y = numbers[0][:n_rows], numbers[1][:n_rows]
    y = y if Estimator is MultimodalClassifier else numeric(y)
    weight = np.random.default_rng(0).uniform(size=n_rows)
    model = Estimator(**PLAIN, max_epochs=3, lr=0.02, random_state=0, optimizer="sgd")
    large = clone(model).set_params(batch_size=32).fit(X, y, sample_weight=weight)
    small = clone(model).set_params(batch_size=8, gradient_accumulation_steps=4).fit(X, y, sample_weight=weight)
    other = clone(model).set_params(batch_size=8).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(small.transform(X), large.transform(X), atol=1e-5)
    assert not np.allclose(other.transform(X), large.transform(X), atol=1e-3)
    for key in ("train_loss", "train_score"):
        expected = [row[key] for row in large.history_]
        np.testing.assert_allclose([row[key] for row in small.history_], expected, rtol=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize(("device", "fused"), [("cpu", True), ("cuda", True), ("mps", False)])
def test_fused_where_torch_is_sure_of_it(optimizer, device, fused):
    options = MultimodalClassifier(optimizer=optimizer)._optimizer(torch.device(device))
    assert options.get("optimizer__fused", False) is fused


# precision


@pytest.mark.parametrize("text", ["lstm", "bag"])
def test_half_precision(table, text):
    X, y = table
    image = ImageInput(transformer=ImageTransformer(size=16), encoder=CNNEncoder(channels=(8,)))
    clf = MultimodalClassifier(image=image, text=TextInput("title", encoder=text), max_epochs=2, random_state=0)
    half = clone(clf).set_params(precision="bfloat16").fit(X, y)
    whole = clf.fit(X, y)
    assert half.predict_proba(X).dtype == half.transform(X).dtype == np.float32
    assert {parameter.dtype for parameter in half.net_.module_.parameters()} == {torch.float32}
    assert 0 < np.abs(half.predict_proba(X) - whole.predict_proba(X)).max() < 0.05
    losses = [[row["train_loss"] for row in model.history_] for model in (half, whole)]
    np.testing.assert_allclose(*losses, rtol=0.02)
    twin = pickle.loads(pickle.dumps(half))
    np.testing.assert_array_equal(twin.predict_proba(X), half.predict_proba(X))


def test_float16_is_for_gpus(numbers):
    with pytest.raises(ValueError, match='precision="float16" is for GPUs'):
        MultimodalClassifier(precision="float16", device="cpu").fit(*numbers)
    clf = MultimodalClassifier(precision="float32", max_epochs=1).fit(*numbers)
    clf.precision = "float16"  # as if fitted on one
    assert clf.predict(numbers[0]).shape == (121,)


def test_gradients_are_scaled_in_float16(numbers, monkeypatch):
    monkeypatch.setattr("sklearn_mm.estimators._training.resolve_precision", lambda *args: torch.float16)
    X, y = numbers
    norms = []

    class Norms(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            norms.append(sum(float(parameter.grad.norm()) for _, parameter in named_parameters))
            scales.append(net.grad_scaler_.get_scale())

    scales = []
    half = MultimodalClassifier(max_epochs=10, random_state=0, skorch_callbacks=[Norms()]).fit(X, y)
    assert min(scales) > 1000
    assert np.median(norms) < 100  # callbacks see them as they are; those that overflow are not applied
    assert half.history_[-1]["train_loss"] < half.history_[0]["train_loss"]
    assert half.score(X, y) > 0.8
    pickle.loads(pickle.dumps(half)).predict(X)


def test_tables_predict_in_float64_whatever_they_were_trained_in(numbers):
    X, y = numbers
    clf = MultimodalClassifier(precision="bfloat16", max_epochs=3, random_state=0).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X)[:1], clf.predict_proba(X[:1]), rtol=1e-12)


# compile


@pytest.mark.slow
def test_a_compiled_network_learns_the_same(table):
    X, y = table
    text = TextInput("title", encoder=BagEncoder(token_dropout=0.0))
    clf = MultimodalClassifier(image=None, text=text, **PLAIN, max_epochs=2, random_state=0)
    plain = clone(clf).fit(X, y)
    compiled = clone(clf).set_params(compile=True).fit(X, y)
    np.testing.assert_allclose(compiled.predict_proba(X), plain.predict_proba(X), atol=1e-4)
    twin = pickle.loads(pickle.dumps(compiled))
    np.testing.assert_array_equal(twin.predict_proba(X), compiled.predict_proba(X))
    assert compiled.net_.module_.state_dict().keys() == plain.net_.module_.state_dict().keys()


def test_no_compiler_is_a_clear_error(numbers, monkeypatch):
    def no_compiler(function):
        raise RuntimeError("No working C++ compiler found\nat great length")

    monkeypatch.setattr(torch, "compile", no_compiler)
    with pytest.raises(RuntimeError, match=r"MultimodalClassifier\(compile=True\).*found Install it, or use compile=F"):
        MultimodalClassifier(compile=True).fit(*numbers)


# memory


class SmallMemory(MLPEncoder):
    """Runs out of memory with more rows than fit."""

    rows_that_fit = 20

    def forward(self, x):
        if len(x["numbers"]) > self.rows_that_fit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return super().forward(x)


@BOTH
def test_out_of_memory_halves_the_batch_and_changes_no_step(numbers, Estimator, monkeypatch):
    X, y = numbers
    y = y if Estimator is MultimodalClassifier else numeric(y)
    encoder = SmallMemory(dropout=0.0)
    model = Estimator(tabular=TabularInput(encoder=encoder), head=MLPHead(dropout=0.0), batch_size=64, random_state=0)
    model.set_params(max_epochs=3, optimizer="sgd")
    with pytest.warns(UserWarning, match="does not suffice") as warned:
        short = clone(model).fit(X, y, X_val=X, y_val=y)
    messages = [str(warning.message) for warning in warned]
    assert len(messages) == 2  # 64 to 32, 32 to 16, and no more
    assert "batches of 64 rows; going on with 32 rows at once" in messages[0]
    assert "batches of 32 rows; going on with 16 rows at once" in messages[1]
    outputs = short.transform(X)
    monkeypatch.setattr(SmallMemory, "rows_that_fit", 1000)
    np.testing.assert_allclose(outputs, clone(model).fit(X, y, X_val=X, y_val=y).transform(X), atol=1e-5)


def test_out_of_memory_in_prediction(numbers, monkeypatch):
    X, y = numbers
    monkeypatch.setattr(SmallMemory, "rows_that_fit", 1000)
    clf = MultimodalClassifier(tabular=TabularInput(encoder=SmallMemory()), batch_size=64, max_epochs=1).fit(X, y)
    expected = clf.predict_proba(X)
    monkeypatch.setattr(SmallMemory, "rows_that_fit", 40)
    with pytest.warns(UserWarning, match="batches of 64 rows; going on with 32 rows at once") as warned:
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-9)
    assert len(warned) == 1


@pytest.mark.filterwarnings("ignore:The memory of cpu")
def test_a_single_row_that_does_not_fit_is_an_error(numbers, monkeypatch):
    monkeypatch.setattr(SmallMemory, "rows_that_fit", 0)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        MultimodalClassifier(tabular=TabularInput(encoder=SmallMemory()), max_epochs=1).fit(*numbers)


# skorch's callbacks


class Recorder(Callback):
    def __init__(self, name="recorder"):
        self.name = name

    def on_train_begin(self, net, X, **kwargs):
        self.events_ = [("begin", len(X))]

    def on_grad_computed(self, net, named_parameters, **kwargs):
        assert all(parameter.grad is not None for _, parameter in named_parameters)

    def on_epoch_end(self, net, dataset_train, dataset_valid, **kwargs):
        self.events_.append((net.history[-1, "epoch"], net.history[-1, "valid_accuracy"], len(dataset_valid)))


def test_skorch_callbacks_see_the_net_and_are_cloned(numbers):
    X, y = numbers
    mine = Recorder()
    clf = MultimodalClassifier(skorch_callbacks=[mine, ("second", Recorder())], scoring="accuracy", max_epochs=2)
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    assert not hasattr(mine, "events_")
    callbacks = dict(clf.net_.callbacks_)
    for name in ("Recorder", "second"):
        events = callbacks[name].events_
        assert events[0] == ("begin", 80)
        assert events[1:] == [(row["epoch"], row["valid_accuracy"], 41) for row in clf.history_]
    assert clone(clf).fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:]).n_epochs_ == 2
    pickle.loads(pickle.dumps(clf)).predict(X)


def test_skorchs_own_callbacks(numbers, tmp_path):
    X, y = numbers
    clf = MultimodalClassifier(early_stopping=False, max_epochs=50, lr=0.05, lr_schedule="constant", random_state=0)
    clf.set_params(
        skorch_callbacks=[EarlyStopping(patience=2), Checkpoint(dirname=tmp_path), GradientNormClipping(1.0)]
    )
    clf.fit(X, y, X_val=X[:30], y_val=y[:30])  # skorch's way to stop is KeyboardInterrupt, which this is not
    losses = [row["valid_loss"] for row in clf.history_]
    assert 1 + int(np.argmin(losses)) <= clf.n_epochs_ < 50
    assert (tmp_path / "params.pt").exists()


@pytest.mark.parametrize(
    ("callbacks", "error", "message"),
    [
        ([print], TypeError, "takes skorch callbacks, or pairs .name, callback., got <built-in function print>"),
        ([("name", 3)], TypeError, r"got \('name', 3\) among them"),
        ("early", ValueError, "'skorch_callbacks' parameter"),
    ],
)
def test_what_is_no_skorch_callback(numbers, callbacks, error, message):
    with pytest.raises(error, match=message):
        MultimodalClassifier(skorch_callbacks=callbacks).fit(*numbers)


def test_a_callback_that_cannot_be_cloned(numbers):
    class Own(Callback):
        def __init__(self):
            self.losses = []

    with pytest.raises(TypeError, match=r"cloned for each fit, and Own cannot be: .*losses.*ends with an underscore"):
        MultimodalClassifier(skorch_callbacks=[Own()]).fit(*numbers)


# Ctrl-C


class CtrlC(Callback):
    """Sends the process what a keyboard sends."""

    def __init__(self, epoch, where):
        self.epoch = epoch
        self.where = where

    def _at(self, net, where):
        if where == self.where and net.history[-1, "epoch"] == self.epoch:
            signal.raise_signal(signal.SIGINT)

    def on_batch_begin(self, net, training, **kwargs):
        self._at(net, "training" if training else "validation")

    def on_grad_computed(self, net, **kwargs):
        self._at(net, "step")

    def on_epoch_end(self, net, **kwargs):
        self._at(net, "end")


@pytest.mark.parametrize("validates", [True, False])
@pytest.mark.parametrize("where", ["training", "step", "validation", "end"])
@pytest.mark.parametrize("epoch", [1, 4])
def test_ctrl_c_leaves_a_fitted_estimator_and_is_raised_again(numbers, epoch, where, validates):
    if where == "validation" and not validates:
        pytest.skip("there is none")
    X, y = numbers
    clf = MultimodalClassifier(skorch_callbacks=[CtrlC(epoch, where)], lr=0.05, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y, **({"X_val": X, "y_val": y} if validates else {}))
    assert clf.n_epochs_ == epoch - (where != "end")
    assert clf.predict(X).shape == (121,)
    if clf.n_epochs_ and validates:
        best = int(np.argmin([row["valid_loss"] for row in clf.history_]))
        assert clf.best_epoch_ == best + 1
        assert clf.score(X, y) == pytest.approx(clf.history_[best]["valid_score"])
    pickle.loads(pickle.dumps(clf)).predict(X)
    clf.set_params(skorch_callbacks=None, warm_start=True, max_epochs=1).fit(X, y)


def test_ctrl_c_in_a_scorer(numbers):
    X, y = numbers

    def scorer(estimator, X, y):
        signal.raise_signal(signal.SIGINT)

    clf = MultimodalClassifier(scoring=scorer, early_stopping=True)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert clf.predict(X).shape == (121,)


# randomness


@pytest.mark.parametrize(
    "parameters",
    [
        {"scoring": "accuracy", "early_stopping": True},
        {"gradient_accumulation_steps": 3},
        {"precision": "bfloat16"},
        {"max_time": 1000.0},
    ],
    ids=str,
)
def test_the_same_seed_gives_the_same_bits_and_leaves_no_trace(numbers, parameters):
    X, y = numbers
    before = torch.get_rng_state()
    clf = MultimodalClassifier(max_epochs=3, random_state=3, **parameters)
    first, second = clone(clf).fit(X, y), clone(clf).fit(X, y)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    for model in (first, second):
        model.partial_fit(X, y) if not model.early_stopping else model.set_params(warm_start=True).fit(X, y)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert torch.equal(before, torch.get_rng_state())
