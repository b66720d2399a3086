"""What every encoder and fusion must do, as named checks: `estimator_checks` and the tests run them."""

import contextlib
import copy
import functools
import math
import pickle
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
from sklearn.base import clone

from sklearn_mm.encoders._base import Features
from sklearn_mm.inputs._modalities import MODALITIES
from sklearn_mm.utils._tensors import as_tensors
from sklearn_mm.utils._validation import Interval, Options, TupleOf, generate_invalid_param_val

__all__ = ["example_rows", "example_spec", "yield_encoder_checks", "yield_fusion_checks"]

_N_OUTPUTS = 3
_BLOCK_NAMES = ("image", "text", "tabular", "audio")


def yield_encoder_checks(encoder, spec=None, rows=None):
    """Yield pairs of a name and a check of an encoder; a check raises AssertionError."""
    spec = example_spec(encoder.kind).read_with(encoder.reading) if spec is None else spec
    case = _EncoderCase(encoder, spec, example_rows(spec) if rows is None else rows)
    for check in _ENCODER_CHECKS:
        yield check.__name__, functools.partial(check, case)


def yield_fusion_checks(fusion):
    """Yield pairs of a name and a check of a fusion; a check raises AssertionError."""
    for n_blocks in (1, 2, 4):
        case = _FusionCase(fusion, n_blocks)
        for check in _FUSION_CHECKS:
            yield f"{check.__name__}[{n_blocks}]", functools.partial(check, case)


def example_spec(kind):
    """Return the spec of a small block of a kind."""
    if kind in MODALITIES:
        return MODALITIES[kind].example_spec
    raise ValueError(
        f"No example is known for blocks of kind {kind!r}. Pass spec=, the BlockSpec of a small block that the encoder "
        f"reads, such as the `example_spec` of its Input: check_encoder(encoder, spec=SensorInput.example_spec)."
    )


def example_rows(spec, n_rows=24):
    """Return tensors of rows of a block as stored; normal numbers where its spec does not say what it holds."""
    rows = spec.example_rows(n_rows)
    if rows is None:
        return torch.randn(n_rows, *spec.shape, generator=torch.Generator().manual_seed(0))
    return as_tensors(rows)


@dataclass
class _EncoderCase:
    """An encoder, a block's spec, and rows of the block."""

    component: object
    spec: object
    inputs: object

    @property
    def n_rows(self):
        return len(next(iter(self.inputs.values())) if isinstance(self.inputs, dict) else self.inputs)

    def build(self, component):
        return component.build(self.spec)

    def run(self, built, inputs):
        """Return the tensors that the encoder makes of rows as stored."""
        return tuple(built(built.prepare(inputs)))


@dataclass
class _FusionCase:
    """A fusion, and features of some blocks with what is present."""

    component: object
    n_blocks: int
    n_rows: int = 24

    def __post_init__(self):
        generator = torch.Generator().manual_seed(0)
        names = _BLOCK_NAMES[: self.n_blocks]
        self.widths = {name: 6 + 2 * i for i, name in enumerate(names)}
        self.token_widths = {name: 5 + i for i, name in enumerate(names)}
        present = torch.rand(self.n_rows, self.n_blocks, generator=generator) < 0.7
        present[0], present[-1] = True, False
        features = {}
        for i, name in enumerate(names):
            mask = torch.rand(self.n_rows, 3 + i, generator=generator) < 0.8
            mask[:, 0] = True
            features[name] = Features(
                pooled=torch.randn(self.n_rows, self.widths[name], generator=generator),
                tokens=torch.randn(self.n_rows, 3 + i, self.token_widths[name], generator=generator),
                mask=mask & present[:, [i]],
            )
        self.inputs = (features, present)

    def build(self, component):
        return component.build(self.widths, _N_OUTPUTS, self.token_widths)

    def run(self, built, inputs):
        """Return the fused vectors, as a tuple of one tensor."""
        return (built(*inputs),)


def _require(condition, case, message):
    if not condition:
        raise AssertionError(f"{case.component}: {message}")


def _require_close(got, expected, case, message):
    for a, b in zip(got, expected, strict=True):
        if a.shape != b.shape:
            raise AssertionError(f"{case.component}: {message}: shapes {tuple(a.shape)} and {tuple(b.shape)}.")
        difference = (a.float() - b.float()).abs().max().item() if a.numel() else 0.0
        _require(difference <= 1e-4 * (1 + b.float().abs().max().item()), case, f"{message}: differ by {difference}.")


@contextlib.contextmanager
def _seed(seed=0):
    """Fix torch's random numbers, and leave the generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not those of devices, which nothing sets back
        yield


def _map(function, *trees):
    """Apply a function to the tensors of nested dicts and tuples."""
    if isinstance(trees[0], torch.Tensor):
        return function(*trees)
    if isinstance(trees[0], dict):
        return {key: _map(function, *(tree[key] for tree in trees)) for key in trees[0]}
    parts = [_map(function, *parts) for parts in zip(*trees, strict=True)]
    return Features(*parts) if isinstance(trees[0], Features) else tuple(parts)


def _built(case, seed=0):
    with _seed(seed):
        return case.build(clone(case.component))


def _evaluate(case, built, inputs=None):
    inputs = _map(torch.clone, case.inputs) if inputs is None else inputs
    with torch.no_grad():
        return case.run(built.eval(), inputs)


def check_parameters_are_stored(case):
    """``__init__`` only stores, so that `clone` gives an equal component."""
    params = case.component.get_params(deep=False)
    try:
        again = clone(case.component)
    except RuntimeError as error:
        raise AssertionError(f"{case.component}: it cannot be cloned: {error}") from error
    _require(type(again) is type(case.component), case, "clone gives another class.")
    _require(repr(again) == repr(case.component), case, "a clone has another repr.")
    _require(type(case.component).__name__ in repr(case.component), case, "repr lacks the name of the class.")
    for name, value in again.get_params(deep=False).items():
        _require(repr(value) == repr(params[name]), case, f"clone changes the parameter {name!r}.")
        again.set_params(**{name: value})
        _require(getattr(again, name) is value, case, f"set_params does not store {name!r} as it is.")


def check_parameters_are_validated(case):
    """``_validate_params`` passes for the component and raises for senseless values of each parameter."""
    case.component._validate_params()
    for name in case.component.get_params(deep=False):
        constraints = case.component._parameter_constraints.get(name)
        _require(constraints is not None, case, f"no entry for {name!r} in _parameter_constraints.")
        for value in _senseless_values(constraints):
            hostile = clone(case.component).set_params(**{name: value})
            try:
                hostile._validate_params()
            except (TypeError, ValueError) as error:
                _require(name in str(error), case, f"the error for {name}={value!r} does not name the parameter.")
            else:
                raise AssertionError(f"{case.component}: _validate_params takes {name}={value!r}.")


def _senseless_values(constraints):
    if constraints == "no_validation":
        return
    checkable = [constraint for constraint in constraints if isinstance(constraint, Interval | Options)]
    values = [type("BadType", (), {})()]
    for constraint in checkable:
        if isinstance(constraint, TupleOf):
            values += [
                generate_invalid_param_val(constraint.element),
                (generate_invalid_param_val(constraint.element),),
            ]
        elif isinstance(constraint, Interval):
            values += [generate_invalid_param_val(constraint), float("nan")]
        else:
            values.append("no such option")
    yield from (value for value in values if not any(constraint.is_satisfied_by(value) for constraint in checkable))


def check_build(case):
    """``build`` returns the component, leaves its parameters alone, and needs nothing but the spec and the seed."""
    _require(not case.component.state_dict(), case, "it has weights before `build`: give one that is not built.")
    component = clone(case.component)
    before = component.get_params(deep=False)
    with _seed():
        _require(case.build(component) is component, case, "`build` does not return the component itself.")
    after = component.get_params(deep=False)
    _require(all(after[name] is value for name, value in before.items()), case, "`build` changes parameters.")
    _require(not case.component.state_dict(), case, "building a clone gave weights to the original.")
    _require(not clone(component).state_dict(), case, "a clone of a built one has weights.")
    repr(component)
    one, two = _built(case).state_dict(), _built(case).state_dict()
    _require(all(torch.equal(one[key], two[key]) for key in one), case, "one seed builds different weights.")


def check_tensors_are_registered(case):
    """All tensors are parameters or buffers, so that they follow to other devices and into the state."""
    for module in _built(case).modules():
        names = module.get_params(deep=False) if hasattr(module, "get_params") else ()
        for name, value in vars(module).items():
            loose = isinstance(value, torch.Tensor) and name not in names
            _require(not loose, case, f"the tensor {name!r} is neither a parameter nor a buffer.")


def check_copies_are_equal(case):
    """Pickling, copying, and loading the state into one of other weights keep what comes out, to the bit."""
    built = _built(case)
    expected = _evaluate(case, built)
    other = _built(case, seed=1)
    other.load_state_dict(built.state_dict())
    copies = {"pickle": pickle.loads(pickle.dumps(built)), "deepcopy": copy.deepcopy(built), "state_dict": other}
    for how, again in copies.items():
        equal = all(torch.equal(a, b) for a, b in zip(_evaluate(case, again), expected, strict=True))
        _require(equal, case, f"{how} changes what comes out.")


def check_evaluation_is_pure(case):
    """In ``eval`` mode nothing is random, nothing is changed, and no random numbers are drawn."""
    built = _built(case)
    inputs = _map(torch.clone, case.inputs)
    state = copy.deepcopy(built.state_dict())
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = _evaluate(case, built, inputs), _evaluate(case, built, inputs)
    _require(torch.equal(torch_state, torch.get_rng_state()), case, "torch's random state is changed.")
    _require(np.array_equal(numpy_state, np.random.get_state()[1]), case, "NumPy's random state is changed.")  # noqa: NPY002
    _require(all(map(torch.equal, first, second)), case, "two evaluations differ.")
    _map(lambda a, b: _require(torch.equal(a, b), case, "its input is changed."), inputs, case.inputs)
    after = built.state_dict()
    _require(all(torch.equal(state[key], after[key]) for key in state), case, "evaluation changes the state.")


def check_rows_are_independent(case):
    """In ``eval`` mode order, selection and number of the rows of a batch change nothing for a row."""
    built = _built(case)
    expected = _evaluate(case, built)
    for what, rows in {
        "the order of the rows": torch.arange(case.n_rows - 1, -1, -1),
        "leaving out rows": torch.tensor([1, 5, 6, 2]),
        "the size of the batch": torch.tensor([3]),
    }.items():
        got = _evaluate(case, built, _map(lambda x, rows=rows: x[rows], case.inputs))
        _require_close(got, _map(lambda x, rows=rows: x[rows], expected), case, f"{what} changes a row")


def check_gradients(case):
    """Finite gradients reach every weight that is to be trained, also from rows with nothing in them."""
    built = _built(case)
    weights = {name: weight for name, weight in built.named_parameters() if weight.requires_grad}
    if not weights:
        return
    with _seed():
        with torch.no_grad():
            for weight in weights.values():
                weight.add_(torch.randn_like(weight), alpha=0.02)  # what starts at zero may hide what is behind it
        outputs = case.run(built.train(), case.inputs)
        sum((part * torch.randn_like(part)).sum() for part in outputs if part.is_floating_point()).backward()
    for name, weight in weights.items():
        _require(weight.grad is not None, case, f"no gradient reaches {name}.")
        _require(weight.grad.isfinite().all(), case, f"the gradient of {name} is not finite.")
        choice = getattr(case, "n_blocks", 2) > 1  # weights that choose between blocks rest where there is one
        _require(not choice or weight.grad.any(), case, f"the gradient of {name} is zero everywhere.")


def check_it_learns(case):
    """With a linear layer behind it, it learns arbitrary classes of a few rows better than their frequencies."""
    if getattr(case.component, "frozen", False):
        return  # how much random features tell is by chance
    chance = math.log(_N_OUTPUTS)
    with _seed():
        built = case.build(clone(case.component)).train()
        target = torch.arange(case.n_rows) % _N_OUTPUTS
        head = nn.Identity() if getattr(built, "gives_outputs", False) else nn.Linear(built.out_features, _N_OUTPUTS)
        weights = [weight for weight in (*built.parameters(), *head.parameters()) if weight.requires_grad]
        optimizer = torch.optim.Adam(weights, lr=0.01)
        for _ in range(40):
            loss = nn.functional.cross_entropy(head(case.run(built, case.inputs)[0]), target)
            if loss.item() < 0.8 * chance:
                return
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    _require(
        loss.item() < 0.98 * chance, case, f"the loss reached {loss.item():.3f} only; by chance it is {chance:.3f}."
    )


def check_features(case):
    """One finite vector per row, tokens with a mask, and the widths that `build` announced."""
    built = _built(case)
    for mode in (False, True):
        with _seed(), torch.no_grad():
            features = Features(*case.run(built.train(mode), _map(torch.clone, case.inputs)))
        pooled, tokens, mask = features
        _require(pooled.shape == (case.n_rows, built.out_features), case, f"`pooled` has shape {tuple(pooled.shape)}.")
        _require(tokens.ndim == 3 and len(tokens) == case.n_rows, case, f"`tokens` has shape {tuple(tokens.shape)}.")
        _require(tokens.shape[2] == built.token_features, case, "`token_features` is not the width of `tokens`.")
        _require(mask.shape == tokens.shape[:2], case, f"`mask` has shape {tuple(mask.shape)}.")
        _require(mask.dtype == torch.bool, case, f"`mask` is {mask.dtype}.")
        for name, part in (("pooled", pooled), ("tokens", tokens)):
            _require(part.is_floating_point(), case, f"`{name}` is {part.dtype}.")
            _require(part.isfinite().all(), case, f"`{name}` is not finite.")


def check_reading(case):
    """What the encoder asks of the transformer of its block are parameters that this has."""
    encoder = case.component
    _require(not isinstance(encoder.required_reading, str), case, "`required_reading` is a str, and no tuple of them.")
    for name in encoder.required_reading:
        _require(name in encoder.reading, case, f"`required_reading` names {name!r}, which is not in `reading`.")
    if case.spec.kind in MODALITIES:
        parameters = MODALITIES[case.spec.kind]().auto_transformer().get_params(deep=False)
        for name in encoder.reading:
            _require(name in parameters, case, f"`reading` names {name!r}; the transformer has {sorted(parameters)}.")


def check_empty_rows(case):
    """Rows of zeros, which is how rows without anything in the block are stored, give finite features."""
    built = _built(case)
    for part in _evaluate(case, built, _map(torch.zeros_like, case.inputs)):
        _require(part.isfinite().all(), case, "the features of rows of zeros are not finite.")


def check_padding(case):
    """More or less padding behind the ids of a row changes nothing."""
    built = _built(case)
    if not case.spec.padded or built.fixed_length:
        return
    ids = case.inputs
    pooled, tokens, mask = _evaluate(case, built)
    length = mask.shape[1]
    longer = Features(*_evaluate(case, built, nn.functional.pad(ids, (0, 3))))
    _require_close([longer.pooled, longer.tokens[:, :length]], [pooled, tokens], case, "padding changes the features")
    _require(torch.equal(longer.mask[:, :length], mask), case, "padding changes the mask.")
    _require(not longer.mask[:, length:].any(), case, "the mask of padding is not False.")
    short = (ids != 0).sum(1) <= 3
    shorter = Features(*_evaluate(case, built, ids[short, :3]))
    _require_close([shorter.pooled], [pooled[short]], case, "trimming padding changes the features")


def check_fused_vector(case):
    """One finite vector per row, of the width that `build` announced."""
    built = _built(case)
    (fused,) = _evaluate(case, built)
    _require(
        fused.shape == (case.n_rows, built.out_features), case, f"the fused vector has shape {tuple(fused.shape)}."
    )
    _require(fused.isfinite().all(), case, "the fused vector is not finite.")
    if built.gives_outputs:
        _require(built.out_features == _N_OUTPUTS, case, "it gives outputs, but `out_features` is not `n_outputs`.")


def _replace(case, where):
    """Return the case's inputs with random features where ``where(features, present)`` says so."""
    generator = torch.Generator().manual_seed(1)
    features, present = case.inputs
    replaced = {}
    for i, (name, (pooled, tokens, mask)) in enumerate(features.items()):
        rows, places = where(i, present[:, i], mask)
        replaced[name] = Features(
            torch.where(rows.unsqueeze(1), torch.randn(pooled.shape, generator=generator) * 10, pooled),
            torch.where(places.unsqueeze(2), torch.randn(tokens.shape, generator=generator) * 10, tokens),
            mask,
        )
    return replaced, present


def check_absent_blocks_do_not_count(case):
    """What stands in for absent blocks changes nothing, unless the fusion says that it reads it."""
    built = _built(case)
    free = not built.reads_stand_ins
    inputs = _replace(case, lambda i, present, mask: (~present & free, ~mask & ~present.unsqueeze(1)))
    _require_close(_evaluate(case, built, inputs), _evaluate(case, built), case, "an absent block changes the result")


def check_masked_tokens_do_not_count(case):
    """Tokens outside the mask change nothing."""
    built = _built(case)
    inputs = _replace(case, lambda i, present, mask: (torch.zeros_like(present), ~mask))
    _require_close(_evaluate(case, built, inputs), _evaluate(case, built), case, "masked tokens change the result")


def check_tokens_that_are_not_read_do_not_count(case):
    """Tokens change nothing, unless the fusion says that it reads them."""
    built = _built(case)
    if built.reads_tokens:
        return
    inputs = _replace(case, lambda i, present, mask: (torch.zeros_like(present), torch.ones_like(mask)))
    message = "`reads_tokens` is False, but tokens change the result"
    _require_close(_evaluate(case, built, inputs), _evaluate(case, built), case, message)


def check_present_blocks_count(case):
    """Each block that a row has is heard."""
    built = _built(case)
    (expected,) = _evaluate(case, built)
    for block, name in enumerate(case.widths):
        inputs = _replace(case, lambda i, present, mask, block=block: (present & (i == block), mask & (i == block)))
        (got,) = _evaluate(case, built, inputs)
        heard = (got != expected).any(1)
        _require(heard[0], case, f"the block {name!r} changes nothing in a row that has all blocks.")


def check_rows_without_any_block(case):
    """Rows without any block give finite vectors and finite gradients."""
    built = _built(case).train()
    features, present = case.inputs
    features = {name: f._replace(mask=torch.zeros_like(f.mask)) for name, f in features.items()}
    with _seed():
        (fused,) = case.run(built, (features, torch.zeros_like(present)))
    _require(fused.isfinite().all(), case, "rows without any block are not finite.")
    if fused.requires_grad:
        fused.sum().backward()
        for name, weight in built.named_parameters():
            finite = weight.grad is None or weight.grad.isfinite().all()
            _require(finite, case, f"rows without any block give {name} gradients that are not finite.")


_PARAMETER_CHECKS = (check_parameters_are_stored, check_parameters_are_validated, check_build)
_STATE_CHECKS = (
    check_tensors_are_registered,
    check_evaluation_is_pure,
    check_copies_are_equal,
    check_rows_are_independent,
    check_gradients,
    check_it_learns,
)
_ENCODER_CHECKS = (*_PARAMETER_CHECKS, check_reading, check_features, check_empty_rows, *_STATE_CHECKS, check_padding)
_FUSION_CHECKS = (
    *_PARAMETER_CHECKS,
    check_fused_vector,
    check_rows_without_any_block,
    *_STATE_CHECKS,
    check_absent_blocks_do_not_count,
    check_masked_tokens_do_not_count,
    check_tokens_that_are_not_read_do_not_count,
    check_present_blocks_count,
)
