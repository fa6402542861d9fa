"""Executes one notebook with nbgrader's executor in a sandbox, as its own process.

Reads one JSON object from standard input: ``{"cells", "folder", "mechanism", "limits", "network",
"landlock"}``, and prints ``{"outputs": [text of each cell], "outcome", "error"}``. A formgrader
executes submissions in the same way.
"""

import json
import os
import sys
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from nbgrader.preprocessors import Execute
from traitlets.config import Config

from services.formgrader_proxy.sandbox import launch
from services.formgrader_proxy.sandbox.provisioner import NAME


def text(cell: Any) -> str:
    """Everything that a cell printed or raised."""
    parts = []
    for output in cell.outputs:
        parts += [output.get("text", ""), *output.get("traceback", [])]
    return "".join(parts)


def main() -> None:
    """Execute the notebook."""
    order = json.load(sys.stdin)
    provisioners: list[Any] = []

    class Manager(AsyncKernelManager):
        async def _async_pre_start_kernel(self, **kwargs: Any) -> Any:
            ready = await super()._async_pre_start_kernel(**kwargs)
            provisioners.append(self.provisioner)
            return ready

    if order.get("landlock"):  # as on an older Linux kernel
        launch.landlock.version = lambda: order["landlock"]  # type: ignore[attr-defined]
    KernelProvisionerFactory.instance().default_provisioner_name = NAME
    config = Config()
    config.SandboxProvisioner.mechanism = order["mechanism"]
    config.SandboxProvisioner.limits = order.get("limits", {})
    config.SandboxProvisioner.network = order.get("network", False)
    cells = [nbformat.v4.new_code_cell(one) for one in order["cells"]]  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    # A descriptor that a careless program would pass on.
    inherited = os.open(order["inherited"], os.O_RDONLY)
    os.set_inheritable(inherited, True)
    error = None
    executor = Execute(
        config=config, kernel_manager_class=Manager, timeout=order.get("timeout", 60)
    )
    try:
        executor.preprocess(notebook, {"metadata": {"path": order["folder"]}})
    except Exception as raised:  # a kernel that was ended
        error = f"{type(raised).__name__}: {raised}"
    outcome = getattr(provisioners[-1], "outcome", None) if provisioners else None
    outputs = [text(cell) for cell in notebook.cells]
    print(json.dumps({"outputs": outputs, "outcome": outcome, "error": error}))


if __name__ == "__main__":
    main()
