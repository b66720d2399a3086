import pytest
import torch
import torch.nn as nn

from sklearn_mm.encoders import Encoder, Features
from sklearn_mm.fusion import ConcatFusion, LateFusion
from sklearn_mm.networks import CrossEntropyLoss, MLPHead, SquaredErrorLoss
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._network import MultimodalNetwork
from sklearn_mm.networks._tops import BALANCING, FusionTop
from sklearn_mm.networks._unimodal import UnimodalHeads
from sklearn_mm.preprocessing import BlockSpec


class Linear(Encoder):
    def build(self, spec):
        self.layer = nn.Linear(spec.shape[0], 5)
        self.out_features = self.token_features = 5
        return self

    def forward(self, x):
        x = self.layer(x)
        return Features(x, x.unsqueeze(1), torch.ones(len(x), 1, dtype=torch.bool))


def make_network(balancing, n_blocks=2, fusion=None, modality_dropout=0.0):
    torch.manual_seed(0)
    specs = {name: BlockSpec(kind="toy", shape=(3,), name=name) for name in "abc"[:n_blocks]}
    encoders = BlockEncoders(specs, {name: Linear() for name in specs}, modality_dropout)
    fusion = fusion or ConcatFusion()
    return MultimodalNetwork(encoders, FusionTop(encoders, fusion, MLPHead(dropout=0), 4, balancing=balancing))


def make_batch(n_blocks=2, n_rows=6, present=None):
    torch.manual_seed(1)
    present = torch.ones(n_rows, n_blocks, dtype=torch.bool) if present is None else torch.tensor(present)
    return {"blocks": {name: torch.randn(n_rows, 3) for name in "abc"[:n_blocks]}, "present": present}


@pytest.mark.parametrize("balancing", BALANCING)
@pytest.mark.parametrize("fusion", [ConcatFusion, LateFusion])
def test_heads_speak_in_training_only_and_change_no_output(balancing, fusion):
    network, plain = make_network(balancing, fusion=fusion()), make_network(None, fusion=fusion())
    batch = make_batch()
    outputs, unimodal, present = network.train()(batch)
    assert unimodal.shape == (6, 2, 4)
    assert present.all()
    torch.testing.assert_close(outputs, plain.train()(batch))
    torch.testing.assert_close(network.eval()(batch), plain.eval()(batch))


@pytest.mark.parametrize("balancing", BALANCING)
def test_one_block_has_nobody_to_be_balanced_with(balancing):
    network = make_network(balancing, n_blocks=1).train()
    assert network(make_batch(n_blocks=1)).shape == (6, 4)


def test_loss_by_hand_over_the_rows_that_have_the_block():
    heads = UnimodalHeads({"a": 3, "b": 3}, 1)
    outputs = torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]])  # (rows, blocks, outputs)
    present = torch.tensor([[True, False], [True, True]])
    weight = torch.tensor([[1.0], [0.5]])
    loss = (heads.losses(outputs, present, SquaredErrorLoss(), torch.zeros(2, 1)) * weight).mean()
    assert loss == pytest.approx((1 + 0.5 * 9) / 2 + (0.5 * 16) / 2)


def test_loss_of_one_class_among_many_has_a_weight_per_row():
    heads = UnimodalHeads({"a": 3}, 3)
    outputs, target = torch.zeros(2, 1, 3), torch.tensor([0, 2])
    losses = heads.losses(outputs, torch.tensor([[True], [False]]), CrossEntropyLoss().build("abc"), target)
    loss = (losses * torch.tensor([3.0, 1.0])).mean()
    assert loss == pytest.approx(3 * torch.log(torch.tensor(3.0)) / 2)


def test_an_encoder_learns_from_its_own_head_alone():
    network = make_network("heads").train()
    _, unimodal, present = network(make_batch(present=[[True, False]] * 3 + [[True, True]] * 3))
    target = torch.zeros(6, dtype=torch.int64)
    criterion = CrossEntropyLoss().build("abcd")
    network.top.unimodal.losses(unimodal[:, :1], present[:, :1], criterion, target).mean().backward()
    assert network.encoders["a"].layer.weight.grad.abs().sum() > 0
    assert network.encoders["b"].layer.weight.grad is None or not network.encoders["b"].layer.weight.grad.any()


def test_hidden_blocks_teach_their_head_nothing():
    network = make_network("heads", modality_dropout=0.5).train()
    _, unimodal, present = network(make_batch(n_rows=50))
    assert not present.all()
    criterion, target = CrossEntropyLoss().build("abcd"), torch.zeros(50, dtype=torch.int64)
    unimodal.retain_grad()
    network.top.unimodal.losses(unimodal, present, criterion, target).mean().backward()
    assert not unimodal.grad[~present].any()
    assert unimodal.grad[present].abs().sum() > 0
