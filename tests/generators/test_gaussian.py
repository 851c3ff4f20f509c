import torch

from data.records import Batch
from generators.options import SearchOptions
from generators.search import Scene
from generators.search.gaussian import gaussian


def test_samples_have_the_mean_of_their_class_and_the_shrunk_variance():
    rng = torch.Generator().manual_seed(0)
    wide, narrow = 0.5 + 0.08 * torch.randn(400, 4, generator=rng), 0.3 + 0.02 * torch.randn(400, 4, generator=rng)
    labels = torch.arange(2).repeat_interleave(400)
    keys = tuple(str(number) for number in range(800))
    real = Batch(keys, {"image": torch.cat([wide, narrow]).view(800, 1, 2, 2)}, labels)
    scene = Scene(lambda x: torch.zeros(len(x), 2), lambda z, _: z, 1, real)

    found = gaussian(scene, labels.repeat(5), SearchOptions(), rng)

    images = found.batch.inputs["image"].view(5, 2, 400, 4)
    means, deviations = images.mean((0, 2, 3)), images.permute(1, 0, 2, 3).reshape(2, -1).std(1)
    both = (0.08**2 + 0.02**2) / 2
    wanted = [((own**2 + both) / 2) ** 0.5 for own in (0.08, 0.02)]
    assert torch.allclose(means, torch.tensor([0.5, 0.3]), atol=0.005)
    assert torch.allclose(deviations, torch.tensor(wanted), rtol=0.05)
