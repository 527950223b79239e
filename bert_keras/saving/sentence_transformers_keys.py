"""The keys of sentence-transformers' files: which are applied, kept or refused."""

import json
import logging
from pathlib import Path
from typing import Any

from bert_keras.config.model import read_json_object
from bert_keras.errors import InputError

_logger = logging.getLogger("bert_keras")

EMBEDDING, CROSS_ENCODER = "SentenceTransformer", "CrossEncoder"
_PACKAGE = "sentence_transformers."
MODULES = {
    EMBEDDING: (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]),
    CROSS_ENCODER: (["Transformer"],),
}
POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}
_OTHER_POOLINGS = (
    "pooling_mode_mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens",
    "pooling_mode_lasttoken",
)
_DIMENSIONS = ("word_embedding_dimension", "embedding_dimension")
# What the encoder's file may say of what it is; null or absent is the same.
_TASKS = {
    EMBEDDING: ("feature-extraction", "last_hidden_state", "token_embeddings"),
    CROSS_ENCODER: ("sequence-classification", "logits", "scores"),
}
# Keys that change no answer, or whose value is checked or applied: all others are named.
MODEL_KEYS = (
    "__version__",
    "model_type",
    "prompts",
    "default_prompt_name",
    "similarity_fn_name",
    "requirements",
    "activation_fn",
    "keep_in_fp32_modules",
)
ENCODER_KEYS = (
    "max_seq_length",
    "do_lower_case",
    "transformer_task",
    "modality_config",
    "module_output_name",
    "processing_kwargs",
    "unpad_inputs",
    "query_length",
    "document_length",
    "query_expansion",
    "tokenizer_args",
    "processor_kwargs",
    "model_args",
    "model_kwargs",
    "config_args",
    "config_kwargs",
)
# These change what is read of a text, in ways that we do not follow.
_REFUSED_UNLESS_EMPTY = (
    "processing_kwargs",
    "query_length",
    "document_length",
    "query_expansion",
    "tokenizer_args",
    "processor_kwargs",
)


def read_modules(file: Path, kind: str) -> list[dict[str, Any]]:
    """The modules, which must be those that we have, each in its folder."""
    try:
        modules = json.loads(file.read_text(encoding="utf-8"))
        types = [str(module["type"]) for module in modules]
        folders = [module["path"] for module in modules]
        more = sorted({key for module in modules for key in module})
        kwargs = [module["kwargs"] for module in modules if module.get("kwargs")]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{file} is damaged: it must list modules with type and path") from None
    kinds = [name.rsplit(".", 1)[-1] if name.startswith(_PACKAGE) else name for name in types]
    if kinds not in MODULES[kind]:
        wanted = " and perhaps ".join(MODULES[kind][-1]).replace(" and perhaps ", ", ", 1)
        raise InputError(
            f"{file}: the modules of a {kind} must be {wanted}. Received: {', '.join(kinds)}"
        )
    for number, folder in enumerate(folders):
        is_below = isinstance(folder, str) and folder == Path(folder).name
        if folder != "" if number == 0 else not is_below or folder in ("", ".."):
            raise InputError(
                f"{file}: the modules must lie in this folder and one below. Received: {folders!r}"
            )
    unknown = [key for key in more if key not in ("idx", "name", "path", "type", "kwargs")]
    if unknown or kwargs:
        raise InputError(f"{file}: not understood: {', '.join(unknown) or f'kwargs {kwargs[0]!r}'}")
    return list(modules)


def check_encoder(file: Path, kind: str, values: dict[str, Any]) -> None:
    """Refuse an encoder that is asked for other outputs or reads texts in another way."""
    task, output, name = _TASKS[kind]
    needed = {
        "transformer_task": task,
        "modality_config": {"text": {"method": "forward", "method_output_name": output}},
        "module_output_name": name,
    }
    for key, value in needed.items():
        if values.get(key) not in (None, value):
            raise InputError(
                f"{file}: {key} must be {json.dumps(value)}. Received: {json.dumps(values[key])}"
            )
    for key in _REFUSED_UNLESS_EMPTY:
        if values.get(key):
            raise InputError(f"{file}: {key} is not supported. Received: {values[key]!r}")
    for key in ("model_args", "model_kwargs", "config_args", "config_kwargs"):
        if values.get(key):
            _logger.warning("%s: %s is kept, but not followed: %r", file, key, values[key])
    if not isinstance(values.get("do_lower_case", False), bool):
        raise InputError(
            f"{file}: do_lower_case must be true or false. Received: {values['do_lower_case']!r}"
        )


def check_cross_encoder(
    file: Path, config: dict[str, Any], encoder_file: Path, encoder: dict[str, Any]
) -> None:
    """Refuse what changes the text that a cross-encoder reads."""
    prompts = read_prompts(file, config)
    if prompts["prompts"].get(prompts["default_prompt_name"]):
        raise InputError(
            f"{file}: a cross-encoder with a default prompt is not supported. "
            f"Received: {config['default_prompt_name']!r}"
        )
    for key in ("max_seq_length", "do_lower_case"):
        if encoder.get(key):
            raise InputError(
                f"{encoder_file}: {key} of a cross-encoder is not supported; "
                "tokenizer_config.json says it. "
                f"Received: {encoder[key]!r}"
            )


def check_normalize(file: Path) -> None:
    """Refuse a normalisation of anything but the vector."""
    values = read_json_object(file) if file.exists() else {}
    for key, value in values.items():
        if value != "sentence_embedding" or not key.startswith("module_"):
            raise InputError(f'{file}: {key} must be "sentence_embedding". Received: {value!r}')


def read_pooling(file: Path, hidden_size: Any) -> dict[str, Any]:
    """The pooling, and whether the prompt's tokens have a part in it."""
    config = read_json_object(file)
    known = (*POOLINGS, *_OTHER_POOLINGS, *_DIMENSIONS, "pooling_mode", "include_prompt")
    unknown = [key for key in config if key not in known]
    if unknown:
        raise InputError(f"{file}: not understood: {', '.join(unknown)}")
    modes = [key for key in (*POOLINGS, *_OTHER_POOLINGS) if config.get(key) is True]
    names = [POOLINGS.get(mode, mode) for mode in modes] or ["mean"]
    if "pooling_mode" in config:  # as the newest releases write it
        given = config["pooling_mode"]
        names = given if isinstance(given, list) else [given]
    if len(names) != 1 or names[0] not in POOLINGS.values():
        raise InputError(
            f"{file}: the pooling must be one of {', '.join(POOLINGS.values())}. "
            f"Received: {', '.join(map(str, names))}"
        )
    for key in _DIMENSIONS:
        if config.get(key, hidden_size) != hidden_size:
            raise InputError(
                f"{file}: {key} must be the encoder's hidden_size {hidden_size}. "
                f"Received: {config[key]!r}"
            )
    include = config.get("include_prompt", True)
    if not isinstance(include, bool):
        raise InputError(f"{file}: include_prompt must be true or false. Received: {include!r}")
    return {"pooling": names[0], "include_prompt": include}


def read_prompts(file: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The prompts by name, and the name of the one that texts are read after."""
    prompts, default = config.get("prompts") or {}, config.get("default_prompt_name")
    if not isinstance(prompts, dict) or not all(
        isinstance(text, str | None) for text in prompts.values()
    ):
        raise InputError(f"{file}: prompts must give names a text each. Received: {prompts!r}")
    if not isinstance(default, str | None):
        raise InputError(f"{file}: default_prompt_name must be a name. Received: {default!r}")
    return {
        "prompts": {name: text or "" for name, text in prompts.items()},
        "default_prompt_name": default,
    }


def read_length(file: Path, values: dict[str, Any]) -> int | None:
    """The encoder's ``max_seq_length``, where it says one."""
    length = values.get("max_seq_length")
    if length is not None and (type(length) is not int or length < 1):
        raise InputError(f"{file}: max_seq_length must be a whole number. Received: {length!r}")
    return length


def name_unknown(file: Path, values: dict[str, Any], known: tuple[str, ...]) -> None:
    """Warn of keys that are not known."""
    unknown = [key for key in values if key not in known]
    if unknown:
        _logger.warning("%s: kept, but not understood: %s", file, ", ".join(unknown))
