"""Stands in for torchvision in the tests: what timm and open_clip import and what their readers of tars call.

torchvision has no build for the CPU build of torch that the tests pin. Whoever has it needs none of this.
"""

from torchvision import datasets, ops, transforms

__all__ = ["datasets", "ops", "transforms"]
__version__ = "0.0.0+stub"
