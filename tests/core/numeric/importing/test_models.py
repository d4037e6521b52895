"""Models of torchvision and timm, where these are installed (the extra ``models``)."""

import ctypes
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from govcheck.numeric.importing import NotClaimedError


@pytest.fixture(scope="module")
def torchvision():
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    place = Path(find_spec("torchvision").origin).parent
    library = torch.library.Library("torchvision", "FRAGMENT")
    try:
        for file in place.glob("_C*.so"):
            ctypes.CDLL(str(file))
    except OSError:
        # a build for GPUs beside torch for CPUs: its detection operators, which none of these
        # models calls, cannot be loaded, and it looks for their names when it is imported
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor a, Tensor b, float c) -> Tensor")
    import torchvision.models

    yield torchvision.models
    library._destroy()


@pytest.fixture(scope="module")
def timm(torchvision):
    return pytest.importorskip("timm")


def passes(found):
    assert found.check.passed, found.check
    return found


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_resnet18(mode, torchvision, imports):
    passes(imports(torchvision.resnet18(num_classes=10), 1, 3, 32, 32, mode=mode))


@pytest.mark.slow  # 160 parameters with 24 million entries in float64
def test_resnet50(torchvision, imports):
    passes(imports(torchvision.resnet50(num_classes=10), 1, 3, 64, 64))


def test_vgg_features(torchvision, imports):
    net = nn.Sequential(torchvision.vgg11().features, nn.Flatten(), nn.Linear(512, 10))
    passes(imports(net, 1, 3, 32, 32))


def test_vit(torchvision, imports):
    net = torchvision.VisionTransformer(32, 4, 2, 3, 48, 96, num_classes=10)
    for p in net.parameters():
        # the head begins at 0
        p.data += 0.01 * torch.randn_like(p)
    passes(imports(net, 1, 3, 32, 32))


def test_convnext(torchvision, imports):
    setting = torchvision.convnext.CNBlockConfig
    net = torchvision.convnext.ConvNeXt([setting(8, 16, 2), setting(16, None, 1)], num_classes=10)
    passes(imports(net, 1, 3, 32, 32))


def test_timm_vit(timm, imports):
    net = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2,
                            num_classes=10)
    assert "times: 2" in passes(imports(net, 1, 3, 32, 32)).text


@pytest.mark.slow  # 19 million entries
def test_timm_mixer(timm, imports):
    passes(imports(timm.create_model("mixer_s32_224", img_size=64, num_classes=10), 1, 3, 64, 64))


@pytest.mark.slow  # 100 layers
def test_timm_convnext(timm, imports):
    passes(imports(timm.create_model("convnext_atto", num_classes=10), 1, 3, 64, 64))


@pytest.mark.slow  # 90 parameters with 14 million entries
def test_timm_nf_resnet(timm, imports):
    found = passes(imports(timm.create_model("nf_resnet26", num_classes=10), 1, 3, 64, 64))
    assert "weight: standardised" in found.text


@pytest.mark.slow  # 69 million entries
def test_timm_nfnet_with_squeeze_and_excitation_is_named(timm, imports):
    with pytest.raises(NotClaimedError) as error:
        imports(timm.create_model("dm_nfnet_f0", num_classes=10), 1, 3, 64, 64)
    said = {(i.what, i.why) for i in error.value.items}
    assert ("mul", "both operands depend on the input") in said
