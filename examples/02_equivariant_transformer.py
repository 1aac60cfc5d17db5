"""Train a small GATr to predict the centre of the sphere through a cloud of points, and move the clouds afterwards.

The network has seen spheres near the origin only. Because it commutes with E(3), it is as good on turned, mirrored and
far-away clouds; nothing has to be learned for that.
"""

import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.geometry import pga3d
from cliffnet.models import GATr

torch.manual_seed(0)
algebra = Algebra(3, 0, 1)


def clouds(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points (count, 12, 3) on random spherical caps, and the centres (count, 3)."""
    directions = torch.randn(count, 12, 3) + 1.5 * torch.randn(count, 1, 3)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    centres = torch.randn(count, 3)
    return centres[:, None] + (0.5 + torch.rand(count, 1, 1)) * directions, centres


def predict(points: torch.Tensor) -> torch.Tensor:
    """Return one point a cloud: the mean of the points that the network gives out."""
    outputs, _ = net(pga3d.embed_point(points)[:, :, None])  # (clouds, points, one channel, 16 blades)
    return pga3d.extract_point(outputs[:, :, 0]).mean(dim=1)


net = GATr(
    in_mv_channels=1,
    out_mv_channels=1,
    hidden_mv_channels=8,
    hidden_scalar_channels=16,
    attention={"num_heads": 4},
    num_blocks=2,
)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(201):
    points, centres = clouds(20)
    loss = (predict(points) - centres).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:3d}  mean squared error {loss.item():.4f}")

with torch.no_grad():
    points, centres = clouds(200)
    mirror = pga3d.embed_reflection(torch.tensor([0.6, 0.0, 0.8]), torch.zeros(3))
    far = pga3d.embed_translation(torch.tensor([10.0, 0.0, 0.0]))
    versor = F.geometric_product(far, mirror, algebra)
    both = pga3d.embed_point(torch.cat([points, centres[:, None]], dim=1))
    moved = pga3d.extract_point(F.sandwich(versor, both, algebra))
    print(f"mean of the points: {(points.mean(dim=1) - centres).square().mean().item():.4f}")
    print(f"network:            {(predict(points) - centres).square().mean().item():.4f}")
    print(f"mirrored and far:   {(predict(moved[:, :-1]) - moved[:, -1]).square().mean().item():.4f}")
