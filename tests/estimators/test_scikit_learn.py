"""The estimators among scikit-learn's tools, on raw tables with pictures, text, numbers and categories."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import estimator_html_repr, get_tags

from sklearn_mm import (
    ImageInput,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    TabularInput,
    TextInput,
)
from sklearn_mm.encoders import CNNEncoder, RNNEncoder
from sklearn_mm.fusion import GatedFusion
from sklearn_mm.preprocessing import ImageTransformer


def small_image(columns="auto"):
    return ImageInput(columns, transformer=ImageTransformer(size=16), encoder=CNNEncoder(channels=(8,)), augment=None)


@pytest.fixture
def clf():
    return MultimodalClassifier(image=small_image(), max_epochs=2, random_state=0)


def test_kinds():
    assert is_classifier(MultimodalClassifier())
    assert is_regressor(MultimodalRegressor())
    assert get_tags(MultimodalClassifier()).input_tags.allow_nan
    assert not get_tags(MultimodalClassifier()).input_tags.string


def test_one_step_and_two_give_the_same_network(clf, table):
    X, y = table
    one = clone(clf).fit(X, y)
    two = make_pipeline(ModalityTransformer(image=small_image()), clone(clf).set_params(image="auto")).fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    assert {n: p.shape for n, p in one.net_.module_.named_parameters()} == {
        n: p.shape for n, p in two[-1].net_.module_.named_parameters()
    }


def test_the_estimators_encoder_wins_over_that_of_the_blocks(table):
    X, y = table
    blocks = ModalityTransformer(image=small_image()).fit_transform(X)
    clf = MultimodalClassifier(image=ImageInput("photo", encoder=CNNEncoder(channels=(4,))), max_epochs=1)
    assert clf.fit(blocks, y).net_.module_.encoders["photo"].channels == (4,)


def test_a_transformer_that_can_no_longer_act_is_an_error(clf, table):
    X, y = table
    blocks = ModalityTransformer().fit_transform(X)
    with pytest.raises(ValueError, match="ModalityTransformer"):
        clf.fit(blocks, y)


def test_blocks_that_were_read_otherwise_are_refused(table):
    X, y = table
    clf = MultimodalClassifier(max_epochs=1).fit(ModalityTransformer(image=small_image()).fit_transform(X), y)
    with pytest.raises(ValueError, match="Block 'photo' was read with other settings"):
        clf.predict(ModalityTransformer().fit_transform(X))
    with pytest.raises(ValueError, match=r"missing: \['photo'\]"):
        clf.predict(ModalityTransformer(image=None).fit_transform(X))
    with pytest.raises(TypeError, match="was fitted on Blocks, got DataFrame"):
        clf.predict(X)


@pytest.mark.parametrize("form", ["pandas", "object array", "polars", "reordered", "extra column"])
def test_forms_of_a_table(clf, table, form):
    X, y = table
    expected = clone(clf).fit(X, y).predict_proba(X)
    if form == "object array":
        clf.set_params(image=small_image(0), text=1, tabular=[2, 3])
        X = X.to_numpy(dtype=object)
    fitted = clf.fit(pl.from_pandas(X) if form == "polars" else X, y)
    if form == "polars":
        X = pl.from_pandas(X)
    elif form == "reordered":
        X = X[["colour", "title", "photo", "weight"]]
    elif form == "extra column":
        X = X.assign(note="nothing")
    np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-5)


def test_cross_validate_and_cross_val_predict(clf, table):
    X, y = table
    clf.set_params(max_epochs=10)
    scores = cross_validate(clf, X, y, cv=2, scoring=["accuracy", "neg_log_loss"], error_score="raise")
    assert scores["test_accuracy"].mean() > 0.6
    probabilities = cross_val_predict(clf.set_params(max_epochs=1), X, y, cv=2, method="predict_proba")
    assert probabilities.shape == (96, 4)


@pytest.mark.slow
def test_grid_over_preprocessing_encoder_and_fusion_in_two_processes(clf, table):
    X, y = table
    clf.set_params(text=TextInput("title"), max_epochs=4)
    grid = [
        {"image__transformer__size": [8, 16], "image__encoder": [CNNEncoder(channels=(4,)), "resnet"]},
        {"text__encoder": ["lstm", "bag"], "fusion": ["concat", GatedFusion(width=16)]},
    ]
    search = GridSearchCV(clf, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    assert search.score(X, y) > 0.4
    assert set(search.predict(X)) <= set(y)


def test_keys_below_an_encoder_and_a_fusion(table):
    X, y = table
    clf = MultimodalClassifier(
        image=small_image(), text=TextInput("title", encoder=RNNEncoder()), fusion=GatedFusion(), max_epochs=1
    )
    clf.set_params(text__encoder__cell="gru", image__encoder__channels=(4, 6), fusion__width=7).fit(X, y)
    assert clf.net_.module_.encoders["title"].cell == "gru"
    assert clf.transform(X).shape == (96, 7)


def test_grid_over_named_inputs(table):
    X, y = table
    clf = MultimodalClassifier(
        inputs=[("front", small_image("photo")), ("title", TextInput("title", encoder=RNNEncoder()))], max_epochs=1
    )
    grid = {"title__encoder__cell": ["rnn", "gru"], "front__transformer__size": [8, 12]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_.specs_["photo"].shape[0] in (8, 12)


@pytest.mark.parametrize(
    ("key", "way_out"),
    [
        ("image__transformer__size", "image=ImageInput("),
        ("text__encoder", "text=TextInput("),
        ("tabular__transformer__scaling", "tabular=TabularInput("),
        ("fusion__width", "fusion='auto' has no parameters. Hand in an instance"),
    ],
)
def test_nested_keys_without_an_input_name_the_way_out(key, way_out):
    with pytest.raises(ValueError) as error:
        MultimodalClassifier().set_params(**{key: 1})
    assert way_out in str(error.value)


def test_grid_in_a_pipeline_of_two_steps(table):
    X, y = table
    pipeline = make_pipeline(
        ModalityTransformer(image=ImageInput(encoder=CNNEncoder(channels=(4,)))), MultimodalClassifier(max_epochs=1)
    )
    grid = {"modalitytransformer__image__transformer__size": [8, 16], "multimodalclassifier__fusion": ["sum", "max"]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert search.predict(X).shape == (96,)


def test_blocks_can_be_searched_over(table):
    X, y = table
    blocks = ModalityTransformer(image=small_image()).fit_transform(X)
    search = GridSearchCV(MultimodalClassifier(max_epochs=1), {"fusion": ["concat", "late"]}, cv=2, error_score="raise")
    assert search.fit(blocks, y).predict(blocks).shape == (96,)


def test_html_and_repr(clf, table):
    assert "CNNEncoder" in estimator_html_repr(clf)
    assert "ImageTransformer(size=16)" in repr(clf)
    fitted = clf.set_params(max_epochs=1).fit(*table)
    assert "MultimodalClassifier" in estimator_html_repr(fitted)


def test_sample_weight_is_routed(table):
    X, y = table
    with config_context(enable_metadata_routing=True):
        clf = MultimodalClassifier(image=None, max_epochs=1)
        clf.set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        search = GridSearchCV(clf, {"fusion": ["concat"]}, cv=2, error_score="raise")
        weight = np.zeros(len(y))
        weight[y.str.contains("cat").to_numpy()] = 1  # so that only these classes are trained
        search.fit(X, y, sample_weight=weight)
    assert set(search.predict(X)) <= {"dark cat", "bright cat"}


@pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])
def test_validation_rows_are_routed_through_a_pipeline(table, numeric_target, Estimator):
    X, y = table
    y = y if Estimator is MultimodalClassifier else numeric_target
    weight, weight_val = np.linspace(1, 2, 70), np.linspace(2, 1, 26)
    validation = {"X_val": X[70:], "y_val": y[70:], "sample_weight_val": weight_val}
    transformer = ModalityTransformer(image=small_image())
    model = Estimator(max_epochs=3, random_state=0)
    blocks = transformer.fit_transform(X[:70])
    expected = clone(model).fit(blocks, y[:70], weight, **{**validation, "X_val": transformer.transform(X[70:])})
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True, X_val=True, y_val=True, sample_weight_val=True)
        pipeline = make_pipeline(clone(transformer), model, transform_input=["X_val"])
        pipeline.fit(X[:70], y[:70], sample_weight=weight, **validation)
    assert [row["valid_loss"] for row in model.history_] == [row["valid_loss"] for row in expected.history_]
    np.testing.assert_array_equal(pipeline.predict(X), expected.predict(transformer.transform(X)))


def test_validation_rows_in_a_search_over_a_pipeline(table):
    X, y = table
    clf = MultimodalClassifier(max_epochs=2, scoring="f1_macro", random_state=0)
    with config_context(enable_metadata_routing=True):
        clf.set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(ModalityTransformer(image=small_image()), clf, transform_input=["X_val"])
        grid = {"multimodalclassifier__fusion": ["sum", "concat"]}
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X[:70], y[:70], X_val=X[70:], y_val=y[70:])
    history = search.best_estimator_[-1].history_
    assert all("valid_f1_macro" in row for row in history)
    assert search.predict(X).shape == (96,)


def test_partial_fit_asks_for_its_own_metadata(table):
    X, y = table
    with config_context(enable_metadata_routing=True):
        clf = MultimodalClassifier(image=None).set_partial_fit_request(sample_weight=True, classes=True)
        assert clf.get_metadata_routing().partial_fit.requests == {"sample_weight": True, "classes": True}
        clf.partial_fit(X, y, classes=np.unique(y), sample_weight=np.ones(96))
    assert clf.n_epochs_ == 1


def test_features_feed_another_estimator(clf, table):
    X, y = table
    assert make_pipeline(clf, StandardScaler(), SVC()).fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(clf, table, container):
    X, y = table
    kind = pd.DataFrame if container == "pandas" else pl.DataFrame
    clf.set_params(max_epochs=1).set_output(transform=container)
    for fusion in [GatedFusion(width=5), GatedFusion(width=3)]:  # again, with another number of features
        frame = clf.set_params(fusion=fusion).fit(X, y).transform(X)
        assert isinstance(frame, kind)
        assert frame.shape == (96, fusion.width)
        assert list(frame.columns) == list(clf.get_feature_names_out())
        assert clf.get_feature_names_out()[-1] == f"multimodalclassifier{fusion.width - 1}"
    np.testing.assert_array_equal(clone(clf).fit(X, y).transform(X), frame)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output_of_a_pipeline(table, container):
    X, y = table
    steps = ModalityTransformer(image=None), MultimodalClassifier(fusion=GatedFusion(width=4), max_epochs=1)
    pipeline = make_pipeline(*steps).set_output(transform=container)
    for _ in range(2):
        frame = pipeline.fit(X, y).transform(X)
        assert isinstance(frame, pd.DataFrame if container == "pandas" else pl.DataFrame)
        assert list(frame.columns) == list(pipeline[-1].get_feature_names_out())
        assert pipeline.predict(X).shape == (96,)


def test_table_only_names_by_the_user(table):
    X, _ = table
    reg = MultimodalRegressor(image=None, text=None, tabular=TabularInput(["weight"]), max_epochs=1).fit(X, X["weight"])
    assert reg.specs_["tabular"].columns == ("weight",)
