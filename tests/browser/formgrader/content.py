"""Everything that an honest notebook contains and a page has to show."""

import base64
import struct
import zlib
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output


def png(width: int, height: int) -> str:
    """A green picture in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    rows = b"".join(b"\x00" + b"\x20\xa0\x40" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    return base64.b64encode(data + chunk(b"IEND", b"")).decode()


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20">'
    '<circle cx="10" cy="10" r="8" fill="green"/></svg>'
)
#: As pandas writes it.
TABLE = """<div>
<style scoped>
    .dataframe tbody tr th:only-of-type { vertical-align: middle; }
</style>
<table border="1" class="dataframe">
  <thead><tr style="text-align: right;"><th></th><th>city</th><th>people</th></tr></thead>
  <tbody><tr><th>0</th><td>Graz</td><td>300000</td></tr></tbody>
</table>
</div>"""
MARKDOWN = r"""## Rich *text*

Inline $\frac{a}{b}$ and \\(c^2\\) and displayed:

$$\int_0^1 x^2\,dx = \frac{1}{3}$$

| left | right |
|------|-------|
| one  | two   |

- a [link](https://example.org/page?a=1&b=2)
- a [heading](#Rich-text)
- a [file](files/plot.svg)

![own file](plot.svg) ![attached](attachment:small.png) <b>bold</b>

```python
for word in "code": pass
```
"""


def enrich(folder: Path, notebook_name: str) -> None:
    """Add rich content to the notebook in ``folder``, which is autograded already."""
    (folder / "plot.svg").write_text(SVG.format(width=41))
    path = folder / f"{notebook_name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    text = new_markdown_cell(MARKDOWN)
    text.attachments = {"small.png": {"image/png": png(42, 10)}}
    code = new_code_cell('print("outputs")', execution_count=7)
    shown: list[tuple[dict[str, object], dict[str, object]]] = [
        ({"text/html": TABLE, "text/plain": "a table"}, {}),
        ({"image/png": png(43, 10), "text/plain": "x"}, {"image/png": {"width": 86, "height": 20}}),
        ({"image/png": png(44, 10), "text/plain": "x"}, {}),
        ({"image/svg+xml": SVG.format(width=45), "text/plain": "x"}, {}),
        ({"text/latex": r"$$e^{i\pi} = -1$$", "text/plain": "x"}, {}),
        ({"text/markdown": "**strong** and $z_1$", "text/plain": "x"}, {}),
    ]
    code.outputs = [
        new_output("stream", name="stdout", text="plain \x1b[31mred\x1b[0m\n"),
        *(new_output("display_data", data, metadata=extra) for data, extra in shown),
        new_output(
            "error",
            ename="ZeroDivisionError",
            evalue="division by zero",
            traceback=["\x1b[0;31mZeroDivisionError\x1b[0m: division by zero"],
        ),
    ]
    notebook.cells += [text, code]
    nbformat.write(notebook, path)
