import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from data.claims import claim
from data.errors import Busy, Damaged, WrongUse
from data.store import CLAIM, Store

CLAIMER = """
import sys, time
from data.claims import claim
from data.store import Store
with claim(Store(sys.argv[1]), "the run in " + sys.argv[2], beat=0.2):
    print("claimed", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path) -> Store:
    return Store(str(tmp_path / "set") if request.param == "folder" else f"memory://{tmp_path.name}/set")


def test_what_is_written_is_read_listed_and_removed(store):
    digest = store.write("deep/a.txt", b"hello")
    store.write("b.txt", b"")

    assert digest == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert store.names() == ["b.txt", "deep/a.txt"]
    assert store.read("deep/a.txt") == b"hello"
    store.remove("b.txt")
    store.remove("b.txt")
    assert store.names() == ["deep/a.txt"]


def test_an_empty_place_has_no_names_and_a_missing_file_is_named(store):
    assert store.names() == []
    assert store.mark("a") == ""
    with pytest.raises(Damaged, match="set/a is missing"):
        store.read("a")


def test_only_the_first_to_create_a_file_succeeds(store):
    assert store.create("a", b"1")
    assert not store.create("a", b"2")
    assert store.read("a") == b"1"


def test_a_mark_changes_with_the_content(store):
    store.write("a", b"1")
    before = store.mark("a")
    store.write("a", b"22")

    assert store.mark("a") != before


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "a//b", "./a", ""])
def test_a_name_that_leads_out_of_the_folder_is_refused(store, name):
    with pytest.raises(Damaged, match="outside the set"):
        store.read(name)


@pytest.mark.parametrize(
    ("url", "why"), [("simplecache::s3://b/k", "chain of URLs"), ("gopher://x/y", "gopher"), ("pipe:ls://x", "pipe")]
)
def test_urls_that_are_no_plain_place_are_wrong_use(url, why):
    with pytest.raises(WrongUse, match=why):
        Store(url).names()


def test_a_folder_that_holds_something_else_is_not_written_to(store):
    store.write("thesis.tex", b"x")

    with pytest.raises(WrongUse, match=r"holds thesis\.tex and no set"), claim(store, "me"):
        pass


def test_a_claim_ends_with_the_work_and_outlives_an_error(store):
    with claim(store, "me"):
        assert store.has(CLAIM)
        store.write("index.json", b"{}")
    assert not store.has(CLAIM)

    with pytest.raises(RuntimeError), claim(store, "me"):
        raise RuntimeError
    assert store.has(CLAIM)


def test_a_second_process_is_refused_with_the_holders_name_until_it_is_dead(tmp_path):
    store = Store(str(tmp_path / "set"))
    holder = subprocess.Popen([sys.executable, "-c", CLAIMER, store.url, "/runs/a"], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"claimed\n"
        with (
            pytest.raises(Busy, match=rf"being written by the run in /runs/a \(process {holder.pid} on "),
            claim(store, "the run in /runs/b"),
        ):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()

    with claim(store, "the run in /runs/b"):
        assert "/runs/b" in store.read(CLAIM).decode()


@pytest.mark.parametrize("owner", ["the run in /runs/a", "the run in /runs/b"])  # a folder's name is its host's own
def test_the_claim_of_another_host_is_not_taken_while_it_gives_signs_of_life(store, owner):
    store.write(CLAIM, b"the run in /runs/a (process 1 on elsewhere), sign of life 3")
    sign = b"the run in /runs/a (process 1 on elsewhere), sign of life 4"
    threading.Timer(0.3, store.write, [CLAIM, sign]).start()

    with pytest.raises(Busy, match=r"process 1 on elsewhere\): wait"):
        claim(store, owner, patience=30).__enter__()

    assert store.read(CLAIM) == sign


def test_the_claim_of_another_host_is_taken_once_it_is_silent(store):
    store.write(CLAIM, b"the run in /runs/a (process 1 on elsewhere), sign of life 3")

    with claim(store, "the run in /runs/b", patience=0.3):
        assert "/runs/b" in store.read(CLAIM).decode()


def test_who_was_silent_and_lost_its_claim_is_told_so(store):
    held = claim(store, "me", beat=0.05)
    held.__enter__()
    store.write(CLAIM, b"the run in /runs/b (process 1 on elsewhere), sign of life 0")
    time.sleep(0.5)

    with pytest.raises(Damaged, match=r"taken meanwhile by the run in /runs/b \(process 1 on elsewhere\)"):
        held.__exit__(None, None, None)

    assert store.has(CLAIM)


def test_a_fingerprint_changes_with_any_file(store):
    store.write("a", b"1")
    seen = {store.fingerprint(), store.fingerprint()}
    for change in (lambda: store.write("a", b"2"), lambda: store.write("b/c", b""), lambda: store.remove("a")):
        change()
        seen.add(store.fingerprint())

    assert len(seen) == 4
