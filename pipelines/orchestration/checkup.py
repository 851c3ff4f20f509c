"""Whether Prefect is as hardshard needs it."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import prefect
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_HOME

from pipelines.orchestration import is_served
from pipelines.orchestration.serving import POOL
from pipelines.training.checkup import Check

PATIENCE = 10.0
"""Seconds that a server may take to answer."""


def checks_of_prefect() -> Iterator[Check]:
    """Its settings; and the server, where one is named."""
    home = PREFECT_HOME.value()
    if not os.access(next(place for place in (home, *home.parents) if place.is_dir()), os.W_OK):
        yield Check("prefect", "wrong", f"{home} cannot be written to", "set PREFECT_HOME to a folder of your own")
    if not is_served():
        said = f"{prefect.__version__}, no server named: a command starts its own for as long as it runs"
        yield Check("prefect", "fine", said)
        return
    url = str(PREFECT_API_URL.value())
    yield from _of_server(url)


def _of_server(url: str) -> Iterator[Check]:
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=PATIENCE)
        answer.raise_for_status()
        theirs = httpx.get(f"{url.rstrip('/')}/admin/version", timeout=PATIENCE).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        mend = "start `hardshard server`, or unset PREFECT_API_URL to work without one"
        yield Check("prefect", "wrong", f"no server at {url}, which PREFECT_API_URL names: {error}", mend)
        return
    said = f"{prefect.__version__}, server {theirs} at {url}"
    if theirs != prefect.__version__:
        yield Check("prefect", "mind", said, "let both be of one version")
    elif urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        yield Check("prefect", "mind", said, "it asks nobody for a password: put it behind something that does")
    else:
        yield Check("prefect", "fine", said)
    yield _of_pool()


def _of_pool() -> Check:
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(POOL)
        except ObjectNotFound:
            return Check("schedules", "mind", f"the server has no work pool {POOL!r}", "hardshard deploy")
        found = client.read_deployments()
        workers = client.read_workers_for_work_pool(POOL)
    said = f"{len(found)} deployments, {len(workers)} workers seen"
    if not workers:
        return Check("schedules", "mind", said, "`hardshard worker` starts what is due")
    return Check("schedules", "fine", said)
