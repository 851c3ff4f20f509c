"""Which words there are, and which of them say the same: a dictionary that a search in texts keeps to.

Read from the files of Princeton's WordNet 3 (Debian: wordnet-base, /usr/share/wordnet; wndb(5WN) describes them), or
put together from texts alone, which gives no synonyms.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from data.errors import Damaged, WrongUse

KINDS = {"noun": "1", "verb": "2", "adj": "3", "adv": "4"}
"""File -> the number of that part of speech in a sense key; satellites of adjectives have 5."""
LETTERS = re.compile("[a-z]+")
ENDINGS = ("s", "es", "ies", "d", "ed", "ied", "ing", "er", "est", "ly", "y")
"""A known word and one of these is a known word; so is one whose last letter is doubled, or whose e is dropped."""
SHORTEST = 4
"""Letters of a word that has synonyms here: WordNet knows `he` as helium and `in` as inches."""
_GRAMMAR = """
about above across after again against almost alone along already also although always among anyone anything
around away back because been before behind being below beside besides between beyond both cannot could does
done down each either else enough even ever every everyone everything except from further have having here hers
herself himself however indeed into itself just least less like many more most much must myself neither never
none nothing nowhere once only onto other others ourselves over perhaps quite rather same seem seems several
shall should since some someone something such than that their them themselves then there these they this those
though through thus together toward towards under unless until upon very well were what whatever when where
whether which while whom whose will with within without would your yours yourself
"""
GRAMMAR = frozenset(_GRAMMAR.split())
"""Words of grammar, for which WordNet has other meanings or none."""


@dataclass(frozen=True)
class Words:
    """A dictionary, all in small letters.

    Attributes:
        known: words in their base forms, or as they came.
        synonyms: word -> words that stand for its most frequent sense, and it for theirs, in a fixed order.
        related: word -> words of any sense of it, for what is not to keep the meaning.
    """

    known: frozenset[str]
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    related: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def knows(self, word: str) -> bool:
        """Whether it is a word, perhaps inflected; capitals do not matter."""
        return any(base in self.known for base in _bases(word.lower()))

    def and_of(self, texts: Iterable[str], least: int = 3) -> "Words":
        """These and the words that come at least so often in texts."""
        counts = Counter(word for text in texts for word in LETTERS.findall(text.lower()))
        return Words(self.known | {word for word, n in counts.items() if n >= least}, self.synonyms, self.related)


def _bases(word: str) -> Iterator[str]:
    yield word
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) + 1:
            stem = word.removesuffix(ending)
            yield stem
            yield stem + "e"
            yield stem + "y"
            if stem[-1] == stem[-2:-1]:
                yield stem[:-1]


@dataclass(frozen=True)
class _Senses:
    """A word of one part of speech: its senses' places, most frequent first, and how often it was met so tagged."""

    places: tuple[str, ...]
    tagged: int


@lru_cache(maxsize=2)
def wordnet(folder: str) -> Words:
    """The dictionary that WordNet's files make.

    Synonyms are the single words of the first sense of the part of speech in which a word is met most often, whose own
    first sense is the same; the plural of a noun has their plurals.

    Raises:
        WrongUse: there are no such files.
        Damaged: they are something else.
    """
    place = Path(folder)
    if not (place / "index.noun").is_file() or not (place / "cntlist.rev").is_file():
        raise WrongUse(f"no WordNet in {folder}: install Debian's wordnet-base, or name the folder of its files")
    try:
        tagged = _tagged(place)
        senses = {kind: _senses(place, kind, tagged) for kind in KINDS}
        members = {kind: _members(place, kind) for kind in KINDS}
        known = {word for found in senses.values() for word in found} | _irregular(place)
        return Words(frozenset(known), _synonyms(senses, members), _related(senses, members))
    except (ValueError, IndexError, KeyError, OSError) as error:
        raise Damaged(f"{folder} holds no WordNet 3 ({error})") from error


def _lines(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="latin-1") as lines:
        yield from (line.split() for line in lines if not line.startswith("  "))


def _tagged(place: Path) -> Counter[tuple[str, str]]:
    """(Word, part of speech by number) -> how often it is tagged in the texts that WordNet counted."""
    found: Counter[tuple[str, str]] = Counter()
    for key, _, count in _lines(place / "cntlist.rev"):
        word, _, rest = key.partition("%")
        found[word, "3" if rest[0] == "5" else rest[0]] += int(count)
    return found


def _senses(place: Path, kind: str, tagged: Counter[tuple[str, str]]) -> dict[str, _Senses]:
    return {
        word: _Senses(tuple(parts[-int(parts[1]) :]), tagged[word, KINDS[kind]])
        for word, *parts in _lines(place / f"index.{kind}")
        if LETTERS.fullmatch(word)
    }


def _members(place: Path, kind: str) -> dict[str, tuple[str, ...]]:
    """Place of a sense -> its words; such as are no plain small letters are left out."""
    found = {}
    for at, _, _, count, *rest in _lines(place / f"data.{kind}"):
        words = (word.partition("(")[0] for word in rest[: 2 * int(count, 16) : 2])
        found[at] = tuple(word for word in words if LETTERS.fullmatch(word))
    return found


def _irregular(place: Path) -> set[str]:
    return {words[0] for kind in KINDS for words in _lines(place / f"{kind}.exc") if LETTERS.fullmatch(words[0])}


_Of = Mapping[str, Mapping[str, _Senses]]
_In = Mapping[str, Mapping[str, tuple[str, ...]]]


def _synonyms(senses: _Of, members: _In) -> dict[str, tuple[str, ...]]:
    found, usual = dict[str, tuple[str, ...]](), _usual(senses)
    for word, kind in usual.items():
        place = senses[kind][word].places[0]
        same = [other for other in members[kind][place] if other != word and usual.get(other) == kind]
        if same := [other for other in same if senses[kind][other].places[0] == place]:
            found[word] = tuple(same)
            if kind == "noun":
                found.setdefault(_plural(word), tuple(map(_plural, same)))
    return found


def _usual(senses: _Of) -> dict[str, str]:
    """Word -> the part of speech it is met in most often, of those long enough and no words of grammar."""
    words = sorted({word for found in senses.values() for word in found if len(word) >= SHORTEST} - GRAMMAR)
    return {
        word: max((kind for kind in KINDS if word in senses[kind]), key=lambda kind: senses[kind][word].tagged)
        for word in words
    }


def _related(senses: _Of, members: _In) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for kind, of_kind in senses.items():
        for word, has in of_kind.items():
            found.setdefault(word, set()).update(*(members[kind][place] for place in has.places))
    return {word: tuple(sorted(others - {word})) for word, others in found.items() if others - {word}}


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
