"""Tables of other libraries and dtypes, and models that are written to files and shown."""

import copy

import joblib
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn import config_context
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr
from sklearn.utils.fixes import parse_version

from sklearn_mm import ModalityTransformer

HALVES = PredefinedSplit(np.arange(48) % 2)

TABLES = {
    "pandas, nullable": lambda X: X.convert_dtypes(),
    "pandas, pyarrow": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, objects": lambda X: X.astype(object),
    "polars": pl.from_pandas,
}
if parse_version(sklearn.__version__) >= parse_version("1.7"):  # older ones cannot index Arrow tables
    TABLES["pyarrow"] = pa.Table.from_pandas


@pytest.fixture
def by_hand(clf, X, y, fit_once):
    """Models of the halves, each with the rows that it was not fitted on."""
    return [(fit_once(clf, X.iloc[train], y.iloc[train]), X.iloc[test], y.iloc[test]) for train, test in HALVES.split()]


@pytest.mark.parametrize("table", TABLES)
def test_cross_validation_of_other_tables(clf, X, y, by_hand, table):
    other = TABLES[table](X)
    expected = [-log_loss(target, model.predict_proba(rows)) for model, rows, target in by_hand]
    scores = cross_val_score(clf, other, y, cv=HALVES, scoring="neg_log_loss", error_score="raise")
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


@pytest.mark.parametrize("table", TABLES)
def test_missing_cells_of_other_tables(clf, X, y, fit_once, table):
    lacking = X.assign(weight=X["weight"].mask(np.arange(48) % 6 == 1))
    lacking["photo"] = lacking["photo"].mask(np.arange(48) % 6 == 2)
    lacking["title"] = lacking["title"].mask(np.arange(48) % 6 == 3)
    expected = fit_once(clf, lacking, y).predict_proba(lacking)
    other = TABLES[table](lacking)
    np.testing.assert_allclose(clf.fit(other, y).predict_proba(other), expected, rtol=1e-4)
    present = clf.transformer_.transform(other).present
    assert present.sum(axis=0).tolist() == [40, 40, 40]


@pytest.mark.parametrize(
    "dtype", ["object", "string", "category", "str[pyarrow]", pl.String, pl.Categorical], ids=lambda dtype: str(dtype)
)
def test_labels_of_other_types(clf, X, y, by_hand, dtype):
    if dtype in (pl.String, pl.Categorical):
        labels = pl.Series(y.tolist()).cast(dtype)
    else:
        labels = y.astype("string[pyarrow]" if dtype == "str[pyarrow]" else dtype)
    scores = cross_val_score(clf, X, labels, cv=HALVES, error_score="raise")
    np.testing.assert_array_equal(scores, [model.score(rows, target) for model, rows, target in by_hand])


def test_numbers_with_a_mask_as_labels(clf, X, y):
    labels = (y == "dark").astype("Int64")
    assert clf.fit(X, labels).classes_.tolist() == [0, 1]
    assert clf.score(X, labels) > 0.9


@pytest.mark.parametrize("options", [{}, {"compress": 3}], ids=str)
@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_joblib(clf, X, y, fit_once, tmp_path, options, mmap_mode):
    search = copy.deepcopy(fit_once(GridSearchCV(clf, {"fusion": ["concat", "sum"]}, cv=HALVES), X, y))
    joblib.dump(search, tmp_path / "search.joblib", **options)
    if options and mmap_mode:
        with pytest.warns(UserWarning, match="mmap_mode"):  # of a compressed file, it is not used
            loaded = joblib.load(tmp_path / "search.joblib", mmap_mode=mmap_mode)
    else:
        loaded = joblib.load(tmp_path / "search.joblib", mmap_mode=mmap_mode)
    np.testing.assert_array_equal(loaded.predict_proba(X), search.predict_proba(X))
    model, expected = (s.best_estimator_.set_params(warm_start=True, max_epochs=1).fit(X, y) for s in (loaded, search))
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    model.partial_fit(X, y)
    assert model.n_epochs_ == 3 + 1 + 1


def test_representations(clf, X, y, fit_once):
    search = GridSearchCV(make_pipeline(ModalityTransformer(image=clf.image), clf), {}).set_params(cv=3)
    html = estimator_html_repr(search)
    for part in ("GridSearchCV", "ModalityTransformer", "ImageInput", "CNNEncoder", "MultimodalClassifier"):
        assert part in html
    with config_context(print_changed_only=False):
        assert "batch_size='auto'" in repr(clf)
    assert "batch_size" not in repr(clf)
    assert "fitted" in estimator_html_repr(fit_once(clf, X, y))


def test_configured_trust(clf, X, y, fit_once):
    expected = fit_once(clf, X, y).predict_proba(X)
    with config_context(assume_finite=True, skip_parameter_validation=True):
        np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), expected)
