"""A modality of one's own, whole: transformer, encoder and Input of signals, beside words.

It is used through ``inputs=`` and by a short parameter of an estimator of one's own.
"""

import pickle
import warnings
from numbers import Integral

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.encoders import Encoder, Features
from sklearn_mm.inputs import Input
from sklearn_mm.preprocessing import BlockSpec, BlockTransformer
from sklearn_mm.utils._validation import Interval
from sklearn_mm.utils.estimator_checks import check_encoder


class SignalTransformer(BlockTransformer):
    """Cut or pad each signal to the same number of samples."""

    def __init__(self, length=16):
        self.length = length

    def fit_read(self, X, y=None):
        self.spec_ = BlockSpec(kind="signal", shape=(self.length,))
        return self.read(X)

    def read(self, X):
        signals = list(X)
        samples = np.zeros((len(signals), *self.spec_.shape), dtype=np.float32)
        for row, signal in enumerate(signals):
            if signal is not None:
                samples[row, : len(signal)] = signal[: samples.shape[1]]
        return samples, np.array([signal is not None for signal in signals])


class SignalEncoder(Encoder):
    """One convolution, then the mean over time."""

    kind = "signal"
    _parameter_constraints = {"width": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, width=8):
        self.width = width

    def build(self, spec):
        self.convolution = nn.Conv1d(1, self.width, 3, padding=1)
        self.out_features = self.token_features = self.width
        return self

    def forward(self, x):
        tokens = self.convolution(x.unsqueeze(1)).relu().transpose(1, 2)  # (batch, length, width)
        return Features(tokens.mean(1), tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=x.device))


class SignalInput(Input):
    kind = "signal"
    detects = ("signal",)
    default_transformer = SignalTransformer
    default_encoder = SignalEncoder
    example_spec = BlockSpec(kind="signal", shape=(16,))

    def __init__(self, columns="auto", transformer="auto", encoder="auto", shared=False):
        self.columns = columns
        self.transformer = transformer
        self.encoder = encoder
        self.shared = shared

    def recognise(self, cells):
        n_signals = sum(isinstance(cell, np.ndarray) and cell.ndim == 1 and len(cell) >= 12 for cell in cells)
        return f"{n_signals} of {len(cells)} cells are signals" if 2 * n_signals > len(cells) else None

    def takes(self, cell):
        return isinstance(cell, np.ndarray)


class SignalClassifier(MultimodalClassifier):
    modalities = {**MultimodalClassifier.modalities, "signal": SignalInput}

    def __init__(
        self,
        image="auto",
        text="auto",
        tabular="auto",
        signal="auto",
        *,
        inputs=None,
        max_epochs=20,
        lr=0.01,
        warm_start=False,
        random_state=None,
    ):
        super().__init__(
            image,
            text,
            tabular,
            inputs=inputs,
            max_epochs=max_epochs,
            lr=lr,
            warm_start=warm_start,
            random_state=random_state,
        )
        self.signal = signal


class SignalReader(ModalityTransformer):
    modalities = SignalClassifier.modalities

    def __init__(self, image="auto", text="auto", tabular="auto", signal="auto", *, inputs=None, memory=None):
        super().__init__(image, text, tabular, inputs=inputs, memory=memory)
        self.signal = signal


@pytest.fixture
def patients():
    """Signals that wave or do not, and a word that says something about one half of the rows."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    lengths = rng.integers(12, 20, size=60)
    signals = [rng.normal(0, 0.1, size=n) + waves * np.sin(np.arange(n)) for n, waves in zip(lengths, y, strict=True)]
    signals[5] = None
    return pd.DataFrame({"signal": signals, "note": ["calm", "calm", "loud", None] * 15}), y


@pytest.fixture
def clf():
    signal = SignalInput("signal", transformer=SignalTransformer(), encoder=SignalEncoder())
    return MultimodalClassifier(
        inputs=[("signal", signal), ("note", TextInput("note", encoder="bag"))], max_epochs=20, lr=0.01, random_state=0
    )


def test_it_learns(patients, clf):
    X, y = patients
    clf.fit(X[:40], y[:40])
    assert clf.score(X[40:], y[40:]) == 1
    assert [spec.kind for spec in clf.specs_.values()] == ["signal", "text"]
    assert clf.specs_["signal"].columns == ("signal",)


def test_it_is_searched_and_pickled_like_any_other(patients, clf):
    X, y = patients
    grid = {"signal__transformer__length": [4, 12], "signal__encoder__width": [4, 8]}
    search = GridSearchCV(clf.set_params(max_epochs=2), grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_
    assert best.specs_["signal"].shape == (search.best_params_["signal__transformer__length"],)
    loaded = pickle.loads(pickle.dumps(best))
    np.testing.assert_array_equal(loaded.predict_proba(X), best.predict_proba(X))


def test_an_encoder_of_another_kind(patients, clf):
    with pytest.raises(ValueError, match="No encoder is registered for blocks of kind 'signal'"):
        clf.set_params(signal__encoder="cnn").fit(*patients)


def test_the_encoder_passes_the_shared_checks():
    check_encoder(SignalEncoder(), SignalInput.example_spec)


@pytest.fixture
def short():
    return SignalClassifier(text=TextInput("note", encoder="bag"), random_state=0)


def test_a_short_parameter_finds_its_columns(patients, short):
    X, y = patients
    short.fit(X[:40], y[:40])
    assert short.transformer_.column_kinds_ == {"signal": "signal"}
    assert short.transformer_.column_reasons_["signal"] == "39 of 39 cells are signals"
    assert [spec.kind for spec in short.specs_.values()] == ["text", "signal"]
    assert short.score(X[40:], y[40:]) == 1
    loaded = pickle.loads(pickle.dumps(short))
    np.testing.assert_array_equal(loaded.predict_proba(X), short.predict_proba(X))


def test_a_column_that_is_named_or_ignored(patients, short):
    X, y = patients
    X = X.assign(other=X["signal"])
    assert list(short.set_params(signal="other").fit(X, y).specs_) == ["note", "other"]
    assert list(short.set_params(signal=None).fit(X, y).specs_) == ["note"]
    assert short.transformer_.column_kinds_ == {"signal": "signal", "other": "signal"}


def test_without_the_input_the_rules_of_the_package_hold(patients):
    X, _ = patients
    lengths = X["signal"].map(len, na_action="ignore")
    X = X[lengths == 15]
    assert ModalityTransformer().fit(X).column_kinds_["signal"] == "vector"
    assert SignalReader().fit(X).column_kinds_["signal"] == "signal"
    assert ModalityTransformer(inputs=[("waves", SignalInput())]).fit(X).column_kinds_["signal"] == "signal"


def test_a_container_that_the_input_does_not_take(patients):
    X, _ = patients
    X.at[3, "signal"] = {"samples": X.at[3, "signal"]}
    with pytest.raises(TypeError, match=r"SignalReader cannot read column 'signal': .* not 'dict' \(row 3\)"):
        SignalReader().fit(X)


def test_the_short_parameter_is_searched_and_cloned(patients, short):
    X, y = patients
    signal = SignalInput(transformer=SignalTransformer(), encoder=SignalEncoder())
    grid = {"signal__transformer__length": [4, 12], "signal__encoder__width": [4, 8]}
    search = GridSearchCV(short.set_params(signal=signal, max_epochs=2), grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_
    assert best.specs_["signal"].shape == (search.best_params_["signal__transformer__length"],)
    assert best.net_.module_.encoders["signal"].width == search.best_params_["signal__encoder__width"]
    twin = clone(best)
    assert twin.signal is not best.signal
    assert str(twin.get_params()) == str(best.get_params())


@pytest.mark.parametrize(
    ("signal", "key", "way_out"),
    [
        ("auto", "signal__encoder__width", "signal=SignalInput(...)"),
        ("ecg", "signal__transformer__length", "signal=SignalInput('ecg')"),
        (SignalInput(), "signal__encoder__width", "SignalInput(encoder=SignalEncoder(...))"),
        (SignalInput(), "signal__transformer__length", "SignalInput(transformer=SignalTransformer(...))"),
    ],
)
def test_keys_that_are_not_there_name_the_way_out(signal, key, way_out):
    with pytest.raises(ValueError) as error:
        SignalClassifier(signal=signal).set_params(**{key: 1})
    assert way_out in str(error.value)


def test_errors_speak_of_the_short_parameter(patients, short):
    with pytest.raises(ValueError, match="`signal` of SignalClassifier takes Inputs of kind 'signal', got ImageInput"):
        clone(short).set_params(signal=ImageInput()).fit(*patients)
    with pytest.raises(ValueError, match=r"got both `inputs` and `signal`='ecg'.*\(name, SignalInput\(\.\.\.\)\)"):
        SignalClassifier(signal="ecg", inputs=[("note", TextInput("note"))]).fit(*patients)
    with pytest.raises(ValueError, match="'signal' parameter of SignalClassifier must be"):
        SignalClassifier(signal=2.5).fit(*patients)


def test_training_that_goes_on_knows_the_short_parameter(patients, short):
    short.set_params(warm_start=True, max_epochs=1).fit(*patients)
    with pytest.raises(ValueError, match=r"no longer act: signal \(was 'auto', is 'signal'\)"):
        short.set_params(signal="signal").fit(*patients)


def test_two_steps_are_as_one(patients, short):
    X, y = patients
    reader = SignalReader(text="note")
    blocks = reader.fit_transform(X)
    assert list(blocks) == ["note", "signal"]
    short.set_params(max_epochs=2)
    one = clone(short).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clone(short).fit(blocks, y).predict_proba(blocks), one)
    two = make_pipeline(reader, clone(short)).fit(X, y)
    np.testing.assert_array_equal(two.predict_proba(X), one)
    assert list(clone(short).set_params(signal=None).fit(blocks, y).specs_) == ["note"]
    longer = SignalInput(transformer=SignalTransformer(99))
    with pytest.raises(
        ValueError, match=r"The transformer of `signal` cannot act.*signal=SignalInput\(transformer="
    ) as error:
        clone(short).set_params(signal=longer).fit(blocks, y)
    assert "ModalityTransformer(inputs=[('signal', SignalInput(transformer=...)), ...]), or signal=" in str(error.value)
    wider = SignalInput(encoder=SignalEncoder(3))
    assert clone(short).set_params(signal=wider).fit(blocks, y).net_.module_.encoders["signal"].width == 3


class LongSignalEncoder(SignalEncoder):
    reading = {"length": 20}


def test_the_way_out_of_blocks_that_were_read_otherwise_leads_out(patients, short):
    X, y = patients
    estimator = clone(short).set_params(signal=SignalInput(encoder=LongSignalEncoder()))
    blocks = SignalReader(text="note").fit_transform(X)
    with pytest.raises(ValueError, match=r"it reads length=20, .* with length=16, the default\.") as error:
        estimator.fit(blocks, y)
    way_out = "ModalityTransformer(inputs=[('signal', SignalInput(encoder=LongSignalEncoder())), ...])"
    assert way_out in str(error.value)
    signal = SignalInput("signal", encoder=LongSignalEncoder())
    reader = ModalityTransformer(inputs=[("signal", signal), ("note", TextInput("note"))])
    assert estimator.fit(reader.fit_transform(X), y).specs_["signal"].shape == (20,)


class LacksItsParameter(MultimodalClassifier):
    modalities = {**MultimodalClassifier.modalities, "signal": SignalInput}


def test_a_modality_without_its_parameter(patients):
    with pytest.raises(TypeError, match=r"LacksItsParameter has no parameter 'signal', .*signal: object = parameter\("):
        LacksItsParameter().fit(*patients)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            [("s", SignalInput)],
            r"got the class SignalInput for 's'\. Write an instance: \('s', SignalInput\(\.\.\.\)\)",
        ),
        ([SignalInput("signal")], r"got SignalInput\(columns='signal'\) among them"),
        ([("s", SignalEncoder())], r"got SignalEncoder\(\) for 's'\. Write for example"),
    ],
    ids=["class", "no pair", "no Input"],
)
@pytest.mark.parametrize("estimator", [MultimodalClassifier, ModalityTransformer])
def test_what_inputs_cannot_be(patients, estimator, inputs, message):
    with pytest.raises(TypeError, match=rf"`inputs` of {estimator.__name__} must be pairs \(name, Input\), {message}"):
        estimator(inputs=inputs).fit(*patients)


def test_an_input_says_what_ignored_columns_may_be_its_own(patients):
    class FileInput(SignalInput):
        warns_of = ("files",)

    X = patients[0].assign(file=[bytes([row]) for row in range(60)])
    parameters = {"image": None, "text": None, "tabular": None}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SignalReader(**parameters).fit(X)
    with pytest.warns(UserWarning, match=r"SignalReader ignores 1 of the 3 columns of X: 'file'"):
        SignalReader(**parameters, signal=FileInput()).fit(X)
