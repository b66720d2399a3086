"""Callbacks of skorch that the user hands in, and Ctrl-C."""

import pickle
import signal

import numpy as np
import pytest
from sklearn.base import clone
from skorch.callbacks import BatchScoring, Callback, Checkpoint, EarlyStopping, EpochScoring, GradientNormClipping

from sklearn_mm import MultimodalClassifier
from sklearn_mm.networks import WideLinear


class Recorder(Callback):
    def __init__(self, name="recorder"):
        self.name = name

    def on_train_begin(self, net, X, **kwargs):
        self.events_ = [("begin", len(X))]

    def on_grad_computed(self, net, named_parameters, **kwargs):
        assert all(parameter.grad is not None for _, parameter in named_parameters)

    def on_epoch_end(self, net, dataset_train, dataset_valid, **kwargs):
        self.events_.append((net.history[-1, "epoch"], net.history[-1, "valid_accuracy"], len(dataset_valid)))


def test_skorch_callbacks_see_the_net_and_are_cloned(yes_no):
    X, y = yes_no
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


def test_skorchs_own_callbacks(yes_no, tmp_path):
    X, y = yes_no
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
def test_what_is_no_skorch_callback(yes_no, callbacks, error, message):
    with pytest.raises(error, match=message):
        MultimodalClassifier(skorch_callbacks=callbacks).fit(*yes_no)


def test_a_callback_that_cannot_be_cloned(yes_no):
    class Own(Callback):
        def __init__(self):
            self.losses = []

    with pytest.raises(TypeError, match=r"cloned for each fit, and Own cannot be: .*losses.*ends with an underscore"):
        MultimodalClassifier(skorch_callbacks=[Own()]).fit(*yes_no)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "predict_proba", "forward", "forward_iter"])
def test_the_net_says_that_it_does_nothing_by_itself(yes_no, method):
    X, y = yes_no
    net = MultimodalClassifier(max_epochs=1).fit(X, y).net_
    with pytest.raises(NotImplementedError, match="use fit, partial_fit, predict and transform of the estimator"):
        getattr(net, method)(X)


def test_scoring_by_the_net(yes_no):
    X, y = yes_no
    for callback in (EpochScoring("accuracy"), EpochScoring(None, on_train=True), BatchScoring(lambda *args: 1.0)):
        with pytest.raises(TypeError, match=r"cannot take (Epoch|Batch)Scoring, which asks the net"):
            MultimodalClassifier(skorch_callbacks=[callback]).fit(X, y)
    rows = EpochScoring(lambda net, dataset, y: len(dataset), name="rows", on_train=True, use_caching=False)
    clf = MultimodalClassifier(skorch_callbacks=[rows], max_epochs=1).fit(X, y)
    assert clf.history_[0]["rows"] == 121


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
def test_ctrl_c_leaves_a_fitted_estimator_and_is_raised_again(yes_no, epoch, where, validates):
    if where == "validation" and not validates:
        pytest.skip("there is none")
    X, y = yes_no
    clf = MultimodalClassifier(skorch_callbacks=[CtrlC(epoch, where)], batch_size=32, lr=0.05, random_state=0)
    clf.set_params(wide=WideLinear(n_folds=2))
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


def test_ctrl_c_in_a_scorer(yes_no):
    X, y = yes_no

    def scorer(estimator, X, y):
        signal.raise_signal(signal.SIGINT)

    clf = MultimodalClassifier(scoring=scorer, early_stopping=True)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert clf.predict(X).shape == (121,)
