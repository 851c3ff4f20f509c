"""`cnn` on images of half the side: a quarter of the work, where what is to be seen is not fine."""

from dataclasses import replace

from torch import nn

from pipelines.training.models.architectures.cnn import Convolutional
from pipelines.training.models.classifier import ClassifierShape


def halved_cnn(shape: ClassifierShape) -> nn.Module:
    """Means of 2 x 2 pixels, then the convolutions of `cnn`; zeros fill sides up to multiples of 4."""
    right, down = -shape.width % 4, -shape.height % 4
    halved = replace(shape, height=(shape.height + down) // 2, width=(shape.width + right) // 2)
    return nn.Sequential(nn.ZeroPad2d((0, right, 0, down)), nn.AvgPool2d(2), Convolutional(halved))
