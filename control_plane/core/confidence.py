"""How sure an engine was of one answer, as one number that the analysis can compare.

For a detector it is the mean score of what it found, 0.0 where it found nothing: a release that
no longer finds anything is less sure, not one without confidences. For an engine with a
CONFIDENCE it is that. What has neither, or numbers that are none, has no confidence.
"""

from __future__ import annotations

import numpy as np

from control_plane.core.answers import Tensors

SCORES, COUNT, CONFIDENCE = "SCORES", "COUNT", "CONFIDENCE"

NEEDED = frozenset({SCORES, COUNT, CONFIDENCE})
"""The outputs that ``mean_confidence`` looks at."""


def mean_confidence(outputs: Tensors) -> float | None:
    """The mean confidence of an answer, in 0..1; None if there is none to be had.

    outputs: with their batch dimension, of as many photos as were asked about: SCORES
        ``(b, n)`` and COUNT ``(b, 1)``, or CONFIDENCE. Total: whatever they are, it does not raise.
    """
    try:
        values = _values(outputs)
        mean = 0.0 if values.size == 0 else float(values.mean())
    except (KeyError, ValueError, TypeError, IndexError):
        return None
    # A score beyond 1 is a drift to be seen, not one to be left out.
    return None if np.isnan(mean) else min(max(mean, 0.0), 1.0)


def _values(outputs: Tensors) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if SCORES in outputs:
        scores = np.asarray(outputs[SCORES], np.float64)
        counts = np.asarray(outputs[COUNT], np.int64).reshape(len(scores), 1)
        is_real = np.arange(scores.shape[1]) < counts
        return scores[is_real]
    return np.asarray(outputs[CONFIDENCE], np.float64).ravel()
