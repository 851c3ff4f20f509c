"""The files of a draft, and what is told of a finished one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DraftRecord:
    """A finished draft: its files within the drafts' folder, samples kept and candidates tried."""

    tar: str
    manifest: str
    samples: int
    attempted: int


def draft_files(split: str, number: int) -> tuple[str, str]:
    """Tar and manifest of a draft."""
    return f"{split}-{number:06d}.tar", f"{split}-{number:06d}.parquet"
