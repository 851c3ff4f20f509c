"""What a training costs, in figures that no machine changes."""

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

GRADIENTS = "gradients"
"""Under which name a training notes them."""


def count_gradients(model: nn.Module, notes: dict[str, float]) -> RemovableHandle:
    """Note every sample that goes through the model forward and backward from now on, in `notes["gradients"]`.

    A forward pass counts when its output has a graph to go back through, so the steps of attacks count and looks do
    not. `remove` the returned handle to end it.
    """
    notes.setdefault(GRADIENTS, 0)

    def note(_: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        """A call on float (N, ...), which gave float (N, K)."""
        if logits.requires_grad:
            notes[GRADIENTS] += len(inputs[0])

    return model.register_forward_hook(note)
