"""A small transformer as a sentence-transformers folder, its weights drawn at random: real code, no download."""

from __future__ import annotations

import json
from pathlib import Path

from retrieval import parity


def write_model(kind: str, folder: Path) -> None:
    """A `kind` (bert, xlm-roberta) of two layers, 48 wide, with a prompt and 200 tokens at most, into the empty `folder`."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast, XLMRobertaConfig

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(parity.texts(), trainers.BpeTrainer(vocab_size=900, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(str(folder))
    shape = {
        "vocab_size": 900, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96,
        "max_position_embeddings": 210, "pad_token_id": 1, "initializer_range": 0.3,
    }  # fmt: skip
    torch.manual_seed(4)
    model = AutoModel.from_config(BertConfig(**shape) if kind == "bert" else XLMRobertaConfig(**shape))
    model.save_pretrained(str(folder))
    (folder / "1_Pooling").mkdir()
    kinds = ("Transformer", "Pooling", "Normalize")
    documents = {
        "modules.json": [
            {
                "idx": n,
                "name": str(n),
                "path": f"{n}_{name}" if n else "",
                "type": f"sentence_transformers.models.{name}",
            }
            for n, name in enumerate(kinds)
        ],
        "sentence_bert_config.json": {"max_seq_length": 200, "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": 48, "pooling_mode_mean_tokens": True},
        "config_sentence_transformers.json": {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
