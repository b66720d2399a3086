"""Near-duplicate pictures: alike in coarse structure (perceptual hash), and pixel by pixel once they are aligned."""

import numpy as np
import torch
import torch.nn.functional as F

__all__ = ["SIZE", "similar_pictures"]

SIZE = 32  # pixels of a side
_LEVELS = (8, 16, 32)  # sides at which two pictures are aligned, one after the other
_STEPS = 4  # of Gauss and Newton at each
_N_FREQUENCIES = (8, 4, 4)  # that are looked at of luminance and chrominance
_CANDIDATE = 0.5  # least cosine of coarse structure; a tenth cropped from one side leaves 0.5 in 96 % of photographs
_CORRELATION = 0.8  # least correlation at any level, below which nobody looks closer
_N_DESCRIBED, _N_COMPARED, _N_ALIGNED = 4096, 2048, 4096  # pictures and pairs that are held in float32 at once
_NOISE = 1e-4  # least mean square of a picture's deviations: fainter ones are blank, and alike only if equal
_YCBCR = torch.tensor([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], dtype=torch.float32)


def similar_pictures(pictures, threshold):
    """Return all pairs of pictures that are near-duplicates.

    Pairs that are alike in their lowest frequencies are aligned (shift, size and proportions, by Lucas and Kanade's
    method), their brightness is matched, and what still differs in the worst part of a picture decides. So neither a
    crop nor a new exposure counts much, and a small thing that another picture lacks does.

    Parameters
    ----------
    pictures : array of shape (n, SIZE, SIZE, 3), dtype uint8
        Different ones; an ndarray or whatever gives arrays of slices and of sorted row numbers.
    threshold : float in (0, 1]
        Least similarity.

    Returns
    -------
    first, second : ndarray of shape (n_pairs,), dtype int64
        The first is less than the second.
    similarities : ndarray of shape (n_pairs,), dtype float32
        One less the mean square difference in the worst part (a quarter of the sides), relative to the contrast.
    """
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
    with torch.inference_mode():
        vectors, glances = _describe(pictures)
        for first, second in _candidates(vectors):
            for start in range(0, len(first), _N_ALIGNED):
                pair = first[start : start + _N_ALIGNED], second[start : start + _N_ALIGNED]
                found.append(_compare(pictures, glances, *pair, threshold))
    return tuple(map(np.concatenate, zip(*found, strict=True)))


def _rows(pictures, rows):
    distinct, places = np.unique(rows, return_inverse=True)
    return np.asarray(pictures[distinct])[places]


def _planes(pictures):
    """Return luminance and chrominance in [0, 1] and around 0."""
    return torch.einsum("nijc,kc->nkij", torch.from_numpy(pictures).float() / 255, _YCBCR)  # (n, 3, height, width)


def _describe(pictures):
    """Return the low frequencies of each picture, as vectors of unit length, and what it is at the first level."""
    width = sum(n * n for n in _N_FREQUENCIES)
    parts = [(_YCBCR.new_empty(0, width), _YCBCR.new_empty(0, 3, _LEVELS[0], _LEVELS[0]))]
    for start in range(0, len(pictures), _N_DESCRIBED):
        planes = _planes(np.asarray(pictures[start : start + _N_DESCRIBED]))
        parts.append((_low_frequencies(planes), F.adaptive_avg_pool2d(planes, _LEVELS[0])))
    return tuple(map(torch.cat, zip(*parts, strict=True)))


def _low_frequencies(planes):
    """Return the lowest coefficients of the discrete cosine transform, of unit length; zeros of blank pictures."""
    parts = []
    for plane, n in zip(planes.unbind(1), _N_FREQUENCIES, strict=True):
        cosines = _cosines(n)
        frequency = torch.hypot(_range(n).unsqueeze(1), _range(n)).clamp(min=1)
        spectrum = cosines @ plane @ cosines.T * frequency  # (n, n, n): that of photographs falls as 1 / frequency
        if not parts:
            spectrum[:, 0, 0] = 0  # brightness
        parts.append(spectrum.flatten(1))
    vectors = torch.cat(parts, 1)
    deviation = (planes - planes.mean((2, 3), keepdim=True)).square().sum(1).mean((1, 2))
    return torch.where((deviation > _NOISE).unsqueeze(1), F.normalize(vectors), 0)


def _cosines(n):
    """Return the first ``n`` rows of the discrete cosine transform."""
    rows = torch.cos(torch.pi * (_range(SIZE) + 0.5) * _range(n).unsqueeze(1) / SIZE)
    rows[1:] *= 2**0.5
    return rows / SIZE**0.5


def _candidates(vectors):
    """Yield the pairs of rows whose cosine is large enough, a block of the matrix of all at a time."""
    for i in range(0, len(vectors), _N_COMPARED):
        for j in range(i, len(vectors), _N_COMPARED):
            near = vectors[i : i + _N_COMPARED] @ vectors[j : j + _N_COMPARED].T >= _CANDIDATE
            first, second = (near.triu(1) if i == j else near).nonzero().numpy().T
            yield first + i, second + j


def _compare(pictures, glances, first, second, threshold):
    """Return those of some pairs that are similar, and their similarities; most are told apart at a glance."""
    a, b, moves = glances[first], glances[second], glances.new_zeros(len(first), 4)
    for side in _LEVELS:
        if side == _LEVELS[1]:
            a, b = (_planes(_rows(pictures, rows)) for rows in (first, second))
        coarse_a, coarse_b = F.adaptive_avg_pool2d(a, side), F.adaptive_avg_pool2d(b, side)
        moves = _align(coarse_a[:, 0], coarse_b[:, 0], moves)
        correlation, similarity = _agreement(coarse_a, coarse_b, moves)
        kept = correlation >= _CORRELATION
        a, b, moves, first, second = a[kept], b[kept], moves[kept], first[kept.numpy()], second[kept.numpy()]
    similarities = similarity[kept].numpy()
    kept = similarities >= threshold
    return first[kept], second[kept], similarities[kept]


def _align(a, b, moves):
    """Return what moves the second pictures onto the first: shift and relative size, along each axis.

    Brightness and contrast are fitted in the same least squares, as factor and term of what was moved.
    """
    side = a.shape[-1]
    place = (_range(side) + 0.5) / side * 2 - 1
    for _ in range(_STEPS):
        moved, is_inside = _move(b.unsqueeze(1), moves)
        moved = moved.squeeze(1)
        down, right = (slope * side / 2 for slope in torch.gradient(moved, dim=(1, 2)))
        right, down = right / (1 + moves[:, 1, None, None]), down / (1 + moves[:, 3, None, None])
        columns = [right, right * place, down, down * place.unsqueeze(1), moved, torch.ones_like(moved)]
        design = (torch.stack(columns, 3) * is_inside.unsqueeze(3)).flatten(1, 2)  # (n, side ** 2, 6)
        gram = design.mT @ design
        ridge = 1e-4 * (1 + gram.diagonal(dim1=1, dim2=2).mean(1))
        gram = gram + ridge[:, None, None] * torch.eye(6, dtype=gram.dtype)
        step = torch.linalg.solve(gram, design.mT @ (a * is_inside).flatten(1).unsqueeze(2)).squeeze(2)
        change = step[:, :4] / step[:, 4:5].clamp(0.3, 3)
        moves = (moves + change.clamp(-0.1, 0.1)).clamp(-0.25, 0.25)
    return moves


def _move(pictures, moves):
    """Return pictures after their moves, and which of their pixels come from inside of them."""
    side = pictures.shape[-1]
    place = (_range(side) + 0.5) / side * 2 - 1
    shift_x, size_x, shift_y, size_y = moves.unsqueeze(2).unbind(1)
    x, y = shift_x + (1 + size_x) * place, shift_y + (1 + size_y) * place  # (n, side)
    grid = torch.stack(torch.broadcast_tensors(x.unsqueeze(1), y.unsqueeze(2)), 3)
    is_inside = (x.abs() <= 1).unsqueeze(1) & (y.abs() <= 1).unsqueeze(2)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False), is_inside


def _agreement(a, b, moves):
    """Return the correlation of aligned pictures, and one less what differs in the worst part."""
    b, is_inside = _move(b, moves)
    a, b = _blurred(a), _blurred(b)
    inside = is_inside.unsqueeze(1)
    n_inside = inside.sum((2, 3), keepdim=True)
    a, b = ((x - (x * inside).sum((2, 3), keepdim=True) / n_inside) * inside for x in (a, b))
    energy_a, energy_b, product = ((x * y).sum((1, 2, 3)) for x, y in ((a, a), (b, b), (a, b)))
    gain = (a[:, 0] * b[:, 0]).sum((1, 2)) / b[:, 0].square().sum((1, 2)).clamp(min=1e-6)
    gain = gain.clamp(0.4, 2.5)[:, None, None, None]
    difference = (a - gain * b).square().sum(1, keepdim=True)
    contrast = (energy_a + gain.flatten().square() * energy_b) / 2 / n_inside.flatten()
    part = a.shape[-1] // 4
    worst = F.avg_pool2d(difference, part, max(1, part // 2)).amax((1, 2, 3))
    correlation = product / (energy_a * energy_b).clamp(min=1e-12).sqrt()
    return correlation, 1 - worst / contrast.clamp(min=_NOISE)


def _blurred(planes):
    """Return pictures without their finest detail, which moving one by a part of a pixel takes from it alone."""
    return F.avg_pool2d(F.pad(planes, (1, 0, 1, 0), mode="replicate"), 2, 1)


def _range(n):
    return torch.arange(n, dtype=torch.float32)  # whatever torch's default is
