"""Files of a run on events, and the names of its stages."""

from collections.abc import Sequence


def judge_file(modality: str, fold: int) -> str:
    """The judge of a modality that leaves one fold of its members out, within the run."""
    return f"{judge_stage(modality, fold)}.safetensors"


def judge_stage(modality: str, fold: int) -> str:
    """The stage that trains it."""
    return f"judge-{modality}-{fold}"


def judge_stages(modalities: Sequence[str], folds: int) -> list[str]:
    """All of them."""
    return [judge_stage(modality, fold) for modality in modalities for fold in range(folds)]
