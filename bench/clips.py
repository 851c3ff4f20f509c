"""Small synthetic clips for measuring synchrony: pictures, and the sound of what is seen in them, paired by name.

In `strips` columns are time: one to three flashes, and a tone for as long as each. In `scenes` columns are space: a
light left or right of the middle, and stereo sound from there. Brightness and loudness of an event go together.
"""

import wave
from pathlib import Path

import numpy as np
from PIL import Image

from data.sources import Side, SourceOptions

ROWS, COLUMNS, RATE, SAMPLES = 16, 64, 8000, 4096
PER_COLUMN = SAMPLES // COLUMNS
KINDS = {"strips": ("one", "two", "three"), "scenes": ("left", "right")}
"""Kind of clips -> its classes; of scenes, where the light is."""


def write_clips(folder: Path, kind: str, each: int, rng: np.random.Generator) -> SourceOptions:
    """Write `each` clips of every class; returns the options of the source that pairs them by name."""
    for name in KINDS[kind]:
        for side in ("pictures", "sounds"):
            (folder / side / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            seen, heard = (_strip if kind == "strips" else _scene)(name, rng)
            pixels = np.clip(255 * (seen + rng.uniform(0, 0.02, seen.shape)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{name}-{number}.png")
            _write_sound(folder / "sounds" / name / f"{name}-{number}.wav", heard + rng.normal(0, 0.002, heard.shape))
    pictures = Side("image_folder", str(folder / "pictures"))
    sounds = Side("image_folder", str(folder / "sounds"), "audio")
    return SourceOptions(name="paired", first=pictures, second=sounds, join="id", labelled=0)


def _strip(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    count, level = KINDS["strips"].index(name) + 1, rng.uniform(0.3, 0.7)
    seen, heard = np.zeros((ROWS, COLUMNS)), np.zeros((2, SAMPLES))
    for place in range(count):
        begins, long = 10 + 15 * place + int(rng.integers(0, 9)), int(rng.integers(2, 6))
        seen[:, begins : begins + long] = level
        samples = np.arange(begins * PER_COLUMN, (begins + long) * PER_COLUMN)
        heard[:, samples] = level * np.sin(2 * np.pi * 700 * samples / RATE)
    return seen, heard


def _scene(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    side, level = rng.uniform(0.3, 0.8) * (1 if name == "right" else -1), rng.uniform(0.3, 0.7)
    seen, middle = np.zeros((ROWS, COLUMNS)), round((side + 1) / 2 * (COLUMNS - 1))
    seen[4:12, middle - 4 : middle + 5] = level
    tone = level * np.sin(2 * np.pi * 700 * np.arange(SAMPLES) / RATE)
    return seen, np.stack([tone * (1 - side) / 2, tone * (1 + side) / 2])


def _write_sound(path: Path, heard: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(heard, -1, 1) * 32767).astype("<i2").T.tobytes())
