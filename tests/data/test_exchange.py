"""Two machines, each with a run's folder of its own, and the exchange between them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.exchange import Exchange
from data.runs import Facts, Run


@pytest.fixture
def exchange(tmp_path) -> Exchange:
    return Exchange(str(tmp_path / "exchange"))


@pytest.fixture
def here(tmp_path, exchange) -> Run:
    return Run(tmp_path / "here", exchange=exchange)


@pytest.fixture
def there(tmp_path, exchange) -> Run:
    return Run(tmp_path / "there", exchange=exchange)


def writes(run: Run, content: bytes, name: str = "drafts/0.tar") -> Callable[[], tuple[Facts, float]]:
    def work() -> tuple[Facts, float]:
        run.path(name).parent.mkdir(parents=True, exist_ok=True)
        run.path(name).write_bytes(content)
        return {"bytes": len(content)}, 1.5

    return work


def must_not_work() -> tuple[Facts, float]:
    raise AssertionError("this machine did it again")


def made(run: Run, work: Callable[[], tuple[Facts, float]], seed: int = 0, *, common: bool = True) -> bytes:
    run.stage("draft", {"seed": seed}, ["drafts/0.tar"], work, common=common)
    assert run.is_whole("draft")
    return run.path("drafts/0.tar").read_bytes()


def test_what_one_machine_has_finished_another_takes(here, there):
    made(here, writes(here, b"hard"))

    assert made(there, must_not_work) == b"hard"
    assert there.record("draft").digest == here.record("draft").digest
    assert there.record("draft").seconds == 1.5


def test_what_was_finished_before_there_was_an_exchange_is_offered(here, there):
    made(Run(here.folder), writes(here, b"hard"))

    made(here, must_not_work)

    assert made(there, must_not_work) == b"hard"


def test_nothing_is_taken_that_was_made_from_anything_else(here, there):
    made(here, writes(here, b"hard"), seed=0)

    assert made(there, writes(there, b"harder"), seed=1) == b"harder"


def test_a_stage_that_each_machine_does_for_itself_is_not_exchanged(here, there, exchange):
    made(here, writes(here, b"hard"), common=False)

    assert not Path(exchange.url).exists()


def test_of_two_that_disagree_both_go_on_with_who_was_first(here, there):
    def slower() -> tuple[Facts, float]:
        made(here, writes(here, b"first"))
        return writes(there, b"second")()

    assert made(there, slower) == b"first"
    assert made(here, must_not_work) == b"first"


@pytest.mark.parametrize("content", [b"cut", None])
def test_what_is_not_whole_is_made_again_and_put_in_its_place(here, there, exchange, content):
    made(here, writes(here, b"hard"))
    (file,) = Path(exchange.url, "files").iterdir()
    file.write_bytes(content) if content else file.unlink()

    assert made(there, writes(there, b"hard")) == b"hard"
    assert made(Run(here.folder.with_name("third"), exchange=exchange), must_not_work) == b"hard"


def test_a_record_that_names_other_files_is_not_followed(here, there, exchange):
    made(here, writes(here, b"hard"))
    (place,) = Path(exchange.url, "stages").iterdir()
    record = json.loads(place.read_bytes())
    (mark,) = record["outputs"].values()
    place.write_text(json.dumps(record | {"outputs": {"../outside": mark}}))

    assert made(there, writes(there, b"mine")) == b"mine"
    assert not there.folder.with_name("outside").exists()


def test_a_record_that_cannot_be_read_is_replaced(here, there, exchange):
    made(here, writes(here, b"hard"))
    (place,) = Path(exchange.url, "stages").iterdir()
    place.write_text("{")

    assert made(there, writes(there, b"hard")) == b"hard"
    assert made(Run(here.folder.with_name("third"), exchange=exchange), must_not_work) == b"hard"
