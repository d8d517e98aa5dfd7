"""The BG/NBD model of repeat purchases: its likelihood, its fit, and the purchases it expects.

Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005). While a customer is active, orders come
at a rate λ ~ Gamma(r, α); after each of them the customer drops out with probability p ~ Beta(a, b). A customer is
(x, t_x, T): repeat purchases, the time of the last one, and the time observed, both counted from the first purchase.

A score is made of the *expected purchases*, never of P(alive): that is 1 for everybody who bought once, however long ago.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

from risk.errors import DataRefused

Floats = NDArray[np.float64]

_STARTS = ((1.0, 10.0, 1.0, 1.0), (0.5, 30.0, 0.5, 2.0))
LEAST = 10  # customers


@dataclass(frozen=True, slots=True)
class BgNbd:
    """Parameters. `alpha` is in the unit of time of t_x and T."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, observed: ArrayLike) -> Floats:
        """Log likelihood of each customer, float64 [n] (equation 6 of the paper)."""
        n, last, total = (np.asarray(v, np.float64) for v in (x, t_x, observed))
        times = np.maximum(n, 1)
        bought = gammaln(self.r + n) - gammaln(self.r) + self.r * np.log(self.alpha)
        alive = betaln(self.a, self.b + n) - betaln(self.a, self.b) - (self.r + n) * np.log(self.alpha + total)
        left = betaln(self.a + 1, self.b + times - 1) - betaln(self.a, self.b)
        left = np.where(n > 0, left - (self.r + n) * np.log(self.alpha + last), -np.inf)
        return np.asarray(bought + np.logaddexp(alive, left))

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, observed: ArrayLike) -> Floats:
        """Probability that the customer has not dropped out, float64 [n]. Not a churn score: see the module."""
        n, last, total = (np.asarray(v, np.float64) for v in (x, t_x, observed))
        ratio = ((self.alpha + total) / (self.alpha + last)) ** (self.r + n)
        odds = np.where(n > 0, self.a / (self.b + np.maximum(n, 1) - 1) * ratio, 0.0)
        return np.asarray(1 / (1 + odds))

    def expected(self, ahead: float, x: ArrayLike, t_x: ArrayLike, observed: ArrayLike) -> Floats:
        """Purchases expected in the next `ahead` units of time, float64 [n] (equation 10 of the paper)."""
        n, _, total = (np.asarray(v, np.float64) for v in (x, t_x, observed))
        a, b, r, alpha = self.a, self.b, self.r, self.alpha
        z = ahead / (alpha + total + ahead)
        shrunk = (1 - z) ** (r + n) * hyp2f1(r + n, b + n, a + b + n - 1, z)
        return np.asarray((a + b + n - 1) / (a - 1) * (1 - shrunk) * self.p_alive(x, t_x, observed))


# The published fit to CDNOW's customers (weeks), as days. As a feature it only has to order customers sensibly.
CDNOW = BgNbd(0.243, 4.414 * 7, 0.793, 2.426)


def fit(x: ArrayLike, t_x: ArrayLike, observed: ArrayLike) -> BgNbd:
    """Maximum likelihood, by Nelder-Mead on the logarithms of the parameters. Raises `DataRefused` on too few customers."""
    n, last, total = (np.asarray(v, np.float64) for v in (x, t_x, observed))
    if len(n) < LEAST or not (n > 0).any():
        raise DataRefused(f"BG/NBD needs {LEAST} customers, and one who came back")
    # Any unit of time gives the same model; a mean of 10 keeps the four logarithms at one scale.
    unit = max(float(total.mean()) / 10, 1e-9)

    def loss(logs: Floats) -> float:
        with np.errstate(all="ignore"):
            value = -float(BgNbd(*np.exp(np.clip(logs, -12, 12))).log_likelihood(n, last / unit, total / unit).mean())
        return value if np.isfinite(value) else 1e9

    runs = [
        minimize(loss, np.log(start), method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-5, "fatol": 1e-9})
        for start in _STARTS
    ]
    r, alpha, a, b = (float(v) for v in np.exp(np.clip(min(runs, key=lambda run: run.fun).x, -12, 12)))
    return BgNbd(r, alpha * unit, a, b)
