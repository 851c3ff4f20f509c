"""server, deploy and worker: Prefect's own, with the settings that schedules need."""

from pipelines.commands.parsing import Asked


def do(asked: Asked) -> int:
    """Become it, or make at the server what is needed there; what follows the command is for Prefect's."""
    from pipelines.orchestration import serving

    return {"server": serving.serve, "deploy": serving.deploy, "worker": serving.work}[asked.command](asked.rest)
