import signal

import numpy as np
import pytest
import torch
import torch.nn as nn
from sklearn.metrics import log_loss
from skorch.callbacks import Callback

from sklearn_mm import MultimodalClassifier
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.preprocessing import TabularSpec
from sklearn_mm.training._averaging import WeightAveraging
from sklearn_mm.training._trained_state import trained_modules


class Net:
    """As much of a net as the callback looks at."""

    def __init__(self):
        torch.manual_seed(0)
        self.module_ = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    def step(self):
        """Change weights and statistics, as a step of training does."""
        self.module_.train()(torch.randn(8, 3) + 5)
        with torch.no_grad():
            for parameter in self.module_.parameters():
                parameter.add_(torch.randn_like(parameter))

    def state(self):
        return {name: value.clone() for name, value in self.module_.state_dict().items()}


@pytest.fixture
def trained():
    """A net after an epoch of steps with its callback, and the states after each step."""
    net, callback, states = Net(), WeightAveraging(), []
    callback.on_train_begin(net)
    for _ in range(20):
        callback.on_batch_begin(net, training=True)
        net.step()
        states.append(net.state())
        callback.on_batch_end(net, training=True)
    return net, callback, states


def averaged(states):
    average = dict(states[0])
    for n_averaged, state in enumerate(states[1:], start=1):
        share = 9 / (10 + n_averaged)
        average = {
            name: average[name] * (1 - share) + value * share if value.is_floating_point() else value
            for name, value in state.items()
        }
    return average


def assert_states_close(state, expected):
    for name, value in expected.items():
        torch.testing.assert_close(state[name], value)


def test_weights_and_batch_statistics_are_averaged_and_counts_are_not(trained):
    net, callback, states = trained
    assert_states_close(net.state(), states[-1])
    callback.on_train_end(net)
    assert_states_close(net.state(), averaged(states))
    assert net.module_[1].num_batches_tracked == 20


def test_validation_sees_the_average_and_training_goes_on_with_the_weights(trained):
    net, callback, states = trained
    callback.on_batch_begin(net, training=False)
    assert_states_close(net.state(), averaged(states))
    callback.on_batch_end(net, training=False)
    callback.on_epoch_end(net)
    assert_states_close(net.state(), averaged(states))
    callback.on_batch_begin(net, training=True)
    assert_states_close(net.state(), states[-1])


def test_nothing_to_average_yet():
    net, callback = Net(), WeightAveraging()
    before = net.state()
    callback.on_train_begin(net)
    callback.on_batch_begin(net, training=True)
    callback.on_train_end(net)
    assert_states_close(net.state(), before)


def test_frozen_encoders_are_neither_copied_nor_written_to():
    net, callback = Net(), WeightAveraging()
    encoder = ModuleEncoder(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
    net.module_ = nn.Sequential(encoder.build(TabularSpec(shape=(), n_numbers=3)), *net.module_)
    frozen = net.module_[0].layers
    versions = [tensor._version for tensor in frozen.state_dict().values()]
    pointers = [tensor.data_ptr() for tensor in frozen.parameters()]
    callback.on_train_begin(net)
    for training in (True, True, False):
        callback.on_batch_begin(net, training=training)
        callback.on_batch_end(net, training=training)
    callback.on_epoch_end(net)
    assert len(callback.average_) == 7, "weight and bias of two layers, and what batch norm counts"
    callback.on_train_end(net)
    assert versions == [tensor._version for tensor in frozen.state_dict().values()]
    assert pointers == [tensor.data_ptr() for tensor in frozen.parameters()]


def test_what_is_tied_is_averaged_once():
    net, callback = Net(), WeightAveraging()
    net.module_.add_module("tied", net.module_[0])
    states = []
    callback.on_train_begin(net)
    for _ in range(3):
        callback.on_batch_begin(net, training=True)
        with torch.no_grad():
            net.module_[0].weight.add_(1)
        states.append(net.state())
        callback.on_batch_end(net, training=True)
    callback.on_train_end(net)
    assert_states_close(net.state(), averaged(states))


class Counts(nn.Module):
    """Assigns a buffer where it computes, as some layers do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x):
        self.total = self.total + x.sum(0)
        return x


def test_buffers_that_are_assigned_anew_are_averaged():
    net, callback, states = Net(), WeightAveraging(), []
    net.module_.insert(0, Counts())
    callback.on_train_begin(net)
    for _ in range(3):
        callback.on_batch_begin(net, training=True)
        net.step()
        states.append(net.state())
        callback.on_batch_end(net, training=True)
    callback.on_train_end(net)
    assert_states_close(net.state(), averaged(states))


def test_a_network_is_gone_through_once_per_training(noisy, monkeypatch):
    networks = []

    def modules(network):
        networks.append(network)
        return trained_modules(network)

    monkeypatch.setattr("sklearn_mm.training._averaging.trained_modules", modules)
    clf = MultimodalClassifier(weight_averaging="ema", **ROUGH).fit(*noisy)
    assert networks == [clf.net_.module_]


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    return X, (X[:, 0] + rng.normal(size=300) > 0).astype(int)


ROUGH = {"wide": None, "lr_schedule": "constant", "lr": 1e-2, "max_epochs": 6, "random_state": 0}


def test_best_weights_are_averaged_ones(noisy):
    X, y = noisy
    clf = MultimodalClassifier(weight_averaging="ema", n_iter_no_change=2, **ROUGH)
    clf.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    shown = clf.history_[clf.best_epoch_ - 1]["valid_loss"]
    assert shown == min(row["valid_loss"] for row in clf.history_)
    assert log_loss(y[150:], clf.predict_proba(X[150:])) == pytest.approx(shown, rel=1e-4)


def test_the_average_validates_better_where_steps_are_rough(noisy):
    X, y = noisy
    plain, averages = (
        MultimodalClassifier(weight_averaging=averaging, **{**ROUGH, "lr": 2e-2}).fit(
            X[:150], y[:150], X_val=X[150:], y_val=y[150:]
        )
        for averaging in (None, "ema")
    )
    means = [np.mean([row["valid_loss"] for row in clf.history_]) for clf in (plain, averages)]
    assert means[1] < 0.95 * means[0]


def test_auto_averages_where_the_learning_rate_does_not_fall_to_zero(noisy):
    X, y = noisy
    outputs = {
        (schedule, averaging): MultimodalClassifier(
            wide=None, weight_averaging=averaging, lr_schedule=schedule, max_epochs=2, random_state=0
        )
        .fit(X, y)
        .predict_proba(X)
        for schedule in ("constant", "inverse_sqrt", "one_cycle")
        for averaging in ("auto", "ema", None)
    }
    for schedule in ("constant", "inverse_sqrt"):
        np.testing.assert_array_equal(outputs[schedule, "auto"], outputs[schedule, "ema"])
    np.testing.assert_array_equal(outputs["one_cycle", "auto"], outputs["one_cycle", None])
    assert not np.allclose(outputs["constant", "ema"], outputs["constant", None])


class Interrupt(Callback):
    def on_batch_end(self, net, training=None, **kwargs):
        if len(net.history) == 3 and training:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_leaves_averaged_weights(noisy):
    X, y = noisy
    clf = MultimodalClassifier(weight_averaging="ema", skorch_callbacks=[Interrupt()], **ROUGH)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    averages = clf.predict_proba(X)
    plain = MultimodalClassifier(weight_averaging=None, skorch_callbacks=[Interrupt()], **ROUGH)
    with pytest.raises(KeyboardInterrupt):
        plain.fit(X, y)
    assert clf.n_epochs_ == plain.n_epochs_ == 2
    assert not np.allclose(averages, plain.predict_proba(X))


def test_partial_fit_goes_on_from_the_weights_as_they_are(noisy):
    X, y = noisy
    outputs = [
        MultimodalClassifier(weight_averaging=averaging, random_state=0)
        .partial_fit(X, y, classes=[0, 1])
        .partial_fit(X, y)
        .predict_proba(X)
        for averaging in ("ema", None)
    ]
    np.testing.assert_array_equal(*outputs)
