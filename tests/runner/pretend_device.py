"""A device that is not there. Its tensors have values, which lie in the host's memory, but who takes one for the host's, or
mixes the two, is refused as a GPU would refuse: so a whole study can be trained on it, evaluations, records and all. What a GPU
is for, time and memory, it cannot show.

A process that imports this has the device until it ends.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("pretend")
torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=DEVICE) goes through the host, and is seen
DEVICE, HOST = torch.device("pretend:0"), torch.device("cpu")
COPIES = (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)  # from one side to the other
ASKS = torch.ops.aten._local_scalar_dense.default


class There(Tensor):
    """A tensor on the device; `here` has its values."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        made: There = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, here.size(), strides=here.stride(), storage_offset=here.storage_offset(), dtype=here.dtype, device=DEVICE
        )
        return made

    def __init__(self, here: Tensor) -> None:
        self.here = here

    def tolist(self) -> Any:  # which PyTorch refuses to subclasses
        return self.here.tolist()

    def __deepcopy__(self, known: dict[int, Any]) -> Tensor:  # a module's
        copied = There(self.here.clone())
        return nn.Parameter(copied, self.requires_grad) if isinstance(self, nn.Parameter) else copied

    @classmethod
    def __torch_dispatch__(cls, operator: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        return carried_out(operator, arguments, named or {})


class Pretending(TorchDispatchMode):
    """For the while, what is asked for on the device is made there."""

    def __torch_dispatch__(self, operator: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        return carried_out(operator, arguments, named or {})


def carried_out(operator: Any, arguments: Any, named: dict[str, Any]) -> Any:
    given = [value for value in tree_leaves((arguments, named)) if isinstance(value, Tensor)]
    there = {id(tensor.here): tensor for tensor in given if isinstance(tensor, There)}
    mixed = there and any(not isinstance(tensor, There) and tensor.dim() > 0 for tensor in given)
    if mixed and operator not in COPIES:
        raise RuntimeError(f"{operator}: expected all tensors to be on the same device, but found {DEVICE} and {HOST}")
    wanted = named.get("device")
    stays = bool(there) if wanted is None else torch.device(wanted).type == DEVICE.type
    if wanted is not None:
        named = {**named, "device": HOST}
    arguments, named = tree_map(lambda value: value.here if isinstance(value, There) else value, (arguments, named))
    result = operator(*arguments, **named)
    if not stays or operator is ASKS:
        return result
    return tree_map(lambda v: (there[id(v)] if id(v) in there else There(v)) if isinstance(v, Tensor) else v, result)
