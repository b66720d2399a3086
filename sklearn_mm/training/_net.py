"""The skorch net that trains a `MultimodalNetwork` on `BlockDataset` batches."""

import warnings
from contextlib import nullcontext

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring
from skorch.utils import to_tensor

from sklearn_mm.training._averaging import WeightAveraging
from sklearn_mm.training._best_weights import BestWeights
from sklearn_mm.training._callbacks import DivergenceGuard, LearningRate, Progress
from sklearn_mm.training._dataset import BatchIterator
from sklearn_mm.training._device import on_cpu
from sklearn_mm.training._fork import keep_forks_alive
from sklearn_mm.training._interrupts import raises_stop, signals_watched
from sklearn_mm.training._precision import autocast
from sklearn_mm.training._turns import turns
from sklearn_mm.utils._held_module import modules_apart

__all__ = ["MultimodalNet", "parameter_groups"]

keep_forks_alive()

_OWN_CALLBACKS = {BestWeights, DivergenceGuard, EpochTimer, LearningRate, PassthroughScoring, Progress, WeightAveraging}
_SHARES = [step / 20 for step in range(21)]


class _Stop(KeyboardInterrupt):
    """A callback wants training to end."""


class MultimodalNet(NeuralNet):
    """A skorch net whose batches are dicts of blocks and whose targets come with weights.

    ``module`` is a built `MultimodalNetwork`, ``criterion`` a loss that keeps rows apart and has ``row_scores``. All
    else is skorch's: parameters, callbacks, ``history``.

    ``batch_size`` is how many rows are computed at once. A step is made from ``gradient_accumulation_steps`` times as
    many, and ``batch_size`` halves when a device's memory does not suffice: a batch is then computed in parts, and the
    step stays that of the whole batch. ``precision`` is a torch dtype, ``time_limit`` a `TimeLimit` or None.
    """

    def __init__(
        self,
        module,
        criterion,
        *,
        weight_decay=0.0,
        gradient_accumulation_steps=1,
        precision=torch.float32,
        time_limit=None,
        **kwargs,
    ):
        super().__init__(module, criterion, iterator_train__shuffle=True, train_split=None, **kwargs)
        self.weight_decay = weight_decay
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.precision = precision
        self.time_limit = time_limit

    @property
    def _default_callbacks(self):
        names = ["train_loss", "train_score", "valid_loss", "valid_score"]
        return [("epoch_timer", EpochTimer())] + [
            (name, PassthroughScoring(name, on_train=name.startswith("train"), lower_is_better=name.endswith("loss")))
            for name in names
        ]

    def train(self, dataset, validation=None, *, tasks, measure=dict, keep_optimizer=False):
        """Train for ``max_epochs``, or until a callback stops it; Ctrl-C ends training too, and is raised again.

        Parameters
        ----------
        dataset : BlockDataset
            Rows to train with.
        validation : BlockDataset, default=None
            Rows to validate with after each epoch.
        tasks : FitTasks
            Told of each epoch.
        measure : callable, default=dict
            Returns more to note of the epoch that has just ended, by name.
        keep_optimizer : bool, default=False
            Whether the state of the optimiser, which is up to twice the weights, is kept for training that goes on.
        """
        self.stopping_ = False
        self.grad_scaler_ = None
        if self.precision == torch.float16 and torch.device(self.device).type != "mps":  # which has no gradient scaling
            self.grad_scaler_ = torch.amp.GradScaler(torch.device(self.device).type)
        with signals_watched():
            self.notify("on_train_begin", X=dataset, y=None)
            try:
                self._run_epochs(dataset, validation, tasks, measure)
            except _Stop:
                pass
            finally:
                self.notify("on_train_end", X=dataset, y=None)
                self.grad_scaler_ = None
                if not keep_optimizer:
                    self.optimizer_.state.clear()
        return self

    def notify(self, method_name, **kwargs):
        """Tell the callbacks; of those that the user handed in nothing is known, and they may fit in other threads."""
        with turns.given() if self._has_callbacks_of_users else nullcontext():
            if raises_stop(super().notify, method_name, **kwargs):
                raise _Stop(f"a callback ended training in {method_name}")

    @property
    def _has_callbacks_of_users(self):
        return any(type(callback) not in _OWN_CALLBACKS for _, callback in self.callbacks_)

    def _run_epochs(self, dataset, validation, tasks, measure):
        batches = self.get_iterator(dataset, training=True)
        batches_val = None if validation is None else self.get_iterator(validation)
        datasets = {"dataset_train": dataset, "dataset_valid": validation}
        for _ in range(self.max_epochs):
            with turns.given():
                tasks.begin_epoch()
            self.notify("on_epoch_begin", **datasets)
            self.run_single_epoch(self._in_time(batches), training=True, prefix="train", step_fn=self.train_step)
            if validation is not None and self.module_.wide is not None:
                self._settle_share(validation)
            self.run_single_epoch(batches_val, training=False, prefix="valid", step_fn=self.validation_step)
            with turns.given():
                measured = measure()
            for name, value in measured.items():
                self.history.record(name, value)
            try:
                self.notify("on_epoch_end", **datasets)
            except _Stop:
                self.stopping_ = True
            with turns.given():
                wants_end = tasks.end_epoch()
            if wants_end or self.stopping_ or self._time_is_up():
                break

    def _settle_share(self, validation):
        """Let validation rows say how much of the deep part is added to the wide part in prediction.

        A share must lower their loss by more than a standard error: few rows would else believe in chance.
        """
        network, criterion = self.module_, self.criterion_
        for _, callback in self.callbacks_:
            if isinstance(callback, WeightAveraging):
                callback.hold(self, averaged=True)  # these are what is validated next, and predicts
        present = torch.from_numpy(validation.blocks.present)
        wide = network.wide.outputs(network.wide.of_present(validation.said, present))
        network.share = 1.0
        deep = torch.from_numpy(self.map(network, validation)) - wide

        counted = validation.weight.reshape(len(validation), -1).any(1)

        def losses(share):
            loss = criterion(wide + share * deep, validation.target) * validation.weight
            return loss.reshape(len(loss), -1).sum(1)[counted]

        with on_cpu(criterion):
            alone = losses(0.0)
            gains = [alone - losses(share) for share in _SHARES]  # each (n_rows,)
        sure = [gain.mean() - gain.std(correction=0) / len(gain) ** 0.5 for gain in gains]
        network.share = _SHARES[int(torch.stack(sure).argmax())]

    def _time_is_up(self):
        return self.time_limit is not None and self.time_limit.share() >= 1

    def _in_time(self, batches):
        """Yield batches until the time is up, at least one: the epoch under way is then shorter, and the last."""
        for number, batch in enumerate(batches, start=1):
            yield batch
            turns.pause()
            if self._time_is_up():
                if len(self.history) == 1 and number < len(batches):
                    warnings.warn(
                        f"max_time was over after {number} of the {len(batches)} batches of the first epoch.",
                        ConvergenceWarning,
                        stacklevel=2,
                    )
                return

    def map(self, function, dataset):
        """Return the rows of ``function(batch)`` over all batches of a data set, as one array."""
        self.module_.eval()

        def outputs(part):
            with autocast(self.precision, self.device):
                return _at_least_float32(function(to_tensor(part[0], device=self.device))).cpu()

        with torch.inference_mode():
            batches = BatchIterator(dataset, self.batch_size, device=self.device)
            parts = [part for batch in batches for part in self._in_parts(batch, outputs)]
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).numpy()

    def __getstate__(self):
        with modules_apart([]) as held:
            state = super().__getstate__()
        del state["module"]  # it is `module_`, whose weights would be stored twice
        return {**state, "held_": held}

    def __setstate__(self, state):
        with modules_apart(state["held_"]):
            super().__setstate__({name: value for name, value in state.items() if name != "held_"})
        self.module = self.module_

    def _refuse(self, *args, **kwargs):
        raise NotImplementedError(
            "The net of a multimodal estimator is trained and asked by the estimator alone, which makes its batches: "
            "use fit, partial_fit, predict and transform of the estimator. Of the net there are module_, optimizer_, "
            "criterion_, history and callbacks_; net.module_(batch) takes the dicts that its docstring tells of."
        )

    fit = partial_fit = fit_loop = forward = forward_iter = predict = predict_proba = evaluation_step = _refuse

    def get_iterator(self, dataset, training=False):
        """Return the batches of a data set, in a new random order per epoch when training."""
        steps = self.gradient_accumulation_steps if training else 1
        device = self.device if steps == 1 else "cpu"  # where so many rows do not fit: only their parts go there
        return BatchIterator(dataset, self.batch_size * steps, shuffle=training, device=device)

    def _set_training(self, training=True):
        # Going through all modules takes a while, and skorch asks each step.
        if {self.module_.training, self.criterion_.training} != {training}:
            super()._set_training(training)

    def train_step_single(self, batch, **fit_params):
        """Compute loss and gradients of a batch, in parts if it is larger than ``batch_size``."""
        self._set_training(True)
        old = True  # gradients are those of the step before

        def undo():
            nonlocal old
            old = True

        def backward(part):
            nonlocal old
            step = self._evaluate(part, training=True)
            if old:
                super(MultimodalNet, self)._zero_grad_optimizer()
                old = False
            loss = step["loss"] if part is batch else step["loss"] * (len(part) / len(batch))
            (loss if self.grad_scaler_ is None else self.grad_scaler_.scale(loss)).backward()
            return step

        results = self._in_parts(batch, backward, undo=undo)
        if self.grad_scaler_ is not None:
            self.grad_scaler_.unscale_(self.optimizer_)
        return self._joined(results, batch, "train_score")

    def _zero_grad_optimizer(self, set_to_none=None):
        """Do nothing: right before the new gradients their memory is at hand for these, which saves 3 % of the time."""

    def validation_step(self, batch, **fit_params):
        """Compute the loss of a batch, in parts if memory asks for it."""
        self._set_training(False)
        with torch.no_grad():
            results = self._in_parts(batch, self._evaluate)
        return self._joined(results, batch, "valid_score")

    def _evaluate(self, part, training=False):
        x, y = part
        y_pred = self.infer(x)
        loss = self.get_loss(y_pred, y, X=x, training=training)
        score = self.history[-1]["batches"][-1]["train_score" if training else "valid_score"]
        return {"loss": loss, "y_pred": y_pred, "score": score, "n_rows": len(part)}

    def _joined(self, parts, batch, name):
        """Return loss and outputs of a batch from those of its parts, and note the batch's score."""
        if len(parts) == 1:
            return {key: parts[0][key] for key in ("loss", "y_pred")}
        shares = [part["n_rows"] / len(batch) for part in parts]
        self.history.record_batch(name, sum(share * part["score"] for share, part in zip(shares, parts, strict=True)))
        return {
            "loss": sum(share * part["loss"].detach() for share, part in zip(shares, parts, strict=True)),
            "y_pred": _joined_rows([part["y_pred"] for part in parts]),
        }

    def _in_parts(self, batch, step, undo=None):
        """Return ``step(part)`` for the parts of a batch; when memory does not suffice, ``undo`` and halve them."""
        while True:
            try:
                return [step(part) for part in batch.parts(self.batch_size)]
            except torch.cuda.OutOfMemoryError:
                size = min(self.batch_size, len(batch))
                if size == 1:
                    raise
            # out here the failed step's tensors are no longer held by the exception
            self._halve_batches(size)
            if undo is not None:
                undo()

    def _halve_batches(self, size):
        self.batch_size = size // 2
        torch.cuda.empty_cache()
        warnings.warn(
            f"The memory of {self.device} does not suffice for batches of {size} rows; going on with {self.batch_size} "
            "rows at once. Training steps are still made from as many rows as before.",
            stacklevel=2,
        )

    def infer(self, x, **fit_params):
        """Return the network's outputs for a batch, in float32 whatever the network computes in."""
        with autocast(self.precision, self.device):
            return _at_least_float32(self.module_(to_tensor(x, device=self.device)))

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the weighted mean of the losses, and note the batch's score."""
        target, weight = to_tensor(y_true, device=self.device)
        outputs, *unimodal = y_pred if isinstance(y_pred, tuple) else (y_pred,)
        score = self.criterion_.row_scores(outputs.detach(), target).mean()
        self.history.record_batch("train_score" if training else "valid_score", score.item())
        loss = (self.criterion_(outputs, target) * weight).mean()
        if unimodal:
            own = self.module_.unimodal.loss(*unimodal, self.criterion_, target, weight)
            loss = loss + (own - own.detach())  # adds to the gradient; what is shown stays the loss of the outputs
        return loss

    def initialize_optimizer(self, triggered_directly=None):
        """Make the optimiser over the components' own parameter groups and the rest of the network."""
        options = self.get_params_for("optimizer")
        self.optimizer_ = self.optimizer(
            parameter_groups(self.module_, self.lr, self.weight_decay), lr=self.lr, **options
        )
        return self

    def take_optimizer_state(self, other):
        """Go on with moments and the like of another net's optimiser, if it is one for the same weights."""
        state, state_before = self.optimizer_.state_dict(), other.optimizer_.state_dict()
        weights, weights_before = ([group["params"] for group in s["param_groups"]] for s in (state, state_before))
        if type(self.optimizer_) is type(other.optimizer_) and weights == weights_before:
            self.optimizer_.load_state_dict({**state, "state": state_before["state"]})

    def _step_optimizer(self, step_fn):
        if self.grad_scaler_ is None:
            return super()._step_optimizer(step_fn)
        step_fn()
        self.grad_scaler_.step(self.optimizer_)
        self.grad_scaler_.update()


def _at_least_float32(outputs):
    if isinstance(outputs, tuple):
        return tuple(map(_at_least_float32, outputs))
    return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs


def _joined_rows(parts):
    if isinstance(parts[0], tuple):
        return tuple(map(_joined_rows, zip(*parts, strict=True)))
    return torch.cat([part.detach() for part in parts])


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
