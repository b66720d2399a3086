import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone
from sklearn.metrics import accuracy_score

from sklearn_mm import ModalityTransformer, MultimodalClassifier, MultimodalRegressor, TabularInput
from sklearn_mm.encoders import MLPEncoder
from sklearn_mm.estimators._build_network import build_network
from sklearn_mm.networks import (
    CrossEntropyLoss,
    EnsembleHead,
    FocalLoss,
    MLPHead,
    OrdinalLoss,
    QuantileLoss,
    RegressorLoss,
    SquaredErrorLoss,
    Supervised,
    WideLinear,
)
from sklearn_mm.networks._heads import heads, resolve_head
from sklearn_mm.networks.losses._registry import regressor_losses
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.training._net import parameter_groups
from sklearn_mm.utils._component import checked_clone

SMALL = {"head": EnsembleHead((16,), n_members=4), "max_epochs": 2, "random_state": 0}
PLAIN = {
    "tabular": TabularInput(encoder=MLPEncoder(code_dropout=0.0, dropout=0.0)),
    "head": EnsembleHead((16,), n_members=4, dropout=0.0),
    "max_epochs": 2,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def exclusive_or():
    """Two numbers, of which the class is whether they have one sign, and a category that says nothing."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(500, 2)), columns=["a", "b"])
    X["colour"] = rng.choice(["red", "green"], 500)
    return X, (X["a"] * X["b"] > 0).to_numpy()


# what every head owes


@pytest.mark.parametrize("name", heads.names)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_head_maps_rows_to_outputs(name, dtype):
    torch.manual_seed(0)
    head = clone(resolve_head(name)).build(8, {"a": 8}, n_outputs=3).to(dtype).eval()
    fused = torch.randn(5, 8, dtype=dtype, requires_grad=True)
    outputs = head(fused, {}, None)
    assert outputs.shape == (5, 3)
    assert outputs.dtype == dtype
    torch.testing.assert_close(head(fused[2:3], {}, None), outputs[2:3])
    torch.testing.assert_close(pickle.loads(pickle.dumps(head))(fused, {}, None), outputs)
    outputs[0].sum().backward()
    assert fused.grad[0].abs().sum() > 0
    assert not fused.grad[1:].any()


@pytest.mark.parametrize("name", heads.names)
@pytest.mark.parametrize("n_rows", [1, 6])
def test_every_head_trains_all_of_its_weights(name, n_rows):
    torch.manual_seed(0)
    head = resolve_head(name).build(8, {"a": 8}, n_outputs=3).train()
    outputs = head(torch.randn(n_rows, 8), {}, None)
    assert outputs.shape in [(n_rows, 3), (n_rows, getattr(head, "n_members", None), 3)]
    outputs.square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in head.parameters())


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, on the way to its compiler
@pytest.mark.parametrize("name", heads.names)
@pytest.mark.parametrize("training", [True, False])
def test_every_head_is_one_graph_for_the_compiler(name, training):
    head, fused = resolve_head(name).build(8, {}, 3), torch.randn(5, 8)
    for layer in head.layers:
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    compiled = torch.compile(head.train(training), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(fused, {}, None), head(fused, {}, None))


@pytest.mark.parametrize(("name", "n_layers"), [("linear", 1), ("mlp", 2), ("auto", 2)])
def test_heads_by_name(name, n_layers):
    head = resolve_head(name).build(8, {"a": 8}, n_outputs=2)
    assert sum(isinstance(layer, nn.Linear) for layer in head.layers) == n_layers


def test_unknown_head():
    with pytest.raises(ValueError, match=r"Unknown head 'liner'\. Did you mean 'linear'"):
        resolve_head("liner")


@pytest.mark.parametrize("Head", [MLPHead, EnsembleHead])
@pytest.mark.parametrize("sizes", [(0,), (-3,), (2.5,)])
def test_bad_hidden_layer_sizes(Head, sizes):
    with pytest.raises(ValueError, match=f"{Head.__name__} takes hidden_layer_sizes of positive ints"):
        Head(hidden_layer_sizes=sizes).build(8, {"a": 8}, n_outputs=2)


# the members of an EnsembleHead


def make_ensemble(**params):
    torch.manual_seed(0)
    return EnsembleHead(**{"hidden_layer_sizes": (16, 12), "n_members": 4, "dropout": 0.0} | params).build(8, {}, 3)


def test_members_that_are_all_linear_are_refused():
    with pytest.raises(ValueError, match=r"needs a hidden layer.*head='linear'"):
        make_ensemble(hidden_layer_sizes=())


@pytest.mark.parametrize("params", [{"n_members": 0}, {"n_members": 2.5}, {"dropout": 1.0}])
def test_bad_parameters(params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter of EnsembleHead"):
        checked_clone(EnsembleHead(**params))


def test_members_begin_with_signs_as_factors_and_with_output_layers_of_their_own():
    first, second, output = (layer for layer in make_ensemble().layers if list(layer.parameters()))
    assert set(first.in_factors.flatten().tolist()) == {-1.0, 1.0}
    assert all((factors == 1).all() for factors in (first.out_factors, second.in_factors, second.out_factors))
    assert (first.bias == first.bias[0]).all()
    assert not torch.isclose(output.weight[0], output.weight[1]).any()


def test_one_member_without_signs_is_an_mlp_head():
    ensemble, plain = make_ensemble(n_members=1), MLPHead((16, 12), dropout=0.0).build(8, {}, 3)
    with torch.no_grad():
        ensemble.layers[1].in_factors.fill_(1)
        for layer, its in zip(plain.layers, ensemble.layers, strict=True):
            if isinstance(layer, nn.Linear):
                layer.bias.copy_(its.bias[0])
                layer.weight.copy_(its.weight[0].T if its.weight.ndim == 3 else its.weight)
    fused = torch.randn(5, 8)
    torch.testing.assert_close(ensemble.train()(fused, {}, None)[:, 0], plain(fused, {}, None))
    torch.testing.assert_close(ensemble.eval()(fused, {}, None), plain(fused, {}, None))


def test_the_prediction_is_the_mean_of_members_in_any_order():
    head, fused = make_ensemble(), torch.randn(5, 8)
    members = head.train()(fused, {}, None)
    assert members.shape == (5, 4, 3)
    predicted = head.eval()(fused, {}, None)
    torch.testing.assert_close(predicted, members.mean(1))
    order = [2, 0, 3, 1]
    with torch.no_grad():
        for name, values in head.named_parameters():
            if name not in ("layers.1.weight", "layers.4.weight"):  # those that they share
                values.copy_(values[order])
    torch.testing.assert_close(head.train()(fused, {}, None), members[:, order])
    torch.testing.assert_close(head.eval()(fused, {}, None), predicted)


def test_zeros_are_drawn_once_before_the_first_layer_and_then_for_each_member():
    head = make_ensemble(dropout=0.5).train()
    seen = []
    for layer in head.layers:
        layer.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs))
    head(torch.ones(5, 8), {}, None)
    assert [tuple(outputs.shape[:2]) for outputs in seen] == [(5, 1)] + [(5, 4)] * 7
    of_first, of_second = seen[3][:, 0] == 0, seen[3][:, 1] == 0
    assert (of_first != of_second).any()


def test_factors_and_biases_do_not_decay():
    head = make_ensemble()

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def components(self):
            yield head, ["a"]

    groups = parameter_groups(Network(), 1e-3, 0.01)
    decaying = {id(values) for group in groups if group["weight_decay"] for values in group["params"]}
    assert {name for name, values in head.named_parameters() if id(values) in decaying} == {
        "layers.1.weight",
        "layers.4.weight",
        "layers.7.weight",
    }
    assert sum(len(group["params"]) for group in groups) == len(list(head.parameters()))


# their losses

LOSSES = [
    (CrossEntropyLoss().build("abc"), torch.tensor([0, 2, 1])),
    (CrossEntropyLoss(label_smoothing=0.1).build("abc", multilabel=True), torch.tensor([[1.0, 0, 1]] * 3)),
    (FocalLoss().build("ab"), torch.tensor([[1.0], [0], [1]])),
    (SquaredErrorLoss().build(2), torch.tensor([[1.0, 2], [3, 4], [5, 6]])),
    (QuantileLoss(0.9).build(1), torch.tensor([[1.0], [2], [3]])),
]


@pytest.mark.parametrize(("criterion", "target"), LOSSES, ids=lambda case: type(case).__name__)
def test_the_loss_of_a_row_is_the_mean_of_that_of_members(criterion, target):
    torch.manual_seed(0)
    outputs = torch.randn(3, 4, criterion.n_outputs)
    objective, batch = Supervised(criterion), {"target": target}
    if isinstance(criterion, RegressorLoss):
        criterion.fit_target(target.numpy(), np.ones(3))
    losses = objective.loss(outputs, batch, None)
    expected = torch.stack([criterion(member, target) for member in outputs.unbind(1)]).mean(0)
    torch.testing.assert_close(losses, expected)
    assert losses.shape == target.shape  # so that weights of rows and of elements act as on those of one network
    torch.testing.assert_close(objective.score(outputs, batch), criterion.row_scores(outputs.mean(1), target))


def test_a_loss_that_takes_the_mean_is_refused(exclusive_or):
    class MeanError(RegressorLoss):
        def forward(self, outputs, target):
            return (outputs - target).abs().mean()

    X, _ = exclusive_or
    with pytest.raises(ValueError, match=r"must return one number per row or element.*got a tensor of shape \(\)"):
        MultimodalRegressor(wide=None, loss=MeanError(), **SMALL).fit(X, X["a"])


# in networks and estimators


@pytest.mark.parametrize("balancing", [None, "heads"])
def test_the_linear_part_is_added_to_each_member_in_training(exclusive_or, balancing):
    X, _ = exclusive_or
    blocks = ModalityTransformer(text="colour", tabular=["a", "b"]).fit_transform(X[:8])
    rows = BlockDataset(blocks, torch.zeros(8, 2), torch.ones(8, 2))
    objective = Supervised(SquaredErrorLoss().build(2), head=PLAIN["head"], wide=WideLinear(), balancing=balancing)
    network = build_network(blocks.specs, objective, rows, np.ones(8), torch.Generator())
    scores = torch.randn(8, 3, 2)
    batch = {**BlockDataset(blocks)[slice(0, 8)], "base_scores": scores}
    seen = []
    network.top.head.layers.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs))
    outputs = network.train()(batch)
    outputs = outputs if balancing is None else outputs[0]
    assert outputs.shape == (8, 4, 2)
    torch.testing.assert_close(outputs, seen[0] + scores.sum(1, keepdim=True))
    network.top.share = 0.25
    torch.testing.assert_close(network.eval()(batch), 0.25 * seen[1].mean(1) + scores.sum(1))


def test_members_come_to_differ_and_their_mean_is_predicted(exclusive_or):
    X, y = exclusive_or
    clf = MultimodalClassifier(wide=None, **SMALL).fit(X[:200], y[:200])
    seen = []
    clf.net_.module_.top.head.layers.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs))
    outputs, members = clf.outputs(X), torch.cat(seen).numpy()
    assert members.shape == (500, 4, 1)
    assert (members.std(1) > 0).all()
    np.testing.assert_allclose(outputs, members.mean(1), rtol=1e-6, atol=1e-9)


def test_it_learns_an_exclusive_or(exclusive_or):
    X, y = exclusive_or
    clf = MultimodalClassifier(head="ensemble", random_state=0).fit(X[:300], y[:300])
    assert accuracy_score(y[300:], clf.predict(X[300:])) > 0.9
    twin = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))


def test_it_learns_a_product(exclusive_or):
    X, _ = exclusive_or
    y = X["a"] * X["b"]
    reg = MultimodalRegressor(head=EnsembleHead(n_members=4), random_state=0).fit(X[:300], y[:300])
    assert reg.score(X[300:], y[300:]) > 0.6


@pytest.mark.parametrize("fusion", ["concat", "late"])
@pytest.mark.parametrize("balancing", [None, "heads", "modulation"])
@pytest.mark.parametrize("wide", [None, "auto"])
def test_it_goes_with_all_that_a_top_has(exclusive_or, fusion, balancing, wide):
    X, y = exclusive_or
    X = X[:60].assign(text=np.where(y[:60], "one two", "three"))
    clf = MultimodalClassifier(text="text", fusion=fusion, balancing=balancing, wide=wide, **SMALL).fit(X, y[:60])
    assert clf.predict_proba(X).shape == (60, 2)
    assert np.isfinite(clf.predict_proba(X.assign(text=None))).all()


@pytest.mark.parametrize(
    ("loss", "make_y"),
    [
        ("cross_entropy", lambda X: np.digitize(X["a"], [-0.5, 0.5])),
        ("focal", lambda X: np.column_stack([X["a"] > 0, X["b"] > 0, X["a"] > X["b"]]).astype(int)),
        (OrdinalLoss(), lambda X: np.digitize(X["a"], [-0.5, 0.5])),
    ],
    ids=["classes", "labels", "order"],
)
def test_targets_of_classifiers(exclusive_or, loss, make_y):
    X, _ = exclusive_or
    y = make_y(X)
    clf = MultimodalClassifier(loss=loss, **SMALL | {"max_epochs": 8}).fit(X[:300], y[:300])
    assert accuracy_score(y[300:], clf.predict(X[300:])) > 0.8


@pytest.mark.parametrize("loss", regressor_losses.names)
@pytest.mark.parametrize("n_targets", [1, 2])
def test_targets_of_regressors(exclusive_or, loss, n_targets):
    X, _ = exclusive_or
    y = X[["a", "b"]].abs().to_numpy()[:100, :n_targets].squeeze()
    reg = MultimodalRegressor(loss=loss, **SMALL).fit(X[:100], y)
    assert reg.predict(X).shape == (500, *y.shape[1:])
    assert np.isfinite(reg.predict(X)).all()


def test_a_quantile_of_members_together(exclusive_or):
    X, _ = exclusive_or
    y = X["a"] + np.random.default_rng(1).normal(size=500)
    reg = MultimodalRegressor(loss=QuantileLoss(0.8), **SMALL | {"max_epochs": 8}).fit(X[:300], y[:300])
    assert 0.7 < (y <= reg.predict(X))[300:].mean() < 0.9


def test_parts_of_a_batch_learn_the_same(exclusive_or):
    X, y = exclusive_or
    X, y, weight = X[:64], y[:64], np.random.default_rng(0).uniform(0.5, 2, 64)
    clf = MultimodalClassifier(batch_size=32, lr=1e-2, optimizer="sgd", **PLAIN)
    whole = clone(clf).fit(X, y, sample_weight=weight)
    parts = clone(clf).set_params(batch_size=16, gradient_accumulation_steps=2).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(parts.outputs(X), whole.outputs(X), atol=1e-5)
    unweighted = clone(clf).fit(X, y)
    assert np.abs(unweighted.outputs(X) - whole.outputs(X)).max() > 1e-3
