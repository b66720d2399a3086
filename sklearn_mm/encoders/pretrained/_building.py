"""What a `PretrainedEncoder` is built of: states that are averaged, where a network is parted, what is trained."""

from numbers import Integral

import torch

from sklearn_mm.encoders.pretrained._layer_stack import find_stack, part_above, tapped
from sklearn_mm.encoders.pretrained._parts import Backbone, FrozenPart, PartAbove

__all__ = ["checkpoint_gradients", "parted", "state_numbers", "train_used"]


def state_numbers(layers, model, trainable, name):
    """Return the numbers of the states that are averaged, counted from what goes into the first layer.

    Parameters
    ----------
    layers : int or sequence of int
        As the user counts.
    model : torch.nn.Module
        The network.
    trainable : str
        What is trained.
    name : str
        Of the network, for error messages.

    Returns
    -------
    numbers : tuple of int or None
        None for what the network returns.
    """
    numbers = [layers] if isinstance(layers, Integral) else list(layers)
    if numbers == [-1]:
        return None
    _, n_layers = find_stack(model)
    wrong = [number for number in numbers if not -n_layers - 1 <= number <= n_layers]
    if wrong or not numbers:
        raise ValueError(
            f"PretrainedEncoder(layers={layers!r}): {name} has {n_layers} layers. Give numbers from 0 (what goes into "
            f"the first one) to {n_layers}, or from -{n_layers + 1} to -1."
        )
    if trainable == "last":
        raise ValueError(
            f'PretrainedEncoder(layers={layers!r}, trainable="last"): outputs of layers that are not trained are not '
            "there. Leave layers=-1, or choose another `trainable`."
        )
    return tuple(number % (n_layers + 1) for number in numbers)


def parted(backbone, pool, n_trained, example, encoded, padded, name):
    """Return what is computed once, and the last layers, which are trained: together they do what the whole does.

    Parameters
    ----------
    backbone : Backbone
        The whole.
    pool : TokenPooling
        Makes the vector of the network as it came.
    n_trained : "auto" or int
        How many layers are trained.
    example : torch.Tensor
        Prepared rows.
    encoded : Encoded
        What the whole says of them.
    padded : bool
        Whether rows are padded ids.
    name : str
        Of the network, for error messages.

    Returns
    -------
    below : FrozenPart
        What is computed once.
    above : PartAbove
        What is trained.
    """
    model, tower, arguments = backbone.layers, backbone.tower, backbone.arguments
    _, n_layers = find_stack(model)
    if not n_layers:
        raise ValueError(
            f'PretrainedEncoder(trainable="last"): {name} has no stack of layers of which the last could be trained. '
            'Train all of it (trainable="all"), or part of a torch.nn.Sequential with a ModuleEncoder.'
        )
    if n_trained == "auto":
        n_trained = max(1, n_layers // 3)  # docs/decisions/0035
    if not n_trained < n_layers:
        raise ValueError(
            f'PretrainedEncoder(trainable="last", n_layers={n_trained}): {name} has {n_layers} layers. Train fewer of '
            'them, or trainable="all".'
        )
    given, _ = arguments(example)
    try:
        layers = part_above(model, n_trained, lambda part: tower.run(part, given), padded).requires_grad_(True)
        below = FrozenPart(Backbone(tapped(model), tower, arguments), pool, n_layers - n_trained, padded)
        above = PartAbove(layers, tower, arguments, example)
        with torch.no_grad():
            again = above.eval()(below(example))
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(_not_parted(name, f"{type(error).__name__}: {error}")) from error
    if not torch.allclose(again.tokens, encoded.tokens, rtol=1e-3, atol=1e-4):
        raise ValueError(_not_parted(name, "its upper layers need more of the lower ones than their output"))
    return below, above


def _not_parted(name, why):
    return (
        f'PretrainedEncoder(trainable="last"): the layers of {name} cannot be parted ({why}). Train all of them '
        '(trainable="all") or adapters ("lora").'
    )


def checkpoint_gradients(layers, name):
    """Let a network compute its layers again for gradients (activation checkpointing)."""
    # The second is what transformers called the first before.
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    enable = next((getattr(layers, method) for method in names if hasattr(layers, method)), None)
    if enable is None:
        raise ValueError(
            f"PretrainedEncoder(gradient_checkpointing=True): {name} cannot do it; models of transformers can. Pass "
            "False."
        )
    enable({"use_reentrant": False})


def train_used(encoder, layers, example):
    """Train layers but for what says nothing of rows, such as what stands in for hidden tokens."""
    layers.requires_grad_(True)
    encoder.eval()
    features = encoder(example)
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    outcome = features.pooled.sum() + features.tokens.sum()
    gradients = torch.autograd.grad(outcome, weights, allow_unused=True)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.requires_grad_(gradient is not None)
