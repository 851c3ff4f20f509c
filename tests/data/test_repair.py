import shutil
from collections.abc import Mapping

import pytest

from data.errors import Damaged
from data.manifest import read_manifest
from data.reading import read_samples
from data.repair import broken, repair
from data.shards import read_index
from data.store import Store
from data.tars import contents
from data.verify import verify


def keys_of(folder) -> set[str]:
    return {sample.key for sample in read_samples(Store(str(folder)))}


def test_a_set_that_is_whole_stays_as_it_is(shard_set):
    before = {path: path.read_bytes() for path in shard_set.rglob("*") if path.is_file()}

    done = repair(Store(str(shard_set)))

    assert (done.moved, done.lost) == ([], [])
    assert before == {path: path.read_bytes() for path in shard_set.rglob("*") if path.is_file()}


def test_only_the_harmed_sample_is_lost_and_the_set_is_whole_again(shard_set):
    before = keys_of(shard_set)
    path = shard_set / "train-000001.tar"
    tar = bytearray(path.read_bytes())
    victim = contents(tar)[6]
    tar[victim.offset] ^= 1
    path.write_bytes(tar)

    done = repair(Store(str(shard_set)))

    assert done.lost == [victim.name.partition(".")[0]]
    assert verify(Store(str(shard_set))) == []
    assert keys_of(shard_set) == before - set(done.lost)
    assert broken(Store(str(shard_set))).read("train-000001.tar") == bytes(tar)


def test_what_is_lost_stays_in_the_manifest_and_the_accounts(shard_set):
    (shard_set / "train-000002.tar").unlink()

    done = repair(Store(str(shard_set)))

    facts = done.finished.facts
    rows = read_manifest(Store(str(shard_set)), [m.name for m in done.finished.manifests]).to_pylist()
    assert facts["attempted"] == 16 == facts["samples"] + sum(facts["refused"].values())
    assert facts["refused"] == {"planted": 2, "lost": len(done.lost)}
    assert sorted(row["key"] for row in rows if row["reason"] == "lost") == done.lost


@pytest.mark.parametrize("gone", [[0], [1], [0, 1]])
def test_shards_stay_numbered_without_a_gap_when_some_are_gone(shard_set, gone):
    for number in gone:
        (shard_set / f"train-{number:06d}.tar").unlink()

    done = repair(Store(str(shard_set)))

    assert [shard.tar for shard in done.finished.shards] == [f"train-{n:06d}.tar" for n in range(3 - len(gone))]
    assert verify(Store(str(shard_set))) == []


def test_swapped_shards_lose_nothing(shard_set):
    before = keys_of(shard_set)
    one, two = shard_set / "train-000000.tar", shard_set / "train-000001.tar"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)

    done = repair(Store(str(shard_set)))

    assert done.lost == []
    assert keys_of(shard_set) == before
    assert verify(Store(str(shard_set))) == []


def test_edited_sidecars_and_an_edited_index_are_made_again(shard_set):
    before = {path: path.read_bytes() for path in shard_set.rglob("*") if path.is_file()}
    for path in before:
        if path.suffix not in (".tar", ".parquet") and path.name != "index.json":
            path.write_bytes(b"edited")
    index = shard_set / "index.json"
    index.write_text(index.read_text().replace('"samples": 14', '"samples": 9'))

    repair(Store(str(shard_set)))

    assert before == {path: path.read_bytes() for path in shard_set.rglob("*") if path.is_file()}


def test_a_repair_that_breaks_off_anywhere_is_taken_up_again(shard_set, tmp_path, monkeypatch):
    (shard_set / "train-000000.tar").unlink()
    tar = bytearray((shard_set / "train-000001.tar").read_bytes())
    tar[contents(tar)[2].offset] ^= 1
    (shard_set / "train-000001.tar").write_bytes(tar)
    whole = tmp_path / "whole"
    shutil.copytree(shard_set, whole)
    lost = set(repair(Store(str(whole))).lost)
    write, steps = Store.write_all, 0
    while True:
        steps += 1
        copy = tmp_path / f"copy{steps}"
        shutil.copytree(shard_set, copy)
        left = steps

        def failing(store: Store, files: Mapping[str, bytes]) -> dict[str, str]:
            nonlocal left
            left -= 1
            if not left:
                raise OSError("disk full")
            return write(store, files)

        monkeypatch.setattr(Store, "write_all", failing)
        try:
            repair(Store(str(copy)))
        except OSError:
            monkeypatch.setattr(Store, "write_all", write)
            again = repair(Store(str(copy)))
            assert set(again.lost) == lost, steps
            assert verify(Store(str(copy))) == [], steps
            assert keys_of(copy) == keys_of(whole)
        else:
            break
    assert steps > 6


def test_without_index_or_with_a_damaged_manifest_the_run_is_asked_for(shard_set):
    (shard_set / "manifest/train-000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(Damaged, match=r"only the run that made the set knows .* --run RUN"):
        repair(Store(str(shard_set)))

    (shard_set / "index.json").unlink()
    with pytest.raises(Damaged, match="no finished shard set"):
        repair(Store(str(shard_set)))


def test_a_set_of_which_nothing_is_left_says_so(shard_set):
    for path in shard_set.glob("*.tar"):
        path.unlink()

    with pytest.raises(Damaged, match="no sample is left"):
        repair(Store(str(shard_set)))
    assert read_index(Store(str(shard_set))).shards
