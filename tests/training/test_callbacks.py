import pytest
from skorch.history import History

from sklearn_mm.training._callbacks import DivergenceGuard


class Net:
    lr = 0.1

    def __init__(self, **row):
        self.history = History([row])


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
