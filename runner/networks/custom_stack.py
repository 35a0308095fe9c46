"""K copies of a user's module, run one after another; the loss takes their predictions together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from runner.networks.custom import NetworkClass

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class OwnNetworks:
    """Modules that begin alike. `parameters` [K, D] holds what is trained, a row each; the modules' own are views of it.

    Each has its own buffers, BatchNorm's running statistics among them, and its configuration's momentum in every BatchNorm,
    whatever the class says. What draws random numbers (dropout) draws the same for all, however many there are.

    Args:
        network: the user's.
        seed: of the initial weights, the same for all.
        momenta: BatchNorm momentum of each.
    """

    def __init__(
        self,
        network: NetworkClass,
        seed: int,
        momenta: Sequence[float],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.network, self.device = network, torch.device(device)
        with torch.random.fork_rng(self._cuda):
            torch.manual_seed(seed)
            first = network.make().to(self.device, dtype)
            self._random = self._random_state()
        trained = {name: p for name, p in first.named_parameters() if p.requires_grad}
        self.shapes = {name: p.shape for name, p in trained.items()}
        row = torch.cat([torch.empty(0, device=self.device, dtype=dtype), *(p.detach().flatten() for p in trained.values())])
        self.parameters = row.repeat(len(momenta), 1).requires_grad_()
        self.modules = [deepcopy(first) for _ in momenta]
        for module, own_row, momentum in zip(self.modules, self.parameters.detach(), momenta, strict=True):
            own = dict(module.named_parameters())
            for name, piece in self._pieces(own_row).items():
                own[name].data = piece
            for norm in batch_norms(module):
                norm.momentum = momentum

    def read(self, per_network: Tensor) -> Tensor:
        """Each is read by one configuration."""
        return per_network

    def __call__(self, images: Tensor, training: bool, update_statistics: bool = True) -> list[Tensor]:
        """Inverse depth (1/m) of images [B, 3, H, W] (values 0..1), [K, B, 1, h, w] for each scale, finest first.

        Training without an update is evaluation with BatchNorm by the batch's own statistics.
        """
        each = []
        with torch.random.fork_rng(self._cuda):
            rows = self.parameters.unbind(0)
            for module, row in zip(self.modules, rows, strict=True):
                self._set_random_state()
                module.train(training and update_statistics)
                with by_the_batch(module if training and not update_statistics else None):
                    output = torch.func.functional_call(module, self._pieces(row), (images,))
                each.append(self.network.inverse_depths(output))
            self._random = self._random_state()
        return [torch.stack(scale).to(self.parameters.dtype) for scale in zip(*each, strict=True)]

    @torch.no_grad()
    def scale_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Of a copy in training, thrown away: a module may give fewer scales in evaluation."""
        images = torch.zeros(2, 3, height, width, device=self.device, dtype=self.parameters.dtype)
        with torch.random.fork_rng(self._cuda):
            scales = self.network.inverse_depths(deepcopy(self.modules[0]).train()(images))
        return [(scale.shape[-2], scale.shape[-1]) for scale in scales]

    def state(self, reading: int) -> dict[str, Tensor]:
        """The module's `state_dict`, copied to the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.modules[reading].state_dict().items()}

    def _pieces(self, row: Tensor) -> dict[str, Tensor]:
        parts = row.split([shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)}

    @property
    def _cuda(self) -> list[torch.device]:
        return [self.device] if self.device.type == "cuda" else []

    def _random_state(self) -> list[Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in self._cuda)]

    def _set_random_state(self) -> None:
        torch.set_rng_state(self._random[0])
        for device, state in zip(self._cuda, self._random[1:], strict=True):
            torch.cuda.set_rng_state(state, device)


def batch_norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    """All of a module's; 1d, 3d and the synchronised kind have the same attributes."""
    return [part for part in module.modules() if isinstance(part, BATCH_NORMS)]  # type: ignore[misc]


@contextmanager
def by_the_batch(module: nn.Module | None) -> Iterator[None]:
    """For the while, a module's BatchNorm uses the batch's statistics and leaves the running ones alone."""
    norms = [] if module is None else batch_norms(module)
    tracked = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.train()
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracks in zip(norms, tracked, strict=True):
            norm.track_running_stats = tracks
