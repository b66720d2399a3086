"""Zero-shot: held to what transformers computes from the same weights, and to what scikit-learn's tools expect."""

import copy
import pickle
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.utils.estimator_checks import (
    check_estimator_repr,
    check_estimator_tags_renamed,
    check_get_params_invariance,
    check_mixin_order,
    check_no_attributes_set_in_init,
    check_set_params,
    check_valid_tag_types,
)

from sklearn_mm import (
    ImageInput,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    TabularInput,
    TextInput,
    ZeroShotClassifier,
)
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.testing._estimator_checks import yield_estimator_checks
from sklearn_mm.training._frozen import _FrozenBlock

transformers = pytest.importorskip("transformers")

LABELS = ["red apples", "a quiet cat", "white snow", "the old dog"]
DUAL = ["clip", "siglip"]
N_ROWS = 12


@pytest.fixture(scope="module")
def folder(tiny_model, tmp_path_factory):
    """Return the folder of a tiny dual encoder whose scale and bias are as trained ones are."""
    made = {}

    def folder_of(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("dual") / name
            shutil.copytree(tiny_model(name), made[name])
            model = transformers.AutoModel.from_pretrained(made[name], local_files_only=True)
            with torch.no_grad():
                model.logit_scale.fill_(2.5)
                if name == "siglip":
                    model.logit_bias.fill_(-8.0)
            model.save_pretrained(made[name])
        return made[name]

    return folder_of


@pytest.fixture(scope="module")
def rows():
    """Pictures of the size of the models, so that nothing is scaled, and texts."""
    rng = np.random.default_rng(0)
    words = ["cat", "dog", "snow", "apples", "red", "quiet", "old", "white", "birds", "roof"]
    return pd.DataFrame(
        {
            "photo": list(rng.integers(0, 256, (N_ROWS, 32, 32, 3)).astype(np.uint8)),
            "title": [" ".join(rng.choice(words, 2 + row % 4)) for row in range(N_ROWS)],
        }
    )


@pytest.fixture(scope="module")
def y():
    return np.array(LABELS)[np.arange(N_ROWS) % 4]


def reference(folder, texts, pictures=None):
    """Return what transformers makes of texts and pictures."""
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    is_siglip = model.config.model_type == "siglip"
    padding = "max_length" if is_siglip else True
    ids = tokenizer(texts, return_tensors="pt", padding=padding, truncation=True, max_length=24)
    arguments = {"input_ids": ids["input_ids"]} | ({} if is_siglip else {"attention_mask": ids["attention_mask"]})
    with torch.no_grad():
        if pictures is None:
            return model.get_text_features(**arguments).pooler_output.numpy()
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        return model(**processor(list(pictures), return_tensors="pt"), **arguments)


def directions(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", DUAL)
def test_logits_and_probabilities_are_those_of_transformers(name, folder, rows, tmp_path):
    texts = [f"a photo of a {label}." for label in sorted(LABELS)]
    expected = reference(folder(name), texts, rows["photo"])
    logits = expected.logits_per_image.numpy()
    probabilities = expected.logits_per_image.softmax(1).numpy()
    clf = ZeroShotClassifier(folder(name), LABELS, image="photo", text=None).fit(rows)
    assert clf.classes_.tolist() == sorted(LABELS)
    assert clf.transform(rows).dtype == np.float32
    assert_close(clf.label_vectors_, expected.text_embeds)
    assert_close(clf.transform(rows), logits)
    assert_close(clf.decision_function(rows), logits)
    assert_close(clf.predict_proba(rows), probabilities)
    np.testing.assert_allclose(clf.predict_proba(rows).sum(1), 1)
    assert clf.predict(rows).tolist() == clf.classes_[logits.argmax(1)].tolist()
    assert_close(np.concatenate([clf.transform(rows[row : row + 1]) for row in range(3)]), logits[:3])
    assert_close(clf.set_params(batch_size=5).transform(rows), logits)
    assert_close(clone(clf).fit_transform(rows), logits)
    assert_close(clone(clf).set_params(labels=None).fit(y=LABELS).predict_proba(rows), probabilities)
    two_steps = make_pipeline(ModalityTransformer(image=ImageInput("photo", encoder=PretrainedEncoder(folder(name)))))
    two_steps.steps.append(("zero_shot", clone(clf)))
    assert_close(two_steps.fit(rows).transform(rows), logits)
    for fitted in (clf, two_steps):
        assert_close(pickle.loads(pickle.dumps(fitted)).predict_proba(rows), probabilities)
        assert_close(copy.deepcopy(fitted).predict_proba(rows), probabilities)
    joblib.dump(clf, tmp_path / "clf.joblib")
    assert_close(joblib.load(tmp_path / "clf.joblib").transform(rows), logits)


@pytest.mark.parametrize("name", DUAL)
def test_bias_and_scale_are_the_models(name, folder):
    clf = ZeroShotClassifier(folder(name), LABELS).fit()
    assert clf.logit_scale_ == pytest.approx(np.exp(2.5))
    assert clf.logit_bias_ == (-8.0 if name == "siglip" else 0.0)


@pytest.mark.parametrize("trainable", ["none", "last", "lora"])
@pytest.mark.parametrize("name", DUAL)
def test_features_of_a_classifier_are_those_of_transformers_before_training(name, trainable, folder, rows, y):
    if trainable == "lora":
        pytest.importorskip("peft")
    encoder = PretrainedEncoder(folder(name), trainable=trainable, n_layers=1, lr=1e-30)
    clf = MultimodalClassifier(
        image=ImageInput("photo", encoder=encoder, augment=None),
        text=TextInput("title", encoder=encoder),
        wide=None,
        max_epochs=1,
        lr=1e-30,
        weight_decay=0.0,
        random_state=0,
    )
    expected = reference(folder(name), rows["title"].tolist(), rows["photo"])
    for blocks in (rows, ModalityTransformer(image=clf.image, text=clf.text).fit_transform(rows)):
        clf.fit(blocks, y)
        for fitted in (clf, pickle.loads(pickle.dumps(clf))):
            features = fitted.encode(blocks)
            assert_close(directions(features["photo"]), expected.image_embeds)
            assert_close(directions(features["title"]), expected.text_embeds)


def test_templates_are_averaged_as_open_clip_does(folder, rows):
    templates = ["{}", "a small {}", str.title]
    clf = ZeroShotClassifier(folder("clip"), LABELS, templates, image="photo", text=None).fit(rows)
    for label, vector in zip(clf.classes_, clf.label_vectors_, strict=True):
        texts = [label, f"a small {label}", label.title()]
        assert_close(vector, directions(directions(reference(folder("clip"), texts)).mean(0, keepdims=True))[0])


def test_a_class_may_have_several_names(folder):
    clf = ZeroShotClassifier(folder("clip"), {7: ["red apples", "green"], 3: "white snow"}, "{}").fit()
    expected = directions(reference(folder("clip"), ["white snow", "red apples", "green"]))
    assert clf.classes_.tolist() == [3, 7]
    assert_close(clf.label_vectors_, directions(np.stack([expected[0], expected[1:].mean(0)])))


def test_pictures_and_texts_of_a_row_are_averaged_over_what_it_has(folder, rows):
    X = rows.astype(object)
    X.loc[0, "photo"], X.loc[1, "title"] = None, None
    X.loc[2] = None
    clf = ZeroShotClassifier(folder("clip"), LABELS).fit(rows)
    texts = [f"a photo of a {label}." for label in sorted(LABELS)]
    expected = reference(folder("clip"), texts, rows["photo"])
    from_pictures = (expected.image_embeds @ expected.text_embeds.T).numpy()
    from_texts = directions(reference(folder("clip"), rows["title"].tolist())) @ expected.text_embeds.numpy().T
    cosines = (from_pictures + from_texts) / 2
    cosines[0], cosines[1], cosines[2] = from_texts[0], from_pictures[1], 0
    assert_close(clf.transform(X), np.exp(2.5) * cosines)
    np.testing.assert_allclose(clf.predict_proba(X)[2], 0.25)
    assert clf.predict(X)[2] == clf.classes_[0]


def test_a_row_without_anything_is_uniform_with_a_bias_too(folder, rows):
    X = rows[["photo"]].astype(object)
    X.loc[0] = None
    clf = ZeroShotClassifier(folder("siglip"), LABELS, image="photo", text=None).fit(rows)
    np.testing.assert_allclose(clf.predict_proba(X)[0], 0.25)


@pytest.mark.parametrize("name", DUAL)
def test_a_number_as_temperature_divides_the_cosine(name, folder, rows):
    clf = ZeroShotClassifier(folder(name), LABELS, image="photo", text=None, temperature=0.1).fit(rows)
    logits = clf.transform(rows)
    assert np.abs(logits).max() <= 10
    assert_close(clf.set_params(temperature=0.2).transform(rows), logits / 2)
    scaled = np.exp(2.5) * logits * 0.1 + clf.logit_bias_
    assert_close(clf.set_params(temperature="auto").transform(rows), scaled)


def test_half_precision_is_near_and_kept_apart(folder, rows, tmp_path):
    clf = ZeroShotClassifier(folder("clip"), LABELS, memory=tmp_path).fit(rows)
    logits = clf.transform(rows)
    rough = clf.set_params(precision="bfloat16").transform(rows)
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - logits).max() < 0.5
    np.testing.assert_array_equal(clf.set_params(precision="float32").transform(rows), logits)


def test_what_is_printed_is_about_the_rows(tiny_model, rows, capsys):
    ZeroShotClassifier(tiny_model("clip"), LABELS, verbose=1).fit(rows)
    printed = capsys.readouterr().out
    assert "reads 2 of 2 columns" in printed
    assert "label" not in printed


def test_lists_of_pictures_and_long_texts_are_averaged(folder, rows):
    X = pd.DataFrame({"photos": [[*rows["photo"][:2]], rows["photo"][2], []]})
    clf = ZeroShotClassifier(folder("clip"), LABELS, image="photos", text=None).fit(X)
    single = ZeroShotClassifier(folder("clip"), LABELS, image="photo", text=None).fit(rows)
    pooled = single.network_.encoders.encoders[0]
    tensors = pooled.prepare(torch.from_numpy(np.stack(rows["photo"][:2])))
    mean = pooled(tensors).pooled.mean(0, keepdim=True).numpy()
    logits = clf.transform(X)
    assert_close(logits[0], np.exp(2.5) * (directions(mean) @ clf.label_vectors_.T)[0])
    assert_close(logits[1], single.transform(rows[2:3])[0])
    assert_close(logits[2], 0)
    long = pd.DataFrame({"title": ["white snow falls at night " * 20, "a cat"]})
    encoder = PretrainedEncoder(folder("clip"), long_texts="chunk")
    chunked = ZeroShotClassifier(encoder, LABELS, image=None, text="title").fit(long).transform(long)
    with pytest.warns(UserWarning, match="cut"):
        cut = ZeroShotClassifier(folder("clip"), LABELS, image=None, text="title").fit(long).transform(long)
    assert_close(chunked[1], cut[1])
    assert np.abs(chunked[0] - cut[0]).max() > 1e-3


def test_texts_alone_have_other_defaults(tiny_model, rows, y):
    clf = ZeroShotClassifier(tiny_model("sentence_bert"), text="title").fit(rows, y)
    model = pytest.importorskip("sentence_transformers").SentenceTransformer(
        str(tiny_model("sentence_bert")), local_files_only=True
    )
    expected = model.encode(rows["title"].tolist()) @ model.encode(sorted(LABELS)).T
    assert_close(clf.transform(rows), expected / 0.05)
    assert list(clf.specs_) == ["title"]
    photo = ZeroShotClassifier(tiny_model("clip"), LABELS, image=None, text="title").fit(rows)
    assert_close(photo.label_vectors_, directions(reference(tiny_model("clip"), sorted(LABELS))))


def test_an_encoder_of_ones_own_settings(tiny_model, rows):
    encoder = PretrainedEncoder(tiny_model("bert"), pooling="first")
    first = ZeroShotClassifier(encoder, LABELS, text="title").fit(rows)
    mean = ZeroShotClassifier(tiny_model("bert"), LABELS, text="title").fit(rows)
    assert np.abs(first.transform(rows) - mean.transform(rows)).max() > 0.1
    assert clone(first).model.model == encoder.model


def test_two_classes(folder, rows):
    clf = ZeroShotClassifier(folder("clip"), LABELS[:2], image="photo", text=None).fit(rows)
    logits, scores = clf.transform(rows), clf.decision_function(rows)
    assert logits.shape == (N_ROWS, 2)
    assert_close(scores, logits[:, 1] - logits[:, 0])
    assert_close(1 / (1 + np.exp(-scores)), clf.predict_proba(rows)[:, 1])
    assert clf.predict(rows).tolist() == clf.classes_[(scores > 0).astype(int)].tolist()


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("vit", {}, r"needs a model that reads texts.*Give a dual encoder"),
        ("whisper", {}, r"needs a model that reads texts"),
        ("bert", {"image": "photo"}, r"got image='photo', and its model reads no blocks of kind 'image'"),
        ("clip", {"image": ImageInput("photo", encoder="cnn")}, r"encodes with its `model`.*Leave `encoder`"),
        ("clip", {"image": ImageInput("photo", pool="attention")}, r"encodes with its `model`, and trains nothing"),
        ("clip", {"text": ImageInput("photo")}, r"`text` of ZeroShotClassifier takes Inputs of kind 'text'"),
        ("clip", {"temperature": 0}, r"'temperature' parameter of ZeroShotClassifier must be"),
        ("clip", {"prompt_templates": "a photo"}, r"has no place for the label"),
        ("clip", {"labels": ["cat", ""]}, r"cannot encode the label '': its text is empty"),
        ("clip", {"image": None, "text": None}, r"found no column to read"),
    ],
    ids=str,
)
def test_what_cannot_be_says_why(name, parameters, message, tiny_model, rows):
    with pytest.raises(ValueError, match=message):
        ZeroShotClassifier(tiny_model(name), **{"labels": LABELS, **parameters}).fit(rows)


def test_models_that_are_to_be_trained_or_leave_the_space(tiny_model, rows):
    with pytest.raises(ValueError, match=r"trains nothing, and something of its model would be trained"):
        ZeroShotClassifier(PretrainedEncoder(tiny_model("clip"), trainable="last"), LABELS).fit(rows)
    with pytest.raises(ValueError, match=r"in one space in the model's own vectors alone"):
        ZeroShotClassifier(PretrainedEncoder(tiny_model("clip"), pooling="mean"), LABELS).fit(rows)
    with pytest.raises(ValueError, match=r"cannot tell how Linear reads texts"):
        ZeroShotClassifier(torch.nn.Linear(2, 2), LABELS).fit(rows)


def test_rows_and_labels_must_be_as_many(tiny_model, rows):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ZeroShotClassifier(tiny_model("clip")).fit(rows, LABELS)


def test_it_is_not_fitted_before_fit_and_a_fit_that_fails_changes_nothing(tiny_model, rows):
    clf = ZeroShotClassifier(tiny_model("clip"), LABELS)
    with pytest.raises(Exception, match="not fitted"):
        clf.predict(rows)
    before = clf.fit(rows).transform(rows)
    with pytest.raises(ValueError, match="no place"):
        clf.set_params(prompt_templates="photo").fit(rows)
    np.testing.assert_array_equal(clf.transform(rows), before)


def test_blocks_without_pictures_and_texts(tiny_model):
    blocks = ModalityTransformer().fit_transform(pd.DataFrame({"size": np.arange(9.0)}))
    with pytest.raises(ValueError, match="without pictures or texts that it reads"):
        ZeroShotClassifier(tiny_model("clip"), LABELS).fit(blocks)


def test_other_columns_are_not_looked_at(folder, rows, y):
    X = rows.assign(size=np.arange(N_ROWS), colour=["red", "blue"] * 6)
    clf = ZeroShotClassifier(folder("clip"), LABELS).fit(rows)
    other = ZeroShotClassifier(folder("clip"), LABELS).fit(X)
    assert list(other.specs_) == ["photo", "title"]
    assert other.n_features_in_ == 4
    assert other.feature_names_in_.tolist() == list(X.columns)
    np.testing.assert_array_equal(other.transform(X), clf.transform(rows))
    encoder = PretrainedEncoder(folder("clip"))
    reader = ModalityTransformer(
        image=ImageInput(encoder=encoder), text=TextInput("title", encoder=encoder), tabular=["size", "colour"]
    )
    pipeline = make_pipeline(reader, ZeroShotClassifier(folder("clip"))).fit(X, y)
    assert list(pipeline[-1].specs_) == ["photo", "title"]
    assert_close(pipeline.transform(X), clf.transform(rows))
    assert not hasattr(pipeline[-1], "n_features_in_")


def test_blocks_that_were_read_for_another_encoder(folder, rows, y):
    blocks = ModalityTransformer(image="photo", text=None).fit_transform(rows)
    with pytest.raises(ValueError, match=r"cannot use PretrainedEncoder for block 'photo'"):
        ZeroShotClassifier(folder("clip"), LABELS).fit(blocks)


def test_the_pickle_has_the_weights_once_and_needs_no_folder(folder, rows, tmp_path):
    moved = tmp_path / "clip"
    shutil.copytree(folder("clip"), moved)
    clf = ZeroShotClassifier(moved, LABELS).fit(rows)
    expected = clf.transform(rows)
    network = clf.network_
    dumped = pickle.dumps(clf)
    assert clf.network_ is network
    n_bytes = sum(
        tensor.numel() * tensor.element_size()
        for tensor in transformers.AutoModel.from_pretrained(folder("clip"), local_files_only=True)
        .state_dict()
        .values()
    )
    assert len(dumped) < 1.5 * n_bytes + 200_000
    shutil.rmtree(moved)
    np.testing.assert_array_equal(pickle.loads(dumped).transform(rows), expected)


def test_memory_encodes_each_picture_and_text_once(folder, rows, tmp_path, monkeypatch):
    encoded, compute = [], _FrozenBlock._compute

    def noted(block, places, dtype):
        encoded.extend(places)
        return compute(block, places, dtype)

    monkeypatch.setattr(_FrozenBlock, "_compute", noted)
    clf = ZeroShotClassifier(folder("clip"), LABELS, memory=tmp_path / "memory").fit(rows)
    assert len(encoded) == len(LABELS)
    expected = clf.transform(rows)
    assert len(encoded) == len(LABELS) + len(rows) + rows["title"].nunique()
    encoded.clear()
    np.testing.assert_array_equal(clf.transform(rows[::-1])[::-1], expected)
    np.testing.assert_array_equal(clone(clf).fit(rows[:4]).transform(rows), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).transform(rows), expected)
    image = ImageInput("photo", encoder=PretrainedEncoder(folder("clip")), augment=None)
    few_shot = MultimodalClassifier(image=image, text=None, memory=tmp_path / "memory", **settings())
    few_shot.fit(rows, ["a", "b"] * 6)
    assert not encoded
    clone(clf).set_params(memory=None).fit(rows)
    assert len(encoded) == len(LABELS)


def test_it_is_searched_and_cross_validated(folder, rows, y):
    clf = ZeroShotClassifier(folder("clip"), labels=LABELS)
    encoder = PretrainedEncoder(folder("clip"))
    blocks = ModalityTransformer(
        image=ImageInput(encoder=encoder), text=TextInput("title", encoder=encoder)
    ).fit_transform(rows)
    scores = cross_val_score(clf, blocks, y, cv=3, error_score="raise")
    expected = [clf.fit(blocks).score(blocks[np.arange(start, start + 4)], y[start : start + 4]) for start in (0, 4, 8)]
    assert np.mean(scores) == pytest.approx(np.mean(expected))
    grid = [
        {"prompt_templates": ["{}", ["a photo of a {}.", "{}"]], "temperature": ["auto", 0.2]},
        {"model": [folder("siglip")]},
    ]
    search = GridSearchCV(clf, grid, scoring="neg_log_loss", cv=2, error_score="raise").fit(rows, y)
    assert len(search.cv_results_["params"]) == 5
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0


def test_its_logits_are_columns_for_scikit_learn(folder, rows, y):
    zero_shot = ZeroShotClassifier(folder("clip"), LABELS, image="photo", text=None)
    names = [f"zeroshotclassifier_{label}" for label in sorted(LABELS)]
    logits = zero_shot.fit_transform(rows)
    frame = clone(zero_shot).set_output(transform="pandas").fit(rows).transform(rows[::-1])
    assert frame.columns.tolist() == names
    assert frame.index.tolist() == rows.index[::-1].tolist()
    np.testing.assert_array_equal(frame.to_numpy(), logits[::-1])
    columns = ColumnTransformer([("zero_shot", zero_shot, ["photo"]), ("other", "drop", ["title"])])
    assert_close(columns.fit(rows, y).transform(rows), logits)
    assert columns.get_feature_names_out().tolist() == [f"zero_shot__{name}" for name in names]
    union = make_union("passthrough", zero_shot, verbose_feature_names_out=False).set_output(transform="pandas")
    assert union.fit(rows, y).transform(rows).columns.tolist() == ["photo", "title", *names]
    linear = make_pipeline(zero_shot, LogisticRegression()).fit(rows, y)
    assert linear.predict_proba(rows).shape == (N_ROWS, 4)


def settings():
    return {"max_epochs": 1, "random_state": 0}


def test_few_shot_in_a_pipeline(folder, rows, y):
    zero_shot = ZeroShotClassifier(folder("clip"), image="photo", text=None)  # the labels are those of y
    columns = make_union("passthrough", zero_shot).set_output(transform="pandas")
    clf = make_pipeline(columns, MultimodalClassifier(**settings())).fit(rows, y)
    specs = clf[-1].specs_
    assert [spec.kind for spec in specs.values()] == ["image", "text", "tabular"]
    assert specs["tabular"].n_numbers == 4
    assert clf.predict_proba(rows).shape == (N_ROWS, 4)
    loaded = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(loaded.predict_proba(rows), clf.predict_proba(rows))


def test_few_shot_as_the_transformer_of_an_input(folder, rows, y):
    zero_shot = ZeroShotClassifier(folder("clip"), image="photo", text=None)
    inputs = [
        ("title", TextInput("title", encoder="bag")),
        ("zero_shot", TabularInput(["photo"], transformer=zero_shot)),
    ]
    clf = MultimodalClassifier(inputs=inputs, **settings()).fit(rows, y)
    inside = clf.transformer_.transformers_["zero_shot"].transformer_
    assert inside.classes_.tolist() == sorted(LABELS)
    blocks = clf.transformer_.transform(rows)
    assert_close(blocks["zero_shot"]["numbers"], inside.transform(rows))
    emptied = rows.astype(object)
    emptied.loc[0, "photo"] = None
    assert clf.transformer_.transform(emptied).present[0].tolist() == [True, False]
    assert np.isfinite(clf.predict_proba(emptied)).all()
    prices = MultimodalRegressor(inputs=inputs, **settings()).set_params(zero_shot__transformer__labels=LABELS)
    assert np.isfinite(prices.fit(rows, np.arange(N_ROWS) * 1.5).predict(rows)).all()


def test_few_shot_by_a_vote(folder, rows, y):
    zero_shot = ZeroShotClassifier(folder("clip"), LABELS, image="photo", text=None)
    learnt = MultimodalClassifier(image="photo", text=None, **settings())
    vote = VotingClassifier([("zero_shot", zero_shot), ("learnt", learnt)], voting="soft").fit(rows, y)
    expected = (clone(zero_shot).fit(rows).predict_proba(rows) + clone(learnt).fit(rows, y).predict_proba(rows)) / 2
    assert_close(vote.predict_proba(rows), expected)
    assert vote.predict(rows).tolist() == vote.classes_[expected.argmax(1)].tolist()


def test_few_shot_is_searched_over(folder, rows, y):
    zero_shot = ZeroShotClassifier(folder("clip"), image="photo", text=None)
    pipeline = make_pipeline(
        make_union("passthrough", zero_shot).set_output(transform="pandas"), MultimodalClassifier(**settings())
    )
    grid = {"featureunion__zeroshotclassifier__prompt_templates": ["{}", "a photo of a {}."]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(rows, y)
    assert search.best_estimator_.predict(rows).shape == (N_ROWS,)


NEEDS_TRAINING = {  # they look at a network that a call fills, or teach labels
    "check_prediction_changes_no_attribute",
    "check_string_labels",
}


def test_shared_checks(tiny_model, rows, y):
    estimator = ZeroShotClassifier(tiny_model("clip"), LABELS, text="title")
    checks = [(name, check) for name, check in yield_estimator_checks(estimator, rows, y) if name not in NEEDS_TRAINING]
    assert len(checks) == 12
    for _, check in checks:
        check()


def test_prediction_changes_nothing_and_rows_are_independent(tiny_model, rows):
    clf = ZeroShotClassifier(tiny_model("clip"), LABELS).fit(rows)
    order = np.random.default_rng(0).permutation(N_ROWS)

    def state():
        return {name: pickle.dumps(value) for name, value in vars(clf).items() if name != "network_"}

    before, weights = state(), copy.deepcopy(clf.network_.state_dict())
    logits = clf.transform(rows)
    assert_close(clf.transform(rows.iloc[order]), logits[order])
    assert state() == before
    for name, tensor in clf.network_.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


@pytest.mark.parametrize(
    "check",
    [
        check_estimator_repr,
        check_estimator_tags_renamed,
        check_get_params_invariance,
        check_mixin_order,
        check_no_attributes_set_in_init,
        check_set_params,
        check_valid_tag_types,
    ],
    ids=lambda check: check.__name__,
)
def test_checks_of_scikit_learn_without_rows(check):
    check("ZeroShotClassifier", ZeroShotClassifier("folder"))


def test_real_sentences(minilm_folder):
    X = pd.DataFrame({"text": ["my dog barks at the postman", "the stock market fell", "she scored a late goal"]})
    clf = ZeroShotClassifier(minilm_folder, labels=["animals", "economy", "sports"]).fit(X)
    assert clf.predict(X).tolist() == ["animals", "economy", "sports"]
    assert clf.logit_scale_ == 20.0
