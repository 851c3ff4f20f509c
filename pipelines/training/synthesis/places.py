"""Files of a synthesis within the run, which are also the names of its stages."""

SET = "synthesis"
"""Folder of the set."""


def encoder_stage(modality: str) -> str:
    """Trained on all training members of a modality; its encoding is what conditions a generator of the other."""
    return f"synthesis-encoder-{modality}"


def examiner_stage(modality: str) -> str:
    """Trained on the validation members; it filters nothing."""
    return f"synthesis-examiner-{modality}"


def gan_stage(way: str) -> str:
    """The generator of a way."""
    return f"synthesis-gan-{way}"


def file_of(stage: str) -> str:
    """What one of these leaves."""
    return f"{stage}.safetensors"
