"""Picks the real samples that are hardest for models which did not train on them."""

from dataclasses import replace

import torch
from torch import Tensor

from data.records import Candidates
from generators.hardness import hardness
from generators.options import SearchOptions
from generators.search import Scene, keys_of, propose


def mine(scene: Scene, y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
    """A real sample of each label, int64 (N,), as it is: drawn the more often the harder it is.

    Samples of a class are ranked by `options.hardness`; at rank `options.mined` times their number the chance of being
    drawn has fallen to 1 / e of the hardest one's. Copies are meant: how often a sample comes is its weight, the soft
    label that travels with it is the judges', and a sample with a wrong label is `agreement`'s to refuse. As these
    are real samples, no band is asked of the attacked model's margins, which has trained on them, and no newness.

    Raises:
        ValueError: the scene has no judges, or a wanted class no real sample.
    """
    hard = hardness(scene.unseen, scene.real.labels, options.hardness)
    rows = torch.empty_like(y)
    for label in sorted(set(y.tolist())):
        own = (scene.real.labels == label).nonzero()[:, 0]
        if not len(own):
            raise ValueError(f"no real sample to start from for labels [{label}]")
        rank = hard[own].argsort(descending=True).argsort()
        chances = torch.exp(-rank / (options.mined * len(own)))
        wanted = y == label
        rows[wanted] = own[torch.multinomial(chances, int(wanted.sum()), replacement=True, generator=rng)]
    images = scene.real.inputs["image"][rows]
    parents = keys_of(scene.real, rows)
    return replace(propose(scene, "mine", y, images=images, starts=images, parents=parents), as_is=True)
