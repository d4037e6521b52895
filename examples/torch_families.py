# ruff: noqa: ANN001, ANN201, ANN204, N812
"""Small members of six families of networks, in plain PyTorch, to be imported.

    govcheck import torch_families:resnet --input 1,3,32,32 -o resnet.yaml
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class BasicBlock(nn.Module):
    """He et al. (2016)."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.shortcut is None else self.shortcut(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """He et al. (2016)."""

    def __init__(self, inputs, inner, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        identity = x if self.downsample is None else self.downsample(x)
        return F.relu(out + identity)


class ResNet(nn.Module):
    """A stem, blocks, the mean over positions, a classifier."""

    def __init__(self, blocks, width, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layers = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(outputs, 10)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = torch.flatten(self.avgpool(self.layers(x)), 1)
        return self.fc(x)


def resnet():
    """Basic blocks, as in ResNet-18."""
    blocks = [BasicBlock(8, 8), BasicBlock(8, 8), BasicBlock(8, 16, 2), BasicBlock(16, 16)]
    return ResNet(blocks, 8, 16)


def resnet_bottleneck():
    """Bottleneck blocks, as in ResNet-50."""
    blocks = [Bottleneck(8, 4, 16), Bottleneck(16, 4, 16), Bottleneck(16, 8, 32, 2)]
    return ResNet(blocks, 8, 32)


class VGG(nn.Module):
    """Simonyan and Zisserman (2015)."""

    def __init__(self, plan=(8, "M", 16, "M", 16, 16, "M")):
        super().__init__()
        layers, channels = [], 3
        for entry in plan:
            if entry == "M":
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            else:
                layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU(inplace=True)]
                channels = entry
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(channels * 4 * 4, 32), nn.ReLU(True), nn.Dropout(),
            nn.Linear(32, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 10))

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.view(x.size(0), -1))


def vgg():
    """Convolutions, max pooling, dropout; import it with ``--mode eval``."""
    return VGG()


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of images."""

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """Liu et al. (2022)."""

    def __init__(self, dim, layer_scale=1e-6):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(layer_scale * torch.ones(dim))

    def forward(self, x):
        out = self.dwconv(x).permute(0, 2, 3, 1)
        out = self.pwconv2(self.act(self.pwconv1(self.norm(out))))
        out = (self.gamma * out).permute(0, 3, 1, 2)
        return x + out


def convnext():
    """Depthwise convolutions, layer norm, layer scale."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, stride=4), LayerNorm2d(8, eps=1e-6),
        ConvNeXtBlock(8), ConvNeXtBlock(8),
        LayerNorm2d(8, eps=1e-6), nn.Conv2d(8, 16, 2, stride=2), ConvNeXtBlock(16),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 10))


class Attention(nn.Module):
    """Queries, keys and values from one matrix."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        n, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(n, tokens, dim))


class ViTBlock(nn.Module):
    """Pre-norm attention and an MLP."""

    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Dosovitskiy et al. (2021)."""

    def __init__(self, size=32, patch=8, dim=12, heads=3, depth=2):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, patch, stride=patch)
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, dim) * 0.02)
        self.blocks = nn.ModuleList([ViTBlock(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        x = x + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def vit():
    """A class token, position embeddings, attention."""
    return ViT()


class MixerBlock(nn.Module):
    """Tolstikhin et al. (2021)."""

    def __init__(self, tokens, dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.tokens = nn.Sequential(nn.Linear(tokens, 8), nn.GELU(), nn.Linear(8, tokens))
        self.channels = nn.Sequential(nn.Linear(dim, 24), nn.GELU(), nn.Linear(24, dim))

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    """Affine maps over tokens, then over features, in turn."""

    def __init__(self, size=32, patch=8, dim=12, depth=2):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, patch, stride=patch)
        self.blocks = nn.Sequential(
            *[MixerBlock((size // patch) ** 2, dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(dim=1))


def mixer():
    """An MLP-Mixer."""
    return Mixer()


class ScaledStdConv2d(nn.Conv2d):
    """Brock et al. (2021): standardised kernels with a trained gain for each row."""

    def __init__(self, *args, gamma=1.0, eps=1e-6, **kwargs):
        super().__init__(*args, **kwargs)
        self.gain = nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))
        self.scale, self.eps = gamma * self.weight[0].numel() ** -0.5, eps

    def forward(self, x):
        var, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        weight = self.scale * self.gain * (self.weight - mean) / torch.sqrt(var + self.eps)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation,
                        self.groups)


class NFBlock(nn.Module):
    """A normalisation-free residual block, its branch times a trained number that begins at 0."""

    def __init__(self, channels, alpha=0.2, beta=1.0):
        super().__init__()
        self.conv1 = ScaledStdConv2d(channels, channels, 3, padding=1, gamma=math.sqrt(2))
        self.conv2 = ScaledStdConv2d(channels, channels, 3, padding=1, gamma=math.sqrt(2))
        self.alpha, self.beta = alpha, beta
        self.skipinit_gain = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        out = F.relu(x) * self.beta
        out = self.conv2(F.relu(self.conv1(out)))
        out.mul_(self.skipinit_gain)
        return out * self.alpha + x


def nfnet():
    """Without squeeze-and-excitation, which multiplies two results."""
    return nn.Sequential(
        ScaledStdConv2d(3, 8, 3, stride=2, padding=1), NFBlock(8), NFBlock(8, beta=0.9),
        nn.ReLU(), nn.AvgPool2d(2), ScaledStdConv2d(8, 16, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(16, 10))


class SqueezeExcite(nn.Module):
    """Hu et al. (2018): channels times a function of all channels."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.squeeze = nn.Linear(channels, 4)
        self.excite = nn.Linear(4, channels)
        self.head = nn.Linear(channels, 10)

    def forward(self, x):
        x = F.relu(self.conv(x))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        x = x * gate[:, :, None, None]
        return self.head(x.mean((2, 3)))


def squeeze_excite():
    """Not in the language: ``govcheck import`` names the product."""
    return SqueezeExcite(8)
