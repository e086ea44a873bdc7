"""The network: a small residual CNN whose every layer fits an int8 convolution core.

After He et al., "Deep Residual Learning for Image Recognition" (2015): basic blocks, one a stage. Convolutions are plain
(groups 1), channel counts are multiples of 16 but for the single input channel, and only 1 x 1, 3 x 3 and 7 x 7 kernels
with strides 1 and 2 occur. The student (what is shipped): 212 MMAC at 224 x 224, 1.2 M parameters. The teacher has the blocks of ResNet-18
on one input channel: 1.7 GMAC, and is trained to teach only (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015).
"""
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Architecture:
    stem: int
    # Output channels and stride of each residual block.
    blocks: list
    size: int = 224
    channels: int = 1
    classes: int = 2
    # Whether the stem is 7 x 7 of stride 2 before a max pool; otherwise it is 3 x 3 of stride 1, as for small images.
    reduces: bool = True


ARCHITECTURES = {
    'student': Architecture(32, [(32, 1), (64, 2), (128, 2), (256, 2)]),
    'deeper': Architecture(32, [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)]),
    'teacher': Architecture(64, [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]),
    'small': Architecture(32, [(32, 1), (48, 2), (64, 2)], size=28, reduces=False),
    # ResNet-8 of MLPerf Tiny (image classification) but for its classes.
    'resnet8': Architecture(16, [(16, 1), (32, 2), (64, 2)], size=32, channels=3, classes=8, reduces=False),
}


class Block(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.short = None
        if stride != 1 or cin != cout:
            self.short = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.short is None else self.short(x)))


class ChestNet(nn.Module):
    """image float32 [N,channels,H,W] -> logits [N,classes], features [N,C,H',W'], the last feature map."""

    def __init__(self, architecture='student'):
        super().__init__()
        self.architecture = a = ARCHITECTURES[architecture]
        self.conv = nn.Conv2d(a.channels, a.stem, *((7, 2, 3) if a.reduces else (3, 1, 1)), bias=False)
        self.bn = nn.BatchNorm2d(a.stem)
        blocks, cin = [], a.stem
        for cout, stride in a.blocks:
            blocks.append(Block(cin, cout, stride))
            cin = cout
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(cin, a.classes)
        # Trained beside `fc` to tell bacterial from viral pneumonia (the file names say which); not exported.
        self.kind = nn.Linear(cin, 1)
        self.dropout = nn.Dropout(0.2)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')

    def features(self, x):
        x = F.relu(self.bn(self.conv(x)))
        return self.blocks(F.max_pool2d(x, 3, 2, 1) if self.architecture.reduces else x)

    def forward(self, x):
        features = self.features(x)
        return self.fc(features.mean((2, 3))), features

    def train_heads(self, x):
        """logits [N,2] and the bacterial/viral logit [N], for training."""
        pooled = self.dropout(self.features(x).mean((2, 3)))
        return self.fc(pooled), self.kind(pooled)[:, 0]


def mmac(model: ChestNet) -> float:
    """Multiply-accumulates of one image, in millions (convolutions and dense layer)."""
    total, hooks, a = 0, [], model.architecture

    def count(module, _inputs, out):
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += out.numel() * module.in_channels * module.kernel_size[0] * module.kernel_size[1]
    for m in model.modules():
        hooks.append(m.register_forward_hook(count))
    with torch.no_grad():
        model.eval()(torch.zeros(1, a.channels, a.size, a.size))
    for h in hooks:
        h.remove()
    return (total + model.fc.weight.numel()) / 1e6
