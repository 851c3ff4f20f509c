"""GAN losses as pure functions of tensors; none knows a loop, a network's inside or a logger."""

import torch
import torch.nn.functional as F
from torch import Tensor


def relativistic_loss(favoured: Tensor, other: Tensor) -> Tensor:
    """Relativistic pairing loss, a scalar: softplus of how far `favoured` falls short of its partner.

    The discriminator favours the real sample of each pair, the generator the generated one. Jolicoeur-Martineau 2018,
    arXiv:1807.00734, in the pairing form of R3GAN, Huang et al. 2024, arXiv:2501.05441.

    Args:
        favoured, other: discriminator outputs for the two samples of each pair, float (N,).
    """
    return F.softplus(other - favoured).mean()


def zero_centred_penalty(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Half the mean squared norm of the discriminator's gradient at `inputs`, a scalar that can be differentiated.

    R1 on real and R2 on generated samples: Mescheder et al. 2018, arXiv:1801.04406. Without both, the relativistic
    loss need not converge (R3GAN, section 2).

    Args:
        outputs: float (N,), computed from `inputs`.
        inputs: float (N, ...), requiring gradients.
    """
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean() / 2
