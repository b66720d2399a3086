"""Encoders, fusion and head as one torch module: a batch in, outputs out."""

import torch
import torch.nn as nn

from sklearn_mm.encoders import Features
from sklearn_mm.encoders._pooling import ItemPooling
from sklearn_mm.networks._modulation import GradientModulation
from sklearn_mm.networks._unimodal import UnimodalHeads

__all__ = ["BALANCING", "MultimodalNetwork"]

BALANCING = {"heads": UnimodalHeads, "modulation": GradientModulation}


class MultimodalNetwork(nn.Module):
    """The network of all multimodal estimators.

    A batch is a dict with ``blocks`` (the tensors of each block, by name) and ``present`` (batch, n_blocks), which
    says whether the row has something in the block. A block that a row lacks is not encoded: a learnt vector stands
    in for it. The tensors of a block whose rows hold several items are a dict of ``items`` (n_items, ...) of all rows,
    and ``counts`` (batch,), how many each row has: the encoder sees the items, and their vectors are pooled by row.
    With ``said`` (batch, n_names + 1, n_said) a batch brings along what the wide part says of its rows, which
    otherwise is asked.
    What a frozen encoder made of a block before is under ``features`` instead of ``blocks``: a dict of ``pooled`` and,
    if they are wanted, ``tokens`` and ``mask``; or what the frozen part of an encoder made of it, by name.

    Parameters
    ----------
    specs : dict of str to BlockSpec
        Description of the blocks, by name.
    encoders : dict of str to Encoder
        The encoder of each block, not built. Blocks with the same instance share one set of weights.
    fusion : Fusion
        Not built.
    head : Head
        Not built; not used by a fusion that gives outputs itself.
    n_outputs : int
        Width of the outputs.
    wide : WideLinear or None, default=None
        Not built. Its outputs are added to those of the rest, of which ``share`` counts in prediction.
    levels : ndarray of shape (n_levels,), default=None
        The only values of the one output that the wide part weighs.
    modality_dropout : float, default=0.0
        Probability that a block of a row is treated as absent in training. A row keeps at least one block.
    balancing : {"heads", "modulation"} or None, default=None
        How blocks are kept from leaving each other behind in training: by a loss of their own (``UnimodalHeads``), or
        by slowing down the one that is ahead (``GradientModulation``).
    """

    def __init__(
        self,
        specs,
        encoders,
        fusion,
        head,
        n_outputs,
        *,
        wide=None,
        levels=None,
        modality_dropout=0.0,
        balancing=None,
    ):
        super().__init__()
        self.names = list(specs)
        self._padded = {name for name, spec in specs.items() if spec.padded}
        self.modality_dropout = modality_dropout
        unique = {id(encoder): encoder for encoder in encoders.values()}
        built = {key: encoder.build(self._spec_of(encoder, encoders, specs)) for key, encoder in unique.items()}
        self.encoders = nn.ModuleList(built.values())
        places = {key: place for place, key in enumerate(built)}
        self._place = {name: places[id(encoders[name])] for name in self.names}
        pools = {self._place[name]: specs[name].pool for name in self.names}
        self.poolings = nn.ModuleList(
            nn.Identity() if pools[place] is None else ItemPooling(pools[place]).build(encoder.out_features)
            for place, encoder in enumerate(self.encoders)
        )
        self.augment = nn.ModuleList([nn.Identity() for _ in self.names])
        widths = {name: self.encoder(name).out_features for name in self.names}
        token_widths = {name: (self.pooling(name) or self.encoder(name)).token_features for name in self.names}
        self.stand_ins = nn.ParameterList([nn.Parameter(torch.zeros(width)) for width in widths.values()])
        self.fusion = fusion.build(widths, n_outputs, token_widths)
        self.wide = None if wide is None else wide.build(specs, n_outputs, levels)
        n_said = 0 if wide is None else len(wide.names) * wide.n_said
        self.head = None if fusion.gives_outputs else head.build(fusion.out_features + n_said, widths, n_outputs)
        self.share = 1.0  # of the deep part's outputs that is added to the wide part's in prediction
        alone = balancing is None or len(specs) == 1
        self.unimodal = None if alone else BALANCING[balancing](widths, n_outputs)

    def get_extra_state(self):
        """Return what ``state_dict`` holds beside tensors that are trained or averaged."""
        return torch.tensor(self.share)

    def set_extra_state(self, state):
        """Take what `get_extra_state` gave."""
        self.share = state.item()

    @staticmethod
    def _spec_of(encoder, encoders, specs):
        return next(specs[name] for name, other in encoders.items() if other is encoder)

    def encoder(self, name):
        """Return the built encoder of a block."""
        return self.encoders[self._place[name]]

    def pooling(self, name):
        """Return the built ``ItemPooling`` of a block whose rows hold several items, else None."""
        pooling = self.poolings[self._place[name]]
        return pooling if isinstance(pooling, ItemPooling) else None

    def set_augment(self, name, augment):
        """Let a module change the prepared tensors of a block in training; None leaves them as they are."""
        self.augment[self.names.index(name)] = nn.Identity() if augment is None else augment

    def trimmed_blocks(self):
        """Return the names of the blocks of padded ids whose batches may be cut to their longest row."""
        return [name for name in self.names if name in self._padded and not self.encoder(name).fixed_length]

    def grouped_blocks(self):
        """Return the names of the blocks whose batches had better be of rows of like length."""
        return [name for name in self.trimmed_blocks() if self.encoder(name).length_costs]

    def asked_blocks(self):
        """Return the names of the blocks that the wide part sees, as they are and not as features."""
        return [] if self.wide is None else self.wide.names

    def reads_tokens(self, name):
        """Return whether the tokens that the encoder of a block makes of a row may change the outputs."""
        head_reads = self.head is not None and self.head.reads_tokens
        return (self.fusion.reads_tokens or head_reads) and self.pooling(name) is None

    def components(self):
        """Yield each built component with the names of the blocks that it sees."""
        for place, encoder in enumerate(self.encoders):
            yield encoder, [name for name in self.names if self._place[name] == place]
        yield self.fusion, self.names
        if self.head is not None:
            yield self.head, self.names

    def start(self, blocks, y, sample_weight, generator):
        """Let the components that start from data do so, with the training rows only."""
        for component, names in self.components():
            if hasattr(component, "start"):
                component.start(blocks.select(names), y, sample_weight, generator)

    def encode(self, batch):
        """Return the `Features` of each block, by name, and which blocks count as present."""
        present = self._drop_blocks(batch["present"])
        features = {}
        for column, name in enumerate(self.names):
            encoded = batch.get("features", {}).get(name)
            if encoded is None or self.encoder(name).partly_frozen:
                block = batch["blocks"][name] if encoded is None else encoded
                features[name] = self._encode_block(column, block, batch["present"][:, column], encoded is not None)
            else:
                features[name] = self._encoded(name, encoded)
            here = present[:, column].unsqueeze(1)  # (batch, 1)
            features[name] = Features(
                pooled=torch.where(here, features[name].pooled, self.stand_ins[column]),
                tokens=features[name].tokens,
                mask=features[name].mask & here,
            )
        return features, present

    def fuse(self, batch):
        """Return the fused vector of each row, (batch, fused_features)."""
        features, present = self.encode(batch)
        return self.fusion(features, present)

    def forward(self, batch):
        """Return the outputs of each row, (batch, n_outputs).

        With ``balancing``, and in training only, they come with those of each block, (batch, n_blocks, n_outputs),
        and with which blocks count as present, (batch, n_blocks).
        """
        features, present = self.encode(batch)
        if self.unimodal is None or not self.training:
            return self._outputs(batch, features, present)
        features, unimodal = self.unimodal(features)
        return self._outputs(batch, features, present), unimodal, present

    def _outputs(self, batch, features, present):
        fused = self.fusion(features, present)
        if self.wide is None:
            return fused if self.head is None else self.head(fused, features, present)
        said = batch["said"] if "said" in batch else self.wide(batch)
        said = self.wide.of_present(said, present)
        if self.head is not None:  # it may say more where it knows what has been said
            fused = self.head(torch.cat([fused, said[:, :-1].flatten(1)], 1), features, present)
        share = 1.0 if self.training else self.share
        return share * fused + self.wide.outputs(said)

    def _encoded(self, name, known):
        """Return the `Features` of a block that its frozen encoder has encoded before."""
        if self.pooling(name) is not None:
            return self.pooling(name)(known["items"]["pooled"], known["counts"])
        if "tokens" in known:
            return Features(known["pooled"], known["tokens"], known["mask"].bool())
        pooled = known["pooled"]  # nobody reads tokens
        return Features(pooled, pooled.unsqueeze(1), pooled.new_ones(len(pooled), 1, dtype=torch.bool))

    def _encode_block(self, column, block, present, by_frozen_part=False):
        """Return the `Features` of a block, or of what the frozen part of its encoder made of it."""
        encoder, pooling = self.encoder(self.names[column]), self.pooling(self.names[column])
        x = block if pooling is None else block["items"]
        if not by_frozen_part:
            x = encoder.prepare(x)
            if self.training:
                x = self.augment[column](x)
        encode = encoder.rest if by_frozen_part else encoder
        if pooling is None:
            return self._encode_present(encode, x, present)
        return pooling(self._encode_items(encode, x, self.stand_ins[column]), block["counts"])

    def _encode_present(self, encode, x, present):
        """Encode the rows that have the block, so that empty ones neither cost time nor enter batch statistics."""
        if torch.compiler.is_compiling() and not self.training:  # an exported graph has all rows
            return encode(x)
        rows = present.nonzero().squeeze(1)
        if len(rows) == len(present) or len(rows) < 2:  # batch statistics need two rows
            return encode(x)
        some = encode(_take(x, rows))
        return Features(*(part.new_zeros(len(present), *part.shape[1:]).index_copy(0, rows, part) for part in some))

    def _encode_items(self, encode, x, stand_in):
        """Return the vectors (n_items, out_features) of the items of a batch, of which there may be none."""
        n_items = len(next(iter(x.values())) if isinstance(x, dict) else x)
        if n_items == 0:
            return stand_in.new_zeros(0, len(stand_in))
        if n_items == 1 and self.training:  # batch statistics need two
            x = _take(x, [0, 0])
        return encode(x).pooled[:n_items]

    def _drop_blocks(self, present):
        if not self.training or self.modality_dropout == 0:
            return present
        kept = present & (torch.rand(present.shape, device=present.device) >= self.modality_dropout)
        return torch.where(kept.any(1, keepdim=True), kept, present)


def _take(x, rows):
    return {key: part[rows] for key, part in x.items()} if isinstance(x, dict) else x[rows]
