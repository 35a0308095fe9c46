"""The worked examples of CONTRIBUTING.md do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example(title: str) -> str:
    """The Python of the section with that title."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert section
    return "\n".join(re.findall(r"^```python\n(.*?)^```", section[1], re.MULTILINE | re.DOTALL))


def test_the_fix_keeps_the_contract(tmp_path: Path) -> None:
    from nfloss import load_extension
    from nfloss.testing import broken_promises

    head = "from torch import Tensor\nfrom nfloss import Choice, Fix, add_fix\nfrom nfloss.numbers import Number\n\n"
    (tmp_path / "halfway.py").write_text(head + example("A fix").replace("Fix(", "add_fix(5, Fix(") + ")\n")
    (fix,) = load_extension(str(tmp_path / "halfway.py"))
    assert fix.id == "5-3" and broken_promises(fix) == []


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from synthetic import Planted, write_study

    from analysis import load
    from analysis.plots.style import BLACK, canvas, headline, saved

    known = {"canvas": canvas, "headline": headline, "BLACK": BLACK, "Any": object, "Study": object, "Figure": object}
    namespace = {**known, "dict": dict, "tuple": tuple}
    exec(example("A figure"), namespace)
    study = load(write_study(tmp_path / "study", {"1-1": Planted()}, seeds=3))
    figure, sentence = namespace["far_by_seed"](study, {})
    assert saved(figure, "png")["png"].startswith(b"\x89PNG") and "far RMSE of ln depth lies between" in sentence


def test_the_reader_reads(tmp_path: Path) -> None:
    from handwritten import png

    from runner.data.formats import decode, files

    source = example("A reader")
    doc, body = re.match(r'"""(.*?)"""\n(.*)', source, re.DOTALL).groups()
    namespace = {**vars(decode), **vars(files), "__doc__": doc}
    exec(body, namespace)
    reader = namespace["READER"]
    assert all(reader.says(title) for title in files.READER_TITLES)
    for part, content in (("depth", png([b"\x03\xe8" * 2], 2, 16, 0)), ("left", png([b"\x10\x20\x30" * 2], 2, 8, 2))):
        (tmp_path / "run1" / part).mkdir(parents=True)
        (tmp_path / "run1" / part / "7.png").write_bytes(content)
    (frame,) = reader.find_frames(tmp_path)
    assert frame.scene == "run1" and np.array_equal(reader.metres(frame, 500.0), np.full((1, 2), 2.0, np.float32))


def test_the_backend_is_the_simplest_one() -> None:
    """Line by line what runs groups in this process, but for its annotations and docstring."""
    import ast
    import inspect

    from runner.execution.run_group import run_in_process

    def bare(source: str) -> str:
        (function,) = ast.parse(source).body
        assert isinstance(function, ast.FunctionDef)
        function.body = [
            one for one in function.body if not isinstance(one, ast.Expr) or not isinstance(one.value, ast.Constant)
        ]
        function.returns = None
        for argument in function.args.args:
            argument.annotation = None
        return ast.dump(function)

    assert bare(example("An execution backend")) == bare(inspect.getsource(run_in_process))
