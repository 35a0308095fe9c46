"""A study's loss for the training code of others: two YAML blocks, and one Python file with torch as its only import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nfloss import Configuration, load_extension
from nfloss.standalone import standalone
from nfloss.yaml_block import document_block
from runner.cli.terminal import need_trust
from runner.records import write_bytes

FOLDER = "export"
LOSS, BLOCK, DOCUMENT_BLOCK = "near_field_loss.py", "loss.yaml", "loss-document.yaml"


def export_loss(study: Path, fixes: Sequence[str] | None, trust_code: bool) -> tuple[str, list[Path]]:
    """Write the recommended loss, or the one with these fixes, into the study's export/; gives the YAML block and the files.

    Raises:
        ValueError: the study is early and no fixes are named; a fix that is not known, or fixes that clash; own fixes that are
            no longer where they were.
    """
    import analysis
    from analysis.judge import read_verdicts
    from analysis.recommendation import extensions_of, loss_of, with_extensions
    from analysis.regime import is_early, why_early
    from analysis.report import annotated_yaml, evidence

    loaded, judged = analysis.load(study), read_verdicts(study)
    if fixes is None and is_early(judged):
        raise ValueError(
            f"{study}: early, so nothing is recommended: {why_early(judged)}; or name fixes of your own choice: --fixes 5-2"
        )
    found = judged["recommendation"]
    if place := loss_of(loaded, found["fixes"] if fixes is None else fixes):
        raise ValueError(f"{study}: {place} is a loss of its own, in a file already; only the near-field loss is written out")
    if own := extensions_of(loaded, found["fixes"] if fixes is None else fixes):
        need_trust(study, {"extensions": own}, trust_code)
        for extension in own:
            load_extension(extension)
    if fixes is not None:
        configuration = Configuration.of(*fixes)
        found = {"fixes": list(configuration.fixes), "numbers": loaded.meta["experiment"].get("loss") or {}}
    found = with_extensions(loaded, found)
    configuration = Configuration.of(*found["fixes"], **found["numbers"])
    chosen = ["Chosen by hand, not the study's recommendation."] if fixes is not None else []
    said = [*chosen, *evidence(loaded, judged, found["fixes"])]
    block = annotated_yaml(loaded, judged, found)
    texts = {BLOCK: block, DOCUMENT_BLOCK: document_block(found), LOSS: standalone(configuration, said)}
    files = [study / FOLDER / name for name in texts]
    for path, text in zip(files, texts.values(), strict=True):
        write_bytes(path, (text.rstrip() + "\n").encode())
    return block, files
