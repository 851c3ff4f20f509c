"""How a trainer takes the label of a synthetic sample."""

from typing import Literal

Labels = Literal["soft", "one_hot"]
"""What a sample of a shard is said to be: the judges' probabilities, or its intended class alone."""
