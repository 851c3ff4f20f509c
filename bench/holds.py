"""A flow that holds a run's folder for a while and imports little, for bench/schedule.py."""

import json
import time
from pathlib import Path

from prefect import flow

from data.runs import hold


@flow(name="holds")
def holds(folder: str, seconds: float) -> None:
    """A run that holds its folder for a while."""
    with hold(Path(folder)):
        began = time.time()
        time.sleep(seconds)
        with (Path(folder) / "log").open("a") as log:
            log.write(json.dumps([began, time.time()]) + "\n")
