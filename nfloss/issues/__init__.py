"""One module for each of the document's ten issues. Importing this package fills the registry."""

from nfloss.issues import (  # noqa: F401
    i01_weight_normalisation,
    i02_inflated_variance,
    i03_two_spaces,
    i04_gradients_unwatched,
    i05_discontinuous_boundary,
    i06_batch_normalisation,
    i07_unreadable_curves,
    i08_asymmetric_spaces,
    i09_rigid_threshold,
    i10_multi_scale,
)
