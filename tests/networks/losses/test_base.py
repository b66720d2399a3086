import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_mm.networks.losses._registry import (
    classifier_losses,
    regressor_losses,
    resolve_classifier_loss,
    resolve_regressor_loss,
)

RNG = np.random.default_rng(0)
CLASSES = {"binary": ["a", "b"], "multiclass": ["a", "b", "c", "d"], "multilabel": [0, 1, 2]}
# Losses by name with the targets they take.
TAKEN = [
    (name, kind) for name in classifier_losses.names for kind in CLASSES if (name, kind) != ("ordinal", "multilabel")
]


def built(name, kind, n_rows=20):
    """A built loss of a classifier with outputs, targets and weights."""
    n_classes = len(CLASSES[kind])
    shape = (n_rows, n_classes) if kind == "multilabel" else n_rows
    target = RNG.integers(2 if kind == "multilabel" else n_classes, size=shape)
    loss = clone(resolve_classifier_loss(name)).build(CLASSES[kind], multilabel=kind == "multilabel")
    loss.fit_target(target, np.ones(loss.encode(target).shape))
    return loss, RNG.normal(size=(n_rows, loss.n_outputs)), target


@pytest.mark.parametrize(("name", "kind"), TAKEN)
def test_one_number_per_element_of_the_target(name, kind):
    loss, outputs, target = built(name, kind)
    encoded = torch.from_numpy(loss.encode(target))
    outputs = torch.from_numpy(outputs).requires_grad_()
    elements = loss(outputs, encoded)
    assert elements.shape == encoded.shape
    assert (elements >= 0).all()
    assert loss.row_scores(outputs, encoded).shape == (20,)
    elements.sum().backward()
    assert torch.isfinite(outputs.grad).all()


@pytest.mark.parametrize(("name", "kind"), TAKEN)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_and_decisions_agree(name, kind, dtype):
    loss, outputs, _ = built(name, kind)
    outputs = np.concatenate([outputs, 1000 * outputs]).astype(dtype)
    probabilities, scores = loss.predict_proba(outputs), loss.decision_function(outputs)
    assert probabilities.shape == (40, len(CLASSES[kind]))
    assert probabilities.dtype == scores.dtype == dtype
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    if kind == "multiclass":
        assert scores.shape == probabilities.shape
        np.testing.assert_array_equal(scores.argmax(1), probabilities.argmax(1))
    elif kind == "binary":
        np.testing.assert_array_equal(scores > 0, probabilities[:, 1] > 0.5)
    else:
        np.testing.assert_array_equal(scores > 0, probabilities > 0.5)
        return
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(("name", "kind"), TAKEN)
def test_shown_score_is_the_accuracy_of_the_decisions(name, kind):
    loss, outputs, target = built(name, kind)
    shown = loss.row_scores(torch.from_numpy(outputs), torch.from_numpy(loss.encode(target)))
    scores = loss.decision_function(outputs)
    predicted = scores.argmax(1) if kind == "multiclass" else scores > 0
    right = (predicted == target).all(1) if kind == "multilabel" else predicted == target
    np.testing.assert_array_equal(shown, right)


@pytest.mark.parametrize("name", regressor_losses.names)
def test_losses_of_regressors_keep_targets_apart(name):
    target = RNG.gamma(2, size=(30, 2))
    loss = clone(resolve_regressor_loss(name)).build(2)
    loss.check(target)
    loss.fit_target(target, np.ones(30))
    encoded = torch.from_numpy(loss.encode(target))
    outputs = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    elements = loss(outputs, encoded)
    assert elements.shape == (30, 2)
    assert (elements >= 0).all()
    changed = loss(torch.cat([outputs[:, :1], outputs[:, 1:] + 1], 1), encoded)
    assert torch.equal(changed[:, 0], elements[:, 0])
    assert not torch.equal(changed[:, 1], elements[:, 1])


@pytest.mark.parametrize("name", classifier_losses.names + regressor_losses.names)
def test_parameters_are_those_of_scikit_learn(name):
    registry = classifier_losses if name in classifier_losses.names else regressor_losses
    loss = registry.resolve(name)
    assert registry.resolve(loss) is loss
    assert repr(clone(loss)) == repr(loss)
    assert clone(loss).get_params() == loss.get_params()


def test_unknown_names():
    with pytest.raises(ValueError, match=r"Unknown loss of a classifier 'foca'\. Did you mean 'focal'"):
        resolve_classifier_loss("foca")
    with pytest.raises(ValueError, match=r"Unknown loss of a regressor 'focal'"):
        resolve_regressor_loss("focal")
