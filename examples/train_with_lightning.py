"""The loss in a PyTorch Lightning module, in one line of `training_step`; a scheduled threshold moves with Lightning's epochs.

pip install 'nfloss[lightning]'
python examples/train_with_lightning.py [EPOCHS]
"""

import sys

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from train_with_nfloss import BATCH, SmallDepthNet

from nfloss import SSISilogNearFieldLoss
from runner.data import scenes


class DepthModule(pl.LightningModule):
    """Any network from images to inverse depth (1/m), trained with the near-field loss."""

    def __init__(self, network: nn.Module, fixes: tuple[str, ...] = (), **numbers: float) -> None:
        super().__init__()
        self.network = network
        self.loss_fn = SSISilogNearFieldLoss(fixes, **numbers)

    def on_train_epoch_start(self) -> None:
        self.loss_fn.set_epoch(self.current_epoch, of=self.trainer.max_epochs)

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        images, gt_inv_depth, mask = batch
        pred_inv_depth = self.network(images)
        loss = self.loss_fn(pred_inv_depth, gt_inv_depth, mask)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        images, gt_inv_depth, mask = batch
        self.loss_fn(self.network(images), gt_inv_depth, mask)
        self.log_dict({f"validation/{name}": value for name, value in self.loss_fn.metrics.items()})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def loader(seed: int, images: int, shuffle: bool) -> DataLoader:
    """Procedural scenes in batches of (images, true inverse depth, mask)."""
    frames = scenes(seed=seed, count=images, height=32, width=48)
    return DataLoader(TensorDataset(frames.rgb, frames.inverse_depth(), frames.valid), BATCH, shuffle=shuffle)


def train(epochs: int = 5, images: int = 128) -> dict[str, float]:
    """The metrics of the last epoch."""
    pl.seed_everything(0, verbose=False)
    module = DepthModule(SmallDepthNet(), fixes=("5-2", "9-2"), near_weight=3.0)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_epochs=epochs, accelerator="auto", devices=1, **quiet)
    trainer.fit(module, loader(0, images, shuffle=True), loader(1, images // 4, shuffle=False))
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


if __name__ == "__main__":
    for name, value in train(int(sys.argv[1]) if len(sys.argv) > 1 else 5).items():
        print(f"{name} {value:.3f}")
