"""The rules that ship: one file each, or a few small relatives. To add one, copy a file; every module below this folder is loaded.

Nothing outside this folder can become a rule, so that a contract stays data.
"""

from __future__ import annotations

import importlib
import pkgutil

for _module in sorted(module.name for module in pkgutil.walk_packages(__path__, f"{__name__}.")):
    importlib.import_module(_module)
