"""Runs `bbflow` on the device of other_device.cpp: `python other_device.py BUILD_FOLDER fit --config ...`.

A recipe names it by `--trainer.accelerator=other --trainer.strategy=other`.
"""

import contextlib
import sys
import types
from pathlib import Path

import torch
from lightning.pytorch import Callback
from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
from lightning.pytorch.strategies import SingleDeviceStrategy, StrategyRegistry

NAME = "other"
DEVICE = f"{NAME}:0"


def register(folder):
    """Compiles the device into a folder, unless it is there, and makes it known to torch and Lightning."""
    from torch.utils.cpp_extension import load

    load("other_device", [str(Path(__file__).with_name("other_device.cpp"))], build_directory=str(folder), extra_cflags=["-O0"])
    torch.utils.rename_privateuse1_backend(NAME)
    module = types.ModuleType(f"torch.{NAME}")
    module.is_available, module._is_in_bad_fork = lambda: True, lambda: False
    module.device_count, module.current_device = lambda: 1, lambda: 0
    module.manual_seed = module.manual_seed_all = module.synchronize = lambda *_: None
    module.get_rng_state, module.set_rng_state = lambda *_: torch.get_rng_state(), lambda *_: None
    module.get_amp_supported_dtype = lambda: [torch.bfloat16]
    module.device = lambda _: contextlib.nullcontext()
    torch._register_device_module(NAME, module)
    torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
    AcceleratorRegistry.register(NAME, Other)
    StrategyRegistry.register(NAME, SingleDeviceStrategy, device=torch.device(DEVICE))


class Other(Accelerator):
    """The device, as Lightning asks for it."""

    def setup_device(self, device):
        pass

    def teardown(self):
        pass

    def get_device_stats(self, device):
        return {}

    @staticmethod
    def parse_devices(devices):
        return [torch.device(DEVICE)]

    @staticmethod
    def get_parallel_devices(devices):
        return [torch.device(DEVICE)]

    @staticmethod
    def auto_device_count():
        return 1

    @staticmethod
    def is_available():
        return True

    @staticmethod
    def name():
        return NAME


class Watch(Callback):
    """Fails where a step is made elsewhere."""

    def on_train_batch_end(self, trainer, module, *_):
        places = {parameter.device for parameter in module.parameters()}
        assert places == {torch.device(DEVICE)}, places


if __name__ == "__main__":
    sys.modules["other_device"] = sys.modules["__main__"]
    register(sys.argv[1])
    from bbflow.cli.main import main

    sys.exit(main(sys.argv[2:]))
