"""What the flows share: names, retries, what Prefect's pages show, the events it sends, the server's own settings."""

from prefect.settings import PREFECT_API_URL


def is_served() -> bool:
    """Whether there is a server that outlives the run, so that somebody may look at it or wait for its events."""
    return bool(PREFECT_API_URL.value())
