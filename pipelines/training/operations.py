"""How a run is carried out; none of it changes a byte of what the run makes."""

from dataclasses import dataclass
from typing import Literal

Runner = Literal["processes", "dask", "ray"]


@dataclass(frozen=True)
class OperationOptions:
    """How long a run may take, and whose processors do its work."""

    hours: float = 24.0
    """A run that takes longer is stopped and fails; what it finished is kept, and the next run goes on from there."""
    runner: Runner = "processes"
    """Who does the heavy work: `processes` of this machine, or the workers of a Dask or a Ray cluster."""
    cluster: str = ""
    """Address of the Dask scheduler, as `tcp://host:8786`, or of Ray, as `ray://host:10001` or `auto`; empty starts
    workers on this machine."""
    exchange: str = ""
    """A folder or URL where machines exchange the networks and drafts they have made of one recipe; empty for none."""

    def __post_init__(self) -> None:
        if not 0 < self.hours < float("inf"):
            raise ValueError(f"operations.hours must be > 0 and finite, got {self.hours}")
        if self.exchange.startswith("memory:"):
            raise ValueError(f"operations.exchange must be open to other machines, got {self.exchange}")
        if self.cluster and self.runner == "processes":
            raise ValueError(f"operations.cluster {self.cluster} needs operations.runner dask or ray")
