"""The executed notebook as one self-contained HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.markup import safe

if TYPE_CHECKING:
    from nbformat import NotebookNode

CSS = """
:root { --ink: #1b1f24; --quiet: #667080; --line: #dfe3e8; --soft: #f5f6f8; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", "Noto Sans", sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 20px 28px 60px; }
h1 { font-size: 25px; line-height: 1.25; margin: 6px 0 10px; }
h3 { font-size: 16.5px; margin: 30px 0 2px; padding-top: 10px; border-top: 1px dashed var(--line); break-before: page; }
h2 { font-size: 19px; margin: 38px 0 4px; padding-top: 12px; border-top: 1px solid var(--line); }
p, li { margin: 6px 0; max-width: 130ch; }
a { color: #0b5a9e; text-decoration-thickness: 1px; text-underline-offset: 2px; }
p.answer { font-size: 17px; max-width: none; }
p.question { margin: 0 0 10px; color: #3d4652; max-width: none; }
.strip { display: flex; gap: 36px; align-items: flex-start; margin: 0 0 12px; }
.strip > .levels { flex: 0 0 430px; }
dl.take-home { flex: 1 1 0; display: grid; grid-template-columns: max-content 1fr; gap: 5px 14px; margin: 0; line-height: 1.4; }
dl.take-home dt { font-weight: 700; } dl.take-home dd { margin: 0; overflow-wrap: anywhere; }
dl.take-home dd b { white-space: nowrap; }
dl.take-home dt:first-of-type, dl.take-home dd:first-of-type { font-size: 17px; font-weight: 650; }
.levels small { color: var(--quiet); font-size: 12px; }
table.levels { width: 100%; } table.nf.levels td { padding: 2px 10px; } table.nf.levels td:first-child,
table.nf.levels th:first-child { padding-left: 0; }
table.nf.words { width: 100%; font-size: 13px; line-height: 1.3; }
table.nf.words td, table.nf.words th { padding: 1px 8px; vertical-align: middle; border-bottom: 0; }
table.nf.words th { border-bottom: 1.5px solid #b9c0c9; white-space: nowrap; }
table.nf.words td.word { padding: 3px 8px 3px 0; vertical-align: top; }
table.nf.words tr.starts td { border-top: 1px solid var(--line); }
table.nf.words td.name, table.nf.words td.ratio { white-space: nowrap; } table.nf.words td.folded { padding: 4px 8px; }
table.nf.words .plot { width: 150px; padding: 0; } table.nf.words svg { display: block; }
svg.axis text { font-size: 10px; fill: #667080; font-weight: 400; }
td.plot.near { --half: var(--near); } td.plot.far { --half: var(--far); }
td.plot { background: linear-gradient(#444, #444) center / 1px 100% no-repeat, linear-gradient(90deg, transparent
  calc(50% - var(--half)), #e7eaed calc(50% - var(--half)) calc(50% + var(--half)), transparent calc(50% + var(--half))); }
.glance-note { font-size: 13px; }
table.nf.words td.more { width: 36%; color: #4a5360; font-size: 12px; }
.quiet, p.quiet { color: var(--quiet); }
.anchor-link, .prompt, .jp-InputPrompt, .jp-OutputPrompt { display: none; }
img { max-width: 100%; height: auto; display: block; margin: 2px 0 18px; }
.scroll { overflow-x: auto; margin: 8px 0 4px; }
table.nf { border-collapse: collapse; font-size: 13.5px; line-height: 1.35; font-variant-numeric: tabular-nums; }
table.nf th { text-align: left; font-weight: 600; color: var(--quiet); padding: 4px 10px; vertical-align: bottom;
  border-bottom: 1.5px solid #b9c0c9; }
table.nf td { padding: 4px 10px; border-bottom: 1px solid #eceff2; vertical-align: top; }
table.nf tr.starts td { border-top: 1px solid #c9cfd6; }
table.nf td.number, table.nf th.number { text-align: right; white-space: nowrap; }
table.nf th.number { white-space: normal; max-width: 150px; }
table.nf td.group { min-width: 165px; max-width: 200px; background: var(--soft); }
table.nf small { color: var(--quiet); font-size: 12px; }
.sure { font-weight: 650; } .unsure { color: #4a5360; }
.chip { display: inline-block; padding: 1px 9px; border-radius: 9px; font-size: 12.5px; font-weight: 600; white-space: nowrap;
  background: #e8ebef; color: #3d4652; }
.chip.adopt, .chip.confirmed, .chip.better { background: #d5f0e6; color: #00543d; }
.chip.harmful, .chip.worse, .chip.refuted-worse, .chip.refuted-smaller-than-promised,
.chip.void { background: #fbe0cf; color: #8a3b00; }
.chip.trade { background: #fdeeca; color: #6b4a00; }
.chip.open, .chip.inconclusive, .chip.inconclusive-improves { background: #d9eaf6; color: #00466e; }
.chip.early { background: none; border: 1px dashed #8a929c; }
p.early { background: #fff4d6; border-left: 4px solid #c98a00; padding: 7px 12px; max-width: none; }
.poor { color: #a33c00; }
.take { display: flex; gap: 14px; flex-wrap: wrap; } .take pre { flex: 1 1 400px; }
.input, .jp-Cell-inputWrapper { display: none; }
body.code .input, body.code .jp-CodeCell .jp-Cell-inputWrapper { display: block; }
.text_cell .jp-Cell-inputWrapper, .jp-MarkdownCell .jp-Cell-inputWrapper { display: block; }
pre { background: var(--soft); padding: 8px 12px; overflow-x: auto; font-size: 12.5px; margin: 6px 0; }
button { position: absolute; top: 14px; right: 20px; font: inherit; font-size: 13px; color: var(--quiet); background: none;
  border: 1px solid var(--line); border-radius: 6px; padding: 3px 10px; cursor: pointer; }
@media (max-width: 760px) {
  main { padding: 8px 14px 40px; } h1 { font-size: 21px; overflow-wrap: anywhere; }
  button { position: static; margin: 10px 14px 0; }
  .strip { flex-direction: column; gap: 14px; } .strip > .levels { flex: none; width: 100%; }
  dl.take-home { grid-template-columns: 1fr; gap: 0; width: 100%; } dl.take-home dd { margin-bottom: 7px; }
  table.nf.words .plot, table.nf.words .more { display: none; } table.nf.words td, table.nf.words th { padding: 3px 5px; }
  table.nf.words td.name, table.nf.words td.ratio { white-space: normal; }
  td.ratio small { display: block; white-space: nowrap; }
  table.nf:not(.words, .levels) { min-width: 860px; } table.nf td.group { min-width: 110px; max-width: 130px; }
  p, li, td { overflow-wrap: break-word; } div:has(> img) { overflow-x: auto; } img { max-width: none; width: 820px; }
}
@media print { button { display: none; } h2 { break-after: avoid; } }
"""


def to_html(notebook: NotebookNode, title: str) -> str:
    """The page: code is hidden until a button is pressed, figures are embedded, and no other address is contacted."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic")
    exporter.require_js_url = exporter.mathjax_url = exporter.mermaid_js_url = exporter.mermaid_layout_elk_js_url = ""
    body, _ = exporter.from_notebook_node(notebook)
    toggle = "<button onclick=\"document.body.classList.toggle('code')\">show code</button>"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{safe(title)}</title>'
    top = f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{CSS}</style></head>'
    return f"{top}\n<body>{toggle}<main>\n{body.strip()}\n</main></body></html>\n"
