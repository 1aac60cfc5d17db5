import torch

from cliffnet.models import GATr


def test_compiled_forward_and_backward_equal_eager():
    torch.manual_seed(0)
    net = GATr(1, 1, 4, 2, 2, 5, attention={"num_heads": 2}, num_blocks=1, reinsert_mv_channels=(0,))
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager", dynamic=True)
    for samples in (2, 3):
        x, scalars = torch.randn(samples, 5, 1, 16), torch.randn(samples, 5, 2)
        results = []
        for model in (net, compiled):
            net.zero_grad()
            y, s = model(x, scalars)
            (y.square().sum() + s.square().sum()).backward()
            results.append([y, s, *(parameter.grad.clone() for parameter in net.parameters())])
        for ours, theirs in zip(*results, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
