"""The skorch net that trains a `MultimodalNetwork` on `BlockDataset` batches."""

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring
from skorch.utils import to_tensor

from sklearn_mm.training._callbacks import TrainingStopped
from sklearn_mm.training._dataset import BatchIterator

__all__ = ["MultimodalNet"]


class MultimodalNet(NeuralNet):
    """A skorch net whose batches are dicts of blocks and whose targets come with weights.

    ``module`` is a built `MultimodalNetwork`, ``criterion`` a loss that keeps rows apart and has ``row_scores``. All
    else is skorch's: parameters, callbacks, ``history``.
    """

    def __init__(self, module, criterion, *, weight_decay=0.0, **kwargs):
        super().__init__(module, criterion, iterator_train__shuffle=True, train_split=None, **kwargs)
        self.weight_decay = weight_decay

    @property
    def _default_callbacks(self):
        names = ["train_loss", "train_score", "valid_loss", "valid_score"]
        return [("epoch_timer", EpochTimer())] + [
            (name, PassthroughScoring(name, on_train=name.startswith("train"), lower_is_better=name.endswith("loss")))
            for name in names
        ]

    def train(self, dataset, validation=None):
        """Train for ``max_epochs``, or until a callback stops it; Ctrl-C ends training too, and is raised again."""
        self.notify("on_train_begin", X=dataset, y=None)
        try:
            self.fit_loop((dataset, validation))
        except TrainingStopped:
            pass
        finally:
            self.notify("on_train_end", X=dataset, y=None)
            self.optimizer_.state.clear()  # twice the weights, of no use for prediction
        return self

    def map(self, function, dataset):
        """Return the rows of ``function(batch)`` over all batches of a data set, as one array."""
        self.module_.eval()
        batches = BatchIterator(dataset, self.batch_size)
        with torch.inference_mode():
            parts = [function(to_tensor(batch, device=self.device)).cpu() for batch, _ in batches]
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).numpy()

    def get_split_datasets(self, X, y=None, **fit_params):
        """Return the training and the validation set that `train` was given."""
        return X

    def get_iterator(self, dataset, training=False):
        """Return the batches of a data set, in a new random order per epoch when training."""
        return BatchIterator(dataset, self.batch_size, shuffle=training)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Go once through the batches of an iterator, which may be None."""
        batches = None if iterator is None else map(_Batch, iterator)
        super().run_single_epoch(batches, training=training, prefix=prefix, step_fn=step_fn, **fit_params)

    def infer(self, x, **fit_params):
        """Return the network's outputs for a batch."""
        return self.module_(to_tensor(x, device=self.device))

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the weighted mean of the losses, and note the batch's score."""
        target, weight = to_tensor(y_true, device=self.device)
        score = self.criterion_.row_scores(y_pred.detach(), target).mean()
        self.history.record_batch("train_score" if training else "valid_score", score.item())
        return (self.criterion_(y_pred, target) * weight).mean()

    def initialize_optimizer(self, triggered_directly=None):
        """Make the optimiser over the components' own parameter groups and the rest of the network."""
        options = self.get_params_for("optimizer")
        self.optimizer_ = self.optimizer(
            parameter_groups(self.module_, self.lr, self.weight_decay), lr=self.lr, **options
        )
        return self


class _Batch:
    """A batch and its targets that know how many rows they have.

    skorch would take that from the tensors, but those of items of which a row may have several are longer.
    """

    def __init__(self, parts):
        self.parts = parts

    def __len__(self):
        return len(self.parts[0]["present"])

    def __getitem__(self, place):
        return self.parts[place]

    def __iter__(self):
        return iter(self.parts)


def parameter_groups(network, lr, weight_decay):
    """Return torch parameter groups: those that components ask for, then matrices with decay, then vectors without."""
    groups = []
    for component, _ in network.components():
        for group in getattr(component, "parameter_groups", list)():
            group = dict(group)
            groups.append({"lr": lr * group.pop("lr_scale", 1.0), "weight_decay": weight_decay, **group})
    for group in groups:
        group["params"] = list(group["params"])
    taken = {id(parameter) for group in groups for parameter in group["params"]}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in taken]
    groups.append({"params": [p for p in rest if p.ndim > 1], "weight_decay": weight_decay})
    groups.append({"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0})
    return [group for group in groups if group["params"]]
