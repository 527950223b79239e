"""Models of transformers and sentence-transformers with random weights, for the tests of parity.

Both are imported when a model is made.
"""

import string
from pathlib import Path
from typing import Any

LETTERS = [*string.ascii_letters, *string.digits, *".,:?!"]
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in LETTERS)]


def write_encoder(path: Path, do_lower_case: bool = False, **options: Any) -> Path:
    """An encoder with random weights and its tokenizer, as transformers writes them."""
    import torch
    import transformers

    torch.manual_seed(0)
    settings = {"model_max_length": options.pop("model_max_length", 1_000_000)}
    config = transformers.BertConfig(
        vocab_size=len(VOCAB),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=96,
        initializer_range=0.3,
        **options,
    )
    name = "BertForSequenceClassification" if "num_labels" in options else "BertModel"
    getattr(transformers, name)(config).save_pretrained(path)
    ids = {piece: number for number, piece in enumerate(VOCAB)}
    tokenizer = transformers.BertTokenizer(vocab=ids, do_lower_case=do_lower_case, **settings)
    tokenizer.save_pretrained(path)
    return path


def sentence_model(tmp_path: Path, pooling: dict[str, Any], **options: Any) -> Any:
    """A model of sentence-transformers on such an encoder, with normalized vectors."""
    import sentence_transformers

    modules = sentence_transformers.sentence_transformer.modules
    base = sentence_transformers.base.modules
    encoder = base.Transformer(str(write_encoder(tmp_path / "encoder", **options)))
    return sentence_transformers.SentenceTransformer(
        modules=[encoder, modules.Pooling(32, **pooling), base.Normalize()], device="cpu"
    )
