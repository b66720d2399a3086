import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_mm.inputs._sklearn_transformer import NumbersTransformer


@pytest.fixture
def X():  # noqa: N802
    return pd.DataFrame({"a": [1.0, 2.0, np.nan, 3.0], "b": ["x", "y", None, ""]})


@pytest.fixture
def mixed():
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_column_transformer((numbers, ["a"]), (OneHotEncoder(handle_unknown="ignore"), ["b"]))


@pytest.mark.parametrize("container", ["default", "pandas"])
def test_output_of_a_column_transformer(X, mixed, container):
    dense = mixed.set_params(onehotencoder__sparse_output=False)
    transformer = NumbersTransformer(dense.set_output(transform=container))
    array, present = transformer.fit_read(X)
    assert array["numbers"].dtype == np.float32
    np.testing.assert_allclose(array["numbers"][:2], transformer.transformer_.transform(X)[:2])
    assert array["codes"].shape == (4, 0)
    assert present.tolist() == [True, True, False, True]
    assert not array["numbers"][2].any()
    assert transformer.spec_.n_numbers == array["numbers"].shape[1] == transformer.spec_.shape[0]
    again, _ = transformer.read(X)
    np.testing.assert_array_equal(again, array)
    assert not hasattr(transformer.transformer, "transformers_")


def test_sparse_output(X):
    sparse = NumbersTransformer(OneHotEncoder()).fit_transform(X[["b"]])
    dense = NumbersTransformer(OneHotEncoder(sparse_output=False)).fit_transform(X[["b"]])
    np.testing.assert_array_equal(sparse, dense)


def test_blank_strings_are_missing(X):
    transformer = NumbersTransformer(OneHotEncoder())
    assert transformer.fit_read(X[["b"]])[1].tolist() == [True, True, False, False]


def test_names_are_those_of_the_output(X):
    encoder = NumbersTransformer(OneHotEncoder()).fit(X[["b"]][:2])
    assert encoder.get_feature_names_out().tolist() == ["b_x", "b_y"]
    nameless = NumbersTransformer(FunctionTransformer(lambda X: X.fillna(0))).fit(X[["a"]])
    assert nameless.get_feature_names_out().tolist() == ["tabular_0"]


def test_output_with_gaps_that_is_scaled():
    X = pd.DataFrame({"a": [1.0, 2.0, np.nan, 3000.0], "b": [1.0, 2.0, 3.0, 4.0]})
    transformer = NumbersTransformer(StandardScaler(), scale=True)
    array, present = transformer.fit_read(X)
    assert transformer.get_feature_names_out().tolist() == ["a", "a_missing", "b"]
    np.testing.assert_array_equal(array["numbers"][:, 1], [0, 0, 1, 0])
    assert np.abs(array["numbers"]).max() <= 3
    assert transformer.spec_.n_numbers == 3
    assert present.all()
    np.testing.assert_array_equal(transformer.read(X)[0], array)


TABLE = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [1.0, 2.0, 3.0], "c": ["x", "y", "z"]})


@pytest.mark.parametrize(
    ("transformer", "columns", "message"),
    [
        (StandardScaler(), "ab", r"StandardScaler must return finite numbers.*1 of 3 rows \(rows 1\).*SimpleImputer"),
        (FunctionTransformer(lambda X: X * 1e300), "b", "must return finite numbers.* in 3 of 3 rows"),
        (FunctionTransformer(), "bc", "must return numbers, got an output of dtype object .*'x'"),
        (FunctionTransformer(lambda X: X[:1]), "ab", r"3 rows for 3 rows, got an output of shape \(1, 2\)"),
        (FunctionTransformer(lambda X: X.to_numpy()[:, :0]), "ab", r"at least one column .* shape \(3, 0\)"),
        (FunctionTransformer(lambda X: X["a"]), "ab", r"of shape \(3,\)"),
    ],
    ids=["missing", "infinite", "strings", "rows", "nothing", "one dimension"],
)
def test_output_that_is_no_table_of_numbers(transformer, columns, message):
    with pytest.raises(ValueError, match=message):
        NumbersTransformer(transformer).fit(TABLE[[*columns]])


def test_transformers_of_numbers_are_not_given_vectors():
    X = pd.DataFrame({"size": [1.0, 2.0], "embedding": [np.ones(3), None]})
    message = r"StandardScaler cannot read the columns \['embedding'\], whose cells are vectors: .* Input of their own"
    with pytest.raises(ValueError, match=message):
        NumbersTransformer(StandardScaler()).fit_read(X)


def test_another_width_than_in_fit():
    transformer = NumbersTransformer(FunctionTransformer(lambda X: X.loc[:, X.iloc[0] > 0]))
    transformer.fit(pd.DataFrame({"a": [1], "b": [1]}))
    with pytest.raises(ValueError, match="FunctionTransformer returned 1 columns, in `fit` it had 2"):
        transformer.transform(pd.DataFrame({"a": [1], "b": [-1]}))
