"""The limits of the near-field threshold, and the length of the run that the document's epochs belong to."""

DOCUMENT_EPOCHS = 50.0
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.3, 3.0  # metres


def clamp_threshold(metres: float) -> float:
    """A threshold within the document's limits.

    >>> clamp_threshold(7.0)
    3.0
    """
    return min(max(float(metres), LOWEST_THRESHOLD), HIGHEST_THRESHOLD)
