"""The parameters that estimators declare together: in the signature, in the docstring, and in subclasses."""

import copy
import inspect
import pickle
import pydoc
import re

import numpy as np
import pytest
from numpydoc.docscrape import NumpyDocString
from sklearn.base import clone

from sklearn_mm import MultimodalClassifier, MultimodalRegressor
from sklearn_mm.estimators import BaseMultimodal
from sklearn_mm.networks import ClassifierLoss, RegressorLoss
from sklearn_mm.utils._declared_parameters import parameter, with_parameters

SIGNATURE = (
    "(image='auto', text='auto', tabular='auto', audio='auto', video='auto', *, inputs=None, pretrained=None, "
    "memory=None, "
    "fusion='auto', head='auto', wide='auto', loss='squared_error', modality_dropout=0.0, balancing='auto', "
    "max_epochs=20, batch_size='auto', gradient_accumulation_steps=1, lr=0.002, lr_schedule='one_cycle', "
    "optimizer='adamw', weight_decay=0.01, weight_averaging='auto', warm_start=False, early_stopping='auto', "
    "validation_fraction=0.1, scoring='loss', n_iter_no_change=10, max_time=None, device='auto', "
    "precision='auto', compile=False, skorch_callbacks=None, random_state=None, verbose=0)"
)
SIGNATURES = {
    MultimodalRegressor: SIGNATURE,
    MultimodalClassifier: SIGNATURE.replace("squared_error", "cross_entropy").replace(
        "max_epochs", "class_weight=None, max_epochs"
    ),
}
DIFFER = {"head", "loss", "warm_start", "early_stopping", "validation_fraction", "scoring", "class_weight"}


@pytest.mark.parametrize("estimator", SIGNATURES)
def test_signature(estimator):
    signature = inspect.signature(estimator)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    assert str(signature.replace(parameters=bare)) == SIGNATURES[estimator]


def test_types_are_those_of_the_fields():
    types = MultimodalClassifier.__init__.__annotations__
    assert list(types) == list(inspect.signature(MultimodalClassifier).parameters)
    assert (types["loss"], types["max_epochs"]) == (str | ClassifierLoss, int)
    assert MultimodalRegressor.__init__.__annotations__["loss"] == str | RegressorLoss


@pytest.mark.parametrize("method", [BaseMultimodal.fit, *(estimator.fit for estimator in SIGNATURES)])
def test_help_prints_the_names_of_types(method):
    signature = pydoc.plain(pydoc.render_doc(method)).splitlines()[2]
    assert "ArrayLike" in signature
    assert len(signature) < 250


def documented(estimator):
    entries = NumpyDocString(inspect.getdoc(estimator))["Parameters"]
    return {name: " ".join(entry.desc) for entry in entries for name in entry.name.split(", ")}


@pytest.mark.parametrize("estimator", SIGNATURES)
def test_every_parameter_has_a_paragraph_and_no_word_is_left_to_fill_in(estimator):
    texts = documented(estimator)
    assert list(texts) == list(inspect.signature(estimator).parameters)
    assert all(text.endswith(".") for text in texts.values())
    assert not re.search(r"\{\w+\}", inspect.getdoc(estimator))


def test_docstrings_are_the_same_but_for_what_differs():
    of_classes, of_numbers = documented(MultimodalClassifier), documented(MultimodalRegressor)
    assert {name for name in of_classes if of_classes[name] != of_numbers.get(name)} == DIFFER
    assert "stratified" in of_classes["validation_fraction"]
    assert '"r2"' in of_numbers["scoring"]
    assert "to the targets" in of_numbers["head"]


@with_parameters
class ThresholdClassifier(MultimodalClassifier):
    """Classify, and say nothing below a threshold."""

    max_epochs: int = parameter(default=1)
    threshold: float = parameter(default=0.5, constraints=[float], doc="float\nProbability from which labels are told.")


class ShortRegressor(MultimodalRegressor):
    """Train for a short time."""

    def __init__(self, tabular="auto", *, max_epochs=1, shift=0.0):
        super().__init__(image=None, text=None, tabular=tabular, max_epochs=max_epochs)
        self.shift = shift


@pytest.mark.parametrize("estimator", [ThresholdClassifier(threshold=0.7), ShortRegressor(shift=2.0)])
def test_subclasses_of_users_are_estimators(estimator):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), [0, 1] * 10
    estimator = clone(estimator).set_params(tabular="auto")
    fitted = copy.deepcopy(estimator).fit(X, y)
    assert fitted.n_epochs_ == 1
    other = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(other.predict(X), fitted.predict(X))
    assert other.get_params() == estimator.get_params()
    with pytest.raises(ValueError, match=f"The 'max_epochs' parameter of {type(estimator).__name__} must be"):
        clone(estimator).set_params(max_epochs=0).fit(X, y)


def test_subclass_with_more_parameters_documents_and_checks_all_of_them():
    assert list(documented(ThresholdClassifier)) == [*documented(MultimodalClassifier), "threshold"]
    assert documented(ThresholdClassifier)["max_epochs"] == documented(MultimodalClassifier)["max_epochs"]
    assert "max_epochs : int, default=1" in inspect.getdoc(ThresholdClassifier)
    with pytest.raises(ValueError, match="The 'threshold' parameter of ThresholdClassifier must be"):
        ThresholdClassifier(threshold="high").fit(np.zeros((4, 2)), [0, 1, 0, 1])
