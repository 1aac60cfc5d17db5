"""Find the rigid motion between two point clouds by gradient descent on a motor of Cl(3,0,1).

A motor is an even versor: it moves points x to M x M^-1. The products and their gradients run natively.
"""

import torch

from cliffnet import functional as F
from cliffnet.geometry import pga3d

torch.manual_seed(0)
algebra = pga3d.ALGEBRA
points = pga3d.embed_point(torch.randn(50, 3))

# The motion to find: a quarter turn about the x axis, then a shift. Quaternions are (i, j, k, w).
half = torch.tensor(torch.pi / 4)
turn = pga3d.embed_rotation(torch.stack([half.sin(), torch.zeros(()), torch.zeros(()), half.cos()]))
shift = pga3d.embed_translation(torch.tensor([1.0, -2.0, 0.5]))
target = pga3d.extract_point(F.sandwich(F.geometric_product(shift, turn, algebra), points, algebra))

# Optimise the eight even components, starting near the identity.
even = torch.tensor([grade % 2 == 0 for grade in algebra.grades])
components = torch.where(torch.arange(8) == 0, 1.0, 0.1 * torch.randn(8)).requires_grad_()
optimizer = torch.optim.Adam([components], lr=0.05)
for step in range(201):
    motor = torch.zeros(algebra.num_blades).masked_scatter(even, components)
    moved = pga3d.extract_point(F.sandwich(motor, points, algebra))
    # An even element is a motor if M reverse(M) is a scalar; the only other part it can have is the pseudoscalar.
    defect = F.geometric_product(motor, F.reverse(motor, algebra), algebra)[-1]
    loss = (moved - target).square().mean() + defect.square()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:3d}  mean squared error {(moved - target).square().mean().item():.2e}")
