"""A pretrained network as the space that rows and labels are in (dual encoders, sentence embeddings)."""

import torch
import torch.nn.functional as F
from sklearn.base import clone

from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.inputs import ImageInput, Input, TextInput
from sklearn_mm.inputs._same_parameters import is_auto
from sklearn_mm.networks import MultimodalNetwork, Objective, Top
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.storage._store import resolve_store
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.training._device import resolve_device
from sklearn_mm.training._frozen import encode_frozen
from sklearn_mm.training._net import MultimodalNet
from sklearn_mm.training._precision import resolve_precision

__all__ = ["MODALITIES", "JointSpace", "map_rows", "scale_and_bias"]

MODALITIES = {"image": ImageInput, "text": TextInput}
_TEMPERATURE = 0.05  # docs/decisions/0036


class JointSpace:
    """What a pretrained network reads, and the networks that map blocks to vectors of its space.

    Parameters
    ----------
    model : PretrainedEncoder, or what it takes
        The network.
    owner : str
        Who wants to know, for error messages.

    Attributes
    ----------
    encoder : PretrainedEncoder
        Not built.
    kinds : tuple of str
        Of the blocks that it reads, "text" among them.
    """

    def __init__(self, model, owner):
        self.owner = owner
        self.encoder = encoder = model if isinstance(model, PretrainedEncoder) else PretrainedEncoder(model)
        self.kinds = tuple(kind for kind in MODALITIES if encoder.reads_kind(kind))
        if not encoder.frozen:
            raise ValueError(
                f"{owner} trains nothing, and something of its model would be trained: {encoder}. Leave its "
                '`trainable` at "none" and its `pooling` at "own", or train it in a MultimodalClassifier.'
            )
        if encoder.reads_kind("text") is None:  # a function or a module
            if encoder.embed_cells is None:
                raise ValueError(
                    f"{owner} cannot tell how {type(encoder.model).__name__} reads texts. Give a folder or a name, "
                    "which have a tokenizer, or a function from a list of texts to an array."
                )
            self.kinds = ("text",)
        if "text" not in self.kinds:
            raise ValueError(
                f"{owner} needs a model that reads texts, which the labels are; {str(encoder.model)!r} does not. Give "
                'a dual encoder, such as "clip" or "siglip", or a model of sentences.'
            )
        if "image" in self.kinds and (encoder.pooling, encoder.layers) != ("own", -1):
            raise ValueError(
                f"{owner}: pictures and texts are in one space in the model's own vectors alone. Leave pooling and "
                f"layers of {encoder} at their defaults."
            )

    def inputs(self, columns):
        """Return the Inputs that read columns for the network, by kind; None for what is not read.

        Parameters
        ----------
        columns : dict of str to "auto", None, str, int, list or Input
            What the user calls pictures and texts, by kind.
        """
        return {kind: self._input(kind, value) for kind, value in columns.items()}

    def _input(self, kind, columns):
        if columns is None or (kind not in self.kinds and is_auto(columns)):
            return None
        if kind not in self.kinds:
            raise ValueError(
                f"{self.owner} got {kind}={columns!r}, and its model reads no blocks of kind {kind!r}. Leave it out, "
                "or give a model that does."
            )
        input_ = clone(columns) if isinstance(columns, Input) else MODALITIES[kind](columns)
        if not isinstance(input_, MODALITIES[kind]):
            raise ValueError(
                f"`{kind}` of {self.owner} takes Inputs of kind {kind!r}, got {columns!r} of kind {input_.kind!r}."
            )
        if not is_auto(input_.encoder) or input_.pool == "attention":
            raise ValueError(
                f"{self.owner} encodes with its `model`, and trains nothing: got {kind}={columns!r}. Leave `encoder` "
                'at "auto", and `pool` at "auto", "mean" or "max".'
            )
        return input_.set_params(encoder=self.encoder)

    def network(self, specs):
        """Return the network that maps blocks to one vector for each row.

        Parameters
        ----------
        specs : dict of str to BlockSpec
            Of pictures and texts.
        """
        encoders = BlockEncoders(specs, {name: clone(self.encoder) for name in specs})
        return MultimodalNetwork(encoders, _MeanDirection()).eval()


class _MeanDirection(Top):
    """The mean of the vectors of those blocks that a row has, each of length 1; zeros where it has none."""

    reads_tokens = False

    def forward(self, features, present, batch):
        """Return the vectors (batch, width)."""
        directions = [F.normalize(block.pooled.float(), dim=1) for block in features.values()]
        share = present / present.sum(1, keepdim=True).clamp(min=1)  # (batch, n_blocks)
        return torch.einsum("bn,bnd->bd", share, torch.stack(directions, 1))


def map_rows(network, blocks, batch_size, device, precision, memory):
    """Return the vectors of rows, (n_rows, width), float32; what was encoded before is looked up.

    Parameters
    ----------
    network : MultimodalNetwork
        Of a `JointSpace`.
    blocks : Blocks
        The rows.
    batch_size : int
        How many are computed at once.
    device, precision, memory : as of estimators
        Where, in which number format, and where features are kept.
    """
    device = resolve_device(device, fitted=True)
    precision = resolve_precision(precision, device, fitted=True)
    net = MultimodalNet(
        network, Objective(), batch_size=batch_size, device=device, precision=precision, verbose=0
    ).initialize()
    blocks = encode_frozen(blocks, net, resolve_store(memory))
    return net.map(network.forward, BlockDataset(blocks, trim=network.encoders.trimmed_blocks()))


def scale_and_bias(network):
    """Return what makes logits of cosines: as a dual encoder learnt it, else a scale that suits most others."""
    (encoder,) = network.encoders.encoders
    layers = encoder.whole.layers if "whole" in encoder._modules else None
    scale, bias = getattr(layers, "logit_scale", None), getattr(layers, "logit_bias", None)
    if scale is None:
        return 1 / _TEMPERATURE, 0.0
    return scale.exp().item(), 0.0 if bias is None else bias.item()
