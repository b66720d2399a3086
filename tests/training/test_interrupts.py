"""Ctrl-C and other signals are told from a callback that ends training."""

import signal
import threading

import numpy as np
import pytest
from skorch.callbacks import Callback, EarlyStopping

from sklearn_mm import MultimodalClassifier
from sklearn_mm.training._interrupts import raises_stop, signals_watched


@pytest.fixture
def yes_no():
    X = np.random.default_rng(0).normal(size=(121, 3))
    return X, np.where(X[:, 0] > 0, "yes", "no")


def stop():
    raise KeyboardInterrupt


def stop_of_a_handler(number, frame):
    raise KeyboardInterrupt


class Handler:
    def __call__(self, *args):
        stop()


HANDLERS = [signal.default_int_handler, stop_of_a_handler, lambda *_: stop(), Handler()]


@pytest.fixture(params=range(len(HANDLERS)), ids=["python's", "function", "lambda", "object"])
def handled(request):
    """A signal whose handler raises KeyboardInterrupt."""
    number = signal.SIGINT if request.param % 2 == 0 else signal.SIGTERM
    before = signal.signal(number, HANDLERS[request.param])
    yield number
    signal.signal(number, before)


def test_a_raise_statement_is_told_from_a_signal(handled):
    def pressed():
        signal.raise_signal(handled)

    def passed_on():
        try:
            pressed()
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None

    def swallowed():
        with pytest.raises(KeyboardInterrupt):
            pressed()

    before = signal.getsignal(handled)
    with signals_watched():
        assert raises_stop(stop)
        assert not raises_stop(swallowed)
        assert raises_stop(stop)  # one that was swallowed earlier does not count
        for function in (pressed, passed_on):
            with pytest.raises(KeyboardInterrupt):
                raises_stop(function)
    assert signal.getsignal(handled) is before


def test_a_handler_that_is_set_meanwhile_stays():
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, stop_of_a_handler)
        with signals_watched():
            signal.signal(signal.SIGTERM, stop)
        assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, before)


class Does(Callback):
    """Calls a function in the third epoch."""

    def __init__(self, function, method="on_epoch_end"):
        self.function = function
        self.method = method

    def _do(self, net, method):
        if method == self.method and len(net.history) == 3:
            self.function()

    def on_epoch_end(self, net, **kwargs):
        self._do(net, "on_epoch_end")

    def on_batch_end(self, net, **kwargs):
        self._do(net, "on_batch_end")


PLACES = ["on_epoch_end", "on_batch_end"]


@pytest.mark.parametrize("place", PLACES)
def test_a_signal_within_a_callback_ends_more_than_the_fit(yes_no, handled, place):
    clf = MultimodalClassifier(skorch_callbacks=[Does(lambda: signal.raise_signal(handled), place)], max_epochs=5)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*yes_no)
    assert clf.predict(yes_no[0]).shape == (121,)


@pytest.mark.parametrize("place", PLACES)
def test_a_callback_may_end_training(yes_no, place):
    clf = MultimodalClassifier(skorch_callbacks=[Does(stop, place)], max_epochs=5).fit(*yes_no)
    assert clf.n_epochs_ == 3 - (place == "on_batch_end")


def test_a_signal_while_early_stopping_looks_at_an_epoch(yes_no, monkeypatch, handled):
    def is_score_improved(self, score):
        signal.raise_signal(handled)

    monkeypatch.setattr(EarlyStopping, "_is_score_improved", is_score_improved)
    with pytest.raises(KeyboardInterrupt):
        MultimodalClassifier(early_stopping=True, max_epochs=5).fit(*yes_no)


def test_a_scorer_does_not_end_training_by_itself(yes_no):
    with pytest.raises(KeyboardInterrupt):
        MultimodalClassifier(early_stopping=True, scoring=lambda *args: stop(), max_epochs=5).fit(*yes_no)


def test_in_another_thread_there_are_no_signals(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(skorch_callbacks=[EarlyStopping(patience=1), Does(stop)], max_epochs=9)
    thread = threading.Thread(target=clf.fit, args=(X, y), kwargs={"X_val": X, "y_val": np.roll(y, 1)})
    thread.start()
    thread.join()
    assert clf.n_epochs_ <= 3
