import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from sklearn_mm.encoders import CNNEncoder, RNNEncoder
from sklearn_mm.inputs import ImageInput, TabularInput, TextInput
from sklearn_mm.preprocessing import ImageTransformer, TabularTransformer, TextSpec, TextTransformer


@pytest.mark.parametrize("Input", [ImageInput, TabularInput])
def test_each_input_has_a_transformer_of_its_own(Input):
    first, second = Input(), Input()
    assert first.transformer is not second.transformer
    assert repr(first) == f"{Input.__name__}()"


def test_a_transformer_that_is_handed_in_is_stored():
    transformer = ImageTransformer()
    assert ImageInput(transformer=transformer).transformer is transformer


@pytest.mark.parametrize(
    "input_",
    [
        ImageInput(["a", 1], transformer=ImageTransformer(size=3), encoder=CNNEncoder(channels=(4,)), shared=True),
        TextInput("a", transformer=TextTransformer(tokenizer="char"), encoder="lstm"),
        TabularInput(transformer=StandardScaler()),
    ],
    ids=lambda input_: type(input_).__name__,
)
@pytest.mark.parametrize("copy", [clone, lambda input_: pickle.loads(pickle.dumps(input_))], ids=["clone", "pickle"])
def test_copies(input_, copy):
    twin = copy(input_)
    assert twin is not input_
    assert str(twin.get_params()) == str(input_.get_params())


def test_keys_reach_the_transformer_and_the_encoder():
    input_ = TextInput(transformer=TextTransformer(), encoder=RNNEncoder())
    input_.set_params(transformer__vocab_size=99, encoder__cell="gru", shared=True)
    assert (input_.transformer.vocab_size, input_.encoder.cell, input_.shared) == (99, "gru", True)


def test_keys_reach_what_is_set_with_them():
    input_ = TextInput().set_params(transformer=TextTransformer(), transformer__vocab_size=99)
    assert input_.transformer.vocab_size == 99


@pytest.mark.parametrize(
    ("input_", "key", "way_out"),
    [
        (TextInput(), "transformer__vocab_size", "TextInput(transformer=TextTransformer(...))"),
        (TextInput(encoder="lstm"), "encoder__cell", "TextInput(encoder=RNNEncoder(...))"),
        (ImageInput(), "augment__strength", "ImageInput(augment=...)"),
        (ImageInput(encoder="cnn"), "encoder__channels", "ImageInput(encoder=CNNEncoder(...))"),
    ],
)
def test_keys_below_a_string_name_the_way_out(input_, key, way_out):
    with pytest.raises(ValueError) as error:
        input_.set_params(**{key: 1})
    assert way_out in str(error.value)
    assert repr(key) in str(error.value)


def test_keys_below_an_unknown_name():
    with pytest.raises(ValueError, match="Unknown text encoder 'lstn'"):
        TextInput(encoder="lstn").set_params(encoder__cell="gru")
    with pytest.raises(ValueError, match="Invalid parameter 'size'"):
        ImageInput().set_params(size=3)


def test_kinds_of_table_columns_are_told_to_the_transformer():
    X = pd.DataFrame({"zip": ["01234", "99999"], "price": ["1.5", "2"], "n": [1, 2], "day": ["2024-01-31"] * 2})
    transformer = TabularInput(transformer=TabularTransformer(scaling="standard")).make_transformer(X)
    assert transformer.kinds == {"zip": "categorical", "price": "numeric", "n": "numeric", "day": "datetime"}
    assert transformer.scaling == "standard"
    told = TabularInput(transformer=TabularTransformer(kinds={"n": "categorical"}))
    assert told.make_transformer(X).kinds["n"] == "categorical"
    assert told.transformer.kinds == {"n": "categorical"}
    assert told.told_columns() == ["n"]
    assert TabularInput().told_columns() == TabularInput(transformer=StandardScaler()).told_columns() == []


@pytest.mark.parametrize(
    ("input_", "expected"),
    [
        (ImageInput(), True),
        (ImageInput(transformer=ImageTransformer()), True),
        (ImageInput(transformer=ImageTransformer(size=32)), False),
        (ImageInput(transformer=ImageTransformer(mean=np.array([0.5, 0.5, 0.5]))), False),
        (TextInput(), True),
        (TextInput(encoder="lstm", transformer=TextTransformer()), True),
        (TextInput(encoder="bag", transformer=TextTransformer()), False),
        (TextInput(encoder="bag", transformer=TextTransformer(tokenizer="ngram")), True),
        (TextInput(transformer=TextTransformer(lowercase=False)), False),
        (TabularInput(), True),
        (TabularInput(transformer=TabularTransformer(scaling="quantile")), False),
        (TabularInput(transformer=StandardScaler()), False),
    ],
    ids=repr,
)
def test_default_transformers_are_known(input_, expected):
    assert input_.has_default_transformer() is expected


@pytest.mark.parametrize(
    ("tokenizer", "is_auto", "encoder", "fits"),
    [
        ("word", True, "lstm", True),
        ("ngram", True, "bag", True),
        ("word", True, "bag", False),
        ("ngram", True, RNNEncoder(), False),
        ("bpe", False, "bag", True),
    ],
)
def test_encoders_are_held_against_the_tokenizer(tokenizer, is_auto, encoder, fits):
    spec = TextSpec(
        name="title", shape=(3,), vocab_size=9, tokenizer=tokenizer, tokenizer_is_auto=is_auto, encoder=encoder
    )
    if fits:
        TextInput().check_spec(spec, "Classifier")
    else:
        with pytest.raises(
            ValueError, match=r"Classifier cannot use .*Encoder for block 'title'.*ModalityTransformer\("
        ):
            TextInput().check_spec(spec, "Classifier")


def test_a_pool_makes_transformers_read_lists():
    for input_ in (ImageInput(pool="max"), TextInput(pool="max"), TextInput(pool="max", transformer=TextTransformer())):
        assert input_.make_transformer(None).lists is True
    assert ImageInput().make_transformer(None).lists == "auto"
    transformer = ImageTransformer()
    ImageInput(transformer=transformer, pool="mean").make_transformer(None)
    assert transformer.lists == "auto"


def test_the_pool_goes_into_the_spec_of_lists():
    spec = TextSpec(shape=(3,), vocab_size=5, tokenizer="word", pool="mean")
    assert TextInput().make_spec(spec, "text", "title", ("title",)).pool == "mean"
    assert TextInput(pool="max").make_spec(spec, "text", "title", ("title",)).pool == "max"
    single = TextSpec(shape=(3,), vocab_size=5, tokenizer="word")
    assert TextInput().make_spec(single, "text", "title", ("title",)).pool is None
    with pytest.raises(ValueError, match=r"`text` has pool='max', but its transformer reads column 'title' as single"):
        TextInput(pool="max").make_spec(single, "text", "title", ("title",))


def test_unknown_pool():
    with pytest.raises(ValueError, match="'pool' parameter of ImageInput must be"):
        ImageInput(pool="median").check()
