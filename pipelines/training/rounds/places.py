"""Where a run keeps its rounds."""

ROUNDS = "rounds"
"""Folder of the rounds' sets within the run; a round's own has its number, from 1."""


def set_folder(number: int) -> str:
    """A round's shard set, within the run."""
    return f"{ROUNDS}/{number}"


def model_file(number: int) -> str:
    """The model after a round, within the run; number 0 is the one that round 1 attacks."""
    return f"round-model-{number}.safetensors"


def raw_file(number: int) -> str:
    """The same before averaging: what the next round's training goes on from."""
    return f"round-raw-{number}.safetensors"
