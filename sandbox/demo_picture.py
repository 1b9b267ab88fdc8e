"""Draw the demo's story as an SVG picture of a terminal, for the README.

python -m sandbox.demo_picture build/demo.json docs/demo.svg
"""

import inspect
import json
import re
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

_WIDTH = 110
# The picture loads nothing from anywhere: a reader without the font sees another monospaced one.
_FONTS = re.compile(r"@font-face \{\{.*?\}\}\n", re.DOTALL)


def drawn(report: dict[str, Any]) -> str:
    """Return the SVG of a demo's report (`build/demo.json`)."""
    console = Console(record=True, width=_WIDTH, file=StringIO(), highlight=False)
    console.print(Text("$ make demo", style="bold"))
    for step in report["steps"]:
        console.print(f"[green]✓[/] {step['step']} [dim]{step['seconds']:.1f} s[/]")
        console.print(Text(f"    {step['detail']}", style="dim"), no_wrap=True, overflow="ellipsis")
    console.print(Text(str(report["outcome"]), style="bold"))
    picture: str = inspect.signature(console.export_svg).parameters["code_format"].default
    return console.export_svg(title="Quoteway", code_format=_FONTS.sub("", picture), unique_id="demo")


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(drawn(json.loads(Path(sys.argv[1]).read_text())))
