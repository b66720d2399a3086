"""The shared property checks over estimators and transformers; encoders and fusions have theirs beside them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sklearn_mm import (
    AudioInput,
    ImageInput,
    MultimodalClassifier,
    MultimodalEmbedder,
    MultimodalGenerator,
    MultimodalRegressor,
    MultimodalRetriever,
    TextInput,
)
from sklearn_mm.encoders import AudioCNNEncoder, CNNEncoder
from sklearn_mm.preprocessing import AudioTransformer, ImageTransformer, TextTransformer
from sklearn_mm.testing._estimator_checks import yield_estimator_checks, yield_transformer_checks
from sklearn_mm.utils.estimator_checks import check_estimator, check_transformer

N_ROWS = 24


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    kind = np.arange(N_ROWS) % 3
    X = pd.DataFrame(
        {
            "photo": [rng.integers(60 * k, 60 * k + 60, size=(12, 12, 3), dtype=np.uint8) for k in kind],
            "title": [
                f"{word} {rng.choice(['one', 'two', 'three'])} thing" for word in np.array(["a", "b", "c"])[kind]
            ],
            "size": rng.normal(kind, 0.5),
            "colour": rng.choice(["red", "green"], size=N_ROWS),
        }
    )
    return X, kind, rng.normal(kind, 0.1)


@pytest.fixture(scope="module")
def calls():
    """Sounds of different pitch and length, beside numbers."""
    rng = np.random.default_rng(0)
    kind = np.arange(N_ROWS) % 3
    waves = [np.sin(np.arange(n) * (0.2 + 0.4 * k)) for n, k in zip(rng.integers(300, 900, N_ROWS), kind, strict=True)]
    cells = [(wave.astype(np.float32), 4000) for wave in waves]
    return pd.DataFrame({"call": pd.Series(cells, dtype=object), "size": rng.normal(size=N_ROWS)}), kind


AUDIO = AudioInput(transformer=AudioTransformer(rate=4000), encoder=AudioCNNEncoder(n_bands=8, channels=(4,), width=8))
SOUND_ESTIMATORS = {
    "default": MultimodalClassifier(audio=AUDIO, max_epochs=2),
    "log-mels, tokens, no linear part": MultimodalClassifier(
        audio=AudioInput(transformer=AudioTransformer(rate=4000, features="log_mel", n_bands=8), encoder="gru"),
        fusion="attention",
        wide=None,
        max_epochs=1,
    ),
}


@pytest.fixture(scope="module")
def lists(data):
    """The same with columns whose cells are lists, some of them single cells, and vectors."""
    X, kind, numbers = data
    partners = np.arange(N_ROWS) + 3  # of the same kind
    several = {
        name: [
            [X[name][row], X[name][partners[row] % N_ROWS]][: 1 + row % 2] if row % 4 else X[name][row]
            for row in range(N_ROWS)
        ]
        for name in ("photo", "title")
    }
    vectors = np.random.default_rng(1).normal(kind[:, None], 1, size=(N_ROWS, 4))
    return X.assign(**several, embedding=list(vectors)), kind, numbers


IMAGE = ImageInput(transformer=ImageTransformer(size=12), encoder=CNNEncoder(channels=(4,)))
ESTIMATORS = {
    "default": MultimodalClassifier(image=IMAGE, max_epochs=2),
    "lstm, late, no linear part": MultimodalClassifier(
        image=IMAGE, text=TextInput(encoder="lstm"), fusion="late", wide=None, max_epochs=2
    ),
    "modality dropout": MultimodalClassifier(image=IMAGE, modality_dropout=0.3, max_epochs=2),
    "regressor": MultimodalRegressor(image=IMAGE, max_epochs=2),
    "embedder": MultimodalEmbedder(image=IMAGE, max_epochs=2),
    "embedder, labels": MultimodalEmbedder(image=IMAGE, projection="mlp", loss="siglip", max_epochs=2),
    "generator": MultimodalGenerator(image=IMAGE, max_epochs=2, max_new_tokens=5),
    "retriever": MultimodalRetriever(MultimodalEmbedder(image=IMAGE, max_epochs=2)),
    "retriever, rescaled": MultimodalRetriever(MultimodalEmbedder(image=IMAGE, max_epochs=2), rescale="csls"),
}
# The functions themselves: each call for pairs makes a copy of the estimator for each check.
CHECKS_BY_NAME = {name: check.func for name, check in yield_estimator_checks(MultimodalClassifier(), None, None)}
ESTIMATOR_CHECKS = list(CHECKS_BY_NAME)
# Those that look at what a fitted estimator says, in whatever way it came to be fitted.
OF_FITTED = {
    "check_rows_are_independent",
    "check_one_output_per_row",
    "check_kinds_of_missing_cells_are_one",
    "check_order_in_lists_does_not_matter",
    "check_columns_are_found_by_name",
    "check_tables_of_polars",
    "check_threads",
}


@pytest.fixture(scope="module")
def pickles():
    """Estimators that were fitted, by the group of tests and their name in it."""
    return {}


@pytest.fixture
def run(pickles, monkeypatch, request):
    """Run a check by its name; those of fitted estimators share a fit."""

    def run(name, check, estimator, X, y):
        key, fit = (request.node.originalname, name), type(estimator).fit

        def fit_once(self, X, y=None):
            if key not in pickles:
                pickles[key] = pickle.dumps(fit(self, X, y))
            else:
                vars(self).update(vars(pickle.loads(pickles[key])))
            return self

        if check in OF_FITTED:
            monkeypatch.setattr(type(estimator), "fit", fit_once)
        CHECKS_BY_NAME[check](clone(estimator), X, y)

    return run


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name, check, data, run):
    X, labels, numbers = data
    estimator = ESTIMATORS[name]
    texts = np.array(["a cat", "two dogs", "ein Bär"], dtype=object)[labels]
    y = {"regressor": numbers, "embedder": None, "generator": texts, "retriever": None}.get(name, labels)
    run(name, check, estimator, X, y)


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
@pytest.mark.parametrize("name", SOUND_ESTIMATORS)
def test_estimators_of_sound(name, check, calls, run):
    run(name, check, SOUND_ESTIMATORS[name], *calls)


LIST_ESTIMATORS = {
    "default": MultimodalClassifier(image=IMAGE, text=TextInput("title"), max_epochs=2),
    "pooled": MultimodalRegressor(
        image=clone(IMAGE).set_params(pool="attention"),
        text=TextInput("title", encoder="lstm", pool="max"),
        max_epochs=2,
    ),
    "embedder": MultimodalEmbedder(image=IMAGE, text=TextInput("title"), max_epochs=2),
    "retriever": MultimodalRetriever(MultimodalEmbedder(image=IMAGE, text=TextInput("title"), max_epochs=2)),
}


@pytest.mark.parametrize("check", ESTIMATOR_CHECKS)
@pytest.mark.parametrize("name", LIST_ESTIMATORS)
def test_estimators_with_lists(name, check, lists, run):
    X, labels, numbers = lists
    run(name, check, LIST_ESTIMATORS[name], X, numbers if name == "pooled" else labels)


TRANSFORMERS = {
    "image": ImageTransformer(size=8, n_jobs=2),
    "grey image, dataset statistics": ImageTransformer(size=(6, 8), color="L", mean="dataset", std="dataset"),
    **{kind: TextTransformer(kind) for kind in ("word", "bpe", "byte_bpe", "wordpiece", "unigram", "char", "ngram")},
    "callable": TextTransformer(str.split, max_length=4),
}
TRANSFORMER_CHECKS = [name for name, _ in yield_transformer_checks(ImageTransformer(), None)]


@pytest.mark.parametrize("check", TRANSFORMER_CHECKS)
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers(name, check, data):
    column = data[0]["photo" if "image" in name else "title"]
    dict(yield_transformer_checks(TRANSFORMERS[name], column))[check]()


SOUND_TRANSFORMERS = {
    "waves": AudioTransformer(rate=4000),
    "padded": AudioTransformer(rate=4000, pad=True, n_jobs=2),
    "log-mels": AudioTransformer(rate=4000, features="log_mel", n_bands=5),
}


@pytest.mark.parametrize("check", TRANSFORMER_CHECKS)
@pytest.mark.parametrize("name", SOUND_TRANSFORMERS)
def test_transformers_of_sound(name, check, calls):
    dict(yield_transformer_checks(SOUND_TRANSFORMERS[name], calls[0]["call"]))[check]()


@pytest.mark.parametrize("check", TRANSFORMER_CHECKS)
@pytest.mark.parametrize("name", ["image", "grey image, dataset statistics", "word", "ngram", "callable"])
def test_transformers_of_lists(name, check, lists):
    column = lists[0]["photo" if "image" in name else "title"]
    dict(yield_transformer_checks(TRANSFORMERS[name], column))[check]()


class ChangesInTransform(TextTransformer):
    def read(self, X):
        self.n_seen_ = getattr(self, "n_seen_", 0) + len(X)
        return super().read(X)


class ForgetsRows(MultimodalClassifier):
    def predict(self, X):
        return super().predict(X)[X.notna().all(axis=1).to_numpy()]


class AnswersNothing(MultimodalRetriever):
    def kneighbors(self, X=None, *args, **more):
        return super().kneighbors(X.fillna({"title": "a"}), *args, **more)


@pytest.mark.parametrize("name", ["embedder", "retriever"])
def test_the_public_door_takes_estimators_without_labels(name, data):
    key = "max_epochs" if name == "embedder" else "embedder__max_epochs"
    check_estimator(clone(ESTIMATORS[name]).set_params(**{key: 1}), data[0][:12])


def test_what_breaks_a_promise_is_found(data):
    with pytest.raises(AssertionError):
        check_transformer(ChangesInTransform(), data[0]["title"])
    with pytest.raises(AssertionError, match="predict"):
        check_estimator(ForgetsRows(image=IMAGE, max_epochs=1), *data[:2])
    answers = AnswersNothing(MultimodalEmbedder(image=IMAGE, max_epochs=1))
    with pytest.raises(AssertionError, match="no error names row 1"):
        dict(yield_estimator_checks(answers, data[0], None))["check_one_output_per_row"]()
