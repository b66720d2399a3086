import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_mm.networks.wide._block_model import BlockModel, has_model
from sklearn_mm.networks.wide._image_basis import ImageBasis
from sklearn_mm.preprocessing import Blocks, BlockSpec, ImageSpec, Ragged, TabularSpec, TextSpec
from sklearn_mm.training._dataset import BlockDataset

RNG = np.random.default_rng(0)
TABLE = np.zeros(150, dtype=[("numbers", np.float32, (2,)), ("codes", np.int32, (1,))])
TABLE["numbers"] = RNG.normal(size=(150, 2))
CASES = {
    "text": (
        RNG.integers(0, 12, size=(150, 4)).astype(np.int32),
        TextSpec(shape=(4,), vocab_size=12, tokenizer="word"),
    ),
    "tabular": (TABLE, TabularSpec(shape=(), n_numbers=2, cardinalities=(3,))),
    "image": (
        RNG.integers(256, size=(150, 9, 12, 3), dtype=np.uint8),
        ImageSpec(shape=(9, 12, 3), mean=(0.5,) * 3, std=(0.2,) * 3),
    ),
}


def make_block(kind, lists, n_absent=0):
    """Return the rows of one block as a data set, and its spec; more rows than are read at once."""
    rows, spec = CASES[kind]
    if lists:
        rows = Ragged.from_counts(rows, np.tile([1, 0, 3, 2], 25))
    blocks = Blocks({"block": rows}, {"block": spec})
    blocks.present[:n_absent] = False
    return BlockDataset(blocks), spec


def in_two_steps(dataset, spec):
    """Return a basis that is fitted to the rows which have the block, all at once."""
    basis = BlockModel(spec, 100, 1).basis
    batch = dataset[slice(None)]
    x, present = batch["blocks"]["block"], batch["present"][:, 0]
    items = x[present] if torch.is_tensor(x) else x.get("items", x)
    basis.fit([basis.raw(items)])
    return basis


@pytest.mark.parametrize("n_absent", [0, 70])
@pytest.mark.parametrize(
    ("kind", "lists"), [("text", False), ("text", True), ("tabular", False), ("image", False), ("image", True)]
)
def test_a_basis_that_is_fitted_on_the_way_to_the_design_is_the_same(kind, lists, n_absent):
    dataset, spec = make_block(kind, lists, n_absent)
    model = BlockModel(spec, 100, 2)
    on_the_way = model.fit_design(dataset, "block")
    for name, buffer in in_two_steps(dataset, spec).named_buffers():
        torch.testing.assert_close(model.basis.get_buffer(name), buffer)
    again = model.design(dataset, "block")
    assert sparse.issparse(again) == (kind != "image")
    difference = on_the_way != again
    assert not (difference.nnz if sparse.issparse(difference) else difference.any())
    assert not abs(again[:n_absent]).sum()
    model.weight.copy_(torch.randn(model.weight.shape, generator=torch.Generator().manual_seed(0)))
    scores = model(dataset[slice(None)]["blocks"]["block"])
    np.testing.assert_allclose((again @ model.weight.numpy())[n_absent:], scores[n_absent:], atol=1e-5)


def test_pictures_are_looked_at_once_for_both(monkeypatch):
    n_seen, raw = [], ImageBasis.raw
    monkeypatch.setattr(ImageBasis, "raw", lambda self, x: n_seen.append(len(x)) or raw(self, x))
    dataset, spec = make_block("image", lists=False)
    BlockModel(spec, 100, 2).fit_design(dataset, "block")
    assert sum(n_seen) == 150


def test_other_blocks_have_none():
    assert not has_model(BlockSpec(kind="scent", shape=(3,)))
