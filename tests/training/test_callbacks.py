import pytest
import torch

from sklearn_mm.training._callbacks import BestWeights, DivergenceGuard


class Net:
    lr = 0.1
    verbose = 0
    stopping_ = False
    module_ = torch.nn.Linear(1, 1)

    def __init__(self, **row):
        self.rows = [row]

    @property
    def history(self):
        rows = self.rows

        class History(list):
            def __getitem__(self, key):
                return rows[key[0]][key[1]] if isinstance(key, tuple) else rows[key]

        return History(rows)


def test_early_stopping_asks_the_net_to_stop():
    callback = BestWeights(patience=1)
    net = Net(valid_loss=1.0, epoch=1)
    callback.on_train_begin(net)
    callback.on_epoch_end(net)
    assert not net.stopping_
    net.rows.append({"valid_loss": 2.0, "epoch": 2})
    callback.on_epoch_end(net)
    assert net.stopping_


@pytest.mark.parametrize(("score", "stops"), [(0.99, False), (1.0, True)])
def test_a_score_that_cannot_be_bettered_ends_training(score, stops):
    callback = BestWeights("valid_f1", 5, lower_is_better=False, best_possible=1.0)
    net = Net(valid_f1=score, epoch=1)
    callback.on_train_begin(net)
    callback.on_epoch_end(net)
    assert net.stopping_ is stops


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_divergence_names_the_way_out(loss):
    message = r"Estimator: the training loss became (nan|inf) in epoch 1\. Lower lr \(it was 0\.1\)"
    with pytest.raises(ValueError, match=message):
        DivergenceGuard("Estimator").on_epoch_end(Net(train_loss=loss))


def test_a_validation_loss_that_is_no_number_is_an_error():
    with pytest.raises(ValueError, match="Estimator: the validation loss became nan in epoch 1"):
        DivergenceGuard("Estimator").on_epoch_end(Net(train_loss=3.0, valid_loss=float("nan")))


def test_a_finite_loss_is_fine():
    DivergenceGuard("Estimator").on_epoch_end(Net(train_loss=3.0))
    DivergenceGuard("Estimator").on_epoch_end(Net(train_loss=3.0, valid_loss=2.0))
