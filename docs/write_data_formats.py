"""Write the formats of docs/data-formats.md from the readers' docstrings: `python docs/write_data_formats.py`."""

from __future__ import annotations

from pathlib import Path

from runner.cli.data_summary import format_page

PAGE = Path(__file__).parent / "data-formats.md"
MARK = "<!-- from here on written by docs/write_data_formats.py -->"

if __name__ == "__main__":
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{before}{MARK}\n\n{format_page()}\n", encoding="utf-8")
