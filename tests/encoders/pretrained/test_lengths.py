"""What a frozen network of speech says of a sound does not depend on how long others are, where it fills all up."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, cross_val_score

from sklearn_mm import AudioInput, MultimodalClassifier
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.training._frozen import _FrozenBlock

pytest.importorskip("transformers", reason="transformers is not installed (the extra pretrained)")


@pytest.fixture
def calls():
    rng = np.random.default_rng(0)
    waves = [(rng.integers(-9999, 9999, 2000 + 500 * n, dtype=np.int16), 16_000) for n in range(8)]
    return pd.DataFrame({"call": pd.Series(waves, dtype=object)}), np.arange(8) % 2


def make_classifier(folder, memory):
    audio = AudioInput("call", encoder=PretrainedEncoder(folder))
    return MultimodalClassifier(audio=audio, wide=None, max_epochs=1, memory=memory, random_state=0)


def test_folds_share_what_is_said_of_a_sound(tiny_model, tmp_path, monkeypatch, calls):
    X, y = calls
    n_encoded, encoded = [], _FrozenBlock._encoded

    def counted(block, rows):
        n_encoded.append(len(rows))
        return encoded(block, rows)

    monkeypatch.setattr(_FrozenBlock, "_encoded", counted)
    cross_val_score(make_classifier(tiny_model("whisper"), tmp_path), X, y, cv=KFold(4), error_score="raise")
    # In the last fold the two longest are cut to the longest of the training rows, and are other sounds.
    assert sum(n_encoded) == len(X) + 2


def test_what_is_cut_is_another_sound(tiny_model, tmp_path, calls):
    X, y = calls
    cut = X.assign(call=pd.Series([(wave[:3500], rate) for wave, rate in X["call"]], dtype=object))
    make_classifier(tiny_model("whisper"), tmp_path).fit(X, y)  # which keeps what it says of the whole
    clf = make_classifier(tiny_model("whisper"), tmp_path).fit(cut, y)
    np.testing.assert_allclose(clf.encode(X)["call"], clf.encode(cut)["call"], atol=1e-6)
