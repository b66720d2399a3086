import numpy as np
import pytest
import torch
import torch.nn as nn

from sklearn_mm.encoders import Encoder, Features, TextEncoder
from sklearn_mm.fusion import ConcatFusion, LateFusion
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._heads import Head, MLPHead
from sklearn_mm.networks._network import MultimodalNetwork
from sklearn_mm.networks._tops import FusionTop
from sklearn_mm.preprocessing import Blocks, BlockSpec, TextSpec


class Recorder(Encoder):
    """Gives its input as pooled features and remembers how many rows it saw."""

    def build(self, spec):
        self.out_features = self.token_features = spec.shape[0]
        self.seen = []
        return self

    def forward(self, x):
        self.seen.append(len(x))
        return Features(x, x.unsqueeze(1), torch.ones(len(x), 1, dtype=torch.bool))


class Starter(Recorder):
    def start(self, blocks, y, sample_weight, generator):
        self.started_with = (list(blocks), len(blocks), y.tolist(), torch.rand(1, generator=generator).item())


def make_specs(**widths):
    return {name: BlockSpec(kind="toy", shape=(width,), name=name) for name, width in widths.items()}


def join(specs, encoders, fusion, n_outputs, modality_dropout=0.0, head=None, **kwargs):
    """Return a network of components that are not built."""
    encoders = BlockEncoders(specs, encoders, modality_dropout)
    return MultimodalNetwork(encoders, FusionTop(encoders, fusion, head or MLPHead(), n_outputs, **kwargs))


def make_network(encoders=None, head=None, fusion=None, modality_dropout=0.0, **widths):
    specs = make_specs(**widths)
    encoders = encoders or {name: Recorder() for name in specs}
    return join(specs, encoders, fusion or ConcatFusion(), 3, modality_dropout, head)


def make_batch(present=None, n_rows=6, **widths):
    torch.manual_seed(0)
    blocks = {name: torch.randn(n_rows, width) for name, width in widths.items()}
    present = torch.ones(n_rows, len(widths), dtype=torch.bool) if present is None else torch.tensor(present)
    return {"blocks": blocks, "present": present}


def test_outputs_and_fused_vector_have_one_row_per_row():
    network = make_network(a=4, b=2).eval()
    batch = make_batch(a=4, b=2)
    assert network(batch).shape == (6, 3)
    torch.testing.assert_close(
        network.top.fusion(*network.encoders(batch)), torch.cat([batch["blocks"]["a"], batch["blocks"]["b"]], 1)
    )


def test_the_share_comes_with_the_weights():
    first, second = make_network(a=4), make_network(a=4)
    first.top.share = 0.35
    second.load_state_dict(first.state_dict())
    assert second.top.share == pytest.approx(0.35)


def test_absent_rows_are_not_encoded_and_get_the_stand_in():
    network = make_network(a=4, b=2).eval()
    with torch.no_grad():
        network.encoders.stand_ins[0].fill_(7.0)
    batch = make_batch(
        present=[[True, True], [False, True], [True, True], [True, False], [True, True], [True, True]], a=4, b=2
    )
    features, _ = network.encoders.encode(batch)
    assert network.encoders["a"].seen == [5]
    torch.testing.assert_close(features["a"].pooled[1], torch.full((4,), 7.0))
    assert features["a"].mask[:, 0].tolist() == [True, False, True, True, True, True]
    torch.testing.assert_close(features["a"].pooled[2], batch["blocks"]["a"][2])


def test_what_lies_under_an_absent_block_does_not_matter():
    network = make_network(a=4, b=2).eval()
    batch = make_batch(present=[[False, True]] * 3 + [[True, True]] * 3, a=4, b=2)
    before = network(batch)
    batch["blocks"]["a"][:3] = 1e6
    torch.testing.assert_close(network(batch), before)


@pytest.mark.parametrize("n_present", [0, 1])
def test_a_block_that_hardly_a_row_has_gives_finite_outputs(n_present):
    network = make_network(a=4, b=2).train()
    present = [[row < n_present, True] for row in range(6)]
    assert torch.isfinite(network(make_batch(present=present, a=4, b=2))).all()


def make_list_network(pool="mean", **kwargs):
    specs = {
        "a": BlockSpec(kind="toy", shape=(4,), name="a", pool=pool),
        "b": BlockSpec(kind="toy", shape=(2,), name="b"),
    }
    encoders = {"a": Recorder(), "b": Recorder()}
    return join(specs, kwargs.get("encoders", encoders), ConcatFusion(), 3)


def make_list_batch(counts):
    torch.manual_seed(0)
    items = torch.randn(sum(counts), 4)
    return {
        "blocks": {"a": {"items": items, "counts": torch.tensor(counts)}, "b": torch.randn(len(counts), 2)},
        "present": torch.tensor([[count > 0, True] for count in counts]),
    }


def test_items_are_encoded_together_and_pooled_by_row():
    network = make_list_network().eval()
    batch = make_list_batch([2, 0, 1])
    items = batch["blocks"]["a"]["items"]
    features, _ = network.encoders.encode(batch)
    assert network.encoders["a"].seen == [3]
    torch.testing.assert_close(features["a"].pooled[0], items[:2].mean(0))
    torch.testing.assert_close(features["a"].pooled[1], network.encoders.stand_ins[0].detach())
    torch.testing.assert_close(features["a"].tokens[2, 0], items[2])
    assert features["a"].mask.tolist() == [[True, True], [False, False], [True, False]]


def test_a_row_that_is_hidden_has_no_items():
    network = make_list_network().eval()
    batch = make_list_batch([2, 1])
    batch["present"][0, 0] = False
    features, _ = network.encoders.encode(batch)
    torch.testing.assert_close(features["a"].pooled[0], network.encoders.stand_ins[0].detach())
    assert not features["a"].mask[0].any()


@pytest.mark.parametrize("pool", ["mean", "max", "attention"])
@pytest.mark.parametrize("counts", [[0, 0, 0], [0, 1, 0], [3, 0, 0], [1, 1, 5]])
def test_any_number_of_items_trains(counts, pool):
    class Normed(Recorder):
        def build(self, spec):
            self.norm = nn.BatchNorm1d(4)
            return super().build(spec)

        def forward(self, x):
            return super().forward(self.norm(x))

    network = make_list_network(pool, encoders={"a": Normed(), "b": Recorder()}).train()
    outputs = network(make_list_batch(counts))
    assert outputs.isfinite().all()
    outputs.sum().backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in network.parameters())
    assert all(buffer.isfinite().all() for buffer in network.buffers())


class SumOfTokens(ConcatFusion):
    reads_tokens = True

    def forward(self, features, present):
        return torch.cat([(f.tokens * f.mask.unsqueeze(2)).sum(1) for f in features.values()], 1)


@pytest.mark.parametrize("fusion", [ConcatFusion(), SumOfTokens()], ids=["pooled", "tokens"])
@pytest.mark.parametrize("training", [False, True])
def test_what_was_encoded_before_gives_the_same_outputs(fusion, training):
    present = [[True, True], [False, True], [True, False], [True, True], [False, False], [True, True]]
    network, batch = make_network(fusion=fusion, a=4, b=2), make_batch(present, a=4, b=2)
    network.top.head = MLPHead((), dropout=0.0).build(6, {}, 3)
    network.train(training)
    expected = network(batch)
    pooled, tokens, mask = network.encoders["a"](batch["blocks"]["a"])
    known = {"pooled": pooled, "tokens": tokens, "mask": mask.float()} if fusion.reads_tokens else {"pooled": pooled}
    network.encoders["a"].seen.clear()
    got = network({"blocks": {"b": batch["blocks"]["b"]}, "present": batch["present"], "features": {"a": known}})
    torch.testing.assert_close(got, expected)
    assert network.encoders["a"].seen == []
    assert network.reads_tokens("a") == fusion.reads_tokens


def test_augmentation_sees_the_items():
    network = make_list_network().train()
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append(x.shape)
            return x

    network.encoders.set_augment("a", Watch())
    network(make_list_batch([2, 0, 3]))
    assert seen == [(5, 4)]


def test_modality_dropout_hides_blocks_in_training_only_and_leaves_one():
    network = make_network(a=4, b=2, modality_dropout=0.6)
    batch = make_batch(n_rows=400, a=4, b=2)
    _, present = network.train().encoders.encode(batch)
    assert present.any(1).all()
    assert 0.2 < present.float().mean() < 0.8
    _, present = network.eval().encoders.encode(batch)
    assert present.all()


def test_modality_dropout_never_invents_a_block():
    network = make_network(a=4, b=2, modality_dropout=0.5).train()
    batch = make_batch(present=[[True, False]] * 50 + [[False, False]] * 50, n_rows=100, a=4, b=2)
    _, present = network.encoders.encode(batch)
    assert present.tolist() == batch["present"].tolist()


def test_blocks_with_one_encoder_share_its_weights():
    class Linear(Recorder):
        def build(self, spec):
            self.layer = nn.Linear(spec.shape[0], 5)
            self.out_features = self.token_features = 5
            return self

        def forward(self, x):
            x = self.layer(x)
            return Features(x, x.unsqueeze(1), torch.ones(len(x), 1, dtype=torch.bool))

    shared = Linear()
    network = make_network(encoders={"a": shared, "b": shared, "c": Linear()}, a=4, b=4, c=4)
    assert network.encoders["a"] is network.encoders["b"]
    assert network.encoders["a"] is not network.encoders["c"]
    assert sum(p.numel() for p in network.encoders.encoders.parameters()) == 2 * 25
    assert [names for _, names in network.components()][:2] == [["a", "b"], ["c"]]


def test_augment_acts_in_training_only():
    network = make_network(a=4, b=2, head=MLPHead((), dropout=0.0))

    class Zero(nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    network.encoders.set_augment("a", Zero())
    batch = make_batch(a=4, b=2)
    assert network.train().encoders.encode(batch)[0]["a"].pooled.abs().sum() == 0
    assert network.eval().encoders.encode(batch)[0]["a"].pooled.abs().sum() > 0


def test_start_gets_the_components_own_blocks():
    specs = make_specs(a=4, b=2)
    network = join(specs, {"a": Starter(), "b": Recorder()}, ConcatFusion(), 3)
    blocks = Blocks({name: np.zeros((5, spec.shape[0]), np.float32) for name, spec in specs.items()}, specs)
    network.start(blocks, np.arange(5), np.ones(5), torch.Generator().manual_seed(3))
    assert network.encoders["a"].started_with[:3] == (["a"], 5, [0, 1, 2, 3, 4])
    assert network.encoders["a"].started_with[3] == torch.rand(1, generator=torch.Generator().manual_seed(3)).item()


def test_a_head_sees_the_features_of_all_blocks():
    class Spy(Head):
        def build(self, fused_features, widths, n_outputs):
            self.widths = dict(widths)
            self.layer = nn.Linear(fused_features, n_outputs)
            return self

        def forward(self, fused, features, present):
            self.saw = {name: tuple(f.pooled.shape) for name, f in features.items()}
            return self.layer(fused)

    network = make_network(head=Spy(), a=4, b=2)
    network(make_batch(a=4, b=2))
    assert network.top.head.widths == {"a": 4, "b": 2}
    assert network.top.head.saw == {"a": (6, 4), "b": (6, 2)}


def test_a_fusion_that_gives_outputs_needs_no_head():
    network = make_network(fusion=LateFusion(), a=4, b=2)
    assert network.top.head is None
    assert network(make_batch(a=4, b=2)).shape == (6, 3)


def test_only_padded_ids_without_fixed_length_are_trimmed():
    class Reader(TextEncoder):
        def build(self, spec):
            self.out_features = self.token_features = 1
            return self

    class FixedReader(Reader):
        fixed_length = True

    spec = TextSpec(shape=(3,), vocab_size=5, tokenizer="word")
    specs = {"x": spec, "y": spec, "z": BlockSpec(kind="toy", shape=(1,))}
    network = join(specs, {"x": Reader(), "y": FixedReader(), "z": Recorder()}, ConcatFusion(), 1)
    assert network.encoders.trimmed_blocks() == ["x"]


def test_chosen_blocks_in_any_order_are_encoded_alone():
    network = make_network(a=4, b=2, c=3).eval()
    present = [[True, True, False], [False, True, True], [True, False, True]] * 2
    batch = make_batch(present=present, a=4, b=2, c=3)
    with torch.no_grad():
        for number, stand_in in enumerate(network.encoders.stand_ins):
            stand_in.fill_(number + 7.0)
    whole, _ = network.encoders.encode(batch)
    for names in (["c", "a", "b"], ["b"], ["c", "a"]):
        features, there = network.encoders.encode(batch, names)
        assert list(features) == names
        for column, name in enumerate(names):
            torch.testing.assert_close(features[name].pooled, whole[name].pooled)
            assert there[:, column].tolist() == [row["abc".index(name)] for row in present]
    alone = {"blocks": {"b": batch["blocks"]["b"]}, "present": batch["present"][:, 1:2]}
    torch.testing.assert_close(network.encoders.encode(alone, ["b"])[0]["b"].pooled, whole["b"].pooled)


def test_a_head_knows_the_widths_of_tokens():
    class Spy(MLPHead):
        def build(self, fused_features, widths, n_outputs):
            self.saw = dict(self.token_widths)
            return super().build(fused_features, widths, n_outputs)

    assert make_network(head=Spy(), a=4, b=2).top.head.saw == {"a": 4, "b": 2}
