import pytest
import torch

from sklearn_mm.networks.wide._image_basis import ImageBasis
from sklearn_mm.preprocessing import ImageSpec


def expanded(pictures):
    """Return the basis of pictures, fitted to these, and the values of its terms: edges, pixels and colours."""
    spec = ImageSpec(shape=tuple(pictures.shape[1:]), mean=(0.5,), std=(0.2,))
    basis = ImageBasis(spec, max_terms=100)
    basis.fit([basis.raw(pictures[:5]), basis.raw(pictures[5:])])
    terms, values = basis(pictures)
    assert (terms == torch.arange(basis.n_terms)).all()
    return basis, values.split(basis.widths, dim=1)


@pytest.mark.parametrize("shape", [(40, 50, 3), (8, 8, 1), (5, 6, 3), (33, 32, 4)])
def test_edges_pixels_and_colours_of_pictures_weigh_the_same(shape):
    pictures = torch.randint(0, 256, (12, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    _, parts = expanded(pictures)
    for values in parts:
        torch.testing.assert_close(values.mean(0), torch.zeros(values.shape[1]), atol=1e-5, rtol=0)
        assert values.square().sum(1).mean() == pytest.approx(0.35**2, rel=1e-3)


def test_edges_are_told_by_their_direction_and_place_and_not_by_their_strength():
    step = (torch.arange(32) >= 16).byte().view(1, 32, 1)
    upright = (step * 200).expand(32, 32, 3)
    level, faint, elsewhere = upright.transpose(0, 1), upright // 4 + 50, upright.roll(8, 1)
    pictures = torch.stack([upright, level, faint, elsewhere, *[torch.zeros_like(upright)] * 8])
    _, (edges, _, _) = expanded(pictures)
    distance = torch.cdist(edges[:4], edges[:4])[0]
    assert distance[2] < 0.1 * min(distance[1], distance[3])


def test_pixels_are_means_and_colours_are_shares():
    pictures = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    pictures[0, :16, :, 0] = 255  # above red, below black
    pictures[1, :, :8, 0] = 255
    basis, _ = expanded(pictures)
    _, pixels, colours = basis.raw(pictures).split(basis.widths, dim=1)
    assert pixels.view(2, 3, 8, 8)[0, 0].mean(1).tolist() == [1] * 4 + [0] * 4
    assert pixels.view(2, 3, 8, 8)[1, 0].mean(0).tolist() == [1] * 2 + [0] * 6
    shares = colours.square().sort(descending=True).values[:, :3]
    torch.testing.assert_close(shares, torch.tensor([[0.5, 0.5, 0], [0.75, 0.25, 0]]))


def test_pictures_that_are_all_equal_say_nothing():
    _, parts = expanded(torch.full((9, 16, 16, 3), 77, dtype=torch.uint8))
    assert all(values.abs().max() < 1e-3 for values in parts)


def test_a_picture_of_one_pixel_is_taken():
    _, parts = expanded(torch.arange(9, dtype=torch.uint8).view(9, 1, 1, 1) * 20)
    assert all(values.isfinite().all() for values in parts)


def test_no_picture_at_all_says_nothing():
    basis = ImageBasis(ImageSpec(shape=(8, 8, 3), mean=(0.5,), std=(0.2,)), max_terms=100)
    basis.fit([basis.raw(torch.zeros(0, 8, 8, 3, dtype=torch.uint8))])
    assert not basis(torch.ones(2, 8, 8, 3, dtype=torch.uint8))[1].any()


def test_edges_that_lie_four_pixels_apart_are_seen():
    stripes = (torch.arange(1, 65) % 4 < 2).byte().view(1, 64, 1) * 200  # half as large, all is of one grey
    upright = stripes.expand(64, 64, 3)
    pictures = torch.stack([upright, upright.transpose(0, 1), *[torch.zeros_like(upright)] * 8])
    _, (edges, _, _) = expanded(pictures)
    assert (edges[0] - edges[1]).square().sum() > 0.1 * 0.35**2


@pytest.mark.parametrize(("n_channels", "n_colours"), [(1, 64), (2, 19**2), (3, 343), (4, 4**4)])
def test_how_many_colours_are_told_apart(n_channels, n_colours):
    pictures = torch.full((2, 8, 8, n_channels), 130, dtype=torch.uint8)
    pictures[1] = 190  # of three channels, in the same quarter of the range, and in another seventh
    basis, _ = expanded(pictures)
    assert basis.widths[2] == n_colours
    _, _, colours = basis.raw(pictures).split(basis.widths, dim=1)
    assert colours.argmax(1).unique().numel() == (1 if n_channels == 4 else 2)
