"""Loads a `torch.export` program (.pt2) so that nothing in the file can run code.

`torch.export.load` does run code of a hostile file: it unpickles sample inputs, weights and constants, and loads
compiled libraries (docs/models.md). So the archive is taken apart here, what is plain data and passes
`pt2_graph.cleaned` is put into a new one in memory, and torch loads that one.
"""

import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.fx import GraphModule

from data.errors import Damaged, WrongUse
from pipelines.training.models.pt2_graph import Unsafe, cleaned

GRAPH = "models/model.json"
CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
SAMPLE_INPUTS = "data/sample_inputs/model.pt"
TENSORS = re.compile(r"data/weights/weight_\d+|data/constants/tensor_\d+")
IGNORED = re.compile(r"version|byteorder|\.data/.*|archive_format|archive_version|extra/.*|data/sample_inputs/.*")
BATCH = 4096
"""Images that a program must be able to take at once."""
AGAIN = "export the model again with torch.export.save"


def load_exported(path: Path) -> GraphModule:
    """The program's module, on the CPU; its one input and one output are as they were exported.

    Raises:
        Damaged: the file is no such program, or holds what could run code; nothing of it has run.
        WrongUse: it takes small batches only.
    """
    archive = _rewritten(path)
    try:
        with _silent("torch.export", "torch._export"):
            program = torch.export.load(archive)
            module = program.module(check_guards=False)
            most = min((size.upper for size in program.range_constraints.values()), default=BATCH)
    except Exception as error:  # torch raises a dozen kinds on a graph that is not whole
        raise Damaged(f"{path}: torch {torch.__version__} cannot load it ({_first_line(error)}): {AGAIN}") from error
    if most < BATCH:
        raise WrongUse(f"{path} was exported for batches of at most {most}: leave max away from torch.export.Dim")
    return module


def _rewritten(path: Path) -> io.BytesIO:
    """The archive with its plain data and nothing else."""
    from torch.export.pt2_archive import PT2ArchiveWriter  # with torch's compiler, which most commands never need

    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as found, PT2ArchiveWriter(buffer) as safe:
            for name, content in _plain(found):
                safe.write_bytes(name, content)
            safe.write_bytes(SAMPLE_INPUTS, b"")
    except Unsafe as error:
        raise Damaged(f"{path} is refused: it holds {error}; nothing of it was run") from error
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, RecursionError, IndexError) as error:
        raise Damaged(f"{path} is no torch.export program ({_first_line(error)}): {AGAIN}") from error
    buffer.seek(0)
    return buffer


def _plain(found: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    if "serialized_exported_program.json" in found.namelist():
        raise Unsafe("the pickled tensors of torch 2.7 or older; a newer torch.export.save writes plain ones")
    members = _members(found)
    if GRAPH not in members:
        raise ValueError(f"no {GRAPH} in it")
    for name, member in members.items():
        if name == GRAPH:
            yield name, json.dumps(cleaned(json.loads(found.read(member)))).encode()
        elif name in CONFIGS:
            yield name, _config(found.read(member))
        elif TENSORS.fullmatch(name):
            yield name, found.read(member)
        elif not IGNORED.fullmatch(name):
            older = f", as an older torch writes: export it with {torch.__version__}" if name.endswith(".pt") else ""
            raise Unsafe(f"{name}, which is neither a graph nor a plain tensor{older}")


def _members(found: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    """The archive's files by their name without the folder that all of them share."""
    members = {}
    for member in found.infolist():
        _, _, name = member.filename.partition("/")
        if name in members or member.compress_type != zipfile.ZIP_STORED:
            raise Unsafe(f"{member.filename} twice, or compressed")
        members[name] = member
    return members


def _config(content: bytes) -> bytes:
    """Which tensor lies in which file, and how."""
    config = json.loads(content)
    for name, payload in config["config"].items():
        if payload["use_pickle"] is not False or not payload["path_name"].startswith(("weight_", "tensor_")):
            raise Unsafe(f"a pickle for {name[:80]!r}")
    return json.dumps(cleaned(config)).encode()


@contextmanager
def _silent(*names: str) -> Iterator[None]:
    """Keep torch's own log of a failure from the terminal: the error says it."""
    logs = [logging.getLogger(name) for name in names]
    before = [log.disabled for log in logs]
    for log in logs:
        log.disabled = True
    try:
        yield
    finally:
        for log, was in zip(logs, before, strict=True):
            log.disabled = was


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
