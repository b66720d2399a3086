"""From `Rows` to a fitted net: how the parameters of an estimator make the training."""

import math
import warnings
from copy import copy, deepcopy
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import torch

from sklearn_mm.encoders import TabularEncoder
from sklearn_mm.estimators._network import build_network, checked_clone
from sklearn_mm.networks.wide._wide_linear import resolve_wide
from sklearn_mm.storage._store import resolve_store
from sklearn_mm.training._averaging import WeightAveraging
from sklearn_mm.training._callbacks import BestWeights, DivergenceGuard, LearningRate, Progress, clone_callbacks
from sklearn_mm.training._compile import compile_network
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.training._device import on_cpu, resolve_device
from sklearn_mm.training._frozen import encode_frozen
from sklearn_mm.training._net import MultimodalNet
from sklearn_mm.training._precision import PRECISIONS, resolve_precision
from sklearn_mm.training._schedules import SCHEDULES, Schedule
from sklearn_mm.training._seeding import seeded
from sklearn_mm.training._settings import own_settings
from sklearn_mm.training._time import TimeLimit
from sklearn_mm.utils._fingerprint import copy_module
from sklearn_mm.utils._learner import learnt_attributes
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["TrainingMixin"]

_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class TrainingMixin:
    """The parameters of training, and what `fit` and `partial_fit` do with them."""

    _parameter_constraints = {
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "gradient_accumulation_steps": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions(set(SCHEDULES)), callable],
        "optimizer": [StrOptions(set(_OPTIMIZERS)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "weight_averaging": [StrOptions({"auto", "ema"}), None],
        "warm_start": ["boolean"],
        "early_stopping": [StrOptions({"auto"}), "boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [str, callable],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "device": [str, torch.device],
        "precision": [StrOptions({"auto", *PRECISIONS})],
        "compile": ["boolean"],
        "skorch_callbacks": [list, tuple, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @own_settings()
    def _train(
        self, rows, validation, tasks, *, seed, goes_on, early_stopping=False, score=None, end=math.inf, partial=False
    ):
        """Train a new network, or go on with the one that is there.

        Parameters
        ----------
        rows, validation : Rows
            What to train and to validate with; ``validation`` may be None.
        tasks : FitTasks
            Told of each epoch.
        seed : int
            Fixes all that is random.
        goes_on : bool
            Whether weights and history are those of an earlier call.
        early_stopping : bool, default=False
            Whether to stop by the validation rows, and to restore the best weights.
        score : ValidationScore, default=None
            What early stopping goes by instead of the loss.
        end : float, default=inf
            When the time is up, by `time.perf_counter`.
        partial : bool, default=False
            Whether this is one pass at a constant rate whose optimiser goes on in the next call.
        """
        device = resolve_device(self.device)
        before = self.net_ if goes_on else None
        self._history_before = self.history_ if goes_on else []
        seed = (seed + len(self._history_before)) % 2**31  # or each call would go through the rows in the same order
        stopping = self._stopping(score) if early_stopping else None
        with seeded(seed, device):
            generator = torch.Generator().manual_seed(seed)
            network = self._copied_network(before) if goes_on else self._start_network(rows, generator, partial)
            dataset = self._dataset(network, rows)
            dataset_val = None if validation is None else self._dataset(network, validation)
            if network.wide is not None and not partial:
                with on_cpu(network.wide, self._loss):
                    dataset.said = self._said(network.wide, dataset, generator, goes_on, end)
                    if validation is not None:
                        dataset_val.said = network.wide.predict(dataset_val.select(network.wide.block_names))
            if self.compile:
                compile_network(network.to(device), type(self).__name__)
            self.net_ = self._make_net(network, len(rows.weight), device, stopping, score, end, partial)
            if goes_on and partial:
                self.net_.take_optimizer_state(before)
            rows, validation = self._encode_frozen(rows), validation and self._encode_frozen(validation)
            dataset.blocks = rows.blocks
            if validation is not None:
                dataset_val.blocks = validation.blocks
            tasks.see(rows)
            if self.net_.time_limit is not None:
                self.net_.time_limit.begin()
            try:
                self.net_.train(
                    dataset,
                    dataset_val,
                    tasks=tasks,
                    measure=dict if validation is None or score is None else self._measure(score, validation),
                    keep_optimizer=partial,
                )
            except KeyboardInterrupt:
                self._finish(stopping)
                raise
        self._finish(stopping)

    def _encode_frozen(self, rows):
        """Return the rows with what frozen encoders make of them, which all epochs and scorers then share."""
        return replace(rows, blocks=encode_frozen(rows.blocks, self.net_, resolve_store(self.memory)))

    def _copied_network(self, net):
        """Return a copy of a net's network to go on with: if that fails, what was there still predicts."""
        network = copy_module(net.module_).float()
        network.modality_dropout = self.modality_dropout
        return network

    def _start_network(self, rows, generator, partial):
        balancing = None if self.balancing == "auto" else self.balancing
        wide = None if partial else resolve_wide(self.wide, self.specs_)  # which needs all rows at once
        if wide is not None:
            wide = checked_clone(wide).build(self.specs_, self._loss, self._loss_target(rows.target))
        network = build_network(
            self.specs_,
            self.fusion,
            self.head,
            wide,
            self._loss.n_outputs,
            self.modality_dropout,
            balancing,
            None if wide is None else wide.resolved_text_width(self._loss),
        )
        if wide is not None:
            network.share = wide.initial_share(self._loss)
        network.start(rows.blocks, self._loss_target(rows.target), rows.weight, generator)
        return network

    def _said(self, wide, dataset, generator, goes_on, end):
        """Fit the wide part to the training rows, and return what it says of them out of fold."""
        seen = dataset.select(wide.block_names)
        if not goes_on:
            return wide.fit(seen, self._loss, generator, end)
        # it may know rows that are now held out
        return wide.cross_predict(seen, self._loss, generator, end, refit=True)

    @own_settings()
    def _refit_wide(self, rows, end):
        """Fit the wide part to all rows, when those that were held out have told how good it is."""
        network = self.net_.module_
        if network.wide is not None:
            with on_cpu(network.wide, self._loss):
                network.wide.refit(self._dataset(network, rows).select(network.wide.block_names), self._loss, end)

    def _make_net(self, network, n_rows, device, stopping, score, end, partial):
        time_limit = None if end == math.inf else TimeLimit(end)
        max_epochs = 1 if partial else self.max_epochs
        batch_size = self._batch_size(n_rows)
        n_steps = max_epochs * -(-n_rows // (batch_size * self.gradient_accumulation_steps))
        schedule = "constant" if partial else self.lr_schedule
        schedule = Schedule(SCHEDULES[schedule] if isinstance(schedule, str) else schedule, n_steps, time_limit)
        averaging = self.weight_averaging == "ema" or (
            self.weight_averaging == "auto" and self.lr_schedule == "constant"
        )
        return MultimodalNet(
            network,
            self._loss,
            max_epochs=max_epochs,
            batch_size=batch_size,
            gradient_accumulation_steps=self.gradient_accumulation_steps,
            lr=self.lr,
            weight_decay=self.weight_decay,
            device=device,
            precision=resolve_precision(self.precision, device),
            time_limit=time_limit,
            verbose=0,
            callbacks=self._callbacks(schedule, stopping, score, averaging and not partial),
            **self._optimizer(device),
        ).initialize()

    def _callbacks(self, schedule, stopping, score, averaging):
        """Return the skorch callbacks; those that end training before those of the user, which see what they did."""
        owner = type(self).__name__
        callbacks = [
            LearningRate(torch.optim.lr_scheduler.LambdaLR, lr_lambda=schedule, step_every="batch", event_name=None),
            DivergenceGuard(owner),
        ]
        if averaging:
            callbacks.append(WeightAveraging())
        if self.verbose:
            callbacks.append(Progress(owner, int(self.verbose), "valid_loss" if score is None else score.key))
        if stopping is not None:
            callbacks.append(stopping)
        return callbacks + clone_callbacks(self.skorch_callbacks or [], owner)

    def _stopping(self, score):
        if score is None:
            return BestWeights("valid_loss", patience=self.n_iter_no_change)
        return BestWeights(score.key, self.n_iter_no_change, lower_is_better=False, best_possible=score.best_possible)

    def _optimizer(self, device):
        if not isinstance(self.optimizer, str):
            return {"optimizer": self.optimizer}
        options = {"optimizer__momentum": 0.9, "optimizer__nesterov": True} if self.optimizer == "sgd" else {}
        if device.type in ("cpu", "cuda"):
            options["optimizer__fused"] = True
        return {"optimizer": _OPTIMIZERS[self.optimizer], **options}

    def _batch_size(self, n_rows):
        """Batches of 8 to 64 rows, so that an epoch over few rows still makes some sixteen steps."""
        if self.batch_size != "auto":
            return min(self.batch_size, n_rows)
        return int(np.clip(2 ** int(np.log2(max(n_rows / 16, 1))), 8, 64))

    def _dataset(self, network, rows):
        element_weight = self._element_weight(rows.target, rows.weight)
        target = torch.from_numpy(self._loss_target(rows.target))
        mean = element_weight.mean() or 1.0  # a call of partial_fit may have rows of classes without weight alone
        weight = torch.from_numpy((element_weight / mean).astype(np.float32))
        trim, group, asked = network.trimmed_blocks(), network.grouped_blocks(), network.asked_blocks()
        return BlockDataset(rows.blocks, target, weight, trim=trim, group=group, asked=asked)

    def _measure(self, score, validation):
        """Return a function that scores the network as it is; the scorer sees an estimator that looks fitted."""
        fitted, told = copy(self), False

        def measure():
            nonlocal told
            fitted._note_history()
            value = score(fitted, validation.blocks, validation.y, validation.sample_weight)
            if math.isnan(value) and not told:
                told = True
                epoch = len(self._history_before) + len(self.net_.history)
                warnings.warn(
                    f"scoring={self.scoring!r} of {type(self).__name__} gave NaN in epoch {epoch}. No epoch without a "
                    "score is taken for the best one, and further ones are not reported. Return a number, or pass "
                    "X_val and y_val for which the score is defined.",
                    stacklevel=2,
                )
            return {score.key: value}

        return measure

    def _finish(self, stopping=None):
        self._note_history(stopping)
        network = self.net_.module_
        only_tables = all(isinstance(encoder, TabularEncoder) for encoder in network.encoders)
        if only_tables and torch.device(self.net_.device).type != "mps":  # which has no float64
            # Cheap for such small networks, and what is said of a row no longer depends on the rows beside it by the
            # rounding of float32.
            network.double()

    def _note_history(self, stopping=None):
        before = len(self._history_before)
        epochs = [row for row in self.net_.history if "train_loss" in row]
        self.history_ = self._history_before + [{**_readable(row), "epoch": before + row["epoch"]} for row in epochs]
        self.n_epochs_ = len(self.history_)
        self.best_epoch_ = self.n_epochs_
        if stopping is not None and stopping.best_epoch_:
            self.best_epoch_ = before + stopping.best_epoch_
        self._n_features_out = self.net_.module_.fusion.out_features

    def _fitted_attributes_by_now(self):
        """Return what has been learnt by now, with weights of its own: what a fit that stopped here would have."""
        fitted, net = copy(self), self.net_
        fitted.net_ = MultimodalNet(
            deepcopy(net.module_), net.criterion, batch_size=net.batch_size, device=net.device, precision=net.precision
        ).initialize()
        fitted.net_.history = copy(net.history)
        fitted._finish()
        return learnt_attributes(fitted)


def _readable(row):
    """Return what is worth keeping of an epoch of skorch's history: ours first, then what callbacks noted."""
    names = ["epoch", "train_loss", "train_score", "valid_loss", "valid_score", "dur"]
    noted = [name for name in row if name != "batches" and not name.endswith(("_batch_count", "_best"))]
    return {"seconds" if name == "dur" else name: row[name] for name in dict.fromkeys(names + noted) if name in row}
