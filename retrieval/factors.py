"""Implicit-feedback factors and item-item similarity: by the package `implicit` where it is installed, else by scipy alone.

Both do the same: alternating least squares with confidence α·r (Hu, Koren and Volinsky, ICDM 2008), and cosine of the products'
buyers. `implicit` is many times as fast; without it a shop of some thousand customers is learned in seconds all the same, so that
serving needs nothing beside scipy.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
SPREAD: Final = 0.1  # of the factors that the iterations start from


def has_implicit() -> bool:
    """Whether the package is there."""
    try:
        import implicit  # noqa: F401
    except ImportError:
        return False
    return True


def factorise(
    counts: Any, *, factors: int, alpha: float, regularisation: float, iterations: int, seed: int
) -> tuple[Matrix, Matrix]:
    """(customers [n, f], products [m, f]) of a CSR matrix of order counts [n, m]."""
    if not has_implicit():
        return _alternate(counts, factors, alpha, regularisation, iterations, seed)
    from implicit.als import AlternatingLeastSquares
    from implicit.utils import ParameterWarning
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # about a conversion inside implicit itself
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularisation,
            alpha=alpha,
            iterations=iterations,
            num_threads=1,
            random_state=seed,
        )
        model.fit(counts, show_progress=False)
    return np.asarray(model.user_factors, dtype=np.float32), np.asarray(model.item_factors, dtype=np.float32)


def neighbours(counts: Any, k: int) -> Any:
    """CSR [m, m]: cosine of each product with itself and the k − 1 nearest others, by who bought them."""
    from scipy.sparse import csr_matrix

    if not has_implicit():
        return _nearest(counts, k)
    from implicit.nearest_neighbours import CosineRecommender
    from implicit.utils import ParameterWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)
        near = CosineRecommender(K=k, num_threads=1)
        near.fit(counts, show_progress=False)
    return csr_matrix(near.similarity)


def _alternate(
    counts: Any, factors: int, alpha: float, regularisation: float, iterations: int, seed: int
) -> tuple[Matrix, Matrix]:
    random = np.random.default_rng(seed)
    by_customer, by_product = counts.tocsr(), counts.T.tocsr()
    customers = random.normal(0.0, SPREAD, (by_customer.shape[0], factors)).astype(np.float32)
    products = random.normal(0.0, SPREAD, (by_product.shape[0], factors)).astype(np.float32)
    for _ in range(iterations):
        _solve(by_customer, customers, products, alpha, regularisation)
        _solve(by_product, products, customers, alpha, regularisation)
    return customers, products


def _solve(rows: Any, solved: Matrix, fixed: Matrix, alpha: float, regularisation: float) -> None:
    """Each row's least squares: (YᵀY + Yᵀ(C − I)Y + λI)⁻¹ YᵀC·1, written into `solved`."""
    base = fixed.T @ fixed + regularisation * np.eye(fixed.shape[1], dtype=np.float32)
    for number in range(rows.shape[0]):
        start, end = rows.indptr[number : number + 2]
        mine, weights = fixed[rows.indices[start:end]], alpha * rows.data[start:end]
        square = base + (mine * (weights - 1.0)[:, None]).T @ mine
        solved[number] = np.linalg.solve(square, mine.T @ weights)


def _nearest(counts: Any, k: int) -> Any:
    from scipy.sparse import csr_matrix

    by_product = counts.T.tocsr().astype(np.float32)
    lengths = np.sqrt(np.asarray(by_product.multiply(by_product).sum(axis=1)).ravel())
    by_product.data /= np.repeat(np.maximum(lengths, 1e-9), np.diff(by_product.indptr))
    whole = (by_product @ by_product.T).tocsr()
    starts, columns, values = [0], [], []
    for number in range(whole.shape[0]):
        start, end = whole.indptr[number : number + 2]
        best = np.argsort(-whole.data[start:end], kind="stable")[:k]
        columns.append(whole.indices[start:end][best])
        values.append(whole.data[start:end][best])
        starts.append(starts[-1] + len(best))
    return csr_matrix((np.concatenate(values), np.concatenate(columns), np.asarray(starts)), shape=whole.shape)
