"""A submission whose code sends its own messages to the formgrader."""

import time
from pathlib import Path

import pytest

from tests.integration.autograding.formgrader import Formgrader

#: How code in a notebook sends any message: it has the key that signs them.
SEND = """
import json, os
kernel = get_ipython().kernel
session, parent = kernel.session, kernel.get_parent("shell")
def send(kind, content, **more):
    session.send(kernel.iopub_socket, kind, content=content, parent=more.get("parent", parent))
def send_parts(header, parent_header, metadata, content, sign=session.sign):
    parts = [header, parent_header, metadata, content]
    kernel.iopub_socket.send_multipart([b"", b"<IDS|MSG>", sign(parts), *parts])
def packed(value):
    return json.dumps(value, default=str).encode()
head = session.msg_header("display_data")
"""
MESSAGES = {
    "data-that-is-no-text": 'send("display_data", {"data": {"text/plain": 5}, "metadata": {}})',
    "data-that-is-a-list": 'send("display_data", {"data": [1, [2]], "metadata": 7})',
    "nothing": 'send("display_data", {})',
    "stream-that-is-no-text": 'send("stream", {"name": "stdout", "text": {"a": [1]}})',
    "stream-with-a-name": 'send("stream", {"name": "<script>", "text": "x"})',
    "error-without-traceback": 'send("error", {"ename": 1, "evalue": None, "traceback": "x"})',
    "count-that-is-no-number": 'send("execute_input", {"code": "x", "execution_count": "<b>"})',
    "unknown-kind": 'send("format_disk", {"execution_count": [1]})',
    "update-of-nothing": 'send("update_display_data", {"data": 1, "transient": {"display_id": 1}})',
    "update-with-invalid-data": """
ids = {"transient": {"display_id": "d"}}
send("display_data", {"data": {"text/plain": "x"}, "metadata": {}} | ids)
send("update_display_data", {"data": [3], "metadata": 4} | ids)
""",
    "transient-that-is-a-list": 'send("display_data", {"data": {}, "transient": [1]})',
    "idle-too-early": 'send("status", {"execution_state": "idle"}); print("later")',
    "comm-without-data": 'send("comm_open", {"comm_id": "x", "target_name": "jupyter.widget"})',
    "comm-with-odd-state": """
send("comm_open", {"comm_id": [1], "target_name": {}, "data": {"state": [[1, 2]]}})
""",
    "next-input": """
get_ipython().payload_manager.write_payload(
    {"source": "set_next_input", "text": "x" * 1000, "replace": True})
""",
    "wrong-signature": 'send_parts(b"{}", b"{}", b"{}", b"{}", sign=lambda parts: b"0" * 64)',
    "no-header": 'send_parts(b"{}", packed(parent), b"{}", b"{}")',
    "header-that-is-a-list": 'send_parts(b"[]", b"[]", b"[]", b"[]")',
    "no-json": 'send_parts(b"\\xff", b"}", b"", b"\\x00")',
    "deep": """
send_parts(packed(head), packed(parent["header"]), b"{}", b"[" * 200_000 + b"]" * 200_000)
""",
    "one-part": 'kernel.iopub_socket.send_multipart([b"<IDS|MSG>"])',
    "input-request": """
session.send(kernel.stdin_socket, "input_request", {"prompt": "x" * 100_000}, parent=parent)
""",
}
FLOODS = {
    "large": 'send("display_data", {"data": {"text/plain": "x" * 100_000_000}, "metadata": {}})',
    "many-comms": """
for number in range(1_000_000):
    send("comm_open", {"comm_id": str(number), "target_name": "t", "data": {"state": {"a": "x"}}})
""",
    "for-others": """
other = {"header": session.msg_header("execute_request")}
while True:
    send("stream", {"name": "stdout", "text": "x" * 1000}, parent=other)
""",
    "many-parts": """
kernel.iopub_socket.send_multipart([b"", b"<IDS|MSG>"] + [b"x" * 1000] * 1_000_000)
while True: pass
""",
    "forever": "while True: print('x' * 1000)",
    "ten-gigabytes": "import sys\nfor _ in range(10_000): sys.stdout.write('x' * 1_000_000)",
}


#: What a flood exceeds first differs between machines.
REASONS = tuple(
    f"sums.ipynb: {reason}"
    for reason in (
        "It printed or displayed more than 1 MB.",
        "Its messages were too large.",
        "The code used more than 512 MiB of memory.",
    )
)


def check_that_grading_goes_on(running: Formgrader, student: str) -> None:
    """The notebook is valid and has a page, and other scores are unchanged."""
    running.course.notebook(student)
    status, page = running.request("GET", f"formgrader/submissions/{running.notebook_id(student)}/")
    assert status == 200, page
    scores = running.course.scores()
    assert (scores["ana"], scores["mallory"]) == (3, 3)


@pytest.mark.attack("autograde-malformed-messages")
@pytest.mark.parametrize("name", MESSAGES)
def test_a_malformed_message(running: Formgrader, name: str) -> None:
    """The notebook is graded with what is valid, or stopped; the formgrader serves on."""
    running.course.submit("mallet", SEND + MESSAGES[name])
    started = time.monotonic()
    result = running.autograde("mallet")
    assert result["success"], result
    assert time.monotonic() - started < 30
    check_that_grading_goes_on(running, "mallet")


@pytest.mark.attack("autograde-floods-of-output")
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood(running: Formgrader, name: str) -> None:
    """The notebook is stopped, and its page and the dialog say why."""
    before = memory(running)
    running.course.submit("mallet", SEND + FLOODS[name])
    result = running.autograde("mallet")
    assert result["success"], result
    assert result["log"].startswith(REASONS)
    cells = running.course.notebook("mallet").cells
    assert [cell.outputs[-1].ename for cell in cells if cell.cell_type == "code"] == [
        "NotebookStopped"
    ] * 3
    assert running.course.scores()["mallet"] == 0
    assert memory(running) - before < 1024**3
    size = (running.course.autograded("mallet") / "sums.ipynb").stat().st_size
    assert size < 512 * 1024
    running.course.submit("next")
    assert running.autograde("next")["success"]
    assert running.course.scores()["next"] == 3
    check_that_grading_goes_on(running, "mallet")


def memory(running: Formgrader) -> int:
    """The most memory that the formgrader has used so far, in bytes."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
