"""Digits spoken by espeak-ng, the free synthesiser, as sound: 60 speakers in seven English accents, 8 kHz, mono.

Synthetic and sounds it, but its speakers are known, which those of `spoken_digits` are not: no speaker is in two parts.
What is said by whom, how fast and how high is a fixed list that nothing is drawn for; `source.drawn` words of it are
synthesised, each speaker and accent about as often as any other.
"""

import io
import re
import shutil
import subprocess
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import gcd
from typing import NamedTuple

import numpy as np
from scipy.signal import resample_poly

from data.census import parts_apart
from data.errors import Damaged, WrongUse
from data.sources import Found, Source, SourceOptions

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029")
"""British, American, Scottish, of Lancaster, received, of the West Midlands, Caribbean. `en-gb` ignores its speaker."""
SPEAKERS = (
    *("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "klatt", "croak", "Alex", "Alicia"),
    *("Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario"),
    *("Michael", "Mike", "Nguyen", "adam", "anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb"),
    *("david", "ed", "edward", "grandma", "grandpa", "gustave", "iven", "john", "kaukovalta", "linda", "marcelo"),
    *("max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob"),
)
"""Variants of espeak-ng, but for robots, other effects, and speakers who are another's twin."""
SPEED, PITCH = (110, 230), (15, 85)
"""Words a minute, and espeak-ng's own scale from 0 to 99; from, and to less than."""
SPOKEN, RATE = 22_050, 8_000
"""Samples a second, as espeak-ng gives them and as they are kept."""
AT_ONCE = 200
"""Words synthesised side by side before any is handed on."""
PATIENCE = 60.0
"""Seconds for one word, which takes some hundredths of one."""
LISTED = 4200
"""Words of the list, after which it begins anew: each speaker says each digit in seven ways."""


class Saying(NamedTuple):
    """One word of the list."""

    digit: int
    speaker: int
    accent: int
    speed: int
    pitch: int

    @property
    def voice(self) -> str:
        """As espeak-ng calls it."""
        return f"{ACCENTS[self.accent]}+{SPEAKERS[self.speaker]}"


def espeak_digits(options: SourceOptions) -> Source:
    """`options.drawn` words of `options.length` samples (8,000 where it is 0, a second), ten classes in turn.

    No speaker is in two parts: see `parts_apart`.

    Raises:
        WrongUse: espeak-ng is not installed, or is one without these voices; or the list has not that many words.
    """
    if options.drawn > LISTED:
        raise WrongUse(f"espeak_digits has {LISTED} different words, got source.drawn {options.drawn}")
    program = shutil.which("espeak-ng")
    if program is None:
        raise WrongUse("espeak-ng is not installed, and it is to speak: apt-get install espeak-ng")
    _must_know(program)
    return Source(tuple("0123456789"), _samples(program, options, options.length or RATE), "audio")


def saying_of(number: int) -> Saying:
    """One word of the list, by its number from 0; speeds and pitches go through all their values in great steps."""
    digit, turn = number % 10, number // 10
    accent = (turn + turn // len(SPEAKERS)) % len(ACCENTS)
    speed, pitch = (low + number * step % (high - low) for step, (low, high) in ((47, SPEED), (29, PITCH)))
    return Saying(digit, turn % len(SPEAKERS), accent, speed, pitch)


def _samples(program: str, options: SourceOptions, length: int) -> Iterator[Found]:
    parts = parts_apart(len(SPEAKERS), options)
    with ThreadPoolExecutor() as workers:
        for first in range(0, options.drawn, AT_ONCE):
            some = [saying_of(number) for number in range(first, min(first + AT_ONCE, options.drawn))]
            spoken = workers.map(lambda one: _wav(_said(program, one), length), some)
            for number, (one, content) in enumerate(zip(some, spoken, strict=True), first):
                yield Found(f"espeak_digits[{number}] by {one.voice}", content, one.digit, parts[one.speaker])


def _said(program: str, one: Saying) -> np.ndarray:
    """What espeak-ng says, int16 (T,) at 22,050 a second."""
    asked = ["-v", one.voice, "-s", str(one.speed), "-p", str(one.pitch), "--stdout", WORDS[one.digit]]
    content = _answer(program, *asked)
    at = content.find(b"data") + 8  # the length there and in the header is a placeholder: it streams
    rate = int.from_bytes(content[24:28], "little")
    if not content.startswith(b"RIFF") or at < 44 or rate != SPOKEN or len(content) <= at:
        raise Damaged(f"espeak-ng said nothing at {SPOKEN} a second as {one.voice}: {len(content)} bytes, rate {rate}")
    return np.frombuffer(content[at : len(content) - (len(content) - at) % 2], "<i2")


def _answer(program: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, check=True, timeout=PATIENCE)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        told = getattr(error, "stderr", None) or b""
        raise Damaged(f"espeak-ng {' '.join(arguments)} failed ({error}) {told.decode(errors='replace')}") from error
    return done.stdout


def _wav(spoken: np.ndarray, length: int) -> bytes:
    """At the rate that is kept, cut or followed by silence to `length` samples."""
    common = gcd(RATE, SPOKEN)
    found = resample_poly(spoken.astype(np.float64), RATE // common, SPOKEN // common)[:length]
    values = np.zeros(length, "<i2")
    values[: len(found)] = found.round().clip(-(2**15), 2**15 - 1)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, length, "NONE", ""))
        file.writeframes(values.tobytes())
    return out.getvalue()


def _must_know(program: str) -> None:
    """It takes an unknown speaker's name without a word and speaks with its own voice."""
    known = set(re.findall(r"!v/(\S+)", _answer(program, "--voices=variant").decode(errors="replace")))
    accents = set(re.findall(r"^ *\d+ +(\S+)", _answer(program, "--voices=en").decode(errors="replace"), re.MULTILINE))
    lacking = sorted({*SPEAKERS} - known) + sorted({*ACCENTS} - accents)
    if lacking:
        raise WrongUse(f"this espeak-ng knows no {', '.join(lacking)}; 1.51 does: apt-get install espeak-ng")
