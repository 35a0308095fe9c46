"""The networks that are trained: the built-in small one, K of them stacked, or copies of a network of yours."""

from runner.networks.custom import NetworkClass, NetworkError, resolve_network_file
from runner.networks.custom_check import check_contract
from runner.networks.custom_stack import CustomStack
from runner.networks.model_settings import Model
from runner.networks.protocol import Networks, at_size
from runner.networks.stacked import LARGEST_STRIDE, SCALES, DepthRange, StackedNetworks

__all__ = [
    "LARGEST_STRIDE", "SCALES", "CustomStack", "DepthRange", "Model", "NetworkClass", "NetworkError", "Networks",
    "StackedNetworks", "at_size", "check_contract", "resolve_network_file"
]  # fmt: skip
