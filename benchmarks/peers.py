"""The peers in several benchmarks: their models and a step of their training."""

from collections.abc import Mapping
from typing import Any

from bert_keras.config import BertConfig


def keras_hub_backbone(config: BertConfig, precision: str = "float32") -> Any:
    """keras-hub's encoder of our config, with random weights."""
    import keras_hub

    return keras_hub.models.BertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        max_sequence_length=config.max_position_embeddings,
        dtype=precision,
    )


def keras_hub_masked_lm(config: BertConfig, rate: float, precision: str, jit_compile: bool) -> Any:
    """keras-hub's masked LM, compiled with AdamW and clipping."""
    import keras
    import keras_hub

    model = keras_hub.models.BertMaskedLM(keras_hub_backbone(config, precision))
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01, global_clipnorm=1.0),
        jit_compile=jit_compile,
    )
    return model


def torch_device() -> str:
    """The device of torch: a GPU if there is one, as TensorFlow takes it by itself."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def torch_step(
    model: Any, optimizer: Any, inputs: Mapping[str, Any], bfloat16: bool, clip_norm: float = 1.0
) -> None:
    """An update of a model of transformers, under autocast where ``bfloat16`` says so."""
    import torch

    device = model.device
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        loss = model(**{name: tensor.to(device) for name, tensor in inputs.items()}).loss
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
