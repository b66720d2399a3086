"""What both estimators share: training, validation, randomness, messages."""

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, MultimodalRegressor, TextInput
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.networks import WideLinear
from sklearn_mm.preprocessing import ImageTransformer

SMALL_IMAGE = ImageInput(transformer=ImageTransformer(size=16), encoder=CNNEncoder(channels=(8,)))


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    return X, (X[:, 0] + 0.5 * rng.normal(size=120) > 0).astype(int)


# validation and early stopping


def test_early_stopping_holds_out_rows_and_restores_the_best_epoch(numbers):
    clf = MultimodalClassifier(
        early_stopping=True, n_iter_no_change=3, max_epochs=200, lr=0.03, lr_schedule="constant", random_state=0
    ).fit(*numbers)
    losses = [row["valid_loss"] for row in clf.history_]
    assert clf.n_epochs_ == len(losses) == clf.best_epoch_ + 3 < 200
    assert clf.best_epoch_ == 1 + int(np.argmin(losses))


def test_given_validation_rows_are_used(numbers):
    X, y = numbers
    clf = MultimodalClassifier(max_epochs=60, n_iter_no_change=2, lr=0.03, lr_schedule="constant", random_state=0)
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    best = clf.history_[clf.best_epoch_ - 1]
    assert clf.n_epochs_ == clf.best_epoch_ + 2
    assert clf.score(X[80:], y[80:]) == pytest.approx(best["valid_score"])
    logits = clf.decision_function(X[80:])
    loss = np.logaddexp(0, np.where(y[80:] == 1, -logits, logits)).mean()
    assert loss == pytest.approx(best["valid_loss"], rel=1e-4)


def test_validation_rows_are_only_watched_when_early_stopping_is_off(numbers):
    X, y = numbers
    clf = MultimodalClassifier(max_epochs=8, early_stopping=False, random_state=0)
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    assert clf.n_epochs_ == clf.best_epoch_ == 8
    assert all("valid_loss" in row for row in clf.history_)


def test_validation_rows_can_be_weighted(numbers):
    X, y = numbers
    weight = np.r_[np.ones(20), np.zeros(20)]
    fits = [
        MultimodalClassifier(max_epochs=3, random_state=0).fit(X[:80], y[:80], X_val=X_val, y_val=y_val, **kwargs)
        for X_val, y_val, kwargs in [
            (X[80:], y[80:], {"sample_weight_val": weight}),
            (X[80:100], y[80:100], {}),
        ]
    ]
    losses = [[row["valid_loss"] for row in clf.history_] for clf in fits]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


@pytest.mark.parametrize("given", ["X_val", "y_val"])
def test_half_of_the_validation_rows(numbers, given):
    X, y = numbers
    with pytest.raises(ValueError, match="without"):
        MultimodalClassifier().fit(X, y, **{given: {"X_val": X, "y_val": y}[given]})


# randomness


@pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
def test_the_same_seed_gives_the_same_bits(table, numeric_target, Estimator):
    X, y = table
    y = y if Estimator is MultimodalClassifier else numeric_target
    estimator = Estimator(image=SMALL_IMAGE, max_epochs=3, random_state=3, modality_dropout=0.2)
    first, second = clone(estimator).fit(X, y), clone(estimator).fit(X, y)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    other = clone(estimator).set_params(random_state=4).fit(X, y)
    assert not np.allclose(first.transform(X), other.transform(X))


def test_global_random_state_is_left_as_found(table):
    X, y = table
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    clf = MultimodalClassifier(image=SMALL_IMAGE, max_epochs=1, random_state=None).fit(X, y)
    clf.predict(X)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert (np.random.get_state()[1] == numpy_before).all()  # noqa: NPY002


# weights


@pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
def test_doubling_a_weight_is_doubling_the_row(numbers, Estimator):
    from sklearn_mm import TabularInput
    from sklearn_mm.encoders import MLPEncoder
    from sklearn_mm.networks._heads import MLPHead

    X, y = numbers
    y = y if Estimator is MultimodalClassifier else X[:, 0] ** 2
    repeats = np.random.default_rng(0).integers(0, 3, size=120)
    transformer = ModalityTransformer(tabular=TabularInput()).fit(X)
    blocks, doubled = transformer.transform(X), transformer.transform(X.repeat(repeats, axis=0))
    estimator = Estimator(
        tabular=TabularInput(encoder=MLPEncoder(dropout=0.0)),
        head=MLPHead(dropout=0.0),
        wide=None,
        batch_size=1000,
        max_epochs=20,
        random_state=0,
    )
    weighted = clone(estimator).fit(blocks, y, sample_weight=repeats)
    repeated = clone(estimator).fit(doubled, y.repeat(repeats))
    np.testing.assert_allclose(weighted.predict(blocks), repeated.predict(blocks), atol=1e-5)
    np.testing.assert_allclose(weighted.transform(blocks), repeated.transform(blocks), atol=1e-5)


def test_weights_of_one_change_nothing(table):
    X, y = table
    clf = MultimodalClassifier(image=None, max_epochs=2, random_state=0)
    plain, ones = clone(clf).fit(X, y), clone(clf).fit(X, y, sample_weight=np.ones(len(y)))
    np.testing.assert_array_equal(plain.predict_proba(X), ones.predict_proba(X))


# writing, state


def test_fit_writes_no_file(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X, y = table
    MultimodalClassifier(image=SMALL_IMAGE, max_epochs=2, early_stopping=True).fit(X, y)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "roundtrip",
    [
        lambda estimator: pickle.loads(pickle.dumps(estimator)),
        copy.deepcopy,
        lambda estimator: joblib.load(_dumped(estimator)),
    ],
    ids=["pickle", "deepcopy", "joblib"],
)
@pytest.mark.parametrize("as_blocks", [False, True])
def test_copies_predict_the_same(table, roundtrip, as_blocks):
    X, y = table
    X = ModalityTransformer(image=SMALL_IMAGE).fit_transform(X) if as_blocks else X
    image = "auto" if as_blocks else SMALL_IMAGE
    few_steps = {"wide": WideLinear(n_folds=2), "batch_size": 32, "max_epochs": 2}
    clf = MultimodalClassifier(image=image, **few_steps, random_state=0).fit(X, y)
    twin = roundtrip(clf)
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))
    assert str(twin.get_params()) == str(clf.get_params())
    twin.fit(X, y)
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))


def _dumped(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return file


def test_a_shallow_copy_shares_the_net_and_changes_alone(table):
    X, y = table
    clf = MultimodalClassifier(image=None, max_epochs=1, random_state=0).fit(X, y)
    twin = copy.copy(clf)
    assert twin.net_ is clf.net_
    expected = clf.predict_proba(X)
    twin.set_params(random_state=1).fit(X, y)
    assert clf.random_state == 0
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


def test_a_pickle_holds_no_training_rows(table):
    X, y = table
    wide = WideLinear(trees=False, n_landmarks=0)  # trees grow with the rows, and landmarks are rows
    clf = MultimodalClassifier(image=SMALL_IMAGE, wide=wide, max_epochs=1, early_stopping=True)
    small, large = (len(pickle.dumps(clone(clf).fit(X_, y_))) for X_, y_ in [(X, y), (pd.concat([X] * 8), [*y] * 8)])
    assert large < small + 5_000


def test_a_pickle_holds_the_weights_once(table):
    clf = MultimodalClassifier(max_epochs=1).fit(*table)
    n_weights = sum(weight.numel() for weight in clf.net_.module_.parameters())
    dump = pickle.dumps(clf)
    assert len(dump) < 1.1 * 4 * n_weights
    assert pickle.loads(dump).net_.module is not None


@pytest.mark.filterwarnings("ignore::skorch.exceptions.DeviceWarning")  # there is none here
def test_a_pickled_estimator_of_a_device_is_on_the_cpu(numbers):
    clf = MultimodalClassifier(max_epochs=1, random_state=0).fit(*numbers)
    expected = clf.predict_proba(numbers[0])
    clf.net_.device = "cuda"  # as if it had been fitted there
    clf.net_.optimizer_.state = {"step": 1}
    twin = pickle.loads(pickle.dumps(clf))
    assert twin.net_.device == "cpu"
    assert {parameter.device.type for parameter in twin.net_.module_.parameters()} == {"cpu"}
    assert clf.net_.device == "cuda"
    np.testing.assert_array_equal(twin.predict_proba(numbers[0]), expected)


# messages


def test_silent_at_zero(table, capsys):
    X, y = table
    MultimodalClassifier(image=SMALL_IMAGE, max_epochs=2).fit(X, y)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(("verbose", "n_lines"), [(1, 20), (2, 60)])
def test_a_log_file_gets_lines(numbers, capsys, verbose, n_lines):
    clf = MultimodalClassifier(wide=None, batch_size=64, max_epochs=60, verbose=verbose)
    clf.set_params(early_stopping=True, n_iter_no_change=60).fit(*numbers)
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    assert len(lines) == n_lines
    for part in ("MultimodalClassifier", "epoch 60/60", "train_loss", "valid_loss", "valid_score", "s left"):
        assert part in lines[-1]


def test_a_screen_gets_a_bar(numbers, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    MultimodalClassifier(max_epochs=3, verbose=1).fit(*numbers)
    captured = capsys.readouterr()
    assert "3/3" in captured.err
    assert "train_loss" in captured.err


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_epochs": 0}, "'max_epochs' parameter of MultimodalClassifier must be an int in the range"),
        ({"lr": -1.0}, "'lr' parameter"),
        ({"fusion": "gatd"}, "Unknown fusion 'gatd'. Did you mean 'gated'"),
        ({"head": "line"}, "Unknown head 'line'. Did you mean 'linear'"),
        ({"lr_schedule": "step"}, "'lr_schedule' parameter"),
        ({"device": "gpu"}, "device='gpu' is no device that torch knows"),
        ({"device": "cuda:0"}, "is not available on this machine"),
        ({"batch_size": "large"}, "'batch_size' parameter"),
        ({"modality_dropout": 1.5}, "'modality_dropout' parameter"),
    ],
    ids=str,
)
def test_bad_parameters(numbers, parameters, message):
    if "device" in parameters and torch.cuda.is_available():
        pytest.skip("the device is there")
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        MultimodalClassifier(**parameters).fit(*numbers)


def test_mismatched_lengths(table):
    X, y = table
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[96, 95\]"):
        MultimodalClassifier().fit(X, y[:-1])


@pytest.mark.parametrize("where", ["X", "X_val"])
def test_a_table_that_is_not_in_memory(table, where):
    X, y = table
    rows = {"X": X, "y": y, "X_val": X, "y_val": y}
    rows[where] = pl.from_pandas(X).lazy()
    with pytest.raises(TypeError, match=r"MultimodalClassifier needs data in memory.* Call its collect\(\) first"):
        MultimodalClassifier().fit(**rows)


def test_no_rows(table):
    X, y = table
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        MultimodalClassifier().fit(X[:0], y[:0])


def test_all_missing_column_named_by_the_user(table):
    X, y = table
    with pytest.raises(ValueError, match="photo"):
        MultimodalClassifier(image="photo").fit(X.assign(photo=None), y)


def test_not_fitted(table):
    with pytest.raises(NotFittedError, match="MultimodalClassifier instance is not fitted yet"):
        MultimodalClassifier().predict(table[0])


def test_user_instances_are_not_trained(table):
    X, y = table
    encoder, fusion = CNNEncoder(channels=(4,)), "gated"
    clf = MultimodalClassifier(
        image=ImageInput(transformer=ImageTransformer(size=16), encoder=encoder), fusion=fusion, max_epochs=1
    )
    before = str(clf.get_params())
    clf.fit(X, y)
    assert str(clf.get_params()) == before
    assert not list(encoder.parameters())


def test_own_schedule_and_optimizer(numbers):
    made = {}

    def optimizer(groups, lr):
        made["optimizer"] = torch.optim.RMSprop(groups, lr=lr)
        return made["optimizer"]

    progresses = []

    def schedule(progress):
        progresses.append(progress)
        return 1 - 0.5 * progress

    clf = MultimodalClassifier(optimizer=optimizer, lr_schedule=schedule, max_epochs=4, random_state=0).fit(*numbers)
    assert clf.net_.optimizer_ is made["optimizer"]
    assert progresses[0] == 0
    assert progresses[-1] == pytest.approx(1)
    assert progresses == sorted(progresses)


def test_learning_rate_and_decay_by_component(numbers):
    from sklearn_mm import TabularInput
    from sklearn_mm.encoders import MLPEncoder

    class Slow(MLPEncoder):
        def parameter_groups(self):
            return [{"params": self.parameters(), "lr_scale": 0.1, "weight_decay": 0.5}]

    clf = MultimodalClassifier(tabular=TabularInput(encoder=Slow()), lr=0.01, lr_schedule="constant", max_epochs=1)
    groups = clf.fit(*numbers).net_.optimizer_.param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.001, 0.01, 0.01])
    assert [group["weight_decay"] for group in groups] == [0.5, 0.01, 0.0]
    n_grouped = sum(parameter.numel() for group in groups for parameter in group["params"])
    assert n_grouped == sum(parameter.numel() for parameter in clf.net_.module_.parameters())


# missing blocks


def test_rows_may_lack_a_modality(table):
    X, y = table
    clf = MultimodalClassifier(image=SMALL_IMAGE, max_epochs=15, random_state=0).fit(X, y)
    lacking = X.copy().astype({"title": object})
    lacking.loc[0, "photo"] = None
    lacking.loc[1, "title"] = np.nan
    lacking.loc[2, ["photo", "title"]] = None
    probabilities = clf.predict_proba(lacking)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities[3:], clf.predict_proba(X)[3:], rtol=1e-3, atol=1e-5)
    assert not np.allclose(probabilities[0], clf.predict_proba(X)[0], atol=1e-3)
    clf.fit(lacking, y)
    assert clf.predict(lacking).shape == (96,)


def test_text_input_by_name_of_the_encoder(table):
    X, y = table
    clf = MultimodalClassifier(image=None, text=TextInput("title", encoder="gru"), max_epochs=2).fit(X, y)
    assert type(clf.net_.module_.encoders["title"]).__name__ == "RNNEncoder"
