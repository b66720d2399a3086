import pickle
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder
from sklearn.utils import get_tags

from sklearn_mm.encoders import CNNEncoder, ModuleEncoder, RNNEncoder
from sklearn_mm.inputs import ImageInput, ModalityTransformer, TabularInput, TextInput
from sklearn_mm.preprocessing import Blocks, ImageTransformer, Ragged, TabularTransformer, TextTransformer


def assert_same(first, second):
    assert list(first) == list(second)
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    np.testing.assert_array_equal(first.present, second.present)
    np.testing.assert_array_equal(first.content_keys, second.content_keys)


# what comes out


def test_a_table_becomes_blocks(X, small):
    transformer = ModalityTransformer(image=small)
    blocks = transformer.fit_transform(X)
    assert isinstance(blocks, Blocks)
    assert list(blocks) == ["photo", "title", "tabular"]
    assert blocks["photo"].shape == (12, 6, 6, 3)
    assert blocks["photo"][:4, 0, 0, 0].tolist() == [10, 90, 170, 250]
    assert blocks["title"].shape[0] == 12
    assert blocks["tabular"]["codes"].shape == (12, 1)
    assert blocks.present.sum(axis=0).tolist() == [12, 11, 12]
    assert not blocks.present[7, 1]
    assert not blocks["title"][7].any()


def test_what_is_learnt(X, small):
    transformer = ModalityTransformer(image=small).fit(X)
    assert transformer.column_kinds_ == {
        "photo": "image",
        "title": "text",
        "price": "numeric",
        "colour": "categorical",
        "sold": "datetime",
        "currency": "ignored",
        "note": "ignored",
    }
    assert transformer.column_reasons_.keys() == transformer.column_kinds_.keys()
    assert "same" in transformer.column_reasons_["currency"]
    assert transformer.n_features_in_ == 7
    assert transformer.feature_names_in_.tolist() == list(X)
    assert {name: input_.columns for name, input_ in transformer.inputs_.items()} == {
        "image": ["photo"],
        "text": ["title"],
        "tabular": ["price", "colour", "sold"],
    }
    assert {name: type(fitted) for name, fitted in transformer.transformers_.items()} == {
        "photo": ImageTransformer,
        "title": TextTransformer,
        "tabular": TabularTransformer,
    }
    assert transformer.transformers_["tabular"].kinds == {
        "price": "numeric",
        "colour": "categorical",
        "sold": "datetime",
    }


def test_specs_say_what_the_inputs_said(X, small):
    encoder = CNNEncoder(channels=(4,))
    transformer = ModalityTransformer(
        image=small.set_params(encoder=encoder, augment="light"), text=TextInput(encoder="lstm")
    )
    specs = transformer.fit_transform(X).specs
    assert specs == transformer.specs_
    photo, title, tabular = specs.values()
    assert (photo.name, photo.columns, photo.shape) == ("photo", ("photo",), (6, 6, 3))
    assert (photo.encoder.channels, photo.augment, photo.group) == ((4,), "light", None)
    assert (title.name, title.encoder, title.augment) == ("title", "lstm", None)
    assert (title.tokenizer, title.tokenizer_is_auto) == ("word", True)
    assert (tabular.columns, tabular.encoder) == (("price", "colour", "sold"), "auto")


def test_transform_is_fit_transform_again(X, small):
    transformer = ModalityTransformer(image=small)
    blocks = transformer.fit_transform(X)
    assert_same(blocks, transformer.transform(X))
    assert_same(blocks, clone(transformer).fit(X).transform(X))
    assert_same(blocks[[5, 2]], transformer.transform(X.iloc[[5, 2]]))
    assert blocks.specs == transformer.transform(X[:3]).specs


def test_each_cell_is_read_once_by_fit_transform(X):
    calls = []

    def loader(cell):
        calls.append(cell)
        return cell

    image = ImageInput(transformer=ImageTransformer(size=6, n_jobs=1, loader=loader))
    ModalityTransformer(image=image).fit_transform(X)
    assert len(calls) == 12


def test_transform_changes_no_attribute_and_the_table_stays(X, small):
    transformer = ModalityTransformer(image=small).fit(X)
    state, before = joblib.hash(vars(transformer)), X.copy(deep=True)
    transformer.transform(X[:5])
    assert joblib.hash(vars(transformer)) == state
    pd.testing.assert_frame_equal(X, before)


def test_user_instances_stay_as_they_were(X, small):
    text = TextInput(encoder=RNNEncoder())
    transformer = ModalityTransformer(image=small, text=text)
    before = str(transformer.get_params())
    transformer.fit(X)
    assert str(transformer.get_params()) == before
    assert not hasattr(small.transformer, "spec_")
    assert not list(text.encoder.parameters())
    assert small.columns == "auto"


@pytest.mark.parametrize(
    "roundtrip", [lambda fitted: pickle.loads(pickle.dumps(fitted)), clone], ids=["pickle", "clone"]
)
def test_copies_read_the_same(X, small, roundtrip):
    transformer = ModalityTransformer(image=small).fit(X)
    copy = roundtrip(transformer)
    assert_same(transformer.transform(X), (copy if hasattr(copy, "specs_") else copy.fit(X)).transform(X))


def test_content_keys_know_equal_cells(X, small):
    keys = ModalityTransformer(image=small).fit_transform(X).content_keys
    assert keys.shape == (12, 3)
    assert len(np.unique(keys[:, 0])) == 4
    assert (keys[:4] == keys[8:]).all()


def test_set_output_and_tags(X, small):
    pipeline = make_pipeline(ModalityTransformer(image=small), FunctionTransformer()).set_output(transform="pandas")
    assert isinstance(pipeline[0].fit_transform(X), Blocks)
    tags = get_tags(ModalityTransformer()).input_tags
    assert tags.string
    assert tags.allow_nan
    assert tags.two_d_array


# forms of a table


@pytest.mark.parametrize("form", ["polars", "pyarrow", "string dtype", "pyarrow dtypes", "nullable", "category"])
def test_forms_of_a_table(X, small, form):
    X = X.drop(columns="note")
    expected = ModalityTransformer(image=small).fit_transform(X)
    if form == "polars":
        X = pl.from_pandas(X)
    elif form == "pyarrow":
        X = pa.Table.from_pandas(X)
    elif form == "category":
        X = X.astype({"colour": "category"})
    elif form == "string dtype":
        X = X.astype({"photo": "string", "title": "string", "colour": "string"})
    else:
        X = X.convert_dtypes(dtype_backend="pyarrow" if form == "pyarrow dtypes" else "numpy_nullable")
    transformer = ModalityTransformer(image=small)
    blocks = transformer.fit_transform(X)
    assert_same(blocks, expected)
    assert_same(transformer.transform(X), expected)


def test_object_arrays_go_by_position(X, small):
    expected = ModalityTransformer(image=small).fit_transform(X)
    array = X.to_numpy(dtype=object)
    transformer = ModalityTransformer(image=small.set_params(columns=0), text=1)
    blocks = transformer.fit_transform(array)
    assert list(blocks) == ["0", "1", "tabular"]
    for block, other in zip(blocks.values(), expected.values(), strict=True):
        np.testing.assert_array_equal(block, other)
    assert transformer.inputs_["tabular"].columns == [2, 3, 4]
    assert not hasattr(transformer, "feature_names_in_")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_an_array_of_numbers_is_one_table(dtype):
    X = np.arange(30).reshape(10, 3).astype(dtype)
    X[:, 1] = 7
    blocks = ModalityTransformer().fit_transform(X)
    assert list(blocks) == ["tabular"]
    assert blocks.specs["tabular"].n_numbers == 3
    assert blocks.specs["tabular"].cardinalities == ()


def test_one_row_of_numbers():
    assert ModalityTransformer().fit_transform(np.ones((1, 4)))["tabular"]["numbers"].shape == (1, 4)


def test_columns_are_found_by_name(X, small):
    transformer = ModalityTransformer(image=small).fit(X)
    expected = transformer.transform(X)
    other = X[["note", "sold", "title", "colour", "photo", "price"]].assign(more=1, **{"and more": "x"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(transformer.transform(other), expected)
        assert_same(transformer.transform(other.set_axis([*other.columns[:-1], 7], axis=1)), expected)


def test_missing_columns_are_listed(X, small):
    transformer = ModalityTransformer(image=small).fit(X)
    with pytest.raises(ValueError) as error:
        transformer.transform(X.rename(columns={"photo": "foto"}).drop(columns=["price", "note"]))
    message = str(error.value)
    assert "X lacks 2 of the 5 columns that ModalityTransformer was fitted to read" in message
    assert "'photo' Did you mean 'foto'?" in message
    assert "'price'\n" in message
    assert "'title'" not in message


def test_a_nameless_array_after_a_named_table(X, small):
    transformer = ModalityTransformer(image=small).fit(X)
    for nameless in (X.to_numpy(dtype=object), X.set_axis(range(7), axis=1)):
        with pytest.warns(
            UserWarning, match="X does not have valid feature names, but ModalityTransformer was fitted with"
        ):
            assert_same(transformer.transform(nameless), transformer.transform(X))


def test_a_named_table_after_a_nameless_array():
    array = np.random.default_rng(0).normal(size=(5, 2))
    transformer = ModalityTransformer().fit(array)
    expected = transformer.transform(array)
    with pytest.warns(
        UserWarning, match="X has feature names, but ModalityTransformer was fitted without feature names"
    ):
        assert_same(transformer.transform(pd.DataFrame(array, columns=["b", "a"])), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(transformer.transform(pd.DataFrame(array)), expected)


def test_labels_that_are_no_strings():
    X = pd.DataFrame({10: [1.0, 2.0], 20: [3.0, 4.0]})
    transformer = ModalityTransformer(tabular=[20]).fit(X)
    assert transformer.inputs_["tabular"].columns == [20]
    assert not hasattr(transformer, "feature_names_in_")
    assert_same(transformer.transform(X[[20, 10]]), transformer.transform(X))
    assert_same(transformer.transform(X.to_numpy()), transformer.transform(X))


def test_names_of_an_earlier_fit_are_forgotten(X, small):
    transformer = ModalityTransformer(image=small).fit(X)
    transformer.set_params(image="auto").fit(np.eye(4))
    assert not hasattr(transformer, "feature_names_in_")
    assert list(transformer.specs_) == ["tabular"]


@pytest.mark.parametrize("width", [1, 3])
def test_wrong_width(width):
    transformer = ModalityTransformer().fit(np.eye(2))
    message = f"X has {width} features, but ModalityTransformer is expecting 2 features as input."
    with pytest.raises(ValueError, match=message):
        transformer.transform(np.ones((3, width)))


def test_mixed_labels_in_scikit_learns_words(X):
    with pytest.raises(TypeError, match="Feature names are only supported if all input features have string names"):
        ModalityTransformer().fit(X.rename(columns={"note": 3}))


# what a user tells


def test_told_and_found_columns(X, small):
    told = {"image": small.set_params(columns="photo"), "text": None, "audio": None, "video": None}
    transformer = ModalityTransformer(**told, tabular=["colour", 2])
    blocks = transformer.fit_transform(X)
    assert list(blocks) == ["photo", "tabular"]
    assert transformer.inputs_["tabular"].columns == ["colour", "price"]
    assert transformer.column_kinds_ == {}


def test_only_unclaimed_columns_are_looked_at(X, small):
    transformer = ModalityTransformer(image=small.set_params(columns="photo"), text="colour").fit(X)
    assert list(transformer.column_kinds_) == ["title", "price", "sold", "currency", "note"]
    assert list(transformer.specs_) == ["photo", "colour", "tabular"]
    assert "title" not in transformer.inputs_["tabular"].columns


def test_a_told_column_is_used_as_told(X):
    transformer = ModalityTransformer(image=None, text=["colour", "photo"], tabular=TabularInput(["title", "currency"]))
    blocks = transformer.fit_transform(X)
    assert list(blocks) == ["colour", "photo", "tabular"]
    assert transformer.transformers_["tabular"].kinds_ == {"title": "categorical", "currency": "categorical"}


def test_kinds_told_to_the_transformer_override_what_is_found(X):
    kinds = {"title": "categorical", "price": "categorical"}
    transformer = ModalityTransformer(image=None, tabular=TabularInput(transformer=TabularTransformer(kinds=kinds)))
    transformer.fit(X)
    assert list(transformer.specs_) == ["tabular"]
    assert transformer.inputs_["tabular"].columns == ["title", "price", "colour", "sold"]
    assert transformer.transformers_["tabular"].kinds_["price"] == "categorical"


def test_several_columns_of_a_modality(X, small):
    X = X.assign(back=X["photo"][::-1].to_numpy(), question=X["title"].str.upper())
    specs = ModalityTransformer(image=small).fit(X).specs_
    assert list(specs) == ["photo", "back", "title", "question", "tabular"]
    assert {spec.group for spec in specs.values()} == {None}


def test_shared_columns_have_one_transformer_and_one_group(X, small):
    X = X.assign(reply=["never seen elsewhere", *X["title"][1:]], back=X["photo"][::-1].to_numpy())
    small.set_params(columns=["back", "photo"], shared=True)
    text = TextInput(["title", "reply"], shared=True, transformer=TextTransformer(tokenizer="word"))
    transformer = ModalityTransformer(image=small, text=text, tabular=None)
    blocks = transformer.fit_transform(X)
    assert list(blocks) == ["back", "photo", "title", "reply"]
    assert [spec.group for spec in blocks.specs.values()] == ["image", "image", "text", "text"]
    assert transformer.transformers_["title"] is transformer.transformers_["reply"]
    assert blocks.specs["title"].vocab_size == blocks.specs["reply"].vocab_size
    np.testing.assert_array_equal(blocks["title"][1:], blocks["reply"][1:])
    np.testing.assert_array_equal(blocks["back"], blocks["photo"][::-1])
    np.testing.assert_array_equal(blocks.present[:, 2], X["title"].notna())
    assert_same(transformer.transform(X), blocks)


def test_the_long_way(X, small):
    transformer = ModalityTransformer(
        inputs=[
            ("numbers", TabularInput(["price"], transformer=make_pipeline(SimpleImputer(), StandardScaler()))),
            ("front", small.set_params(columns="photo")),
            ("rest", TabularInput()),
        ]
    )
    blocks = transformer.fit_transform(X)
    assert list(blocks) == ["numbers", "photo", "rest"]
    assert transformer.inputs_["rest"].columns == ["colour", "sold"]
    assert blocks.specs["rest"].name == "rest"


def test_a_modality_of_ones_own(X, small, series_input):
    X = X.assign(curve=[[1, 2, 3], [4], None, [5, 6]] * 3)
    encoder = ModuleEncoder(torch.nn.Linear(3, 5), width=5)
    transformer = ModalityTransformer(inputs=[("curve", series_input("curve", encoder=encoder)), ("front", small)])
    blocks = transformer.fit_transform(X)
    assert list(blocks) == ["curve", "photo"]
    assert blocks["curve"][:3].tolist() == [[1, 2, 3], [4, 0, 0], [0, 0, 0]]
    assert blocks.present[:4, 0].tolist() == [True, True, False, True]
    spec = blocks.specs["curve"]
    assert (spec.kind, spec.name, spec.columns, spec.shape) == ("series", "curve", ("curve",), (3,))
    assert isinstance(spec.encoder, ModuleEncoder)
    assert_same(transformer.transform(X), blocks)
    transformer.set_params(curve__transformer__length=2)
    assert transformer.fit_transform(X)["curve"].shape == (12, 2)


def test_shared_columns_of_a_modality_of_ones_own(series_input):
    X = pd.DataFrame({"a": [[1], [2]], "b": [[3], None]})
    blocks = ModalityTransformer(inputs=[("both", series_input(["a", "b"], shared=True))]).fit_transform(X)
    assert [spec.group for spec in blocks.specs.values()] == ["both", "both"]
    assert blocks["b"].tolist() == [[3, 0, 0], [0, 0, 0]]
    assert blocks.present.tolist() == [[True, True], [True, False]]


def test_the_target_reaches_transformers_that_want_it(X):
    y = np.arange(12) % 2
    transformer = ModalityTransformer(
        image=None, text=None, tabular=TabularInput(["colour"], transformer=TargetEncoder(cv=2))
    )
    assert transformer.fit_transform(X, y)["tabular"]["numbers"].shape == (12, 1)


@pytest.mark.parametrize(("encoder", "tokenizer"), [("lstm", "word"), ("bag", "ngram"), (RNNEncoder(), "word")])
def test_text_is_read_as_the_encoder_asks(X, encoder, tokenizer):
    transformer = ModalityTransformer(image=None, tabular=None, text=TextInput(encoder=encoder)).fit(X)
    spec = transformer.specs_["title"]
    assert (spec.tokenizer, spec.tokenizer_is_auto) == (tokenizer, True)


def test_a_tokenizer_of_the_users_choice(X):
    text = TextInput(transformer=TextTransformer(tokenizer="word"), encoder="bag")
    spec = ModalityTransformer(image=None, tabular=None, text=text).fit(X).specs_["title"]
    assert (spec.tokenizer, spec.tokenizer_is_auto) == ("word", False)


def test_rows_may_lack_a_modality(X, small):
    transformer = ModalityTransformer(image=small).fit(X)
    rows = X[:3].astype(object)
    rows.loc[0, "photo"] = None
    rows.loc[1, "title"] = " "
    rows.loc[2, ["price", "colour", "sold"]] = None
    assert transformer.transform(rows).present.tolist() == [
        [False, True, True],
        [True, False, True],
        [True, True, False],
    ]
    assert not transformer.transform(rows.assign(photo=None)).present[:, 0].any()


def test_pictures_in_other_forms_than_in_fit(X, small, photos):
    transformer = ModalityTransformer(image=small).fit(X)
    cells = np.empty(4, dtype=object)
    cells[:] = [photos[0], Image.open(photos[1]), Path(photos[2]).read_bytes(), np.full((9, 9), 250, np.uint8)]
    blocks = transformer.transform(X[:4].assign(photo=cells))
    assert blocks["photo"][:, 0, 0, 0].tolist() == [10, 90, 170, 250]


# what is said


def test_silent_at_zero(X, small, capsys):
    ModalityTransformer(image=small).fit(X)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_verbose_explains(X, small, capsys):
    small.set_params(columns="photo")
    ModalityTransformer(image=small, text=None, verbose=1).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ModalityTransformer reads 4 of 7 columns into 2 block(s)."
    assert [line.split()[:3] for line in lines[1:]] == [
        ["column", "kind", "block"],
        ["photo", "image", "photo"],
        ["title", "text", "-"],
        ["price", "numeric", "tabular"],
        ["colour", "categorical", "tabular"],
        ["sold", "datetime", "tabular"],
        ["currency", "ignored", "-"],
        ["note", "ignored", "-"],
    ]
    assert lines[2].endswith("named in `image`")
    assert lines[7].endswith("all of its 12 cells are the same")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"text": ("title", "photo")}, "`text` names several columns, for which it must be a list: ['title', 'photo']"),
        ({"image": "foto"}, "`image` names column 'foto', which X does not have. Did you mean 'photo'? Its columns: "),
        ({"image": 7}, "`image` names position 7, but X has 7 columns"),
        ({"image": True}, "`image` names column True"),
        ({"image": [["photo"]]}, r"`image` names column ['photo']"),
        ({"image": "photo", "text": "photo"}, "column 'photo' is claimed by `image` and `text`"),
        ({"text": ["title", 1]}, "column 'title' is claimed by `text`, which names it twice"),
        ({"text": "note"}, "cannot learn from column 'note', which `text` names: all of its 12 cells are missing"),
        ({"tabular": ["price", "note"]}, "cannot learn from column 'note', which `tabular` names"),
        ({"image": None, "text": None, "tabular": None}, "found no column to read in the 7 of X"),
        ({"image": 3.5}, "The 'image' parameter of ModalityTransformer must be"),
        ({"verbose": "loud"}, "The 'verbose' parameter of ModalityTransformer must be"),
        ({"image": TextInput("title")}, "`image` of ModalityTransformer takes Inputs of kind 'image', got TextInput"),
        ({"inputs": [("a", TextInput("title"))], "image": "photo"}, "got both `inputs` and `image`='photo'"),
        ({"inputs": []}, "must have at least one pair"),
        ({"inputs": [("a", TextInput("title")), ("a", ImageInput("photo"))]}, "Names provided are not unique"),
        ({"inputs": [("image", ImageInput("photo"))]}, "conflict with constructor arguments"),
        ({"inputs": [("a", TextInput()), ("b", TextInput())]}, "both `a` and `b` look for text columns"),
        (
            {"inputs": [("title", TextInput("price")), ("t", TabularInput(["title"])), ("c", TextInput("title"))]},
            "claimed",
        ),
        ({"text": TextInput(encoder="lstn")}, "Unknown text encoder 'lstn'. Did you mean 'lstm'?"),
        ({"text": TextInput(encoder=CNNEncoder())}, "CNNEncoder reads blocks of kind 'image', got one of kind 'text'"),
        ({"text": TextInput(transformer="word")}, "The 'transformer' parameter of TextInput must be"),
        ({"image": ImageInput(transformer=ImageTransformer(size=0))}, "The 'size' parameter of ImageTransformer"),
        ({"image": ImageInput(shared="yes")}, "The 'shared' parameter of ImageInput must be"),
        ({"image": ImageInput(columns=3.5)}, "The 'columns' parameter of ImageInput must be"),
        ({"tabular": TabularInput(transformer=3)}, "The 'transformer' parameter of TabularInput must be"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:60],
)
def test_bad_parameters(X, parameters, message):
    with pytest.raises(ValueError) as error:
        ModalityTransformer(**parameters).fit(X)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([TextInput("title")], "must be pairs"),
        ([("title", "title")], r"got 'title' for 'title'. Write for example \('title', TextInput\('title'\)\)"),
        ([("title", torch.nn.Linear(1, 1))], "must be pairs"),
    ],
)
def test_inputs_that_are_none(X, inputs, message):
    with pytest.raises(TypeError, match=message):
        ModalityTransformer(inputs=inputs).fit(X)


def test_an_input_that_can_not_look_for_columns(X, series_input):
    with pytest.raises(ValueError, match="`curve` must name its columns"):
        ModalityTransformer(inputs=[("curve", series_input("auto"))]).fit(X)


def test_nothing_found_says_why(X):
    with pytest.raises(ValueError) as error:
        ModalityTransformer().fit(X[["note", "currency"]])
    assert "found no column to read in the 2 of X" in str(error.value)
    assert "'note': ignored (all of its 12 cells are missing)" in str(error.value)
    assert "'currency': ignored (all of its 12 cells are the same)" in str(error.value)


def test_names_for_an_array_without(X):
    with pytest.raises(ValueError, match="`image` names column 'photo', but X is an array without names"):
        ModalityTransformer(image="photo").fit(X.to_numpy(dtype=object))


def test_duplicate_names(X, small):
    doubled = X.rename(columns={"note": "title"})
    with pytest.raises(ValueError, match=r"several of the name \['title'\]"):
        ModalityTransformer().fit(doubled)
    transformer = ModalityTransformer(image=small).fit(X)
    with pytest.raises(ValueError, match=r"several of the name \['title'\]"):
        transformer.transform(doubled)
    transformer.transform(X.rename(columns={"currency": "note"}))  # neither is read


def test_two_blocks_of_one_name(X):
    with pytest.raises(ValueError, match="two blocks would have the name 'tabular'"):
        ModalityTransformer(image=None).fit(X.rename(columns={"title": "tabular"}))


def test_unreadable_pictures_are_named(X, small):
    X.loc[3, "photo"] = "/nowhere/3.png"
    with pytest.raises(ValueError, match=r"(?s)column 'photo'.*row 3"):
        ModalityTransformer(image=small).fit(X)


def test_cells_that_no_one_can_read():
    X = np.random.default_rng(0).normal(size=(6, 3)).astype(object)
    X[0, 0] = {"foo": "bar"}
    with pytest.raises(TypeError, match=r"argument must be .* string.* number"):
        ModalityTransformer().fit(X)


def test_no_rows(X, small):
    with pytest.raises(ValueError, match=r"0 sample\(s\).*ModalityTransformer"):
        ModalityTransformer().fit(X[:0])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        ModalityTransformer(image=small).fit(X).transform(X[:0])


def test_not_fitted(X):
    with pytest.raises(NotFittedError):
        ModalityTransformer().transform(X)


def test_errors_can_carry_the_name_of_the_estimator_it_works_for():
    transformer = ModalityTransformer()
    transformer._owner = "Classifier"
    with pytest.raises(ValueError, match="required by Classifier"):
        transformer.fit(np.empty((0, 3)))
    transformer.fit(np.eye(3))
    with pytest.raises(ValueError, match="X has 2 features, but Classifier is expecting 3 features as input"):
        transformer.transform(np.ones((3, 2)))
    with pytest.raises(ValueError, match="The 'image' parameter of Classifier must be"):
        transformer.set_params(image=1.5).fit(np.eye(3))


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_scikit_learns_callbacks_see_the_fit(X, small, method):
    pytest.importorskip("sklearn.callback")
    seen = []

    class Recorder:
        def setup(self, estimator, context):
            seen.append("setup")

        def teardown(self, estimator, context):
            seen.append("teardown")

        def on_fit_task_begin(self, estimator, context, *, X=None):
            seen.append(("begin", context.task_name, X))

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            seen.append(("end", context.task_name, list(fitted_estimator.specs_)))

    transformer = ModalityTransformer(image=small).set_callbacks(Recorder())
    getattr(transformer, method)(X)
    assert seen[1][2] is X
    assert [event[:2] if len(event) == 3 else event for event in seen] == [
        "setup",
        ("begin", "fit"),
        ("end", "fit"),
        "teardown",
    ]
    assert seen[2][2] == ["photo", "title", "tabular"]


def test_lists_and_vectors_are_found(X, small):
    titles = X["title"]
    X = X.assign(
        photo=[[path] * (row % 3) for row, path in enumerate(X["photo"])],
        title=[[title, None] for title in titles],
        embedding=[np.full(3, row) if row else None for row in range(12)],
    )
    transformer = ModalityTransformer(image=small)
    blocks = transformer.fit_transform(X)
    kinds = {"photo": "image", "title": "text", "embedding": "vector"}
    assert {label: kind for label, kind in transformer.column_kinds_.items() if label in kinds} == kinds
    assert isinstance(blocks["photo"], Ragged)
    assert blocks["photo"].counts.tolist() == [0, 1, 2] * 4
    assert blocks["title"].counts.tolist() == titles.notna().astype(int).tolist()
    assert blocks.present[:, 0].tolist() == [False, True, True] * 4
    names = transformer.transformers_["tabular"].get_feature_names_out().tolist()
    assert {"embedding_0", "embedding_1", "embedding_2", "embedding_missing"} <= set(names)
    keys = blocks.content_keys[:, 0]
    assert keys[0] == keys[3] == np.void(bytes(16))
    assert len({key.tobytes() for key in keys}) == 9  # nothing, or one of four pictures once or twice


def test_shared_columns_of_lists_and_single_cells(X, small):
    X = X.assign(back=[[path, path] for path in X["photo"]])
    transformer = ModalityTransformer(image=small.set_params(shared=True), text=None, tabular=None)
    blocks = transformer.fit_transform(X)
    assert blocks["photo"].counts.tolist() == [1] * 12
    assert blocks["back"].counts.tolist() == [2] * 12
    np.testing.assert_array_equal(blocks["back"].items[::2], blocks["photo"].items)
    again = transformer.transform(X)
    np.testing.assert_array_equal(again["back"].items, blocks["back"].items)
    assert blocks.specs["photo"].pool == blocks.specs["back"].pool == "mean"


def test_told_vectors(X):
    X = X.assign(embedding=[[float(row), 1.0] for row in range(12)])
    for tabular in (
        TabularInput("embedding"),
        TabularInput("embedding", transformer=TabularTransformer(kinds={"embedding": "vector"})),
    ):
        blocks = ModalityTransformer(image=None, text=None, tabular=tabular).fit_transform(X)
        assert blocks["tabular"]["numbers"].shape == (12, 2)
