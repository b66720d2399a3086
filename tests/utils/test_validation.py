"""What parameters are told when they are not what they must be."""

import numpy as np
import pytest
import torch

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.fusion import GatedFusion
from sklearn_mm.networks import CrossEntropyLoss, HuberLoss, MLPHead, WideLinear
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.training import ImageAugmentation

X, Y = np.arange(24.0).reshape(12, 2), np.arange(12) % 2


@pytest.mark.parametrize(
    ("estimator", "parameter"),
    [
        (MultimodalClassifier(loss=CrossEntropyLoss), "loss"),
        (MultimodalRegressor(loss=HuberLoss), "loss"),
        (MultimodalClassifier(fusion=GatedFusion), "fusion"),
        (MultimodalClassifier(head=MLPHead), "head"),
        (MultimodalClassifier(wide=WideLinear), "wide"),
        (MultimodalClassifier(image=ImageInput), "image"),
        (ModalityTransformer(image=ImageInput), "image"),
        (MultimodalClassifier(image=ImageInput(transformer=ImageTransformer)), "transformer"),
        (ModalityTransformer(image=ImageInput(augment=ImageAugmentation)), "augment"),
    ],
    ids=str,
)
def test_a_class_in_the_place_of_an_instance(estimator, parameter):
    with pytest.raises(ValueError) as error:
        estimator.fit(X, Y)
    holder = estimator if hasattr(estimator, parameter) else estimator.image
    meant = getattr(holder, parameter).__name__
    assert str(error.value) == (
        f"The {parameter!r} parameter of {type(holder).__name__} must be an instance, got the class {meant}. Did you "
        f"mean the instance {meant}()?"
    )


@pytest.mark.parametrize("loss", [3, HuberLoss(), HuberLoss, torch.nn.CrossEntropyLoss()], ids=str)
def test_types_are_named_as_users_import_them(loss):
    with pytest.raises(ValueError, match=r"an instance of 'sklearn_mm\.networks\.ClassifierLoss'\. Got") as error:
        MultimodalClassifier(loss=loss).fit(X, Y)
    assert "._" not in str(error.value)
    assert "Did you mean" not in str(error.value)  # no instance of these would do


def test_a_class_that_is_called_is_welcome():
    clf = MultimodalClassifier(optimizer=torch.optim.SGD, max_epochs=1).fit(X, Y)
    assert isinstance(clf.net_.optimizer_, torch.optim.SGD)
