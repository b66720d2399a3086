"""How the parameters of training make the training: time, steps, precision, compilation, memory, randomness."""

import pickle
import time
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sklearn_mm import (
    ImageInput,
    MultimodalClassifier,
    MultimodalRegressor,
    TabularInput,
    TextInput,
)
from sklearn_mm.encoders import BagEncoder, CNNEncoder, MLPEncoder
from sklearn_mm.networks import MLPHead, WideLinear
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.training._trainer import Trainer

BOTH = pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
# nothing random in training, and no batch statistics
PLAIN = {"tabular": TabularInput(encoder=MLPEncoder(code_dropout=0.0, dropout=0.0)), "head": MLPHead(dropout=0.0)}


def numeric(y):
    return (y == "yes") + 0.5


# max_time


def test_training_ends_in_time_with_the_rate_down(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(max_time=1.5, max_epochs=100_000, n_iter_no_change=100_000, random_state=0)
    clone(clf).set_params(max_epochs=1).fit(X, y)  # what is loaded once
    start = time.perf_counter()
    clf.fit(X, y, X_val=X, y_val=y)
    assert 1.4 < time.perf_counter() - start < 30  # so long only where others take the processor
    assert clf.n_epochs_ < 100_000
    assert clf.net_.optimizer_.param_groups[0]["lr"] < 0.02 * clf.lr
    assert clf.score(X, y) == pytest.approx(clf.history_[clf.best_epoch_ - 1]["valid_score"])


def test_time_that_is_not_needed_changes_nothing(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(max_epochs=3, random_state=0)
    free, limited = clone(clf).fit(X, y), clone(clf).set_params(max_time=1e6).fit(X, y)
    np.testing.assert_array_equal(free.predict_proba(X), limited.predict_proba(X))


def test_the_least_time_gives_one_batch(yes_no):
    with pytest.warns(ConvergenceWarning, match="max_time was over after 1 of the 15 batches of the first epoch"):
        clf = MultimodalClassifier(wide=None, max_time=1e-9).fit(*yes_no)
    assert clf.n_epochs_ == 1
    assert clf.predict(yes_no[0]).shape == (121,)


@BOTH
def test_the_linear_part_ends_in_time(Estimator, yes_no):
    X, y = yes_no
    y = y if Estimator is MultimodalClassifier else numeric(y)
    free = Estimator(max_epochs=1, random_state=0).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="max_time was over"):
        limited = clone(free).set_params(max_time=1e-9).fit(X, y)
    for fitted in (free, limited):
        fitted.net_.module_.top.share = 0.0  # of the rest
    assert limited.score(X, y) < free.score(X, y)


@pytest.mark.parametrize("max_time", [None, 1e6, 1e-9])
def test_the_linear_part_is_fitted_to_all_rows_if_there_is_time(yes_no, monkeypatch, max_time):
    n_refitted = []
    monkeypatch.setattr(WideLinear, "refit", lambda self, dataset, *rest: n_refitted.append(len(dataset)))
    with nullcontext() if max_time != 1e-9 else pytest.warns(ConvergenceWarning, match="max_time was over"):
        MultimodalRegressor(max_epochs=1, max_time=max_time, random_state=0).fit(yes_no[0], numeric(yes_no[1]))
    assert n_refitted == ([] if max_time == 1e-9 else [121])


# steps


@BOTH
@pytest.mark.parametrize("n_rows", [121, 72, 65, 40, 41])
def test_accumulated_batches_are_large_ones(yes_no, Estimator, n_rows):
    X, y = yes_no[0][:n_rows], yes_no[1][:n_rows]
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
    options = Trainer(MultimodalClassifier(optimizer=optimizer))._optimizer(torch.device(device))
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


def test_float16_is_for_gpus(yes_no):
    with pytest.raises(ValueError, match='precision="float16" is for GPUs'):
        MultimodalClassifier(precision="float16", device="cpu").fit(*yes_no)
    clf = MultimodalClassifier(precision="float32", max_epochs=1).fit(*yes_no)
    clf.precision = "float16"  # as if fitted on one
    assert clf.predict(yes_no[0]).shape == (121,)


class Norms(Callback):
    def on_train_begin(self, net, **kwargs):
        self.norms_, self.scales_ = [], []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.norms_.append(sum(float(parameter.grad.norm()) for _, parameter in named_parameters))
        self.scales_.append(net.grad_scaler_.get_scale())


def test_gradients_are_scaled_in_float16(yes_no, monkeypatch):
    monkeypatch.setattr("sklearn_mm.training._trainer.resolve_precision", lambda *args: torch.float16)
    X, y = yes_no
    clf = MultimodalClassifier(max_epochs=10, random_state=0, skorch_callbacks=[("norms", Norms())]).fit(X, y)
    norms = dict(clf.net_.callbacks_)["norms"]
    assert min(norms.scales_) > 1000
    assert np.median(norms.norms_) < 100  # callbacks see them as they are; those that overflow are not applied
    assert clf.history_[-1]["train_loss"] < clf.history_[0]["train_loss"]
    assert clf.score(X, y) > 0.8
    pickle.loads(pickle.dumps(clf)).predict(X)


def test_tables_predict_in_float64_whatever_they_were_trained_in(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(precision="bfloat16", max_epochs=3, random_state=0).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X)[:1], clf.predict_proba(X[:1]), rtol=1e-12)


# compile


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, on the way to its compiler
def test_a_compiled_network_learns_the_same(table):
    X, y = table
    text = TextInput("title", encoder=BagEncoder(token_dropout=0.0))
    clf = MultimodalClassifier(image=None, text=text, **PLAIN, optimizer="sgd", lr=0.02, max_epochs=2, random_state=0)
    plain = clone(clf).fit(X, y)
    compiled = clone(clf).set_params(compile=True).fit(X, y)
    np.testing.assert_allclose(compiled.predict_proba(X), plain.predict_proba(X), atol=1e-4)
    twin = pickle.loads(pickle.dumps(compiled))
    np.testing.assert_array_equal(twin.predict_proba(X), compiled.predict_proba(X))
    assert compiled.net_.module_.state_dict().keys() == plain.net_.module_.state_dict().keys()


def test_no_compiler_is_a_clear_error(yes_no, monkeypatch):
    def no_compiler(function):
        raise RuntimeError("No working C++ compiler found\nat great length")

    monkeypatch.setattr(torch, "compile", no_compiler)
    with pytest.raises(RuntimeError, match=r"MultimodalClassifier\(compile=True\).*found Install it, or use compile=F"):
        MultimodalClassifier(compile=True).fit(*yes_no)


# memory


def test_only_parts_of_batches_that_do_not_fit_go_to_a_gpu(yes_no):
    X, y = yes_no
    for steps, device in ((1, "cuda"), (4, "cpu")):
        clf = MultimodalClassifier(max_epochs=1, gradient_accumulation_steps=steps, random_state=0).fit(X, y)
        dataset = BlockDataset(clf._reader.read(X))
        clf.net_.device = "cuda"  # as if it were there
        assert clf.net_.get_iterator(dataset, training=True).device.type == device


class SmallMemory(MLPEncoder):
    """Runs out of memory with more rows than fit."""

    rows_that_fit = 20

    def forward(self, x):
        if len(x["numbers"]) > self.rows_that_fit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return super().forward(x)


@BOTH
def test_out_of_memory_halves_the_batch_and_changes_no_step(yes_no, Estimator, monkeypatch):
    X, y = yes_no
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


def test_out_of_memory_in_prediction(yes_no, monkeypatch):
    X, y = yes_no
    monkeypatch.setattr(SmallMemory, "rows_that_fit", 1000)
    clf = MultimodalClassifier(tabular=TabularInput(encoder=SmallMemory()), batch_size=64, max_epochs=1).fit(X, y)
    expected = clf.predict_proba(X)
    monkeypatch.setattr(SmallMemory, "rows_that_fit", 40)
    with pytest.warns(UserWarning, match="batches of 64 rows; going on with 32 rows at once") as warned:
        np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-9)
    assert len(warned) == 1


@pytest.mark.filterwarnings("ignore:The memory of cpu")
def test_a_single_row_that_does_not_fit_is_an_error(yes_no, monkeypatch):
    monkeypatch.setattr(SmallMemory, "rows_that_fit", 0)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        MultimodalClassifier(tabular=TabularInput(encoder=SmallMemory()), max_epochs=1).fit(*yes_no)


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
def test_the_same_seed_gives_the_same_bits_and_leaves_no_trace(yes_no, parameters):
    X, y = yes_no
    before = torch.get_rng_state()
    clf = MultimodalClassifier(max_epochs=3, random_state=3, **parameters)
    first, second = clone(clf).fit(X, y), clone(clf).fit(X, y)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    for model in (first, second):
        model.partial_fit(X, y) if not model.early_stopping else model.set_params(warm_start=True).fit(X, y)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert torch.equal(before, torch.get_rng_state())


# tiny pictures


@BOTH
@pytest.mark.parametrize("encoder", ["resnet", "vit"])
def test_tiny_pictures_one_at_a_time(Estimator, encoder):
    pictures = list(np.random.default_rng(0).integers(256, size=(5, 8, 8, 3), dtype=np.uint8))
    X, y = pd.DataFrame({"photo": pictures}), np.array([0, 1, 0, 1, 1])
    for size in (1, 8):
        image = ImageInput("photo", transformer=ImageTransformer(size=size), encoder=encoder)
        model = Estimator(image=image, max_epochs=1, batch_size=1, random_state=0)
        assert np.isfinite(clone(model).fit(X, y).transform(X)).all()
        first = {"classes": [0, 1]} if Estimator is MultimodalClassifier else {}
        model.partial_fit(X[:1], y[:1], **first).partial_fit(X, y)
        assert np.isfinite(model.transform(X)).all()
