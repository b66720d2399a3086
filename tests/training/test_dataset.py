import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from sklearn_mm.preprocessing import Blocks, BlockSpec, Ragged, TabularSpec, TextSpec
from sklearn_mm.storage._stored_rows import StoredRows
from sklearn_mm.training._dataset import Batch, BatchIterator, BlockDataset, read_batches


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
    batch = dataset[np.array([1, 4])]
    assert batch["blocks"]["title"].tolist() == [[3, 0, 0], [8, 9, 1]]  # cut to the longest of the two
    assert batch["blocks"]["photo"].shape == (2, 2, 2, 1)
    assert batch["blocks"]["photo"].dtype == torch.uint8
    assert batch["blocks"]["tabular"]["numbers"][:, 0].tolist() == [1, 4]
    assert batch["blocks"]["tabular"]["codes"].shape == (2, 1)
    assert batch["present"].tolist() == [[True] * 3] * 2
    assert batch["target"].tolist() == [1, 4]
    assert batch["weight"].tolist() == [1, 1]


def test_untrimmed_text_keeps_its_length(blocks):
    batch = BlockDataset(blocks)[np.array([1])]
    assert batch["blocks"]["title"].shape == (1, 4)


def test_empty_text_keeps_one_place(blocks):
    batch = BlockDataset(blocks, trim=["title"])[slice(2, 3)]
    assert batch["blocks"]["title"].shape == (1, 1)
    assert list(batch) == ["blocks", "present"]


def test_rows_of_several_items():
    ids = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [5, 6, 0, 0], [7, 8, 0, 0]], dtype=np.int32)
    spec = TextSpec(shape=(4,), vocab_size=10, tokenizer="word", pool="mean")
    dataset = BlockDataset(Blocks({"notes": Ragged.from_counts(ids, [2, 0, 1, 1])}, {"notes": spec}), trim=["notes"])
    notes = dataset[np.array([3, 1, 2])]["blocks"]["notes"]
    assert notes["items"].tolist() == [[7, 8], [5, 6]]  # cut to the longest of the items
    assert notes["counts"].tolist() == [1, 0, 1]
    notes = dataset[slice(1, 2)]["blocks"]["notes"]
    assert notes["items"].shape == (0, 1)
    assert notes["counts"].tolist() == [0]


def test_targets_travel_in_the_batch_and_may_be_ragged(blocks):
    target = Ragged.from_counts(np.arange(7, dtype=np.int32), [2, 0, 1, 3, 1])
    batch = Batch(BlockDataset(blocks, target, torch.ones(5)), np.array([3, 1, 0]))
    assert batch.data["target"]["items"].tolist() == [3, 4, 5, 0, 1]
    assert batch.data["target"]["counts"].tolist() == [3, 0, 2]
    parts = [part.data["target"]["counts"].tolist() for part in batch.parts(1)]
    assert parts == [[3], [0], [2]]


class Unread:
    """An array of which nobody may read a row."""

    dtype, shape = np.dtype(np.uint8), (5, 2, 2, 1)

    def __len__(self):
        return 5


def test_features_come_in_place_of_what_they_were_made_of(blocks):
    records = np.zeros(5, dtype=[("pooled", np.float32, (2,)), ("mask", np.float32, (3,))])
    records["pooled"][:, 1] = range(5)
    arrays = {**blocks, "photo": Unread()}
    dataset = BlockDataset(Blocks(arrays, blocks.specs, blocks.present, None, {"photo": ("mark", records)}))
    for batch in (dataset[np.array([3, 1])], Batch(dataset, np.array([4, 3, 1]))[0]):
        assert list(batch["blocks"]) == ["title", "tabular"]
        assert batch["features"]["photo"]["pooled"][-2:].tolist() == [[0, 3], [0, 1]]
        assert batch["features"]["photo"]["mask"].shape[1:] == (3,)
    items = Ragged.from_counts(records, [2, 0, 1, 1, 1])
    dataset = BlockDataset(blocks.with_features({"photo": ("mark", items)}))
    features = dataset[np.array([2, 0])]["features"]["photo"]
    assert features["items"]["pooled"][:, 1].tolist() == [2, 0, 1]
    assert features["counts"].tolist() == [1, 2]


def test_blocks_that_the_wide_part_is_asked_of_come_beside_their_features(blocks):
    records = np.zeros(5, dtype=[("pooled", np.float32, (2,))])
    blocks = blocks.with_features({"photo": ("mark", records), "title": ("mark", records)})
    batch = BlockDataset(blocks, raw=["title", "tabular"])[np.array([3, 1])]
    assert list(batch["blocks"]) == ["title", "tabular"]
    assert list(batch["features"]) == ["photo", "title"]
    batch = BlockDataset(blocks, raw=["title", "tabular"], base_scores=torch.zeros(5, 3, 1))[np.array([3, 1])]
    assert list(batch["blocks"]) == ["tabular"]


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


@pytest.fixture
def cuda(monkeypatch):
    """Let tensors seem to go to a GPU, and return the names of what happened to each."""
    steps = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: steps.append("lock") or tensor)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *where, **how: steps.append((*where, how)) or tensor)
    return steps


def test_batches_for_a_gpu_are_those_of_the_cpu(blocks, cuda):
    dataset = BlockDataset(blocks, torch.arange(5), torch.ones(5), trim=["title"])
    torch.manual_seed(0)
    expected = [batch.data for batch in BatchIterator(dataset, 2, shuffle=True)]
    torch.manual_seed(0)
    found = [batch.data for batch in BatchIterator(dataset, 2, shuffle=True, device="cuda:1")]
    assert repr(found) == repr(expected)
    n_tensors = 2 * (5 + 2)  # photo, title, numbers, codes, present; target and weight; of two batches
    assert cuda.count("lock") == n_tensors
    assert cuda.count((torch.device("cuda:1"), {"non_blocking": True})) == n_tensors


def test_the_next_batch_for_a_gpu_is_read_before_it_is_asked_for(blocks, cuda):
    dataset, read = BlockDataset(blocks, torch.arange(5), torch.ones(5)), []
    asked = threading.Event()

    class Watched(BlockDataset):
        def __getitem__(self, rows):
            read.append(rows)
            if len(read) == 2:
                asked.set()
            return dataset[rows]

    batches = iter(BatchIterator(Watched(blocks), 2, device="cuda"))
    next(batches)
    assert asked.wait(10)
    assert read == [slice(0, 2), slice(2, 5)]
    batches.close()


def test_what_goes_wrong_in_reading_for_a_gpu_is_raised(blocks, cuda):
    class Torn(BlockDataset):
        def __getitem__(self, rows):
            raise OSError("torn")

    with pytest.raises(OSError, match="torn"):
        list(BatchIterator(Torn(blocks), 2, device="cuda"))


def test_one_row(blocks):
    assert len(BatchIterator(BlockDataset(blocks[:1]), 8)) == 1


@pytest.mark.parametrize("rows", [slice(0, 5), np.array([4, 2, 0, 1, 3])])
@pytest.mark.parametrize(("size", "sizes"), [(1, [1] * 5), (2, [2, 3]), (3, [3, 2]), (4, [5]), (9, [5])])
def test_a_batch_in_parts_has_the_same_rows(blocks, rows, size, sizes):
    batch = Batch(BlockDataset(blocks, torch.arange(5), torch.ones(5), trim=["title"]), rows)
    parts = list(batch.parts(size))
    assert [len(part) for part in parts] == sizes
    assert torch.equal(torch.cat([target for _, (target, _) in parts]), batch[1][0])
    assert (parts[0] is batch) == (len(parts) == 1)
    if len(parts) > 1:
        again = list(parts[-1].parts(1))  # a part is a batch like any other
        assert torch.equal(torch.cat([target for _, (target, _) in again]), parts[-1][1][0])


def make_texts(lengths):
    """Blocks of one text of these lengths."""
    ids = (np.arange(max(lengths)) < np.array(lengths)[:, np.newaxis]).astype(np.int32)
    spec = TextSpec(shape=(max(lengths),), vocab_size=10, tokenizer="word")
    return BlockDataset(Blocks({"title": ids}, {"title": spec}), trim=["title"], group=["title"])


def test_rows_of_like_length_share_batches_in_training():
    lengths = np.random.default_rng(0).permutation(np.arange(1, 321))
    dataset = make_texts(lengths)
    torch.manual_seed(0)
    iterator = BatchIterator(dataset, 10, shuffle=True)
    first, second = ([batch.rows for batch in iterator] for _ in range(2))
    assert sorted(np.concatenate(first)) == list(range(320))
    spread = np.mean([np.ptp(lengths[rows]) for rows in first])
    assert spread < 320 / 16 * 1.5  # of all lengths if a batch were drawn from all
    means = np.array([lengths[rows].mean() for rows in first])
    assert not (np.diff(means) > 0).all()  # batches are not sorted themselves
    assert {frozenset(rows.tolist()) for rows in first} != {frozenset(rows.tolist()) for rows in second}
    assert [batch.rows for batch in BatchIterator(dataset, 320)] == [slice(0, 320)]  # as they come, unless shuffled


def test_batches_of_texts_to_write_have_about_as_many_tokens():
    lengths = np.random.default_rng(0).permutation(np.arange(1, 321))
    dataset = replace(make_texts(lengths), target=Ragged.from_counts(np.ones(lengths.sum(), dtype=np.int32), lengths))
    torch.manual_seed(0)
    iterator = BatchIterator(dataset, 10, shuffle=True)
    batches = [batch.rows for batch in iterator]
    assert len(batches) == len(iterator)
    assert sorted(np.concatenate(batches)) == list(range(320))
    n_rows, n_tokens = np.array([(len(rows), lengths[rows].max() * len(rows)) for rows in batches]).T
    assert n_rows.min() < 8 < 14 < n_rows.max()
    assert n_tokens.max() < 2 * np.median(n_tokens)  # of as many rows each, it would be twice as many
    equal = [batch.rows for batch in BatchIterator(make_texts(lengths), 10, shuffle=True)]
    assert max(lengths[rows].max() * len(rows) for rows in equal) > 1.2 * n_tokens.max()


@pytest.mark.parametrize("lengths", [[20] * 63 + [12], np.arange(64) % 4 + 20])
def test_rows_of_about_one_length_are_drawn_from_all(lengths):
    dataset = make_texts(lengths)
    torch.manual_seed(0)
    grouped = [batch.rows.tolist() for batch in BatchIterator(dataset, 8, shuffle=True)]
    dataset = replace(dataset, group=())
    torch.manual_seed(0)
    assert grouped == [batch.rows.tolist() for batch in BatchIterator(dataset, 8, shuffle=True)]


def test_texts_without_ids_and_lists_are_not_grouped():
    dataset = make_texts([3, 1, 1, 1])
    dataset.blocks["title"][:] = 0
    assert sum(len(batch) for batch in BatchIterator(dataset, 2, shuffle=True)) == 4
    lists = Ragged.from_counts(dataset.blocks["title"], [2, 0, 2])
    dataset = BlockDataset(Blocks({"title": lists}, dataset.blocks.specs), group=["title"])
    assert dataset.lengths() is None


def test_rows_that_are_shorter_than_their_block_says_are_padded_unless_they_are_cut():
    spec = TextSpec(name="text", shape=(6,), vocab_size=9, tokenizer="custom")
    ids = np.array([[2, 3, 0], [4, 0, 0]], dtype=np.int32)
    lists = Ragged.from_counts(ids, [2])
    blocks, of_lists = Blocks({"text": ids}, {"text": spec}), Blocks({"text": lists}, {"text": spec})
    full = torch.tensor([[2, 3, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0]])
    assert BlockDataset(blocks)[:]["blocks"]["text"].equal(full.int())
    assert BlockDataset(of_lists)[:]["blocks"]["text"]["items"].equal(full.int())
    assert BlockDataset(blocks, trim=["text"])[:]["blocks"]["text"].equal(full[:, :2].int())


def test_batches_have_memory_of_their_own():
    """A module that begins with an in-place operation changes its batch, and nothing else."""
    numbers = np.ones((4, 2), dtype=np.float32)
    table = np.zeros(4, dtype=[("numbers", "<f4", (2,)), ("codes", "<i4", (1,))])
    lists = Ragged.from_counts(np.ones((5, 2), dtype=np.float32), [2, 0, 1, 2])
    arrays = {"plain": numbers, "table": table, "lists": lists, "stored": StoredRows.of(numbers)}
    specs = {name: BlockSpec(kind="own", name=name, shape=(2,)) for name in arrays}
    features = {"plain": ("mark", np.ones(4, dtype=[("pooled", "<f4", (2,))]))}
    blocks = Blocks(arrays, specs, features=features)
    target, base_scores = torch.ones(4), torch.ones(4, 2, 1)
    whole = Blocks(arrays, specs)
    for dataset in (BlockDataset(blocks, target, target, base_scores=base_scores), BlockDataset(whole)):
        for rows in (slice(0, 4), slice(1, 3), np.array([0, 2])):
            for tensor in tensors(dataset[rows]):
                tensor.zero_() if tensor.dtype == torch.bool else tensor.fill_(7)
    assert all((array == 1).all() for array in (numbers, lists.items, features["plain"][1]["pooled"]))
    assert list(lists.counts) == [2, 0, 1, 2]
    assert blocks.present.all()
    assert not table["numbers"].any()
    assert (target == 1).all()
    assert (base_scores == 1).all()


def tensors(data):
    if isinstance(data, torch.Tensor):
        return [data]
    return [tensor for part in (data.values() if isinstance(data, dict) else data) for tensor in tensors(part)]


def test_a_thread_reads_ahead_where_it_is_asked_to():
    threads = []

    class Rows(np.ndarray):
        def __getitem__(self, rows):
            threads.append(threading.current_thread() is threading.main_thread())
            return np.asarray(self)[rows]

    blocks = Blocks(
        {"numbers": np.arange(12.0).reshape(6, 2).view(Rows)}, {"numbers": BlockSpec(kind="other", shape=(2,))}
    )
    rows = [np.array([4, 1]), np.array([0]), np.array([5, 3, 2])]
    for ahead in (False, True):
        threads.clear()
        batches = list(read_batches(BlockDataset(blocks), rows, torch.device("cpu"), ahead))
        assert [batch.data["blocks"]["numbers"][:, 0].tolist() for batch in batches] == [[8, 2], [0], [10, 6, 4]]
        assert set(threads) == {not ahead}
