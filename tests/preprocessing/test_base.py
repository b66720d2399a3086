"""What all transformers of one column have from their base."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

PICTURES = [np.full((6, 8, 3), shade, dtype=np.uint8) for shade in (0, 255)]


def test_names_of_features_are_those_of_the_second_axis():
    texts = TextTransformer().fit(pd.Series(["a b c", "a"], name="title"))
    assert texts.get_feature_names_out().tolist() == ["title_0", "title_1", "title_2"]
    pictures = ImageTransformer(size=(4, 5)).fit(pd.DataFrame({"photo": PICTURES}))
    assert pictures.get_feature_names_out(["photo"]).tolist() == [f"photo_{i}" for i in range(4)]
    assert pictures.transform(PICTURES).shape[1] == 4


def test_a_column_without_a_name():
    assert TextTransformer().fit(["a b"]).get_feature_names_out().tolist() == ["x0_0", "x0_1"]


def test_names_are_known_after_fit():
    with pytest.raises(NotFittedError):
        ImageTransformer().get_feature_names_out()
