import numpy as np
import pytest
import torch

from sklearn_mm.preprocessing import Blocks, BlockSpec, Ragged, TabularSpec, TextSpec
from sklearn_mm.training._dataset import BatchIterator, BlockDataset


@pytest.fixture
def blocks():
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0], [4, 5, 6, 7], [8, 9, 1, 0]], dtype=np.int32)
    table = np.zeros(5, dtype=[("numbers", np.float32, (2,)), ("codes", np.int32, (1,))])
    table["numbers"][:, 0] = range(5)
    present = np.ones((5, 3), dtype=bool)
    present[2, 0] = False
    return Blocks(
        {"title": ids, "photo": np.arange(20, dtype=np.uint8).reshape(5, 2, 2, 1), "tabular": table},
        {
            "title": TextSpec(shape=(4,), vocab_size=10, tokenizer="word"),
            "photo": BlockSpec(kind="image", shape=(2, 2, 1)),
            "tabular": TabularSpec(shape=(3,), n_numbers=2, cardinalities=(4,)),
        },
        present,
    )


def test_a_batch_holds_the_rows_asked_for(blocks):
    dataset = BlockDataset(blocks, torch.arange(5), torch.ones(5), trim=["title"])
    batch, (target, weight) = dataset[np.array([1, 4])]
    assert batch["blocks"]["title"].tolist() == [[3, 0, 0], [8, 9, 1]]  # cut to the longest of the two
    assert batch["blocks"]["photo"].shape == (2, 2, 2, 1)
    assert batch["blocks"]["photo"].dtype == torch.uint8
    assert batch["blocks"]["tabular"]["numbers"][:, 0].tolist() == [1, 4]
    assert batch["blocks"]["tabular"]["codes"].shape == (2, 1)
    assert batch["present"].tolist() == [[True] * 3] * 2
    assert target.tolist() == [1, 4]
    assert weight.tolist() == [1, 1]


def test_untrimmed_text_keeps_its_length(blocks):
    batch, _ = BlockDataset(blocks)[np.array([1])]
    assert batch["blocks"]["title"].shape == (1, 4)


def test_empty_text_keeps_one_place(blocks):
    batch, rest = BlockDataset(blocks, trim=["title"])[slice(2, 3)]
    assert batch["blocks"]["title"].shape == (1, 1)
    assert rest == ()


def test_rows_of_several_items():
    ids = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [5, 6, 0, 0], [7, 8, 0, 0]], dtype=np.int32)
    spec = TextSpec(shape=(4,), vocab_size=10, tokenizer="word", pool="mean")
    dataset = BlockDataset(Blocks({"notes": Ragged.from_counts(ids, [2, 0, 1, 1])}, {"notes": spec}), trim=["notes"])
    notes = dataset[np.array([3, 1, 2])][0]["blocks"]["notes"]
    assert notes["items"].tolist() == [[7, 8], [5, 6]]  # cut to the longest of the items
    assert notes["counts"].tolist() == [1, 0, 1]
    notes = dataset[slice(1, 2)][0]["blocks"]["notes"]
    assert notes["items"].shape == (0, 1)
    assert notes["counts"].tolist() == [0]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_comes_once(blocks, batch_size, shuffle):
    iterator = BatchIterator(BlockDataset(blocks, torch.arange(5), torch.ones(5)), batch_size, shuffle)
    targets = [target for _, (target, _) in iterator]
    assert len(targets) == len(iterator)
    assert sorted(torch.cat(targets).tolist()) == list(range(5))
    if batch_size > 1:
        assert all(len(target) > 1 for target in targets)
    if not shuffle:
        assert torch.cat(targets).tolist() == list(range(5))


def test_order_is_new_each_epoch_and_fixed_by_the_seed(blocks):
    iterator = BatchIterator(BlockDataset(blocks, torch.arange(5), torch.ones(5)), 5, shuffle=True)

    def orders():
        torch.manual_seed(0)
        return [next(iter(iterator))[1][0].tolist() for _ in range(4)]

    first = orders()
    assert len({tuple(order) for order in first}) > 1
    assert orders() == first


def test_one_row(blocks):
    assert len(BatchIterator(BlockDataset(blocks[:1]), 8)) == 1
