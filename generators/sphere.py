"""Latents on the shell where a Gaussian puts them: moves that change a latent's direction and never its length.

A Gaussian latent of Z numbers lies close to a shell of radius sqrt(Z); a straight line between two of them leaves it,
and the generator has seen nothing inside. Great circles stay: White 2016, arXiv:1609.04468.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def tangent(direction: Tensor, z: Tensor) -> Tensor:
    """The part of each direction, float (N, Z), that leaves the length of z, float (N, Z), as it is."""
    along = F.normalize(z, dim=1)
    return direction - (direction * along).sum(1, keepdim=True) * along


def turn(z: Tensor, direction: Tensor, angle: Tensor) -> Tensor:
    """Move z, float (N, Z), on its sphere by `angle`, float (N,), in radians, along a tangent of any length."""
    length, angle = z.norm(dim=1, keepdim=True), angle[:, None]
    turned: Tensor = angle.cos() * z + angle.sin() * length * F.normalize(direction, dim=1)
    return turned


def slerp(start: Tensor, end: Tensor, place: Tensor) -> Tensor:
    """The point of the great circle at `place`, float (N,): 0 is start, 1 is end, beyond 1 the arc goes on.

    Args:
        start, end: float (N, Z); where their lengths differ, the length goes from one to the other geometrically, so
            that it stays above 0 wherever the arc is followed to.

    Returns:
        Float (N, Z).
    """
    place = place[:, None]
    one, other = F.normalize(start, dim=1), F.normalize(end, dim=1)
    side = tangent(other, one)
    angle = torch.atan2(side.norm(dim=1, keepdim=True), (one * other).sum(1, keepdim=True)) * place
    lengths = start.norm(dim=1, keepdim=True).log(), end.norm(dim=1, keepdim=True).log()
    direction = angle.cos() * one + angle.sin() * F.normalize(side, dim=1)
    return direction * torch.lerp(*lengths, place).exp()
