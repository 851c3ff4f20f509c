"""Data flows one way: data <- generators <- pipelines; only flow files, and what these share, know prefect."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {"data": {"data"}, "generators": {"data", "generators"}, "pipelines": {"data", "generators", "pipelines"}}
FILES = [file.relative_to(ROOT) for layer in LAYERS for file in sorted((ROOT / layer).rglob("*.py"))]


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_imports_no_layer_above_its_own(file):
    roots = {name.split(".")[0] for name in imported(file)} & set(LAYERS)

    assert roots <= LAYERS[file.parts[0]]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_only_flow_files_and_what_they_share_import_prefect(file):
    flow_file = file.parts[0] == "pipelines" and (len(file.parts) == 2 or file.parts[1] == "orchestration")

    assert flow_file or "prefect" not in {name.split(".")[0] for name in imported(file)}


def test_training_does_not_import_flows():
    flows = {f"pipelines.{file.stem}" for file in FILES if file.parts[0] == "pipelines" and len(file.parts) == 2}
    flows.discard("pipelines.__init__")

    above = {f for f in FILES if f.parts[:2] == ("pipelines", "training") and flows & set(imported(f))}

    assert not above
