"""The ResNets for CIFAR of He et al. 2015, section 4.2, in PyTorch: shortcuts of option A, names as in the common ports."""
import torch
from torch import nn
from torch.nn import functional

DEPTHS = {"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9, "resnet110": 18}


class Block(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.zero_channels = stride, (width - channels) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        side = x[:, :, :: self.stride, :: self.stride]
        return functional.relu(y + functional.pad(side, (0, 0, 0, 0, self.zero_channels, self.zero_channels)))


class CifarResNet(nn.Module):
    def __init__(self, blocks, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage in range(3):
            width = 16 << stage
            layers = []
            for i in range(blocks):
                layers.append(Block(channels, width, 2 if stage > 0 and i == 0 else 1))
                channels = width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


def make(arch, classes=1000):
    return CifarResNet(DEPTHS[arch], classes)
