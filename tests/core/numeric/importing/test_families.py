import pytest
import torch

from govcheck.errors import InputError
from govcheck.graph.blocks import leaves
from govcheck.numeric.importing import NotClaimedError, trace

SHAPE = (1, 3, 32, 32)
CASES = [
    ("resnet", "train"), ("resnet", "eval"), ("resnet_bottleneck", "train"),
    ("resnet_bottleneck", "eval"), ("vgg", "eval"), ("convnext", "train"), ("vit", "train"),
    ("mixer", "train"), ("nfnet", "train"),
]


@pytest.mark.parametrize(("family", "mode"), CASES)
def test_outputs_and_gradients_are_those_of_the_module(family, mode, families, imports, agrees):
    torch.manual_seed(1)
    module = getattr(families, family)()
    for _ in range(3):
        # running statistics that are not what they begin with
        module(3 * torch.randn(8, 3, 32, 32) + 1)
    for p in module.parameters():
        # no factor that hides what comes before it
        p.data = p.data + 0.05 * torch.randn_like(p)
    module.train(mode == "train")
    found = imports(module, *SHAPE, mode=mode)
    assert found.check.passed
    assert found.check.parameters == len(list(module.parameters()))
    x = torch.randn(5, 3, 32, 32, dtype=torch.float64)
    assert agrees(module, found, x) < 1e-10


@pytest.mark.parametrize("family", ["resnet_bottleneck", "convnext", "vit", "nfnet"])
def test_what_fx_cannot_trace_is_read_from_an_exported_program(
    family, families, imports, monkeypatch
):
    def fails(self, root, **options):
        raise torch.fx.proxy.TraceError("not today")

    module = getattr(families, family)()
    direct = imports(module, *SHAPE)
    monkeypatch.setattr(trace._Tracer, "trace", fails)
    found = imports(module, *SHAPE)
    assert (direct.how, found.how) == ("torch.fx", "torch.export")
    assert found.check.passed
    assert found.names == direct.names


def test_structure_of_a_transformer(families, imports):
    found = imports(families.vit(), *SHAPE)
    names = [leaf.layer.name for leaf in leaves(found.architecture.body)]
    assert names == [
        "conv", "reshape", "transpose", "class_token", "positional_embedding",
        "layer_norm", "multihead_attention", "layer_norm", "token_affine", "gelu",
        "token_affine", "layer_norm", "take_token", "affine"]
    assert "times: 2" in found.text
    assert found.names["class_token.token"] == ("cls_token",)
    assert found.names["repeat.1.multihead_attention.key"] == ("blocks.1.attn.qkv.weight",)


def test_a_product_of_two_results_is_named(families, imports):
    with pytest.raises(NotClaimedError) as error:
        imports(families.squeeze_excite(), *SHAPE)
    said = [(i.what, i.where.split(":")[0].endswith("torch_families.py")) for i in
            error.value.items]
    assert said == [("getitem", True), ("mul", True)]
    assert "both operands depend on the input" in str(error.value)


def test_dropout_in_training_is_no_fixed_function(families, imports):
    with pytest.raises(InputError, match=r"classifier\.2: Dropout.*--mode eval"):
        imports(families.vgg(), *SHAPE, mode="train")


def test_weights_are_exact_copies(families, imports):
    module = families.nfnet()
    found = imports(module, *SHAPE)
    own = dict(module.named_parameters())
    for name, sources in found.names.items():
        (source,) = sources
        assert torch.equal(found.weights[name].flatten(), own[source].double().flatten())


def test_the_module_is_left_as_it_is(families, imports):
    module = families.resnet()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    imports(module, *SHAPE, mode="eval")
    assert module.training
    after = module.state_dict()
    assert all(torch.equal(before[k], after[k]) and before[k].dtype == after[k].dtype
               for k in before)
