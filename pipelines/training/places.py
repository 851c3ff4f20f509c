"""Where a run keeps its samples and networks."""

from pathlib import Path

from data.errors import WrongUse

MODEL = "model.safetensors"
GENERATOR = "generator.safetensors"
EXAMINER = "examiner.safetensors"
SOURCE = "source"
"""Folder of the samples within the run."""
UNLABELLED = "unlabelled"
"""Folder of those of `source.unlabelled` within the run; no labels are in it."""


def judge_file(fold: int) -> str:
    """Name of a judge's checkpoint within the run."""
    return f"judge-{fold}.safetensors"


def ensemble_files(run: Path, names: str) -> list[Path]:
    """The files that `SearchOptions.ensemble` names; one that is not absolute lies in the run's folder.

    Raises:
        WrongUse: one of them is not there.
    """
    files = [run / name.strip() for name in names.split(",") if name.strip()]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise WrongUse(f"search.ensemble names {', '.join(missing)}, which is not there")
    return files
