"""A dictionary out of WordNet's files: three nouns, two verbs and an adjective planted, then the real one if there."""

from pathlib import Path

import pytest

from data.errors import Damaged, WrongUse
from data.words import KINDS, Words, wordnet

REAL = Path("/usr/share/wordnet")
NOUNS = {
    "00000001": ("film", "movie"),
    "00000002": ("film", "layer"),
    "00000003": ("picture", "movie_theatre", "Oscar"),
}
VERBS = {"00000004": ("film", "shoot"), "00000005": ("begin", "start")}
ADJECTIVES = {"00000006": ("fine(a)", "dandy")}


@pytest.fixture
def planted(tmp_path):
    """Files as wndb(5WN) has them; `film` is tagged as a noun more often than as a verb."""
    for kind, held in {"noun": NOUNS, "verb": VERBS, "adj": ADJECTIVES, "adv": {}}.items():
        senses = {}
        for place, words in held.items():
            for word in words:
                senses.setdefault(word.partition("(")[0].lower(), []).append(place)
        index = [f"{word} n {len(at)} 0 {len(at)} 0 {' '.join(at)}" for word, at in sorted(senses.items())]
        data = [
            f"{at} 06 n {len(words):02x} {' '.join(f'{w} 0' for w in words)} 000 | gloss" for at, words in held.items()
        ]
        for name, lines in (("index", index), ("data", data)):
            (tmp_path / f"{name}.{kind}").write_text("\n".join(["  1 a licence", *lines]) + "\n")
        (tmp_path / f"{kind}.exc").write_text("began begin\n" if kind == "verb" else "")
    (tmp_path / "cntlist.rev").write_text("film%1:06:00:: 1 9\nfilm%2:36:00:: 1 4\nbegin%2:30:00:: 1 3\n")
    return str(tmp_path)


def test_a_synonym_shares_the_first_sense_of_the_usual_part_of_speech_on_both_sides(planted):
    words = wordnet(planted)

    assert words.synonyms["film"] == ("movie",)
    assert words.synonyms["films"] == ("movies",)
    assert words.synonyms["movie"] == ("film",)
    assert words.synonyms["begin"] == ("start",)
    assert words.synonyms["fine"] == ("dandy",)
    assert not words.synonyms.keys() & {"layer", "shoot", "picture"}  # a second sense, a rarer verb, no plain words
    assert words.related["film"] == ("layer", "movie", "shoot")


def test_words_are_known_in_any_case_and_inflected(planted):
    words = wordnet(planted)

    assert all(words.knows(word) for word in ("film", "Films", "FILMED", "filming", "shooting", "began", "beginning"))
    assert not any(words.knows(word) for word in ("fylm", "flim", "the", "filmz", "fimls"))


def test_words_that_texts_use_often_are_words():
    words = Words(frozenset()).and_of(["the the the lol", "The couldn't"], least=3)

    assert words.known == {"the"}


def test_no_wordnet_says_what_to_install(tmp_path):
    with pytest.raises(WrongUse, match=r"no WordNet in .*: install Debian's wordnet-base"):
        wordnet(str(tmp_path))


def test_files_of_something_else_are_damaged(planted):
    (Path(planted) / "data.noun").write_text("no wordnet at all\n")

    with pytest.raises(Damaged, match="holds no WordNet 3"):
        wordnet(planted)


@pytest.mark.parametrize("lost", ["data.verb", "adj.exc"])
def test_files_that_lack_one_are_damaged(planted, lost):
    (Path(planted) / lost).unlink()

    with pytest.raises(Damaged, match=f"holds no WordNet 3 .*{lost}"):
        wordnet(planted)


def test_a_word_whose_sense_is_in_no_file_is_damaged(planted):
    (Path(planted) / "data.noun").write_text("")

    with pytest.raises(Damaged, match="holds no WordNet 3"):
        wordnet(planted)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="needs Debian's wordnet-base")
def test_the_real_one_has_synonyms_that_people_would_take():
    words = wordnet(str(REAL))

    assert set(KINDS) == {"noun", "verb", "adj", "adv"}
    assert words.synonyms["movie"] == ("film",)
    assert words.synonyms["story"] == ("narrative", "narration", "tale")
    assert "good" not in words.synonyms
    assert len(words.synonyms) > 40_000
