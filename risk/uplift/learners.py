"""Learners of a treatment's effect: S, T, X and DR, each over a linear and a tree model. Written out, because they are short.

S: one model of the outcome with the treatment as a feature. T: one model an arm. X (Künzel et al., PNAS 2019): effects imputed
across the arms, weighted by the propensity. DR (Kennedy, 2020): a regression on the doubly robust pseudo-outcome, cross-fitted.

Without `propensity` the rows are those of a trial, and the share of treated rows is the propensity. With it, float [n], each row's
known probability of treatment, they are those of a log: S, T and X weigh rows by the inverse (stabilised), DR uses it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Learner(Protocol):
    """Fits an effect on rows of a trial and predicts it for new ones."""

    def fit(self, x: Floats, treated: Bools, y: Floats, propensity: Floats | None = None) -> None:
        """`x` [n, p] without missing values; `y` [n] any number, 0 and 1 for a classifier; `propensity` [n] in (0, 1)."""
        ...

    def effect(self, x: Floats) -> Floats:
        """Predicted change of the outcome when treated, float [n]."""
        ...


class Model(Protocol):
    """A base model: the expected outcome given features."""

    def fit(self, x: Floats, y: Floats, weight: Floats | None = None) -> None:
        """Fits [n, p] → [n]."""
        ...

    def predict(self, x: Floats) -> Floats:
        """Expected outcome, float [n]."""
        ...


class Linear:
    """Logistic regression for a binary outcome, ridge otherwise, on standardised features."""

    def __init__(self, strength: float = 1.0) -> None:
        self._strength = strength
        self._model: Any = None

    def fit(self, x: Floats, y: Floats, weight: Floats | None = None) -> None:
        """Fits; a constant outcome is kept as such."""
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._constant = float(y[0]) if np.ptp(y) == 0 else None
        if self._constant is not None:
            return
        self._binary = _is_binary(y)
        head = (
            LogisticRegression(C=self._strength, max_iter=2000) if self._binary else Ridge(alpha=1.0 / self._strength)
        )
        self._model = make_pipeline(StandardScaler(), head)
        step = self._model.steps[-1][0]
        self._model.fit(x, y, **{} if weight is None else {f"{step}__sample_weight": weight})

    def predict(self, x: Floats) -> Floats:
        """Probabilities or expected values."""
        if self._constant is not None:
            return np.full(len(x), self._constant)
        found = self._model.predict_proba(x)[:, 1] if self._binary else self._model.predict(x)
        return np.asarray(found, np.float64)


class Trees:
    """LightGBM, small and slow, because effects are small beside the noise."""

    def __init__(self, *, rounds: int = 60, leaves: int = 4, rate: float = 0.04, seed: int = 0) -> None:
        self._rounds = rounds
        self._settings = {
            "num_leaves": leaves, "learning_rate": rate, "min_data_in_leaf": 100, "lambda_l2": 10.0, "feature_fraction": 0.8,
            "bagging_fraction": 0.8, "bagging_freq": 1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
            "seed": seed, "verbosity": -1,
        }  # fmt: skip
        self._model: Any = None

    def fit(self, x: Floats, y: Floats, weight: Floats | None = None) -> None:
        """Fits; the objective follows from the outcome."""
        import lightgbm

        objective = "binary" if _is_binary(y) else "regression"
        data = lightgbm.Dataset(x, y, weight=weight, free_raw_data=True)
        self._model = lightgbm.train(self._settings | {"objective": objective}, data, self._rounds)

    def predict(self, x: Floats) -> Floats:
        """Probabilities or expected values."""
        return np.asarray(self._model.predict(x), np.float64)


Base = Callable[[], Model]


class SLearner:
    """One model with the treatment, and for linear models its products with all features, as features."""

    def __init__(self, base: Base, *, products: bool) -> None:
        self._base, self._products = base, products

    def fit(self, x: Floats, treated: Bools, y: Floats, propensity: Floats | None = None) -> None:
        """Fits once on both arms."""
        self._model = self._base()
        self._model.fit(self._with(x, treated.astype(np.float64)), y, weights(treated, propensity))

    def effect(self, x: Floats) -> Floats:
        """Difference of two predictions."""
        ones, zeros = np.ones(len(x)), np.zeros(len(x))
        return self._model.predict(self._with(x, ones)) - self._model.predict(self._with(x, zeros))

    def _with(self, x: Floats, treated: Floats) -> Floats:
        column = treated[:, None]
        return np.hstack([x, column, x * column] if self._products else [x, column])


class TLearner:
    """One model an arm."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def fit(self, x: Floats, treated: Bools, y: Floats, propensity: Floats | None = None) -> None:
        """Fits both arms."""
        weight = weights(treated, propensity)
        self.with_treatment, self.without = self._base(), self._base()
        self.with_treatment.fit(x[treated], y[treated], _of(weight, treated))
        self.without.fit(x[~treated], y[~treated], _of(weight, ~treated))

    def effect(self, x: Floats) -> Floats:
        """Difference of the arms' predictions."""
        return self.with_treatment.predict(x) - self.without.predict(x)


class XLearner:
    """Effects imputed in each arm by the other arm's model, then learned, then weighted by the propensity."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def fit(self, x: Floats, treated: Bools, y: Floats, propensity: Floats | None = None) -> None:
        """Fits four models."""
        weight = weights(treated, propensity)
        arms = TLearner(self._base)
        arms.fit(x, treated, y, propensity)
        self._share = float(treated.mean())
        self._in_treated, self._in_control = self._base(), self._base()
        self._in_treated.fit(x[treated], y[treated] - arms.without.predict(x[treated]), _of(weight, treated))
        self._in_control.fit(x[~treated], arms.with_treatment.predict(x[~treated]) - y[~treated], _of(weight, ~treated))

    def effect(self, x: Floats) -> Floats:
        """e · τ_control + (1 − e) · τ_treated."""
        return self._share * self._in_control.predict(x) + (1.0 - self._share) * self._in_treated.predict(x)


class DRLearner:
    """A regression on the doubly robust pseudo-outcome; nuisance models never see the rows they are used on."""

    def __init__(self, base: Base, *, folds: int = 3, seed: int = 0) -> None:
        self._base, self._folds, self._seed = base, folds, seed

    def fit(self, x: Floats, treated: Bools, y: Floats, propensity: Floats | None = None) -> None:
        """Cross-fits the nuisances, then the effect."""
        chance = np.full(len(x), treated.mean()) if propensity is None else propensity
        fold = np.random.default_rng(self._seed).permutation(len(x)) % self._folds
        pseudo = np.empty(len(x))
        for one in range(self._folds):
            inside = fold == one
            arms = TLearner(self._base)
            arms.fit(x[~inside], treated[~inside], y[~inside], _of(propensity, ~inside))
            with_treatment, without = arms.with_treatment.predict(x[inside]), arms.without.predict(x[inside])
            t, seen, share = treated[inside], y[inside], chance[inside]
            pseudo[inside] = (
                with_treatment
                - without
                + np.where(t, (seen - with_treatment) / share, -(seen - without) / (1.0 - share))
            )
        self._final = self._base()
        self._final.fit(x, pseudo)

    def effect(self, x: Floats) -> Floats:
        """The regression's prediction."""
        return self._final.predict(x)


class Blend:
    """The mean of several learners' effects, each divided by its spread, so that no scale outweighs another."""

    def __init__(self, parts: Mapping[str, Callable[[], Learner]]) -> None:
        self._parts = {name: make() for name, make in parts.items()}

    def fit(self, x: Floats, treated: Bools, y: Floats, propensity: Floats | None = None) -> None:
        """Fits all parts."""
        self._scale: dict[str, tuple[float, float]] = {}
        for name, part in self._parts.items():
            part.fit(x, treated, y, propensity)
            found = part.effect(x)
            self._scale[name] = (float(found.mean()), float(found.std()) or 1.0)

    def effect(self, x: Floats) -> Floats:
        """In units of the outcome again: mean effect plus the mean standardised deviation times the mean spread."""
        scales = np.asarray(list(self._scale.values()))
        deviations = [
            (part.effect(x) - self._scale[name][0]) / self._scale[name][1] for name, part in self._parts.items()
        ]
        return np.asarray(scales[:, 0].mean() + np.mean(deviations, axis=0) * scales[:, 1].mean())


def weights(treated: Bools, propensity: Floats | None) -> Floats | None:
    """Stabilised inverse propensities, mean about 1: share ÷ e for the treated, (1 − share) ÷ (1 − e) for the others."""
    if propensity is None:
        return None
    share = float(treated.mean())
    return np.where(treated, share / propensity, (1.0 - share) / (1.0 - propensity))


def _of(values: Floats | None, rows: Bools) -> Floats | None:
    return None if values is None else values[rows]


def _is_binary(y: Floats) -> bool:
    return bool(np.isin(y, (0.0, 1.0)).all())


def _linear() -> Model:
    return Linear(0.1)


def _stiff() -> Model:
    return Linear(0.003)


def _trees() -> Model:
    return Trees()


def _more_trees() -> Model:
    return Trees(rounds=250, leaves=6, rate=0.03)


SINGLE: Mapping[str, Callable[[], Learner]] = {
    "s_linear": lambda: SLearner(_linear, products=True),
    "s_linear_stiff": lambda: SLearner(_stiff, products=True),
    "s_trees": lambda: SLearner(_more_trees, products=False),
    "t_linear": lambda: TLearner(_linear),
    "t_trees": lambda: TLearner(_trees),
    "x_linear": lambda: XLearner(_linear),
    "x_trees": lambda: XLearner(_trees),
    "dr_linear": lambda: DRLearner(_linear),
    "dr_trees": lambda: DRLearner(_trees),
}
LEARNERS: Mapping[str, Callable[[], Learner]] = {**SINGLE, "blend": lambda: Blend(SINGLE)}
