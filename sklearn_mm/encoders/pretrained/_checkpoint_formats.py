"""Which library a folder with a pretrained network is of: transformers and sentence-transformers, timm, open_clip."""

from sklearn_mm.encoders.pretrained._checkpoints import Checkpoint
from sklearn_mm.encoders.pretrained._folders import OPEN_CLIP, config_file, model_folder, read_object
from sklearn_mm.encoders.pretrained._hub import find_folder
from sklearn_mm.encoders.pretrained._open_clip import OpenClipCheckpoint
from sklearn_mm.encoders.pretrained._timm import TimmCheckpoint

__all__ = ["open_checkpoint"]


def open_checkpoint(model, revision=None, trust_remote_code=False, fetch=True):
    """Return the `Checkpoint` of a pretrained model.

    Parameters
    ----------
    model : str or path
        What `find_folder` takes.
    revision : str, default=None
        Of a hub name.
    trust_remote_code : bool, default=False
        Whether to run code that comes with the network.
    fetch : bool, default=True
        Whether a hub name may be fetched.
    """
    folder = find_folder(model, revision=revision, fetch=fetch)
    config = config_file(model_folder(folder))
    if config.name == OPEN_CLIP:
        return OpenClipCheckpoint(folder, revision, trust_remote_code)
    told = read_object(config)
    is_timm = "architecture" in told and "model_type" not in told
    return (TimmCheckpoint if is_timm else Checkpoint)(folder, revision, trust_remote_code)
