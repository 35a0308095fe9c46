"""K copies of a custom network, run one after another; the loss of their predictions is computed together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from runner.networks.custom import NetworkClass

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class CustomStack:
    """K modules with the same initial weights. `parameters` [K, D] holds what is trained, a row a module; the modules'
    parameters are views of it.

    Each module has buffers of its own, such as BatchNorm's running statistics, and its configuration's momentum in every
    BatchNorm, whatever the class sets. Random numbers (dropout) are the same for all modules, however many there are.

    Args:
        network: the class and its arguments.
        seed: of the initial weights.
        momenta: BatchNorm's momentum of each module.
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
        for module, row_of_module, momentum in zip(self.modules, self.parameters.detach(), momenta, strict=True):
            parameters = dict(module.named_parameters())
            for name, piece in self._pieces(row_of_module).items():
                parameters[name].data = piece
            for norm in batch_norms(module):
                norm.momentum = momentum

    def for_evaluations(self, per_network: Tensor) -> Tensor:
        """[K, ..] -> [K, ..]: each module has one evaluation."""
        return per_network

    def __call__(self, images: Tensor, training: bool, update_statistics: bool = True) -> list[Tensor]:
        """Inverse depth (1/m) of images [B, 3, H, W] (values 0..1): [K, B, 1, h, w] for each scale, finest first.

        `training` without `update_statistics`: modules in evaluation, except that BatchNorm uses the batch's statistics.
        """
        each = []
        with torch.random.fork_rng(self._cuda):
            rows = self.parameters.unbind(0)
            for module, row in zip(self.modules, rows, strict=True):
                self._set_random_state()
                module.train(training and update_statistics)
                with using_batch_statistics(module if training and not update_statistics else None):
                    output = torch.func.functional_call(module, self._pieces(row), (images,))
                each.append(self.network.inverse_depths(output))
            self._random = self._random_state()
        return [torch.stack(scale).to(self.parameters.dtype) for scale in zip(*each, strict=True)]

    @torch.no_grad()
    def scale_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each scale in training, finest first; a module may return fewer scales in evaluation."""
        images = torch.zeros(2, 3, height, width, device=self.device, dtype=self.parameters.dtype)
        with torch.random.fork_rng(self._cuda):
            scales = self.network.inverse_depths(deepcopy(self.modules[0]).train()(images))
        return [(scale.shape[-2], scale.shape[-1]) for scale in scales]

    def state(self, evaluation: int) -> dict[str, Tensor]:
        """The module's `state_dict`, copied to the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.modules[evaluation].state_dict().items()}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Set all modules to what `state` returned for one; what is trained stays a view of `parameters`."""
        for module in self.modules:
            module.load_state_dict(dict(state))

    def _pieces(self, row: Tensor) -> dict[str, Tensor]:
        """The parameters in a row [D], by name: views of it."""
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
    """All BatchNorms of a module; 1d, 3d and the synchronised kind have the same attributes."""
    return [part for part in module.modules() if isinstance(part, BATCH_NORMS)]  # type: ignore[misc]


@contextmanager
def using_batch_statistics(module: nn.Module | None) -> Iterator[None]:
    """Within the context, the module's BatchNorms use the batch's statistics and do not change the running ones."""
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
