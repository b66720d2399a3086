"""Checks for people who write encoders and fusions of their own."""

from sklearn_mm.utils._component_checks import yield_encoder_checks, yield_fusion_checks

__all__ = ["check_encoder", "check_fusion"]


def check_encoder(encoder, spec=None, rows=None):
    """Check that an encoder does what estimators rely on; raise AssertionError with the reason where it does not.

    It is cloned and built, pickled and copied, run on rows in another order, in other batches and with other padding,
    and trained for some steps.

    Parameters
    ----------
    encoder : Encoder
        What to check, not built.
    spec : BlockSpec, default=None
        Description of a block that the encoder reads. None takes that of a small block of the encoder's ``kind``, which
        is known for "image", "text" and "tabular".
    rows : torch.Tensor or dict of torch.Tensor, default=None
        At least eight rows of such a block, all different, as the block stores them. None draws 24 at random; for kinds
        other than those above they are float32, from the normal distribution.

    Examples
    --------
    >>> from sklearn_mm.encoders import BagEncoder
    >>> from sklearn_mm.utils.estimator_checks import check_encoder
    >>> check_encoder(BagEncoder(embedding_dim=16))
    """
    for _, check in yield_encoder_checks(encoder, spec, rows):
        check()


def check_fusion(fusion):
    """Check that a fusion does what estimators rely on; raise AssertionError with the reason where it does not.

    It is cloned and built for one, two and four blocks, pickled and copied, run on rows in another order and in other
    batches, with blocks and tokens absent, and trained for some steps.

    Parameters
    ----------
    fusion : Fusion
        What to check, not built. The blocks that it is built for are called "image", "text", "tabular" and "audio".

    Examples
    --------
    >>> from sklearn_mm.fusion import SumFusion
    >>> from sklearn_mm.utils.estimator_checks import check_fusion
    >>> check_fusion(SumFusion(width=16))
    """
    for _, check in yield_fusion_checks(fusion):
        check()
