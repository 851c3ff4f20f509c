"""Files of a synthesis within the run, which are also the names of its stages."""

from pipelines.training.rounds.places import model_file
from pipelines.training.synthesis.options import generator_of

ATTACKED = model_file(0).removesuffix(".safetensors")
"""The model of both parts that latent walks attack: trained plainly, before any round."""
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
    return f"synthesis-gan-{generator_of(way)}"


def file_of(stage: str) -> str:
    """What one of these leaves."""
    return f"{stage}.safetensors"
