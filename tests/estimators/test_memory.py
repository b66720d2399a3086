"""Estimators with ``memory``: each picture is decoded once, and nothing else changes."""

import os
import pickle
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import joblib
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

import sklearn_mm
from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.networks import WideLinear
from sklearn_mm.preprocessing import Blocks, BlockStore, ImageTransformer, StoredRows

ROOT = Path(sklearn_mm.__file__).parents[1]
ENCODER = CNNEncoder(channels=(4,))
OF_DATASET = ImageTransformer(16, mean="dataset", std="dataset")


@pytest.fixture
def memory(tmp_path):
    return str(tmp_path / "store")


@pytest.fixture
def decoded(monkeypatch):
    """The files that Pillow decodes."""
    names, load_end = [], PngImageFile.load_end

    def note(image):
        names.append(image.filename)
        return load_end(image)

    monkeypatch.setattr(PngImageFile, "load_end", note)
    return names


def classifier(**params):
    image = ImageInput("photo", transformer=ImageTransformer(16), encoder=ENCODER)
    defaults = {"image": image, "wide": WideLinear(n_folds=2), "max_epochs": 2, "random_state": 0}
    return MultimodalClassifier(**{**defaults, **params})


def assert_same_fit(first, second, X):
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    losses = [[(row["train_loss"], row.get("valid_loss")) for row in clf.history_] for clf in (first, second)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"early_stopping": True, "scoring": "accuracy"},
        {"image": ImageInput("photo", transformer=ImageTransformer(16), encoder=ENCODER, shared=True)},
        {"image": ImageInput("photo", transformer=OF_DATASET, encoder=ENCODER, pool="max")},
        {"batch_size": 8, "gradient_accumulation_steps": 3},
        {"modality_dropout": 0.3},
    ],
    ids=str,
)
def test_the_same_bits(table, memory, params):
    X, y = table
    X = X.assign(photo=X["photo"].where(np.arange(96) % 7 != 3))  # some are missing
    plain = classifier(**params).fit(X, y)
    for store in (memory, BlockStore(memory, max_bytes=10**9)):  # written, and found by the other
        assert_same_fit(plain, classifier(memory=store, **params).fit(X, y), X)


def test_lists_of_pictures(table, memory):
    X, y = table
    photos = X["photo"].tolist()
    X = X.assign(photo=[[photos[row - n] for n in range(row % 4)] for row in range(96)])
    assert_same_fit(classifier().fit(X, y), classifier(memory=memory).fit(X, y), X)


def test_validation_rows(table, memory, decoded):
    X, y = table
    split = X[:70], y[:70], None
    validation = {"X_val": X[70:], "y_val": y[70:]}
    plain = classifier(n_iter_no_change=1).fit(*split, **validation)
    decoded.clear()
    stored = classifier(n_iter_no_change=1, memory=memory).fit(*split, **validation)
    assert len(decoded) == len({*decoded}) == 8
    assert_same_fit(plain, stored, X)


def test_regressor(table, numeric_target, memory):
    X, _ = table
    image = ImageInput("photo", transformer=ImageTransformer(16), encoder=ENCODER)
    fits = [
        MultimodalRegressor(image=image, max_epochs=1, random_state=0, memory=where).fit(X, numeric_target)
        for where in (None, memory)
    ]
    np.testing.assert_array_equal(fits[0].predict(X), fits[1].predict(X))


def test_without_memory_each_picture_is_decoded_once_per_fit(table, decoded):
    X, y = table
    X, y = X.drop_duplicates("photo"), y[X.drop_duplicates("photo").index]
    classifier(max_epochs=5, early_stopping=True, scoring="accuracy").fit(X, y)
    assert sorted(decoded) == sorted(X["photo"])


def test_a_search_decodes_each_picture_once_and_the_next_none(table, memory, decoded):
    X, y = table
    grid = [{"fusion": ["sum"]}, {"image__encoder": [CNNEncoder(channels=(4, 4))]}]
    cold = GridSearchCV(classifier(memory=memory, max_epochs=1), grid, cv=2).fit(X, y)
    assert sorted(decoded) == sorted(set(X["photo"]))
    warm = GridSearchCV(classifier(memory=joblib.Memory(memory, verbose=0), max_epochs=1), grid, cv=3)
    assert len(decoded) == 8
    clone(cold).fit(X[::-1], y[::-1])
    cold.predict(X)
    assert len(decoded) == 8
    warm.fit(X, y)  # joblib's folder is below the other
    assert len(decoded) == 16


SEARCH = """
import os, sys
import numpy as np, pandas as pd
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.preprocessing import ImageTransformer

folder, memory = sys.argv[1:3]
X = pd.DataFrame({"photo": [os.path.join(folder, f"{row}.png") for row in range(40)]})
image = ImageInput("photo", transformer=ImageTransformer(16), encoder="cnn")
clf = MultimodalClassifier(image=image, max_epochs=1, random_state=0, memory=memory)
search = GridSearchCV(clf, {"fusion": ["concat", "sum"]}, cv=2)
for n_jobs in sys.argv[3:]:
    fitted = clone(search).set_params(n_jobs=int(n_jobs)).fit(X, np.arange(40) % 2)
    print(repr(fitted.predict_proba(X).sum(axis=0).tolist()))
    with open(os.environ["NOTES"], "a") as file:
        print("over", file=file)
"""

# Found by every process of the search when it starts: notes which process decodes what.
NOTE = """
import os
from PIL.PngImagePlugin import PngImageFile

load_end = PngImageFile.load_end

def note(image):
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{os.getpid()} {image.filename}\\n")
    return load_end(image)

PngImageFile.load_end = note
"""


@pytest.mark.slow
def test_a_parallel_search_decodes_at_most_once_per_worker_when_cold_and_never_when_warm(
    tmp_path, memory, decoded, monkeypatch, capsys
):
    photos = tmp_path / "photos"
    for path in (photos, tmp_path / "hook"):
        path.mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(NOTE)
    for row in range(40):
        pixels = np.random.default_rng(row).integers(256, size=(20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{row}.png")
    notes = tmp_path / "notes"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "hook"), str(ROOT)]),
        "NOTES": str(notes),
    }
    command = [sys.executable, "-c", SEARCH, photos, memory, "2", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    cold, warm, end = notes.read_text().split("over\n")
    assert warm == end == ""
    predictions, again = done.stdout.splitlines()
    assert again == predictions
    cold = [line.split(" ", 1) for line in cold.splitlines()]
    assert {path for _, path in cold} == {str(path) for path in photos.iterdir()}
    assert len({tuple(note) for note in cold}) == len(cold), "at most once per process"
    assert len(cold) <= 2 * 40, "the last fit finds what the workers decoded"
    monkeypatch.setattr(sys, "argv", ["", str(photos), memory, "1"])  # in a process that has read nothing of it
    monkeypatch.setenv("NOTES", str(notes))
    exec(SEARCH, {})
    assert decoded == []
    assert capsys.readouterr().out.splitlines() == [predictions]


def test_two_steps(table, memory, decoded):
    X, y = table
    image = ImageInput("photo", transformer=ImageTransformer(16), encoder="cnn")
    blocks = ModalityTransformer(image=image, memory=memory).fit_transform(X)
    assert isinstance(blocks["photo"], StoredRows)
    plain = make_pipeline(ModalityTransformer(image=image), MultimodalClassifier(max_epochs=2, random_state=0)).fit(
        X, y
    )
    decoded.clear()
    stored = clone(plain).set_params(modalitytransformer__memory=memory).fit(X, y)
    assert_same_fit(plain[-1], stored[-1], plain[0].transform(X))
    assert_same_fit(plain[-1], stored[-1], stored[0].transform(X))
    stored.predict(X)
    decoded.clear()
    search = GridSearchCV(MultimodalClassifier(max_epochs=1, random_state=0), {"fusion": ["concat", "sum"]}, cv=2)
    search.fit(blocks, y)
    assert decoded == []


@pytest.mark.slow
def test_blocks_go_to_workers_as_views(table, memory):
    X, y = table
    image = ImageInput("photo", transformer=ImageTransformer(16), encoder=ENCODER)
    blocks = ModalityTransformer(image=image, memory=memory).fit_transform(X)
    assert len(pickle.dumps(blocks["photo"])) < 5000 < np.asarray(blocks["photo"]).nbytes
    fits = [
        cross_validate(MultimodalClassifier(max_epochs=1, random_state=0), blocks, y, cv=2, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_allclose(fits[0]["test_score"], fits[1]["test_score"])


def test_blocks_are_split_copied_and_pickled(table, memory):
    X, _ = table
    blocks = ModalityTransformer(memory=memory).fit_transform(X)
    plain = ModalityTransformer().fit_transform(X)
    np.testing.assert_array_equal(blocks.content_keys, plain.content_keys)
    for copied in (deepcopy(blocks), blocks.copy(), pickle.loads(pickle.dumps(blocks)), blocks[:]):
        assert isinstance(copied, Blocks)
        rows = np.array([5, 0, 90])
        np.testing.assert_array_equal(copied[rows]["photo"], plain[rows]["photo"])


def test_blocks_outlive_the_store_only_where_they_were_read(table, memory):
    X, y = table
    blocks = ModalityTransformer(memory=memory).fit_transform(X)
    pickled = pickle.dumps(blocks)
    del blocks
    BlockStore(memory).clear()
    with pytest.raises(FileNotFoundError, match="no longer there"):
        MultimodalClassifier(max_epochs=1).fit(pickle.loads(pickled), y)


def test_the_folder_is_removed_between_calls(table, memory, decoded):
    X, y = table
    clf = classifier(memory=memory).fit(X, y)
    before = clf.predict_proba(X)
    decoded.clear()
    BlockStore(memory).clear()
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert len(decoded) == 8


def test_memory_may_be_set_after_fit_and_does_not_travel_otherwise(table, memory, decoded, tmp_path):
    X, y = table
    clf = classifier(memory=memory).fit(X, y)
    before = clf.predict_proba(X)
    assert clf.transformer_.transformers_["photo"].memory is None
    decoded.clear()
    for where, n_decoded in ((None, 96), (memory, 0), (str(tmp_path / "other"), 8)):
        np.testing.assert_array_equal(clf.set_params(memory=where).predict_proba(X), before)
        assert len(decoded) == n_decoded
        decoded.clear()


def test_a_transformers_own_memory_goes_before(table, memory, tmp_path):
    X, y = table
    image = ImageInput("photo", transformer=ImageTransformer(16, memory=memory))
    clf = MultimodalClassifier(image=image, memory=str(tmp_path / "other"), max_epochs=1).fit(X, y)
    clf.predict(X)
    assert BlockStore(memory).n_bytes > 0
    assert BlockStore(tmp_path / "other").n_bytes == 0
    assert clf.transformer_.transformers_["photo"].memory == memory


def test_nested_parameters(memory):
    clf = MultimodalClassifier(memory=BlockStore(memory, max_bytes=10))
    assert clone(clf).set_params(memory__max_bytes=20).get_params()["memory__max_bytes"] == 20
    with pytest.raises(ValueError, match="memory='here' has no parameters"):
        MultimodalClassifier(memory="here").set_params(memory__max_bytes=20)
    with pytest.raises(ValueError, match="The 'memory' parameter of MultimodalClassifier must be"):
        MultimodalClassifier(memory=3).fit(np.zeros((4, 2)), [0, 1, 0, 1])


class SeesBatches(Callback):
    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        self.kinds_ = {type(batch[0]["blocks"]["photo"]).__name__}


def test_callbacks_see_batches_of_tensors(table, memory):
    X, y = table
    clf = classifier(memory=memory, skorch_callbacks=[("sees", SeesBatches())]).fit(X, y)
    assert dict(clf.net_.callbacks_)["sees"].kinds_ == {"Tensor"}


def test_partial_fit_and_warm_start(table, memory):
    X, y = table
    fits = []
    for where in (None, memory):
        clf = classifier(memory=where).partial_fit(X[:50], y[:50], classes=np.unique(y)).partial_fit(X[50:], y[50:])
        fits.append((clf, classifier(memory=where, warm_start=True).fit(X, y).fit(X, y)))
    for first, second in zip(*fits, strict=True):
        np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
