import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset
from PIL import Image
from torch.utils.data import DataLoader

from data.errors import Damaged, WrongUse
from data.feed import Feed, FeedOptions
from data.files import canonical_json, digest_of, sha256_of
from data.modalities import image
from data.opened import open_for_reading
from data.shards import commit, shard_name, write_shard
from data.sidecars import SetFacts
from data.store import Store
from data.tars import Sample, pack

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def sample(name: str, number: int) -> Sample:
    soft = io.BytesIO()
    np.save(soft, np.array([0.25, 0.75], dtype=np.float32))
    pixels = torch.full((1, 2, 2), number % 256 / 255)
    return f"{name}-{number:04d}", {"cls": b"1", "png": image.encode(pixels), "probs.npy": soft.getvalue()}


def make_set(store: Store, name: str, count: int, shards: int = 3) -> str:
    samples = [sample(name, number) for number in range(count)]
    written = [write_shard(store, shard_name("train", n), pack(samples[n::shards])) for n in range(shards)]
    kinds = {"cls": "label", "png": "image", "probs.npy": "soft_label"}
    commit(store, SetFacts("x", "train", ["a", "b"], kinds, {"image": [1, 2, 2]}, written, {}, {}, {}), {}, [])
    return store.url


@pytest.fixture
def urls(tmp_path) -> list[str]:
    """Four sets of 31, 50, 7 and 12 samples."""
    counts = {"a": 31, "b": 50, "c": 7, "d": 12}
    return [make_set(Store(str(tmp_path / name)), name, count) for name, count in counts.items()]


def keys_of(feed: Feed, workers: int = 0, **more: object) -> list[list[str]]:
    return [batch.keys for batch in DataLoader(feed, batch_size=None, num_workers=workers, **more)]


@pytest.mark.parametrize("seed", range(8))
def test_an_epoch_of_all_ranks_loses_and_doubles_no_sample_and_ranks_have_as_many_batches(urls, seed):
    draw = random.Random(seed)
    world, batch_size = draw.randint(1, 4), draw.randint(2, 20)

    feeds = [Feed(urls, FeedOptions(batch_size=batch_size, seed=seed, rank=rank, world=world)) for rank in range(world)]
    batches = [keys_of(feed) for feed in feeds]

    assert {len(mine) for mine in batches} == {len(feeds[0])}
    assert sorted(key for mine in batches for keys in mine for key in keys) == sorted(
        sample(name, n)[0] for name, count in (("a", 31), ("b", 50), ("c", 7), ("d", 12)) for n in range(count)
    )
    sizes = [len(keys) for mine in batches for keys in mine]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size


def test_shares_are_exact_and_a_small_set_comes_again_without_loss(urls):
    feed = Feed(urls, FeedOptions(batch_size=10, shares=(0.31, 0.2, 0.4, 0.09), seed=3))

    epochs = [keys_of(feed) for _ in range(3)]

    for epoch in epochs:
        assert Counter(key[0] for keys in epoch for key in keys) == {"a": 31, "b": 20, "c": 40, "d": 9}
        for keys in epoch:
            assert abs(Counter(key[0] for key in keys)["c"] - 4) <= 1
    small = [key for epoch in epochs for keys in epoch for key in keys if key[0] == "c"]
    assert set(Counter(small).values()) <= {17, 18}


def test_each_epoch_has_another_order_and_the_same_seed_the_same(urls):
    feed, again = (Feed(urls, FeedOptions(batch_size=8, seed=5)) for _ in range(2))

    one, two = keys_of(feed), keys_of(feed)

    assert one != two
    assert [keys_of(again), keys_of(again)] == [one, two]
    assert keys_of(Feed(urls, FeedOptions(batch_size=8, seed=6))) != one


@pytest.mark.parametrize("persistent", [False, True])
def test_any_number_of_workers_gives_the_same_batches_epoch_after_epoch(urls, persistent):
    expected = Feed(urls, FeedOptions(batch_size=9, seed=1))
    epochs = [keys_of(expected) for _ in range(3)]

    for workers in (1, 2, 3):
        feed = Feed(urls, FeedOptions(batch_size=9, seed=1))
        loader = DataLoader(feed, batch_size=None, num_workers=workers, persistent_workers=persistent)
        assert [[batch.keys for batch in loader] for _ in range(3)] == epochs, workers
        assert len(loader) == len(epochs[0])


@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 3), (3, 0), (1, 1)])
def test_a_trainer_goes_on_in_the_middle_of_an_epoch_with_another_number_of_workers(urls, before, after):
    whole = Feed(urls, FeedOptions(batch_size=7, seed=2))
    epochs = [keys_of(whole) for _ in range(3)]
    feed = Feed(urls, FeedOptions(batch_size=7, seed=2))
    keys_of(feed, before)
    for number, batch in enumerate(DataLoader(feed, batch_size=None, num_workers=before)):
        state = json.loads(json.dumps(feed.state_after(batch)))
        if number == 4:
            break

    resumed = Feed(urls, FeedOptions(batch_size=7, seed=2))
    resumed.resume(state)

    assert keys_of(resumed, after) == epochs[1][5:]
    assert keys_of(resumed, after) == epochs[2]


def test_after_the_last_batch_of_an_epoch_comes_the_next_epoch(urls):
    feed = Feed(urls, FeedOptions(batch_size=7, seed=2))
    *_, last = feed
    expected = keys_of(feed)

    resumed = Feed(urls, FeedOptions(batch_size=7, seed=2))
    resumed.resume(feed.state_after(last))

    assert keys_of(resumed) == expected


def test_other_ranks_go_on_where_the_state_stands_if_a_step_has_as_many_samples(urls):
    two = [Feed(urls, FeedOptions(batch_size=6, seed=4, rank=rank, world=2)) for rank in range(2)]
    steps = [sorted(key for keys in ranks for key in keys) for ranks in zip(*map(keys_of, two), strict=True)]
    state = two[0].state_after(two[0].batch(0, 2))

    four = [Feed(urls, FeedOptions(batch_size=3, seed=4, rank=rank, world=4)) for rank in range(4)]
    for feed in four:
        feed.resume(state)

    rest = [sorted(key for keys in ranks for key in keys) for ranks in zip(*map(keys_of, four), strict=True)]
    assert rest == steps[3:]


@pytest.mark.parametrize("persistent", [False, True])
def test_iterations_that_are_broken_off_at_any_moment_leave_the_workers_in_step(urls, persistent):
    expected = Feed(urls, FeedOptions(batch_size=9, seed=1))
    epochs = [keys_of(expected) for _ in range(9)]
    feed = Feed(urls, FeedOptions(batch_size=9, seed=1))

    loader = DataLoader(feed, batch_size=None, num_workers=4, persistent_workers=persistent)
    for number in range(6):
        torch.manual_seed(0)  # loaders are not told apart by the seeds they draw
        begun = iter(loader)
        for _ in range(number % 3):
            next(begun)
        del begun
    found = keys_of(feed, 4)

    assert found in epochs


def test_two_loaders_at_a_time_go_through_two_epochs(urls):
    expected = Feed(urls, FeedOptions(batch_size=9, seed=1))
    epochs = [keys_of(expected) for _ in range(2)]
    feed = Feed(urls, FeedOptions(batch_size=9, seed=1))

    torch.manual_seed(0)
    one = iter(DataLoader(feed, batch_size=None, num_workers=2))
    first = [next(one).keys]
    torch.manual_seed(0)
    two = keys_of(feed, 2)
    first += [batch.keys for batch in one]

    assert [first, two] == epochs


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_may_be_started_by_any_method(urls, method):
    expected = Feed(urls, FeedOptions(batch_size=9, seed=1))
    epochs = [keys_of(expected) for _ in range(2)]
    feed = Feed(urls, FeedOptions(batch_size=9, seed=1))

    assert [keys_of(feed, 2, multiprocessing_context=method) for _ in range(2)] == epochs


def test_the_state_of_another_feed_is_refused(urls):
    state = Feed(urls, FeedOptions(batch_size=7)).state_after(next(iter(Feed(urls, FeedOptions(batch_size=7)))))

    for some, batch_size, seed in ((urls[:2], 7, 0), (urls, 8, 0), (urls, 7, 1)):
        with pytest.raises(WrongUse, match="another feed"):
            Feed(some, FeedOptions(batch_size=batch_size, seed=seed)).resume(state)


def test_batches_are_tensors_or_members_on_request(urls):
    decoded = next(iter(Feed(urls, FeedOptions(batch_size=6))))
    raw = next(iter(Feed(urls, FeedOptions(batch_size=6, decode=False))))

    assert decoded.images.shape == (6, 1, 2, 2)
    assert decoded.labels.tolist() == [1] * 6
    assert decoded.soft_labels.tolist() == [[0.25, 0.75]] * 6
    assert decoded.images[:, 0, 0, 0].tolist() == [int(key[-4:]) for key in decoded.keys]
    assert raw.keys == decoded.keys
    assert raw.parts.tolist() == [ord(key[0]) - ord("a") for key in raw.keys]
    assert raw.members[0].keys() == {"cls", "png", "probs.npy"}
    assert torch.equal(image.decode(raw.members[0]["png"]), decoded.images[0])


@pytest.fixture
def plain(tmp_path) -> str:
    """Tars that webdataset's own writer made: no index, no soft labels, pax headers."""
    folder = tmp_path / "plain"
    folder.mkdir()
    with webdataset.ShardWriter(f"{folder}/real-%06d.tar", maxcount=10, verbose=0) as writer:
        for number in range(25):
            key, members = sample("real", number)
            writer.write({"__key__": key, "cls": number % 3, "png": members["png"]})
    return str(folder)


def test_plain_tars_of_others_are_mixed_in_with_one_hot_labels(urls, plain):
    raw = Feed([plain], FeedOptions(batch_size=5, decode=False))

    seen = [key for batch in raw for key in batch.keys]
    batch = next(iter(Feed([plain], FeedOptions(batch_size=25, classes=3))))

    assert sorted(seen) == [sample("real", number)[0] for number in range(25)]
    assert torch.equal(batch.soft_labels.argmax(1), batch.labels)
    assert batch.labels.tolist() == [int(key[-4:]) % 3 for key in batch.keys]


def test_a_sample_that_does_not_fit_is_named(urls, plain):
    feed = Feed([urls[0], plain], FeedOptions(batch_size=10, shares=(0.5, 0.5), classes=3))

    with pytest.raises(Damaged, match=r"/plain, real-00\d\d has shape and classes .*3\), not .*2\) as .*/a, a-00"):
        list(feed)
    with pytest.raises(Damaged, match=r"/plain, real-00\d\d does not decode: .*label [12] of 1 classes"):
        list(Feed([plain], FeedOptions(batch_size=10, classes=1)))


@pytest.mark.parametrize("kind", ["jpeg", "webp", "bmp"])
def test_images_of_other_kinds_are_decoded_from_plain_tars(kind, tmp_path):
    out = io.BytesIO()
    Image.fromarray(np.full((4, 6, 3), 90, np.uint8)).save(out, kind)
    name = {"jpeg": "JPG"}.get(kind, kind)
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for extension, content in (("cls", b"1"), (name, out.getvalue())):
            info = tarfile.TarInfo(f"some/folder/0001.{extension}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

    batch = next(iter(Feed([str(tmp_path)], FeedOptions(batch_size=1, classes=2))))

    assert batch.keys == ["some/folder/0001"]
    assert batch.images.shape == (1, 3, 4, 6)
    assert (batch.images.int() - 90).abs().max() <= 2


def test_a_damaged_shard_is_refused_when_the_feed_is_opened(urls):
    path = Path(urls[1]) / "train-000001.tar"
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(content)

    with pytest.raises(Damaged, match=r"b/train-000001\.tar is damaged"):
        Feed(urls, FeedOptions(batch_size=4))


def test_an_unfinished_set_and_an_empty_folder_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongUse, match="holds no tar"):
        Feed([str(tmp_path / "empty")], FeedOptions(batch_size=4))


def test_an_edited_list_of_places_is_refused_when_the_feed_is_opened(urls):
    path = Path(urls[0]) / "train-000001.tar.idx"
    places = np.fromfile(path, "<u8")
    places[3] += 1024
    places.tofile(path)

    with pytest.raises(Damaged, match=r"a/train-000001\.tar\.idx is damaged"):
        Feed(urls, FeedOptions(batch_size=4))


def test_a_tar_that_is_cut_while_it_is_fed_is_an_error_and_no_crash(urls):
    feed = Feed(urls[:1], FeedOptions(batch_size=4))
    os.truncate(Path(urls[0]) / "train-000001.tar", 512)

    with pytest.raises(Damaged, match=r"train-000001\.tar, bytes .* shorter"):
        list(feed)


def test_there_may_be_more_tars_than_files_are_kept_open(urls, tmp_path, monkeypatch):
    monkeypatch.setattr("data.opened.MOST_OPEN", 5)
    url = make_set(Store(str(tmp_path / "many")), "m", 60, shards=30)
    before = len(list(Path("/dev/fd").iterdir()))

    feed = Feed([url], FeedOptions(batch_size=7))
    for epoch in range(2):
        assert len({key for keys in keys_of(feed) for key in keys}) == 60, epoch

    assert len(list(Path("/dev/fd").iterdir())) <= before + 5 + 2  # two pieces of memory are shared with workers


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "a.pkl"},
        {"name": "../a.png"},
        {"name": "a.png", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"name": "a.png", "type": tarfile.CHRTYPE},
    ],
)
def test_hostile_tars_are_refused_by_name(bad, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        info = tarfile.TarInfo(bad.pop("name"))
        for name, value in bad.items():
            setattr(info, name, value)
        tar.addfile(info, io.BytesIO())

    with pytest.raises(Damaged, match=r"x\.tar"):
        open_for_reading(str(tmp_path))


MEMORY = """
import resource, sys
from data.errors import Damaged
from data.feed import Feed, FeedOptions
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    list(Feed(sys.argv[1:], FeedOptions(batch_size=1)))
except Damaged as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE])
def test_a_claim_of_half_a_gigabyte_takes_no_memory_even_where_the_tar_has_that_many_bytes(kind, tmp_path):
    info = tarfile.TarInfo("a.png")
    info.type, info.size = kind, 2**29
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT))
    os.truncate(tmp_path / "x.tar", 2**29 + 10240)  # a sparse file

    said, grown = refusal_and_memory(tmp_path)

    assert "x.tar: " in said
    assert "claims 536870912 bytes" in said
    assert grown < 32 * 2**20


def test_a_set_whose_one_sample_has_half_a_gigabyte_is_refused_without_memory(tmp_path):
    url = make_set(Store(str(tmp_path / "set")), "a", 1, shards=1)
    tar, places = tmp_path / "set" / "train-000000.tar", np.array([0, 2**29], "<u8").tobytes()
    os.truncate(tar, 2**29)
    (tmp_path / "set" / "train-000000.tar.idx").write_bytes(places)
    facts = json.loads((tmp_path / "set" / "index.json").read_bytes())
    shard = facts["shards"][0]
    shard["sha256"], shard["bytes"] = sha256_of(tar), 2**29
    shard["sidecars"]["train-000000.tar.idx"] = hashlib.sha256(places).hexdigest()
    del facts["digest"]
    (tmp_path / "set" / "index.json").write_bytes(canonical_json(facts | {"digest": digest_of(facts)}))

    said, grown = refusal_and_memory(url)

    assert "a sample of 536870912 bytes" in said
    assert grown < 32 * 2**20


def refusal_and_memory(url: object) -> tuple[str, int]:
    """What a process says that feeds this, and by how many bytes it grows."""
    told = subprocess.run([sys.executable, "-c", MEMORY, str(url)], capture_output=True, text=True, check=True)
    *said, grown = told.stdout.splitlines()
    return "\n".join(said), int(grown) * 1024


def test_a_pickled_soft_label_is_refused(tmp_path):
    soft = io.BytesIO()
    np.save(soft, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    members = sample("a", 0)[1] | {"probs.npy": soft.getvalue()}
    (tmp_path / "x.tar").write_bytes(pack([("a", members)]).content)

    with pytest.raises(Damaged, match="Python objects"):
        next(iter(Feed([str(tmp_path)], FeedOptions(batch_size=1, classes=2))))


def test_a_set_at_a_url_is_fetched_once_and_checked(tmp_path):
    store = Store("memory://feeds/set")
    make_set(store, "a", 20)
    with pytest.raises(WrongUse, match="give `cache`"):
        Feed([store.url], FeedOptions(batch_size=4))

    first = keys_of(Feed([store.url], FeedOptions(batch_size=4, cache=tmp_path)))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
    assert keys_of(Feed([store.url], FeedOptions(batch_size=4, cache=tmp_path))) == first
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}

    next(iter(kept)).unlink()
    for name in store.names():
        if name.endswith(".tar"):
            store.write(name, store.read(name)[:-1])
    with pytest.raises(Damaged, match="is damaged"):
        Feed([store.url], FeedOptions(batch_size=4, cache=tmp_path))


@pytest.mark.parametrize(("rank", "world"), [(1, 1), (-1, 2)])
def test_a_rank_out_of_range_is_wrong_use(urls, rank, world):
    with pytest.raises(WrongUse, match="rank must lie in"):
        Feed(urls, FeedOptions(batch_size=4, rank=rank, world=world))
