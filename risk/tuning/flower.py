"""Federated averaging over Flower (https://flower.ai), where the shops are on machines of their own. Needs the extra `federated`.

`shop_app` is what runs at a shop, beside its conversations; `common_app` is what runs where the layers meet. Flower carries the
messages (its SuperNodes and its SuperLink, with TLS); what is computed is `risk.tuning.federated`, so the result is the same as in
one process. `simulate` runs both on this machine.

Flower reports its use to its makers unless told otherwise: importing it here says no.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from risk.errors import DataRefused, ExtraMissing
from risk.tuning import federated
from risk.tuning.federated import Plan
from risk.tuning.layer import Floats, Rows

LAYER, PEOPLE, SETTINGS, ROUND = "arrays", "num-examples", "config", "server-round"  # FedAvg's own names
SILENCE: Final = "FLWR_TELEMETRY_ENABLED"

Ours = Callable[[Mapping[str, Any]], tuple[int, Rows]]  # a node's configuration → number of the shop, its rows


def _flower() -> Any:
    os.environ.setdefault(SILENCE, "0")
    try:
        import flwr.app
        import flwr.clientapp
        import flwr.serverapp.strategy
    except ImportError as missing:
        raise ExtraMissing("Flower needs an extra: pip install 'staywell[federated]'") from missing
    return flwr


def shop_app(ours: Ours, plan: Plan, seed: int) -> Any:
    """A Flower ClientApp: answers each round with the layer that this shop comes to, and its number of people. Rows stay here."""
    flower = _flower()
    app = flower.clientapp.ClientApp()

    @app.train()  # type: ignore[untyped-decorator]
    def train(message: Any, context: Any) -> Any:
        shop, rows = ours(context.node_config)
        federated.refuse_few([rows])
        weight = message.content[LAYER].to_numpy_ndarrays()[0]
        turn = int(message.content[SETTINGS][ROUND]) - 1  # Flower counts from 1
        came_to = federated.local(rows, weight, plan, seed=seed, shop=shop, turn=turn)
        answer = {
            LAYER: flower.app.ArrayRecord([came_to]),
            "metrics": flower.app.MetricRecord({PEOPLE: rows.people}),
        }
        return flower.app.Message(content=flower.app.RecordDict(answer), reply_to=message)

    return app


def common_app(shape: tuple[int, int], shops: int, plan: Plan, keep: Callable[[Floats], None]) -> Any:
    """A Flower ServerApp: waits for all `shops`, averages for `plan.rounds`, and gives the layer [columns, 3] to `keep`.

    A round that a shop does not answer is an error: a mean without it would not be the mean that was agreed on.
    """
    flower = _flower()
    app = flower.serverapp.ServerApp()

    @app.main()  # type: ignore[untyped-decorator]
    def main(grid: Any, context: Any) -> None:
        average = flower.serverapp.strategy.FedAvg(
            fraction_train=1.0,
            fraction_evaluate=0.0,
            min_train_nodes=shops,
            min_available_nodes=shops,
            weighted_by_key=PEOPLE,
        )
        start = flower.app.ArrayRecord([np.zeros(shape)])
        found = average.start(grid=grid, initial_arrays=start, num_rounds=plan.rounds)
        if len(found.train_metrics_clientapp) != plan.rounds:
            raise DataRefused("not every shop answered in every round")
        keep(found.arrays.to_numpy_ndarrays()[0])

    return app


def simulate(shops: Sequence[Rows], plan: Plan, seed: int) -> Floats:
    """W of all shops together, each in a process of its own under Flower's engine on this machine.

    Raises `DataRefused` for a shop with too few people, `ExtraMissing` without Flower and its simulation engine (Ray).
    """
    federated.refuse_few(shops)
    _flower()
    from flwr.simulation import run_simulation

    kept: list[Floats] = []

    def ours(node: Mapping[str, Any]) -> tuple[int, Rows]:
        shop = int(node["partition-id"])
        return shop, shops[shop]

    columns, levels = shops[0].inputs.shape[1], shops[0].base.shape[2]
    run_simulation(
        server_app=common_app((columns, levels), len(shops), plan, kept.append),
        client_app=shop_app(ours, plan, seed),
        num_supernodes=len(shops),
    )
    if not kept:
        raise DataRefused("Flower's engine gave no layer; its log says why")
    return np.asarray(kept[0], np.float64)
