"""What frozen encoders say of all rows, as the vectors that a linear model sees."""

from dataclasses import replace

import torch
from skorch.utils import to_tensor

from sklearn_mm.networks.wide._block_model import batches
from sklearn_mm.networks.wide._feature_model import row_vectors

__all__ = ["frozen_vectors"]


@torch.no_grad()
def frozen_vectors(encoders, dataset, names):
    """Return a tensor (n_rows, width) on the CPU for each of some blocks whose encoders are frozen, or partly.

    Features that the rows come with are taken; of others, each batch is encoded.

    Parameters
    ----------
    encoders : BlockEncoders
        Wherever they are.
    dataset : BlockDataset
        The rows.
    names : list of str
        Which blocks.
    """
    was_training, device = encoders.training, encoders.stand_ins[0].device
    encoders.eval()
    vectors = {name: [] for name in names}
    for name in names:
        are_lists = encoders.pooling(name) is not None
        for batch in batches(replace(dataset.select([name]), trim=dataset.trim, raw=())):
            batch = encoders.with_frozen_parts(to_tensor(batch, device=device))
            if encoders[name].partly_frozen:
                of_rows = batch["features"][name]["pooled"]
            else:
                of_rows = row_vectors(encoders.encode(batch, [name])[0][name], are_lists)
            vectors[name].append(of_rows.float().cpu())
    encoders.train(was_training)
    return {name: torch.cat(parts) for name, parts in vectors.items()}
