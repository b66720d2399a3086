"""scikit-learn's callbacks (from 1.9) see the epochs."""

import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_mm import ModalityTransformer, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.preprocessing import Blocks
from sklearn_mm.training._trainer import Trainer

callback = pytest.importorskip("sklearn.callback")


class Recorder:
    """Writes down what scikit-learn's hooks get; predicts if told to; stops after some epochs."""

    def __init__(self, predicts=False, n_epochs=None):
        self.predicts = predicts
        self.n_epochs = n_epochs
        self.events = []

    def setup(self, estimator, context):
        self.events.append(("setup",))

    def teardown(self, estimator, context):
        self.events.append(("teardown",))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.events.append(("begin", context.task_name, context.task_id, type(X), list(y), metadata))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        outputs = fitted_estimator.predict(X) if self.predicts else None
        self.events.append(("end", context.task_name, context.task_id, fitted_estimator, outputs))
        return context.task_name == "epoch" and context.task_id + 1 == self.n_epochs

    def of(self, kind):
        return [event[1:] for event in self.events if event[0] == kind]


@pytest.fixture
def clf():
    return MultimodalClassifier(image=None, wide=None, max_epochs=3, lr=0.01, random_state=0)


def test_epochs_are_tasks_and_hooks_get_blocks_labels_and_weights(clf, table):
    X, y = table
    recorder, weight = Recorder(), np.r_[np.ones(80), np.zeros(16)]
    clf.set_callbacks(recorder).fit(X, y, sample_weight=weight)
    assert [event[:2] for event in recorder.of("begin")] == [("fit", 0), ("epoch", 0), ("epoch", 1), ("epoch", 2)]
    assert [event[:2] for event in recorder.of("end")] == [("epoch", 0), ("epoch", 1), ("epoch", 2), ("fit", 0)]
    for _, _, kind, labels, metadata in recorder.of("begin"):
        assert kind is Blocks
        assert labels == list(y[:80])
        np.testing.assert_array_equal(metadata["sample_weight"], np.ones(80))
    assert recorder.events[0] == ("setup",)
    assert recorder.events[-1] == ("teardown",)


def test_a_fitted_estimator_is_what_a_fit_that_stopped_there_gives(clf, table):
    X, y = table
    clf.set_params(lr_schedule="constant")
    recorder = Recorder(predicts=True)
    clf.set_callbacks(recorder).fit(X, y)
    for epoch, (_, _, fitted, outputs) in enumerate(recorder.of("end")[:3], start=1):
        stopped = clone(clf).set_callbacks().set_params(max_epochs=epoch).fit(X, y)
        assert fitted.n_epochs_ == fitted.best_epoch_ == len(fitted.history_) == epoch
        np.testing.assert_array_equal(fitted.predict_proba(X), stopped.predict_proba(X))  # also long after
        np.testing.assert_array_equal(outputs, stopped.predict(X))
    assert recorder.of("end")[3][2] is not clf


@pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
def test_callbacks_change_nothing_of_what_is_learnt(table, numeric_target, Estimator):
    X, y = table
    y = y if Estimator is MultimodalClassifier else numeric_target
    model = Estimator(image=None, max_epochs=3, early_stopping=True, random_state=0)
    watched, alone = clone(model).set_callbacks(Recorder(predicts=True)).fit(X, y), clone(model).fit(X, y)
    np.testing.assert_array_equal(watched.transform(X), alone.transform(X))
    assert not {"_callback_fit_ctx", "_parent_callback_ctx"} & vars(watched).keys()


def test_a_callback_can_end_training(clf, table):
    X, y = table
    clf.set_callbacks(Recorder(n_epochs=2)).fit(X, y)
    assert clf.n_epochs_ == 2
    assert clf.predict(X).shape == (96,)


def test_no_estimator_is_made_that_nobody_asks_for(clf, table, monkeypatch):
    monkeypatch.setattr(Trainer, "attributes_by_now", None)

    class Simple(Recorder):
        def on_fit_task_end(self, estimator, context):
            self.events.append(("end", context.task_name))

    clf.set_callbacks(simple := Simple()).fit(*table)
    assert len(simple.of("end")) == 4


def test_early_stopping_ends_the_tasks(clf, table):
    X, y = table
    recorder = Recorder()
    clf.set_params(early_stopping=True, n_iter_no_change=1, max_epochs=50, lr=0.1).set_callbacks(recorder).fit(X, y)
    assert len(recorder.of("end")) == clf.n_epochs_ + 1 < 51
    assert len(recorder.of("begin")[0][3]) == 86  # the rows that are trained with, without those held out


def test_scoring_monitor_has_a_score_for_each_epoch(clf, table):
    X, y = table
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clf.set_params(max_epochs=15).set_callbacks(monitor).fit(X, y, sample_weight=np.ones(96))
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 15
    assert rows[-1]["accuracy"] == clf.score(X, y) > rows[0]["accuracy"]


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("error:The estimator .* does not support callbacks")
def test_monitor_and_bar_below_a_search_over_a_pipeline(clf, table, n_jobs, capsys):
    pytest.importorskip("rich")
    X, y = table
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(
        ModalityTransformer(image=None), clone(clf).set_params(image="auto").set_callbacks(monitor)
    )
    search = GridSearchCV(pipeline, {"multimodalclassifier__lr": [1e-3, 1e-2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    data = monitor.get_logs().data
    epochs = [row for row in data if row["task_name"] == "epoch"]
    assert len(epochs) == (2 * 2 + 1) * 3  # candidates, folds and the last fit; epochs
    assert all(0 <= row["accuracy"] <= 1 for row in epochs)
    assert len({row["parent_task_id_path"] for row in epochs}) == 5
    shown = capsys.readouterr().out
    assert "MultimodalClassifier - fit" in shown
    assert "ModalityTransformer - fit" in shown


def test_ctrl_c_tears_callbacks_down(clf, table):
    class Stop(Recorder):
        def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
            if context.task_name == "epoch" and context.task_id == 1:
                signal.raise_signal(signal.SIGINT)

    recorder = Stop()
    with pytest.raises(KeyboardInterrupt):
        clf.set_callbacks(recorder).fit(*table)
    assert recorder.events[-1] == ("teardown",)


def test_partial_fit_is_one_epoch(clf, table):
    X, y = table
    recorder = Recorder(predicts=True)
    clf.set_callbacks(recorder).partial_fit(X, y, classes=np.unique(y)).partial_fit(X, y)
    assert [event[:2] for event in recorder.of("end")] == [("epoch", 0), ("fit", 0)] * 2
    assert recorder.of("end")[2][2].n_epochs_ == 2


def test_a_pickle_with_callbacks_holds_no_training_rows(clf, table):
    X, y = table
    small, large = (
        len(pickle.dumps(clone(clf).set_callbacks(callback.ScoringMonitor(scoring="accuracy")).fit(X[:n], y[:n])))
        for n in (48, 96)
    )
    assert large < small + 6_000


WITHOUT = """
import builtins

there = builtins.__import__

def as_before_1_9(name, globals=None, *args):  # scikit-learn 1.9 itself must still find it
    if name == "sklearn.callback" and globals["__name__"].startswith("sklearn_mm"):
        raise ModuleNotFoundError(name)
    return there(name, globals, *args)

builtins.__import__ = as_before_1_9

import numpy as np
from sklearn_mm import MultimodalClassifier, MultimodalRegressor
from sklearn_mm.utils._callbacks import CallbackSupportMixin

assert CallbackSupportMixin.__module__ == "sklearn_mm.utils._callbacks"
X = np.random.default_rng(0).normal(size=(40, 2))
clf = MultimodalClassifier(max_epochs=2, early_stopping=True, scoring="neg_log_loss").fit(X, X[:, 0] > 0)
assert not hasattr(clf, "set_callbacks")
assert len(clf.history_) == 2, clf.history_
MultimodalRegressor().partial_fit(X, X[:, 0]).predict(X)
"""


def test_without_scikit_learns_callbacks_everything_else_works():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
