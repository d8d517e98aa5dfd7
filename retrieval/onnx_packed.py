"""A BERT-like model as an ONNX graph for packed rows, run by ONNX Runtime in fp32 on one thread.

The graph is written here, of ONNX Runtime's fused operators, straight from the weights: no tracing, no torch. Embeddings are looked
up outside of it, in the weight file mapped into memory, so that a vocabulary of 250,000 costs no memory but for the words in use.
"""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Vector
from retrieval.errors import EncoderMissing
from retrieval.kept import made_whole
from retrieval.model_folder import PackableModel
from retrieval.rows import Row

FORMAT: Final = 1  # raised whenever the graph is written differently
_FUSED: Final = "com.microsoft"
_TYPES: Final[dict[str, np.dtype[Any]]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
_APART: Final = np.float32(-1e9)  # exp of it is 0


def available() -> bool:
    """Whether graphs can be run here."""
    return util.find_spec("onnxruntime") is not None


def exportable() -> bool:
    """Whether graphs can be written here."""
    return available() and util.find_spec("onnx") is not None


def export(model: PackableModel, target: Path) -> None:
    """Writes the graph and its weights into the folder `target`, whole or not at all. Raises `EncoderMissing`."""
    import onnx

    try:
        with made_whole(target) as scratch:
            onnx.save_model(
                _graph(model, Weights(model.folder)),
                str(scratch / "model.onnx"),
                save_as_external_data=True,
                location="weights.bin",
                size_threshold=1024,
            )
    except (KeyError, ValueError) as fault:
        raise EncoderMissing(f"the weights of {model.folder.name!r} are not those of a BERT: {fault}") from fault


class OnnxForward:
    """The exported graph in `folder` as a function of a packed row."""

    def __init__(self, model: PackableModel, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # every row has a length of its own, and each would leave a plan behind
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except Exception as fault:  # ONNX Runtime's errors share no base but this
            raise EncoderMissing(
                f"the exported graph in {folder} cannot be read; delete it to export it anew"
            ) from fault
        weights = Weights(model.folder)
        self._words = weights.mapped("embeddings.word_embeddings.weight")
        types = weights.mapped("embeddings.token_type_embeddings.weight")
        self._positions = weights.mapped("embeddings.position_embeddings.weight").astype(np.float32) + types[0]

    def __call__(self, row: Row) -> Vector:
        """Hidden states, float32 [tokens, d]."""
        embedded = self._words[row.ids] + self._positions[row.positions]
        apart = np.where(row.owner[:, None] == row.owner[None, :], np.float32(0), _APART)
        feeds = {"embedded": embedded[None].astype(np.float32, copy=False), "apart": apart[None, None]}
        hidden: Vector = self._session.run(None, feeds)[0][0]
        return hidden


class Weights:
    """Tensors of a `model.safetensors`, mapped into memory, by their name without the model's prefix."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "model.safetensors"
        try:
            with self._file.open("rb") as content:
                length = int.from_bytes(content.read(8), "little")
                header: dict[str, Any] = json.loads(content.read(length))
        except (OSError, ValueError) as fault:
            raise EncoderMissing(f"{folder.name!r} has no readable model.safetensors") from fault
        header.pop("__metadata__", None)
        self._start = 8 + length
        prefix = (
            "" if any(name.startswith("embeddings.") for name in header) else next(iter(header)).partition(".")[0] + "."
        )
        self._entries = {name.removeprefix(prefix): entry for name, entry in header.items()}

    def mapped(self, name: str) -> NDArray[Any]:
        """The tensor as it is in the file; only what is read of it takes memory."""
        entry = self._entries[name]
        if entry["dtype"] not in _TYPES:
            raise ValueError(f"{name} is {entry['dtype']}")
        offset = self._start + int(entry["data_offsets"][0])
        mapped: NDArray[Any] = np.memmap(self._file, _TYPES[entry["dtype"]], "r", offset, tuple(entry["shape"]))
        return mapped

    def read(self, name: str) -> NDArray[np.float32]:
        """The tensor in float32."""
        return np.asarray(self.mapped(name), dtype=np.float32)


def _graph(model: PackableModel, weights: Weights) -> Any:
    """Inputs: embedded float32 [1, t, d], the sum of word, position and type; apart float32 [1, 1, t, t], added to attention."""
    from onnx import TensorProto, helper, numpy_helper

    config, dim = model.config, model.dim
    epsilon = float(config["layer_norm_eps"])
    nodes: list[Any] = []
    tensors: list[Any] = []

    def tensor(name: str, values: NDArray[np.float32]) -> str:
        tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def stored(name: str, *, transposed: bool = False) -> str:
        values = weights.read(name)
        return tensor(name, values.T if transposed else values)

    def node(kind: str, inputs: list[str], output: str, domain: str = _FUSED, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def norm(name: str) -> list[str]:
        return [stored(f"{name}.weight"), stored(f"{name}.bias")]

    hidden = node(
        "LayerNormalization", ["embedded", *norm("embeddings.LayerNorm")], "embeddings", domain="", epsilon=epsilon
    )
    for number in range(int(config["num_hidden_layers"])):
        layer = f"encoder.layer.{number}"
        parts = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
        inputs = [
            hidden,
            tensor(f"{layer}.qkv.weight", np.concatenate([weights.read(f"{part}.weight").T for part in parts], axis=1)),
            tensor(f"{layer}.qkv.bias", np.concatenate([weights.read(f"{part}.bias") for part in parts])),
            "",
            "",
            "apart",
        ]
        heads = int(config["num_attention_heads"])
        attended = node("Attention", inputs, f"{layer}.attended", num_heads=heads)
        for dense, before in ((f"{layer}.attention.output", attended), (f"{layer}.output", "")):
            if not before:
                inner = f"{layer}.intermediate.dense"
                wide = node("MatMul", [hidden, stored(f"{inner}.weight", transposed=True)], f"{inner}.out", domain="")
                before = node("BiasGelu", [wide, stored(f"{inner}.bias")], f"{inner}.act")
            product = node(
                "MatMul", [before, stored(f"{dense}.dense.weight", transposed=True)], f"{dense}.out", domain=""
            )
            hidden = node(
                "SkipLayerNormalization",
                [product, hidden, *norm(f"{dense}.LayerNorm"), stored(f"{dense}.dense.bias")],
                f"{dense}.hidden",
                epsilon=epsilon,
            )
    node("Identity", [hidden], "hidden", domain="")
    graph = helper.make_graph(
        nodes,
        "packed",
        [
            helper.make_tensor_value_info("embedded", TensorProto.FLOAT, [1, "t", dim]),
            helper.make_tensor_value_info("apart", TensorProto.FLOAT, [1, 1, "t", "t"]),
        ],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [1, "t", dim])],
        tensors,
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid(_FUSED, 1)]
    return helper.make_model(graph, opset_imports=versions, ir_version=10, producer_name="staywell")
