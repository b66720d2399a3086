import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from sklearn_mm.encoders import CNNEncoder, ModuleEncoder, RNNEncoder
from sklearn_mm.inputs import ImageInput, ModalityTransformer, TabularInput, TextInput, respecify
from sklearn_mm.preprocessing import ImageTransformer, TabularTransformer, TextTransformer


def resolved(**parameters):
    return ModalityTransformer(**parameters)._resolved_inputs()


@pytest.fixture
def blocks(X, small):
    X = X.assign(back=X["photo"])
    return ModalityTransformer(image=small, text=TextInput(encoder="lstm")).fit_transform(X)


@pytest.fixture
def own_blocks(X, small, series_input):
    X = X.assign(curve=[[1, 2, 3], [4]] * 6)
    encoder = ModuleEncoder(torch.nn.Linear(3, 5), width=5)
    inputs = [("curve", series_input("curve", encoder=encoder)), ("front", small), ("table", TabularInput(["price"]))]
    return ModalityTransformer(inputs=inputs).fit_transform(X)


def test_defaults_change_nothing(blocks, own_blocks):
    for given in (blocks, own_blocks):
        same = respecify(given, resolved(), "Classifier")
        assert list(same) == list(given)
        assert same.specs == given.specs
        assert all(same[name] is given[name] for name in given)
        np.testing.assert_array_equal(same.present, given.present)
        np.testing.assert_array_equal(same.content_keys, given.content_keys)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"image": None}, ["title", "tabular"]),
        ({"image": "back"}, ["back", "title", "tabular"]),
        ({"image": ["back", "photo"], "tabular": None}, ["photo", "back", "title"]),
        ({"text": None, "tabular": None}, ["photo", "back"]),
        ({"tabular": "tabular", "image": None, "text": None}, ["tabular"]),
        ({"inputs": [("title", TextInput("title")), ("front", ImageInput("photo"))]}, ["photo", "title"]),
        ({"inputs": [("pictures", ImageInput())]}, ["photo", "back"]),
    ],
)
def test_columns_are_names_of_blocks(blocks, parameters, names):
    chosen = respecify(blocks, resolved(**parameters), "Classifier")
    assert list(chosen) == list(chosen.specs) == names
    for i, name in enumerate(names):
        np.testing.assert_array_equal(chosen.present[:, i], blocks.present[:, list(blocks).index(name)])


def test_blocks_of_an_array_are_named_after_positions(X, small):
    array = X.to_numpy(dtype=object)
    blocks = ModalityTransformer(image=small.set_params(columns=0), text=1).fit_transform(array)
    assert list(respecify(blocks, resolved(image=0, tabular=None), "Classifier")) == ["0", "1"]


def test_what_the_estimator_says_wins(blocks):
    image = ImageInput("back", encoder=CNNEncoder(channels=(4,)), augment="light")
    specs = respecify(blocks, resolved(image=image, text=TextInput(encoder="gru")), "Classifier").specs
    assert specs["back"].encoder.channels == (4,)
    assert specs["back"].augment == "light"
    assert specs["title"].encoder == "gru"
    assert specs["title"].augment is None
    assert blocks.specs["title"].encoder == "lstm"


def test_auto_leaves_what_was_said_before(X, small):
    small.set_params(encoder="cnn", augment="strong", columns=["photo"], shared=True)
    blocks = ModalityTransformer(image=small).fit_transform(X)
    spec = respecify(blocks, resolved(image=ImageInput()), "Classifier").specs["photo"]
    assert (spec.encoder, spec.augment, spec.group) == ("cnn", "strong", "image")
    assert respecify(blocks, resolved(image=ImageInput(augment=None)), "Classifier").specs["photo"].augment is None


def test_encoders_can_be_shared_afterwards(blocks):
    specs = respecify(blocks, resolved(image=ImageInput(shared=True)), "Classifier").specs
    assert [spec.group for spec in specs.values()] == ["image", "image", None, None]


def test_blocks_that_were_not_read_alike_share_no_encoder(X):
    X = X.assign(reply=["something else", *X["title"][1:]])
    blocks = ModalityTransformer(image=None).fit_transform(X)
    with pytest.raises(ValueError, match=r"not read alike.*ModalityTransformer\(text=TextInput\(shared=True\)\)"):
        respecify(blocks, resolved(text=TextInput(["title", "reply"], shared=True)), "Classifier")
    blocks = ModalityTransformer(image=None, text=TextInput(shared=True)).fit_transform(X)
    specs = respecify(blocks, resolved(text=TextInput(["title", "reply"], shared=True)), "Classifier").specs
    assert specs == blocks.specs


def test_a_modality_of_ones_own_by_name(own_blocks, series_input):
    encoder = ModuleEncoder(torch.nn.Linear(3, 7), width=7)
    chosen = respecify(own_blocks, resolved(inputs=[("c", series_input("curve", encoder=encoder))]), "Classifier")
    assert list(chosen) == ["curve"]
    assert chosen.specs["curve"].encoder.width == 7


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"image": ImageInput(transformer=ImageTransformer(size=32))}, "ModalityTransformer(image=ImageInput("),
        ({"text": TextInput(transformer=TextTransformer(lowercase=False))}, "ModalityTransformer(text=TextInput("),
        ({"tabular": TabularInput(transformer=StandardScaler())}, "ModalityTransformer(tabular=TabularInput("),
        ({"tabular": TabularInput(transformer=TabularTransformer(kinds={"price": "categorical"}))}, "tabular=TabularI"),
        (
            {"inputs": [("front", ImageInput("photo", transformer=ImageTransformer(size=32)))]},
            "ModalityTransformer(inputs=[('front', ImageInput(",
        ),
    ],
)
def test_transformers_that_can_no_longer_act(blocks, parameters, place):
    with pytest.raises(ValueError) as error:
        respecify(blocks, resolved(**parameters), "Classifier")
    assert "Classifier" in str(error.value)
    assert place in str(error.value)


def test_transformers_with_default_parameters_are_let_pass(blocks):
    text = TextInput(encoder="lstm", transformer=TextTransformer())
    respecify(blocks, resolved(image=ImageInput(transformer=ImageTransformer()), text=text), "Classifier")


@pytest.mark.parametrize(("before", "after"), [("lstm", "bag"), ("bag", RNNEncoder()), ("bag", "gru")])
def test_encoders_that_read_otherwise(X, before, after):
    blocks = ModalityTransformer(image=None, text=TextInput(encoder=before)).fit_transform(X)
    with pytest.raises(ValueError, match=r"Classifier cannot use .*block 'title'.*ModalityTransformer\(text=TextInput"):
        respecify(blocks, resolved(text=TextInput(encoder=after)), "Classifier")


def test_a_tokenizer_of_the_users_choice_goes_with_any_encoder(X):
    text = TextInput(transformer=TextTransformer(tokenizer="word"))
    blocks = ModalityTransformer(image=None, text=text).fit_transform(X)
    for encoder in ("bag", "lstm"):
        assert respecify(blocks, resolved(text=TextInput(encoder=encoder)), "C").specs["title"].encoder == encoder


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image": "phoot"}, "`image` names 'phoot', .* Did you mean 'photo'.* Names of blocks: .*'tabular'"),
        ({"tabular": ["price"]}, "`tabular` names 'price'.*It is a column of block 'tabular'"),
        ({"image": "title"}, "`image` reads blocks of kind 'image', but 'title' is of kind 'text'"),
        ({"image": ["photo", "photo"]}, "block 'photo' is claimed by `image` and `image`"),
        ({"image": None, "text": None, "tabular": None}, "Classifier has no block left to read"),
        ({"inputs": [("a", ImageInput()), ("b", ImageInput())]}, "both `a` and `b` look for blocks of kind 'image'"),
    ],
)
def test_what_does_not_fit(blocks, parameters, message):
    with pytest.raises(ValueError, match=message):
        respecify(blocks, resolved(**parameters), "Classifier")


def test_rows_are_kept(blocks):
    chosen = respecify(blocks[[3, 1]], resolved(image="photo"), "Classifier")
    np.testing.assert_array_equal(chosen["photo"], blocks["photo"][[3, 1]])


@pytest.fixture
def list_blocks(X, small):
    X = X.assign(photo=[[path, path] for path in X["photo"]])
    return ModalityTransformer(image=small, text=TextInput(encoder="lstm")).fit_transform(X)


def test_a_pool_is_taken_over(list_blocks):
    assert respecify(list_blocks, resolved(), "Classifier").specs["photo"].pool == "mean"
    chosen = respecify(list_blocks, resolved(image=ImageInput(pool="attention")), "Classifier")
    assert chosen.specs["photo"].pool == "attention"
    assert chosen["photo"] is list_blocks["photo"]


def test_a_pool_for_single_cells(list_blocks):
    with pytest.raises(ValueError) as error:
        respecify(list_blocks, resolved(text=TextInput(pool="max")), "Classifier")
    assert "`text` has pool='max', but block 'title' was read as single cells" in str(error.value)
    assert "ModalityTransformer(text=TextInput(pool='max'))" in str(error.value)
