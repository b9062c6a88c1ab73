"""The data that Hypothesis draws."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

# Ties and duplicates are common, and every sum is exact.
EXACT = st.integers(-4, 4).map(float)
# Rounding, offsets that swallow digits, numbers whose squares underflow.
SCALES = st.sampled_from([1e-160, 1e-30, 1e-3, 0.1, 1.0, 3.0, 1e9])
OFFSETS = st.sampled_from([0.0, 0.0, 1.0, -0.3, 1e6, -1e12])
ROWS = st.integers(1, 30)
FEATURES = st.integers(1, 5)
PARTS = st.one_of(st.floats(-1, 1), st.sampled_from([0.0, 1e-20, -1e-20, 5e-324, 1.0, -1.0]))


@st.composite
def exact_tables(draw, *, rows=ROWS, features=FEATURES, elements=EXACT):
    """Rows of small whole numbers."""
    return draw(arrays(np.float64, (draw(rows), draw(features)), elements=elements))


@st.composite
def awkward_tables(draw, *, rows=ROWS, features=FEATURES):
    """Rows whose columns differ in scale and offset, some of them constant."""
    n = draw(rows)
    columns = []
    for _ in range(draw(features)):
        column = draw(st.one_of(arrays(np.float64, n, elements=PARTS), PARTS.map(lambda part: np.full(n, part))))
        columns.append(draw(OFFSETS) + draw(SCALES) * column)
    return np.stack(columns, axis=1)


def tables(**shape):
    return st.one_of(exact_tables(**shape), awkward_tables(**shape))


def weights(n):
    """Positive weights whose sums are exact, or none."""
    quarters = arrays(np.float64, n, elements=st.integers(1, 12).map(lambda w: w / 4))
    return st.one_of(st.just(np.empty(0)), quarters)


@st.composite
def weighted_tables(draw, **shape):
    X = draw(tables(**shape))
    return X, draw(weights(len(X)))


@st.composite
def centers_among(draw, X, most=5):
    """Between one and `most` of the rows, each at most once."""
    chosen = draw(st.lists(st.integers(0, len(X) - 1), min_size=1, max_size=min(most, len(X)), unique=True))
    return X[chosen]
