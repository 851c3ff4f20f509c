import json
import shutil

import pytest
from PIL import Image

from data.packing import About, finish, pack_shard, plan
from data.runs import open_run
from data.store import Store
from pipelines.cli import main


def harm(folder) -> None:
    tar = bytearray((folder / "train-000001.tar").read_bytes())
    tar[512] ^= 1
    (folder / "train-000001.tar").write_bytes(tar)


def test_verify_says_that_a_set_is_whole(shard_set, capsys):
    assert main(["verify", str(shard_set)]) == 0
    assert capsys.readouterr().out == f"{shard_set}: whole, 14 samples of 16 attempted\n"


def test_verify_names_shard_and_member_and_exits_with_1(shard_set, capsys):
    harm(shard_set)

    assert main(["verify", str(shard_set)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("train-000001.tar: train-000001-00000")
    assert lines[-1] == f"{shard_set}: 1 finding; `hardshard repair {shard_set}` mends what can be mended"


def test_verify_prints_one_json_object(shard_set, capsys):
    harm(shard_set)

    assert main(["verify", str(shard_set), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["whole"], said["findings"][0]["file"]) == (False, "train-000001.tar")


def test_inspect_counts_and_draws(shard_set, tmp_path, capsys):
    assert main(["inspect", str(shard_set), "--grid", str(tmp_path / "grid.png")]) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert "14 samples of 16 attempted, in 3 shards of 4 to 5 samples" in said
    assert "planted 16 14 (88 %) planted 2" in said
    assert "bright 8 7" in said
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width > 400


def test_inspect_prints_one_json_object(shard_set, capsys):
    assert main(["inspect", str(shard_set), "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["by_class"] == {"dark": 7, "bright": 7}
    assert len(said["margins"]["margin"]) == 7


@pytest.mark.parametrize("command", ["verify", "inspect", "repair"])
def test_a_folder_that_is_no_set_is_named(command, tmp_path, capsys):
    assert main([command, str(tmp_path / "nothing")]) == 1
    assert "nothing" in "".join(capsys.readouterr())


def test_where_nothing_lies_no_repair_is_offered(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "nothing")]) == 1

    said = capsys.readouterr().out
    assert "nothing: no file lies there, and so no set" in said
    assert "repair" not in said


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "x", "--colour", "red"]])
def test_wrong_use_of_a_set_command_exits_with_2(arguments, capsys):
    assert main(arguments) == 2
    assert "takes the folder or URL of a set" in capsys.readouterr().err


def test_repair_says_what_is_lost(shard_set, capsys):
    harm(shard_set)

    assert main(["repair", str(shard_set)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"moved train-000001.tar to {shard_set}.broken"
    assert lines[1].startswith("lost train-00000")
    assert lines[2] == f"{shard_set}: 13 samples in 3 shards, 1 lost"
    assert main(["verify", str(shard_set)]) == 0


@pytest.fixture
def run(tmp_path, draft):
    """A run's folder with two drafts, and the set made of them."""
    opened = open_run(tmp_path / "run", "planted")
    shutil.rmtree(tmp_path / "drafts", ignore_errors=True)
    records = [draft(0, [True] * 6 + [False] * 2), draft(1, [True] * 8)]
    shutil.move(tmp_path / "drafts", opened.path("drafts/shards"))
    for number, record in enumerate(records):
        opened.stage(f"shards/draft-{number}", {}, [], lambda record=record: (vars(record), 0.0))
    dealt = plan(opened.path("drafts/shards"), records, "train", 3, seed=5)
    store = Store(str(opened.path("shards")))
    shards = [pack_shard(dealt, number, store) for number in range(3)]
    finish(dealt, shards, store, About("planted", ["dark", "bright"], {"image": [1, 2, 2]}), {"seed": 5})
    return opened.folder


@pytest.mark.parametrize("named", [True, False])
def test_with_its_run_a_set_is_repaired_to_the_same_bytes(run, capsys, named):
    folder = run / "shards"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    harm(folder)
    (folder / "train-000002.tar").unlink()
    (folder / "manifest/train-000000.parquet").write_bytes(b"x")

    assert main(["repair", str(folder), *(["--run", str(run)] if named else [])]) == 0

    assert "14 samples in 3 shards, 0 lost" in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_run_repairs_nothing_and_harms_nothing(run, shard_set, capsys):
    before = {path: path.read_bytes() for path in shard_set.rglob("*.tar")}
    one, two = (run / f"stages/shards/draft-{number}.json" for number in (0, 1))
    first, second = one.read_text(), two.read_text()
    one.write_text(second.replace("draft-1", "draft-0"))
    two.write_text(first.replace("draft-0", "draft-1"))

    assert main(["repair", str(shard_set), "--run", str(run)]) == 2

    assert "holds other drafts than" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in shard_set.rglob("*.tar")}
