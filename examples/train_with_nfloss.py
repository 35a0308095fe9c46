"""A plain PyTorch training loop with the loss in one line: a small network, procedural scenes, metrics of each epoch.

python examples/train_with_nfloss.py [EPOCHS]
"""

import sys

import torch
from torch import nn

from nfloss import SSISilogNearFieldLoss
from runner.data import scenes

BATCH = 8


class SmallDepthNet(nn.Module):
    """Images [B, 3, H, W] in 0..1 -> inverse depth [B, 1, H, W] in 1/m, above 0."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 24, 3, stride=2, padding=1), nn.BatchNorm2d(24), nn.ReLU()),
            *(nn.Conv2d(24, 32, 3, padding=2, dilation=2), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Conv2d(32, 1, 3, padding=1), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Softplus()),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 0.01 + self.layers(images)


def train(epochs: int = 5, images: int = 128) -> list[dict[str, float]]:
    """The loss's metrics on the last batch of each epoch."""
    torch.manual_seed(0)
    frames = scenes(seed=0, count=images, height=32, width=48)
    gt_inv_depth, mask = frames.inverse_depth(), frames.valid
    network, history = SmallDepthNet(), []
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    loss_fn = SSISilogNearFieldLoss(fixes=["5-2", "9-2"], near_weight=3.0)
    for epoch in range(epochs):
        loss_fn.set_epoch(epoch, of=epochs)  # moves the threshold of 9-2; without a schedule it changes nothing
        for batch in torch.randperm(images).split(BATCH):
            pred_inv_depth = network(frames.rgb[batch])
            loss = loss_fn(pred_inv_depth, gt_inv_depth[batch], mask[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        history.append({"near_field_threshold": loss_fn.near_field_threshold, **loss_fn.metrics})
    return history


if __name__ == "__main__":
    for epoch, metrics in enumerate(train(int(sys.argv[1]) if len(sys.argv) > 1 else 5)):
        print(f"epoch {epoch}: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
