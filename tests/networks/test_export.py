"""The network is a graph of tensors that torch exports, whatever encoder, fusion and head it is made of."""

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_mm import AudioInput, ImageInput, ModalityTransformer, TabularInput, TextInput, VideoInput
from sklearn_mm.encoders._registry import ENCODERS, names_from_scratch
from sklearn_mm.estimators._build_network import build_network
from sklearn_mm.fusion._registry import fusions
from sklearn_mm.networks import SquaredErrorLoss, WideLinear
from sklearn_mm.networks._heads import heads
from sklearn_mm.networks._objectives import Supervised
from sklearn_mm.preprocessing import AudioTransformer, ImageTransformer, VideoTransformer
from sklearn_mm.training._dataset import BlockDataset

# Every encoder with a fusion of vectors and one of tokens, beside encoders of other kinds; the other fusions behind
# tokens that are padding in part, and behind others; and every head.
KINDS = list(ENCODERS)
FUSIONS = [name for name in fusions.names if name != "auto"]
NAMES = {kind: names_from_scratch(kind) for kind in KINDS}
CASES = [
    ({"tabular": "mlp"} | {kind: names[turn] for kind, names in NAMES.items() if turn < len(names)}, fusion, "mlp")
    for turn in range(max(map(len, NAMES.values())))
    for fusion in ("film", "attention")
]
CASES += [
    ({"image": "cnn", "text": "lstm", "tabular": "mlp"}, fusion, "mlp")
    for fusion in FUSIONS
    if fusion not in {"film", "attention"}
]
CASES += [({"tabular": "mlp"}, "concat", head) for head in heads.names if head != "auto"]


INPUTS = {
    "image": lambda encoder: ImageInput("photo", transformer=ImageTransformer(size=16), encoder=encoder),
    "text": lambda encoder: TextInput("title", encoder=encoder),
    "tabular": lambda encoder: TabularInput(["size"], encoder=encoder),
    "audio": lambda encoder: AudioInput("sound", transformer=AudioTransformer(8000, array_rate=8000), encoder=encoder),
    "video": lambda encoder: VideoInput("film", transformer=VideoTransformer(2, size=16), encoder=encoder),
}


def describe(part):
    """Return the encoders of a case in a word, for the names of tests."""
    return "-".join(part.values()) if isinstance(part, dict) else part


def test_every_encoder_is_among_the_cases():
    for kind in KINDS:
        found = {(named[kind], fusion) for named, fusion, _ in CASES if kind in named}
        assert found >= {(name, fusion) for name in names_from_scratch(kind) for fusion in ("film", "attention")}
    assert {fusion for _, fusion, _ in CASES} == set(FUSIONS)


@pytest.fixture(scope="module")
def table():
    """Rows that lack a picture, a text, a number, a video, a sound, or all of these."""
    rng = np.random.default_rng(0)
    pictures = pd.Series([*rng.integers(256, size=(8, 16, 16, 3), dtype=np.uint8)], dtype=object)
    X = pd.DataFrame({"photo": pictures, "title": ["one two", "two three four"] * 4, "size": rng.normal(size=8)})
    X["film"] = pd.Series([*rng.integers(256, size=(8, 3, 16, 16, 3), dtype=np.uint8)], dtype=object)
    X["sound"] = pd.Series([rng.normal(0, 0.1, 1200 + 100 * row).astype(np.float32) for row in range(8)], dtype=object)
    for row, column in enumerate(X.columns):
        X.loc[[row + 1, 7], column] = np.nan if column == "size" else None
    return X


@pytest.mark.skipif(torch.__version__ < (2, 6), reason="torch.export knows too few operations")
@pytest.mark.filterwarnings("ignore:The tensor attributes")  # packed weights of RNNs, which torch assigns anew
@pytest.mark.parametrize(("named", "fusion", "head"), CASES, ids=describe)
def test_export(table, named, fusion, head):
    inputs = {kind: INPUTS[kind](named[kind]) if kind in named else None for kind in KINDS}
    blocks = ModalityTransformer(**inputs).fit_transform(table)
    assert len(blocks.specs) == len(named)
    rows = BlockDataset(blocks, torch.zeros(8, 2), torch.ones(8, 2))
    objective = Supervised(SquaredErrorLoss().build(2), fusion, head, WideLinear())
    network = build_network(blocks.specs, objective, rows, np.ones(8), torch.Generator()).eval()
    batch = BlockDataset(blocks, raw=network.top.raw_blocks)[slice(0, 8)]
    with torch.no_grad():
        exported = torch.export.export(network, (batch,)).module()
        torch.testing.assert_close(exported(batch), network(batch))
        more = {**batch, "present": torch.ones_like(batch["present"])}
        torch.testing.assert_close(exported(more), network(more))
