import copy

import pytest
import torch
import torch.nn as nn
from skorch.history import History

from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.preprocessing import TabularSpec
from sklearn_mm.training._best_weights import BestWeights


class Net:
    verbose = 0
    stopping_ = False

    def __init__(self, **row):
        self.history = History([row])
        encoder = ModuleEncoder(nn.Linear(3, 2)).build(TabularSpec(shape=(), n_numbers=3))
        self.module_ = nn.Sequential(encoder, nn.Linear(2, 4), nn.BatchNorm1d(4))


def test_early_stopping_asks_the_net_to_stop():
    callback = BestWeights(patience=1)
    net = Net(valid_loss=1.0, epoch=1)
    callback.on_train_begin(net)
    callback.on_epoch_end(net)
    assert not net.stopping_
    net.history.append({"valid_loss": 2.0, "epoch": 2})
    callback.on_epoch_end(net)
    assert net.stopping_


@pytest.mark.parametrize(("score", "stops"), [(0.99, False), (1.0, True)])
def test_a_score_that_cannot_be_bettered_ends_training(score, stops):
    callback = BestWeights("valid_f1", 5, lower_is_better=False, best_possible=1.0)
    net = Net(valid_f1=score, epoch=1)
    callback.on_train_begin(net)
    callback.on_epoch_end(net)
    assert net.stopping_ is stops


def train(net, callback, losses):
    """Go through epochs with these validation losses, after each of which all that is trained grows by one."""
    net.history.clear()
    callback.on_train_begin(net)
    for epoch, loss in enumerate(losses, start=1):
        with torch.no_grad():
            for tensor in (*net.module_[1].parameters(), *net.module_[2].parameters(), *net.module_[2].buffers()):
                tensor.add_(1)
        net.history.append({"valid_loss": loss, "epoch": epoch})
        callback.on_epoch_end(net)


def test_the_best_weights_are_restored_and_let_go_of():
    net, callback = Net(), BestWeights()
    before = copy.deepcopy(net.module_.state_dict())
    train(net, callback, [3.0, 1.0, 2.0])
    callback.on_train_end(net)
    for name, value in net.module_.state_dict().items():
        torch.testing.assert_close(value, before[name] if name.startswith("0.") else before[name] + 2)
    assert callback.best_epoch_ == 2
    assert not [value for value in vars(callback).values() if isinstance(value, dict)]


def test_the_last_weights_stay_where_they_are_the_best():
    net, callback = Net(), BestWeights()
    train(net, callback, [3.0, 2.0, 1.0])
    last = copy.deepcopy(net.module_.state_dict())
    callback.on_train_end(net)
    assert all(torch.equal(last[name], value) for name, value in net.module_.state_dict().items())


def test_what_is_frozen_is_neither_copied_nor_written_to():
    net, callback = Net(), BestWeights()
    frozen = net.module_[0].layers.weight
    version = frozen._version
    train(net, callback, [1.0, 2.0])
    assert set(callback.best_model_weights_) == {name for name in net.module_.state_dict() if name[0] in "12"}
    assert callback.best_model_weights_["1.weight"].data_ptr() != net.module_[1].weight.data_ptr()
    callback.on_train_end(net)
    assert frozen._version == version
