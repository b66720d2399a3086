"""Blocks are read as their encoder asks, unless the user says otherwise; what contradicts is an error."""

import pickle
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch.nn as nn
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, TabularInput, TextInput
from sklearn_mm.encoders import Features, ImageEncoder, MLPEncoder, TextEncoder
from sklearn_mm.inputs import respecify
from sklearn_mm.inputs._same_parameters import comparable, equivalent
from sklearn_mm.preprocessing import ImageTransformer, TabularTransformer, TextTransformer


class FixedEncoder(ImageEncoder):
    """As if trained elsewhere, on pictures of one size that were normalised in its own way."""

    reading = {"size": 24, "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 0.125)}
    required_reading = ("size",)

    def build(self, spec):
        super().build(spec)
        self.layer = nn.Linear(24 * 24 * 3, 4)
        self.out_features = self.token_features = 4
        return self

    def forward(self, x):
        pooled = self.layer(self.normalise(x).flatten(1))
        return Features(pooled, pooled.unsqueeze(1), pooled.new_ones(len(x), 1).bool())


class PlainEncoder(FixedEncoder):
    """One that reads pictures of any size."""

    reading = {}
    required_reading = ()


def split_at_spaces(text):
    return text.split(" ")


class OwnWordsEncoder(TextEncoder):
    """As if its table of embeddings had been made for the tokens of one function."""

    reading = {"tokenizer": split_at_spaces, "lowercase": False}
    required_reading = ("tokenizer",)

    def build(self, spec):
        self.embedding = nn.EmbeddingBag(spec.vocab_size, 4, padding_idx=0)
        self.out_features = self.token_features = 4
        return self

    def forward(self, x):
        pooled = self.embedding(x)
        return Features(pooled, pooled.unsqueeze(1), pooled.new_ones(len(x), 1).bool())


class QuantileEncoder(MLPEncoder):
    reading = {"scaling": "quantile"}
    required_reading = ("scaling",)


def reader(**parameters):
    return ModalityTransformer(**{"image": None, "text": None, "tabular": None, **parameters})


def read(X, **parameters):
    return reader(**parameters).fit_transform(X)


def picture_spec(X, **parameters):
    return read(X, image=ImageInput("photo", **parameters)).specs["photo"]


@pytest.mark.parametrize("transformer", ["auto", ImageTransformer(), ImageTransformer(n_jobs=1)], ids=repr)
def test_pictures_are_read_as_the_encoder_asks(X, transformer):
    spec = picture_spec(X, transformer=transformer, encoder=FixedEncoder())
    assert (spec.shape, spec.mean, spec.std) == ((24, 24, 3), (0.1, 0.2, 0.3), (0.5, 0.25, 0.125))
    assert picture_spec(X, transformer=transformer).shape == (56, 72, 3)


def test_the_filter_of_pixels_is_read_as_the_encoder_asks():
    class Nearest(FixedEncoder):
        reading = {**FixedEncoder.reading, "interpolation": "nearest"}

    noise = [*np.random.default_rng(0).integers(256, size=(4, 30, 30, 3), dtype=np.uint8)]
    X = pd.DataFrame({"photo": pd.Series(noise, dtype=object)})
    nearest = ImageTransformer(interpolation="nearest")
    told, asked, plain = (
        read(X, image=ImageInput("photo", **parameters))["photo"]
        for parameters in (
            {"transformer": nearest, "encoder": FixedEncoder()},
            {"encoder": Nearest()},
            {"encoder": FixedEncoder()},
        )
    )
    np.testing.assert_array_equal(asked, told)
    assert (asked != plain).any()


def test_what_the_user_sets_wins(X):
    spec = picture_spec(X, transformer=ImageTransformer(mean="dataset", std=0.3), encoder=FixedEncoder())
    assert spec.shape == (24, 24, 3)
    assert spec.mean == pytest.approx((0.5098,) * 3, abs=1e-3)
    assert spec.std == (0.3, 0.3, 0.3)


@pytest.mark.parametrize("size", [24, (24, 24), [24, 24], np.array(24)], ids=repr)
def test_what_the_encoder_requires_may_be_set(X, size):
    size = size if isinstance(size, int | tuple | list) else int(size)
    assert picture_spec(X, transformer=ImageTransformer(size), encoder=FixedEncoder()).shape == (24, 24, 3)


@pytest.mark.parametrize("size", [32, (24, 32)], ids=repr)
def test_a_contradiction_names_both_and_the_way_out(X, size):
    message = re.escape(
        f"ImageInput: FixedEncoder needs size=24, but the ImageTransformer has size={size!r}. Leave that out, or take "
        f"another encoder."
    )
    with pytest.raises(ValueError, match=message):
        picture_spec(X, transformer=ImageTransformer(size), encoder=FixedEncoder())
    estimator = MultimodalClassifier(image=ImageInput(transformer=ImageTransformer(), encoder=FixedEncoder()))
    estimator.set_params(image__transformer__size=size)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, np.arange(12) % 2)


def test_the_users_transformer_is_left_alone(X):
    transformer = ImageTransformer(resize="pad")
    picture_spec(X, transformer=transformer, encoder=FixedEncoder())
    assert repr(transformer) == repr(ImageTransformer(resize="pad"))


def test_texts_are_read_by_a_function_that_the_encoder_brings(X):
    reads = reader(text=TextInput("title", encoder=OwnWordsEncoder())).fit(X)
    assert "rainy" in reads.transformers_["title"].vocabulary_
    assert "sleeping" in reader(text=TextInput("title", encoder="lstm")).fit(X).transformers_["title"].vocabulary_
    assert "cat," in reads.transformers_["title"].vocabulary_
    assert reads.specs_["title"].tokenizer == "custom"


def test_a_transformer_in_place_of_auto_was_chosen_as_a_whole(X):
    same = TextInput("title", transformer=TextTransformer(split_at_spaces), encoder=OwnWordsEncoder())
    assert read(X, text=same).specs["title"].tokenizer == "custom"
    assert same.make_transformer(None).lowercase is True
    other = TextInput("title", transformer=TextTransformer(), encoder=OwnWordsEncoder())
    with pytest.raises(
        ValueError, match=r"OwnWordsEncoder needs tokenizer=.*but the TextTransformer has tokenizer='word'"
    ):
        read(X, text=other)


def test_tables_are_read_as_the_encoder_asks(X):
    table = TabularInput(["price"], encoder=QuantileEncoder())
    assert reader(tabular=table).fit(X).transformers_["tabular"].scaling == "quantile"
    assert table.set_params(transformer="auto").make_transformer(X[["price"]]).scaling == "quantile"
    standard = TabularInput(["price"], transformer=TabularTransformer(scaling="standard"), encoder=QuantileEncoder())
    with pytest.raises(ValueError, match="QuantileEncoder needs scaling='quantile', but the TabularTransformer has"):
        read(X, tabular=standard)
    other = TabularInput(["price"], transformer=StandardScaler(), encoder=QuantileEncoder())
    assert read(X, tabular=other)["tabular"]["numbers"].mean() == pytest.approx(0, abs=1e-6)


def test_an_encoder_that_asks_for_what_no_transformer_does(X):
    class Misspelt(FixedEncoder):
        reading = {"siez": 24}
        required_reading = ("siez",)

    message = (
        r"ImageInput: Misspelt\.reading names 'siez', .* no parameter of ImageTransformer\. Did you mean 'size'.*'std'"
    )
    for transformer in ("auto", ImageTransformer()):
        with pytest.raises(ValueError, match=message):
            picture_spec(X, transformer=transformer, encoder=Misspelt())
    with pytest.raises(
        ValueError, match=r"TextInput: .*reading names 'tokeniser'.* no parameter of TextTransformer\. Did you"
    ):
        read(X, text=TextInput("title", encoder=MisspeltWordsEncoder()))


class MisspeltWordsEncoder(OwnWordsEncoder):
    reading = {"tokeniser": split_at_spaces}
    required_reading = ()


def test_what_an_encoder_requires_is_in_what_it_asks_for(X):
    class RequiresMore(FixedEncoder):
        reading = {"size": 24}
        required_reading = ("size", "mean")

    class RequiresAString(FixedEncoder):
        required_reading = "size"

    message = r"ImageInput: RequiresMore.required_reading names 'mean', for which .*reading has no value.*\['size'\]"
    with pytest.raises(ValueError, match=message):
        picture_spec(X, encoder=RequiresMore())
    with pytest.raises(TypeError, match=r"RequiresAString.required_reading must be a tuple .* Write \('size',\)"):
        picture_spec(X, encoder=RequiresAString())


def test_shared_columns_are_read_alike(X):
    X = X.assign(back=X["photo"][::-1].to_numpy())
    blocks = read(X, image=ImageInput(["photo", "back"], encoder=FixedEncoder(), shared=True))
    assert {spec.shape for spec in blocks.specs.values()} == {(24, 24, 3)}
    shared = ModalityTransformer(image=ImageInput(encoder=FixedEncoder(), shared=True))._resolved_inputs()
    assert respecify(blocks, shared, "Classifier").specs["back"].group == "image"


def resolved(**parameters):
    return ModalityTransformer(**parameters)._resolved_inputs()


@pytest.mark.parametrize(
    ("before", "encoder"),
    [
        (ImageInput("photo", encoder=FixedEncoder()), FixedEncoder()),
        (
            ImageInput("photo", transformer=ImageTransformer(24, mean=0.5, std=0.5), encoder=FixedEncoder()),
            PlainEncoder(),
        ),
        (ImageInput("photo", transformer=ImageTransformer((24, 24), mean=0.5, std=0.5)), FixedEncoder()),
        (ImageInput("photo", transformer=ImageTransformer(32)), PlainEncoder()),
        (ImageInput("photo", transformer=ImageTransformer(n_jobs=1)), PlainEncoder()),
        (TextInput("title", encoder=OwnWordsEncoder()), OwnWordsEncoder()),
        (TextInput("title", transformer=TextTransformer(split_at_spaces)), OwnWordsEncoder()),
        (TextInput("title", transformer=TextTransformer()), "bag"),
        (TabularInput(["price"], transformer=TabularTransformer(scaling="quantile")), QuantileEncoder()),
        (TabularInput(["price"], transformer=StandardScaler()), QuantileEncoder()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_blocks_that_suit_an_encoder(X, before, encoder):
    blocks = read(X, **{before.kind: before})
    after = type(before)(encoder=encoder)
    for given in (blocks, pickle.loads(pickle.dumps(blocks))):
        (spec,) = respecify(given, resolved(**{before.kind: after}), "Classifier").specs.values()
        assert spec.encoder is not blocks.specs[spec.name].encoder


@pytest.mark.parametrize(
    ("before", "encoder", "message"),
    [
        (
            ImageInput("photo"),
            FixedEncoder(),
            "for block 'photo': it reads size=24, and the block was read with size='auto', the default\\. Name",
        ),
        (
            ImageInput("photo", transformer=ImageTransformer(32)),
            FixedEncoder(),
            r"it reads size=24, and the block was read with size=32\. Name .*ModalityTransformer\(image=ImageInput\(e",
        ),
        (
            ImageInput("photo", encoder=FixedEncoder()),
            PlainEncoder(),
            "it reads size='auto', .* size=24 for another",
        ),
        (
            ImageInput("photo", transformer=ImageTransformer(24)),
            FixedEncoder(),
            r"it reads mean=\(0\.1, 0\.2, 0\.3\), and the block was read with mean='imagenet', the default",
        ),
        (
            TextInput("title", encoder=OwnWordsEncoder()),
            "lstm",
            "it reads tokenizer='word', .*tokenizer='<split_at_spaces",
        ),
        (
            TextInput("title", encoder="bag"),
            "lstm",
            "it reads tokenizer='word', and the block was read with tokenizer='ngram' for",
        ),
        (
            TextInput("title", transformer=TextTransformer("bpe")),
            OwnWordsEncoder(),
            "it reads tokenizer='<split_at_spaces .*, and the block was read with tokenizer='bpe'",
        ),
        (TabularInput(["price"]), QuantileEncoder(), r"it reads scaling='quantile'.*\(tabular=TabularInput\(encoder="),
    ],
)
def test_blocks_that_were_read_otherwise(X, before, encoder, message):
    blocks = read(X, **{before.kind: before})
    with pytest.raises(ValueError, match=message):
        respecify(blocks, resolved(**{before.kind: type(before)(encoder=encoder)}), "Classifier")


def test_one_step_two_steps_and_a_pickle_agree(X):
    y = np.arange(12) % 2
    inputs = {"image": ImageInput(encoder=FixedEncoder()), "text": TextInput(encoder=OwnWordsEncoder())}
    estimator = MultimodalClassifier(**inputs, max_epochs=2, random_state=0)
    one = clone(estimator).fit(X, y)
    assert one.specs_["photo"].shape == (24, 24, 3)
    blocks = ModalityTransformer(**inputs).fit_transform(X)
    two = clone(estimator).fit(blocks, y)
    np.testing.assert_array_equal(two.predict_proba(blocks), one.predict_proba(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(one)).predict_proba(X), one.predict_proba(X))
    loaded = pickle.loads(pickle.dumps((two, blocks)))
    np.testing.assert_array_equal(loaded[0].predict_proba(loaded[1]), two.predict_proba(blocks))


def test_specs_are_equal_whoever_chose_how_they_were_read(X):
    chosen = picture_spec(X, transformer=ImageTransformer(24), encoder="cnn")
    assert chosen.reading == {"size": (24, False)}
    asked = picture_spec(X, encoder=FixedEncoder())
    assert asked.reading["size"] == (24, True)
    assert replace(asked, encoder="cnn", mean=chosen.mean, std=chosen.std) == chosen
    assert "reading" not in repr(chosen)


def test_values_are_made_comparable():
    assert comparable(np.array([[1.5, 2]])) == ((1.5, 2),)
    assert comparable(split_at_spaces) == comparable(pickle.loads(pickle.dumps(split_at_spaces)))
    assert comparable(split_at_spaces) != comparable(str.split)
    assert equivalent(0.5, (0.5, 0.5))
    assert equivalent((24, 24), 24)
    assert not equivalent((24, 32), 24)
    assert not equivalent("auto", 24)
