"""Free adversarial training, Shafahi et al. 2019, arXiv:1904.12843."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.balls import project, uphill
from pipelines.training.fitting.guard import look_for_overfitting
from pipelines.training.fitting.objectives import Memory, Plan


def free(model: nn.Module, x: Tensor, y: Tensor, plan: Plan, memory: Memory) -> Tensor:
    """L(x + delta), where going back also moves delta by epsilon for the next step; see `Objective`.

    From float (N, ...) and soft labels (N, K) to a loss ().

    One batch is kept for `plan.replays` steps, and those that would have come between are left out; delta lives on
    from batch to batch, row by row. A step costs what a plain one does.
    """
    kept = memory.tensors
    if memory.step % plan.replays == 0 or "x" not in kept:
        kept |= {"x": x, "y": y}
    x, y = kept["x"], kept["y"]
    if "delta" not in kept or kept["delta"].shape != x.shape:
        kept["delta"] = torch.zeros_like(x)
    x_adv = project(x + kept["delta"], x, plan.ball).requires_grad_()

    def climb(gradient: Tensor) -> None:
        """Move delta uphill by the gradient, float (N, ...)."""
        moved = x + kept["delta"] + plan.ball.epsilon * uphill(gradient, plan.ball.norm)
        kept["delta"] = (project(moved, x, plan.ball) - x).detach()

    # The gradient at x is at hand when the caller goes back for the parameters'.
    x_adv.register_hook(climb)  # type: ignore[no-untyped-call]
    logits = model(x_adv)
    look_for_overfitting(model, x, y, logits, plan.ball, memory)
    return F.cross_entropy(logits, y)
