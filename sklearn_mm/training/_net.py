"""The skorch net that trains a `MultimodalNetwork` on `BlockDataset` batches."""

import warnings
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring
from skorch.utils import to_tensor

from sklearn_mm.training._averaging import WeightAveraging
from sklearn_mm.training._best_weights import BestWeights
from sklearn_mm.training._callbacks import DivergenceGuard, LearningRate, Progress
from sklearn_mm.training._dataset import BatchIterator, cuts
from sklearn_mm.training._fork import keep_forks_alive
from sklearn_mm.training._gradient_caching import cached_backward
from sklearn_mm.training._interrupts import raises_stop, signals_watched
from sklearn_mm.training._precision import autocast
from sklearn_mm.training._turns import turns

__all__ = ["MultimodalNet", "parameter_groups"]

keep_forks_alive()

_OWN_CALLBACKS = {BestWeights, DivergenceGuard, EpochTimer, LearningRate, PassthroughScoring, Progress, WeightAveraging}


class _Stop(KeyboardInterrupt):
    """A callback wants training to end."""


class _Step(NamedTuple):
    """What computing some rows gave."""

    loss: torch.Tensor
    outputs: Any
    score: float | None
    n_rows: int


class MultimodalNet(NeuralNet):
    """A skorch net whose batches are dicts of blocks, targets and weights.

    ``module`` is a built `MultimodalNetwork`, ``criterion`` an `Objective`. All else is skorch's: parameters,
    callbacks, ``history``.

    ``batch_size`` is how many rows are computed at once. A step is made from ``gradient_accumulation_steps`` times as
    many, and ``batch_size`` halves when a device's memory does not suffice: a batch is then computed in parts, and the
    step stays that of the whole batch. ``precision`` is a torch dtype, ``time_limit`` a `TimeLimit` or None.
    """

    n_parts = 1  # of batches that are made for frozen encoders; more where a device's memory does not suffice

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
                self.criterion_.end_training(self.module_.top)
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
            if validation is not None:
                self._hold_averages()
                self.criterion_.end_epoch(self.module_.top, partial(self.map, self.module_), validation)
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

    def _hold_averages(self):
        """Have the network hold averaged weights, which are what is validated next, and what predicts."""
        for _, callback in self.callbacks_:
            if isinstance(callback, WeightAveraging):
                callback.hold(self, averaged=True)

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
        """Return the rows of ``function(batch)`` over all batches of a data set, as an array or a tuple of arrays."""
        self.module_.eval()

        def outputs(batch):
            return [self._mapped(function, part) for part in batch.parts(self.batch_size)]

        batches = BatchIterator(dataset, self.batch_size, device=self.device)
        joined = _joined_rows([part for batch in batches for part in self._in_memory(outputs, batch)])
        return tuple(part.numpy() for part in joined) if isinstance(joined, tuple) else joined.numpy()

    def map_each(self, function, batches):
        """Yield ``function(batch)``, a tuple of tensors of as many rows, of batches of any size, as arrays.

        Where memory does not suffice, this and all that follow are computed in twice as many parts.
        """
        self.module_.eval()
        for batch in batches:
            yield tuple(part.numpy() for part in self._mapped_in_parts(function, batch))

    def _mapped_in_parts(self, function, batch):
        while True:
            size = -(-len(batch) // self.n_parts)
            try:
                return _joined_rows([self._mapped(function, part) for part in batch.parts(size)])
            except torch.cuda.OutOfMemoryError:
                if size == 1:
                    raise
            self.n_parts *= 2
            torch.cuda.empty_cache()
            warnings.warn(
                f"The memory of {self.device} does not suffice for what a frozen encoder makes of {size} rows; going "
                "on with half as many at once.",
                stacklevel=2,
            )

    def _mapped(self, function, batch):
        with torch.inference_mode(), autocast(self.precision, self.device):
            return _on_cpu(_at_least_float32(function(to_tensor(batch.data, device=self.device))))

    def __getstate__(self):
        # skorch writes modules as bytes, which know nothing of what else is pickled; `module` is `module_` once more
        return {name: value for name, value in vars(self).items() if name not in ("module", "criterion")}

    def __setstate__(self, state):
        vars(self).update(state)
        self.module, self.criterion = self.module_, self.criterion_

    def _refuse(self, *args, **kwargs):
        raise NotImplementedError(
            "The net of a multimodal estimator is trained and asked by the estimator alone, which makes its batches: "
            "use fit, partial_fit, predict and transform of the estimator. Of the net there are module_, optimizer_, "
            "criterion_, history and callbacks_; net.module_(batch) takes the dicts that its docstring tells of."
        )

    fit = partial_fit = fit_loop = forward = forward_iter = predict = predict_proba = evaluation_step = _refuse
    get_loss = _refuse

    def get_iterator(self, dataset, training=False):
        """Return the batches of a data set, in a new random order per epoch when training."""
        as_in_steps = training or not self.criterion_.row_wise  # or the loss would be one of fewer rows
        steps = self.gradient_accumulation_steps if as_in_steps else 1
        device = self.device if steps == 1 else "cpu"  # where so many rows do not fit: only their parts go there
        return BatchIterator(dataset, self.batch_size * steps, shuffle=training, device=device)

    def _set_training(self, training=True):
        # Going through all modules takes a while, and skorch asks each step.
        if {self.module_.training, self.criterion_.training} != {training}:
            super()._set_training(training)

    def train_step_single(self, batch, **fit_params):
        """Compute loss and gradients of a batch, in parts if it is larger than ``batch_size``."""
        self._set_training(True)
        step = self._in_memory(self._backward, batch)
        if self.grad_scaler_ is not None:
            self.grad_scaler_.unscale_(self.optimizer_)
        return self._noted(step, "train_score")

    def _zero_grad_optimizer(self, set_to_none=None):
        """Do nothing: right before the new gradients their memory is at hand for these, which saves 3 % of the time."""

    def validation_step(self, batch, **fit_params):
        """Compute the loss of a batch, in parts if memory asks for it."""
        self._set_training(False)
        with torch.no_grad():
            step = self._in_memory(self._evaluate_batch, batch)
        return self._noted(step, "valid_score")

    def _backward(self, batch):
        """Return the `_Step` of a batch, and leave its gradients with the weights."""
        if self._is_whole(batch):
            return self._backward_cached(batch)
        steps = []
        for part in batch.parts(self.batch_size):
            steps.append(self._evaluate(part))
            if len(steps) == 1:
                super()._zero_grad_optimizer()
            self._scaled(steps[-1].loss if part is batch else steps[-1].loss * (len(part) / len(batch))).backward()
        return _joined(steps)

    def _backward_cached(self, batch):
        """Do so where the loss is one of all rows, which do not fit into memory at once."""
        data = to_tensor(_without_blocks(batch.data), device=self.device)

        def backward(outputs):
            super(MultimodalNet, self)._zero_grad_optimizer()
            loss = self._loss(outputs, data)
            self._scaled(loss).backward()
            return loss

        def forward(part):
            return self.infer(part.data)

        loss, outputs = cached_backward(
            self.module_, lambda: batch.parts(self.batch_size), forward, backward, self.device
        )
        return _Step(loss, outputs, self._score(outputs, data), len(batch))

    def _is_whole(self, batch):
        """Return whether the loss is one of all rows of a batch that has to be computed in parts."""
        return not self.criterion_.row_wise and len(cuts(len(batch), self.batch_size)) > 1

    def _evaluate_batch(self, batch):
        """Return the `_Step` of a batch, from those of its parts or, if the loss is one of all rows, their outputs."""
        if not self._is_whole(batch):
            return _joined([self._evaluate(part) for part in batch.parts(self.batch_size)])
        outputs = _joined_rows([self.infer(part.data) for part in batch.parts(self.batch_size)])
        data = to_tensor(_without_blocks(batch.data), device=self.device)
        return _Step(self._loss(outputs, data), outputs, self._score(outputs, data), len(batch))

    def _evaluate(self, part):
        data = to_tensor(part.data, device=self.device)
        outputs, data = self._outputs(data), _without_blocks(data)
        return _Step(self._loss(outputs, data), outputs, self._score(outputs, data), len(part))

    def _loss(self, outputs, data):
        objective = self.criterion_
        loss = objective.loss(outputs, data, self.module_.top)
        _check_loss(loss, objective, len(data["present"]))
        if not objective.row_wise:
            return loss
        weight = data["weight"]  # of each element, or of each row
        return (loss * weight.view(*weight.shape, *[1] * (loss.ndim - weight.ndim))).mean()

    def _score(self, outputs, data):
        with torch.no_grad():
            score = self.criterion_.score(outputs, data)
        return None if score is None else score.mean().item()

    def _scaled(self, loss):
        return loss if self.grad_scaler_ is None else self.grad_scaler_.scale(loss)

    def _noted(self, step, name):
        """Note the score of a batch, and return what skorch wants to know of it."""
        if step.score is not None:
            self.history.record_batch(name, step.score)
        return {"loss": step.loss, "y_pred": step.outputs}

    def _in_memory(self, compute, batch):
        """Return ``compute(batch)``, which goes by ``batch_size``; where memory does not suffice, with half as many."""
        while True:
            try:
                return compute(batch)
            except torch.cuda.OutOfMemoryError:
                size = min(self.batch_size, len(batch))
                if size == 1:
                    raise
            self._halve_batches(size)  # out here the failed step's tensors are no longer held by the exception

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
        return self._outputs(to_tensor(x, device=self.device))

    def _outputs(self, data):
        with autocast(self.precision, self.device):
            return _at_least_float32(self.module_(data))

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


def _check_loss(loss, objective, n_rows):
    """Raise where a loss of rows is one number, or one over the whole batch is not."""
    if isinstance(loss, torch.Tensor) and (loss.ndim == 0) != objective.row_wise:
        return
    got = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else f"{loss!r}"
    wanted = "one number per row or element" if objective.row_wise else "one number (a tensor without dimensions)"
    raise ValueError(
        f"{type(objective).__name__}.loss must return {wanted}, as row_wise is {objective.row_wise}; got {got} for "
        f"{n_rows} rows. Return that, or set row_wise = {not objective.row_wise}: True is for losses that are means "
        "over rows, False for those over the whole batch."
    )


def _on_cpu(outputs):
    return tuple(part.cpu() for part in outputs) if isinstance(outputs, tuple) else outputs.cpu()


def _without_blocks(data):
    """Return what a loss may look at of a batch, whose blocks may be computed in parts."""
    return {key: value for key, value in data.items() if key not in ("blocks", "features")}


def _joined(steps):
    """Return the `_Step` of a batch from those of its parts, whose losses and scores are means over rows."""
    if len(steps) == 1:
        return steps[0]
    n_rows = sum(step.n_rows for step in steps)
    shares = [step.n_rows / n_rows for step in steps]
    has_scores = steps[0].score is not None
    return _Step(
        loss=sum(share * step.loss.detach() for share, step in zip(shares, steps, strict=True)),
        outputs=_joined_rows([step.outputs for step in steps]),
        score=sum(share * step.score for share, step in zip(shares, steps, strict=True)) if has_scores else None,
        n_rows=n_rows,
    )


def _joined_rows(parts):
    if len(parts) == 1:
        return parts[0]
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
