"""The network is a graph of tensors that torch exports, whatever encoder, fusion and head it is made of."""

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_mm import ImageInput, ModalityTransformer, TextInput
from sklearn_mm.encoders._registry import ENCODERS, names_from_scratch
from sklearn_mm.estimators._build_network import build_network
from sklearn_mm.fusion._registry import fusions
from sklearn_mm.networks import SquaredErrorLoss, WideLinear
from sklearn_mm.networks._heads import heads
from sklearn_mm.networks._objectives import Supervised
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.training._dataset import BlockDataset

# Every encoder with a fusion of vectors and one of tokens, every fusion behind tokens of which none is padding and
# behind some that are, and every head.
FUSIONS = [name for name in fusions.names if name != "auto"]
CASES = {
    (kind, name, fusion, "mlp")
    for kind in ENCODERS
    for name in names_from_scratch(kind)
    for fusion in ("film", "attention")
}
CASES |= {(*encoder, fusion, "mlp") for encoder in (("image", "cnn"), ("text", "lstm")) for fusion in FUSIONS}
CASES |= {("tabular", "mlp", "concat", head) for head in heads.names if head != "auto"}


@pytest.fixture(scope="module")
def table():
    """Rows that lack a picture, a text, a number, or all of these."""
    rng = np.random.default_rng(0)
    pictures = pd.Series([*rng.integers(256, size=(8, 16, 16, 3), dtype=np.uint8)], dtype=object)
    X = pd.DataFrame({"photo": pictures, "title": ["one two", "two three four"] * 4, "size": rng.normal(size=8)})
    X.loc[[1, 7], "photo"] = None
    X.loc[[2, 7], "title"] = None
    X.loc[[3, 7], "size"] = np.nan
    return X


@pytest.mark.skipif(torch.__version__ < (2, 6), reason="torch.export knows too few operations")
@pytest.mark.filterwarnings("ignore:The tensor attributes")  # packed weights of RNNs, which torch assigns anew
@pytest.mark.parametrize(("kind", "encoder", "fusion", "head"), sorted(CASES), ids=str)
def test_export(table, kind, encoder, fusion, head):
    named = {"image": "cnn", "text": "bag", "tabular": "mlp"} | {kind: encoder}
    image = ImageInput("photo", transformer=ImageTransformer(size=16), encoder=named["image"])
    reader = ModalityTransformer(image=image, text=TextInput("title", encoder=named["text"]), tabular="size")
    blocks = reader.fit_transform(table)
    rows = BlockDataset(blocks, torch.zeros(8, 2), torch.ones(8, 2))
    objective = Supervised(SquaredErrorLoss().build(2), fusion, head, WideLinear())
    network = build_network(blocks.specs, objective, rows, np.ones(8), torch.Generator()).eval()
    batch = BlockDataset(blocks, raw=network.top.raw_blocks)[slice(0, 8)]
    with torch.no_grad():
        exported = torch.export.export(network, (batch,)).module()
        torch.testing.assert_close(exported(batch), network(batch))
        more = {**batch, "present": torch.ones_like(batch["present"])}
        torch.testing.assert_close(exported(more), network(more))
