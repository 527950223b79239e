"""What the files of others call the weights of the table, by rule."""

import re
from collections.abc import Callable, Collection, Iterable

from bert_keras.errors import InputError
from bert_keras.saving.names import ENCODER


def by_table_name(file: str, homes: Iterable[str], rename: Callable[[str], str]) -> dict[str, str]:
    """A file's names by the table's.

    Args:
        file: What messages call the file.
        homes: The names in the file.
        rename: Gives the table's name of one.

    Raises:
        InputError: When two of them are the same weight.
    """
    there: dict[str, str] = {}
    for home in homes:
        name = rename(home)
        if name in there:
            raise InputError(
                f"{file} holds one weight twice: {there[name]} and {home} are the same of a BERT; "
                "save one model a file"
            )
        there[name] = home
    return there


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


_OLD = ((r"LayerNorm\.gamma$", "LayerNorm.weight"), (r"LayerNorm\.beta$", "LayerNorm.bias"))
_DISTILBERT = (
    (r"^(distilbert\.)?embeddings\.", f"{ENCODER}embeddings."),
    (r"^(distilbert\.)?transformer\.layer\.", f"{ENCODER}encoder.layer."),
    (r"\.attention\.q_lin\.", ".attention.self.query."),
    (r"\.attention\.k_lin\.", ".attention.self.key."),
    (r"\.attention\.v_lin\.", ".attention.self.value."),
    (r"\.attention\.out_lin\.", ".attention.output.dense."),
    (r"\.sa_layer_norm\.", ".attention.output.LayerNorm."),
    (r"\.ffn\.lin1\.", ".intermediate.dense."),
    (r"\.ffn\.lin2\.", ".output.dense."),
    (r"\.output_layer_norm\.", ".output.LayerNorm."),
    (r"^vocab_transform\.", "cls.predictions.transform.dense."),
    (r"^vocab_layer_norm\.", "cls.predictions.transform.LayerNorm."),
    (r"^vocab_projector\.weight$", "cls.predictions.decoder.weight"),
    (r"^vocab_projector\.bias$", "cls.predictions.bias"),
)
_BARE = re.compile(r"^(embeddings|encoder|pooler)\.")


def current_name(name: str, model_type: str = "bert") -> str:
    """The table's name of a weight in a Hugging Face file.

    The oldest files say gamma and beta, bare encoders leave the prefix out, and DistilBERT
    (``model_type="distilbert"``) has names of its own.
    """
    name = _renamed(name, _OLD)
    if model_type == "distilbert":
        return _renamed(name, _DISTILBERT)
    return _BARE.sub(lambda match: ENCODER + match.group(), name)


_GOOGLE = (
    (r"^classifier\.weight$", "output_weights"),
    (r"^classifier\.bias$", "output_bias"),
    (r"^qa_outputs\.", "cls.squad."),
    (r"^(cls\.(squad|seq_relationship))\.weight$", r"\1.output_weights"),
    (r"^(cls\.(squad|seq_relationship|predictions))\.bias$", r"\1.output_bias"),
    (r"_embeddings\.weight$", "_embeddings"),
    (r"\.LayerNorm\.weight$", ".LayerNorm.gamma"),
    (r"\.LayerNorm\.bias$", ".LayerNorm.beta"),
    (r"\.weight$", ".kernel"),
    (r"\.layer\.(\d+)\.", r".layer_\1."),
    (r"\.", "/"),
)


def google_name(name: str) -> str:
    """What Google's TF1 code calls the weight that the table calls ``name``."""
    return _renamed(name, _GOOGLE)


def is_google_kernel(name: str) -> bool:
    """Whether the matrix lies [in, out] in Google's file; the heads' are [out, in] there too."""
    return google_name(name).endswith("/kernel")


_KERAS_HUB = {
    f"{ENCODER}embeddings.word_embeddings": "layers/reversible_embedding",
    f"{ENCODER}embeddings.position_embeddings": "layers/position_embedding",
    f"{ENCODER}embeddings.token_type_embeddings": "layers/embedding",
    f"{ENCODER}embeddings.LayerNorm": "layers/layer_normalization",
    f"{ENCODER}pooler.dense": "layers/dense",
    "cls.predictions.transform.dense": "layers/masked_lm_head/_intermediate_dense",
    "cls.predictions.transform.LayerNorm": "layers/masked_lm_head/_intermediate_layer_norm",
}
_KERAS_HUB_LAYER = {
    "attention.self.query": "_self_attention_layer/query_dense",
    "attention.self.key": "_self_attention_layer/key_dense",
    "attention.self.value": "_self_attention_layer/value_dense",
    "attention.output.dense": "_self_attention_layer/output_dense",
    "attention.output.LayerNorm": "_self_attention_layer_norm",
    "intermediate.dense": "_feedforward_intermediate_dense",
    "output.dense": "_feedforward_output_dense",
    "output.LayerNorm": "_feedforward_layer_norm",
}


def keras_hub_name(name: str) -> str:
    """What a preset of keras-hub calls the weight that the table calls ``name``."""
    if name == "cls.predictions.bias":
        return "layers/masked_lm_head/vars/0"
    part, _, kind = name.rpartition(".")
    number = 0 if kind == "weight" else 1
    if part.startswith(f"{ENCODER}encoder.layer."):
        index, _, rest = part.removeprefix(f"{ENCODER}encoder.layer.").partition(".")
        layer = "transformer_encoder" + (f"_{index}" if index != "0" else "")
        return f"layers/{layer}/{_KERAS_HUB_LAYER.get(rest, rest)}/vars/{number}"
    return f"{_KERAS_HUB[part]}/vars/{number}" if part in _KERAS_HUB else name


# Where the garden's encoder keeps its own pooler, which its pre-training does not train.
GARDEN_SPARE_POOLER = "encoder.pooler."
_GARDEN_LAYER = re.compile(r"layer_with_weights-(\d+)/")
_GARDEN_EMBEDDINGS = (
    "_embedding_layer",
    "_position_embedding_layer",
    "_type_embedding_layer",
    "_embedding_norm_layer",
)
_GARDEN = (
    (r"/\.ATTRIBUTES/VARIABLE_VALUE$", ""),
    # The encoder: alone, as a part of the pre-trainer, or as an item of its own beside it.
    (r"^(model/)?(encoder(_network)?/)?(?=_[a-z])", "encoder/"),
    (r"^encoder/_embedding_layer/embeddings$", f"{ENCODER}embeddings.word_embeddings.weight"),
    (r"^(model/)?masked_lm/embedding_table$", f"{ENCODER}embeddings.word_embeddings.weight"),
    (
        r"^encoder/_position_embedding_layer/embeddings$",
        f"{ENCODER}embeddings.position_embeddings.weight",
    ),
    (
        r"^encoder/_type_embedding_layer/embeddings$",
        f"{ENCODER}embeddings.token_type_embeddings.weight",
    ),
    (r"^encoder/_embedding_norm_layer/", f"{ENCODER}embeddings.LayerNorm."),
    (r"^encoder/_transformer_layers/(\d+)/", rf"{ENCODER}encoder.layer.\1."),
    (r"\._attention_layer/_(query|key|value)_dense/", r".attention.self.\1."),
    (r"\._attention_layer/_output_dense/", ".attention.output.dense."),
    (r"\._attention_layer_norm/", ".attention.output.LayerNorm."),
    (r"\._intermediate_dense/", ".intermediate.dense."),
    (r"\._output_dense/", ".output.dense."),
    (r"\._output_layer_norm/", ".output.LayerNorm."),
    (r"^encoder/_pooler_layer/", GARDEN_SPARE_POOLER + "dense."),
    (
        r"^(next_sentence\.\.pooler_dense|(model/)?classification_heads/0/dense)/",
        f"{ENCODER}pooler.dense.",
    ),
    (r"^(model/)?classification_heads/0/out_proj/", "cls.seq_relationship."),
    (r"^(model/)?masked_lm/dense/", "cls.predictions.transform.dense."),
    (r"^(model/)?masked_lm/layer_norm/", "cls.predictions.transform.LayerNorm."),
    (r"^(model/)?masked_lm/output_bias\.Sbias$", "cls.predictions.bias"),
    (r"\.(kernel|gamma)$", ".weight"),
    (r"\.beta$", ".bias"),
)


def garden_layers(names: Collection[str]) -> int:
    """How many Transformer layers a checkpoint of TF Model Garden has."""
    return sum("/_intermediate_dense/kernel/" in name for name in names)


def name_of_garden(name: str, layers: int) -> str:
    """The table's name of a variable in a checkpoint of TF Model Garden.

    Its first encoder, a functional model, counts what has weights: the four of the embeddings,
    the layers, the pooler. Its second says what they are.

    Args:
        name: The way to the variable, as in the file.
        layers: How many Transformer layers the file has.
    """

    def named(match: re.Match[str]) -> str:
        number = int(match[1])
        if number < len(_GARDEN_EMBEDDINGS):
            return f"{_GARDEN_EMBEDDINGS[number]}/"
        number -= len(_GARDEN_EMBEDDINGS)
        return f"_transformer_layers/{number}/" if number < layers else "_pooler_layer/"

    return _renamed(_GARDEN_LAYER.sub(named, name), _GARDEN)


_KERAS = (
    (r"^embeddings/word_embeddings$", "embeddings/vars/0"),
    (r"^embeddings/position_embeddings$", "embeddings/vars/1"),
    (r"^embeddings/token_type_embeddings$", "embeddings/vars/2"),
    (r"/output_bias$", "/vars/0"),
    (r"/(kernel|gamma)$", "/vars/0"),
    (r"/(bias|beta)$", "/vars/1"),
    (r"/output/", "/output_dense/"),
    (r"(/|_)layer_norm/", r"\1norm/"),
    (r"^layer_0/", "layers/transformer_layer/"),
    (r"^layer_(\d+)/", r"layers/transformer_layer_\1/"),
    # Keras goes through the attributes by name; what comes after "layers" is found there, by its
    # class: a span head is a Classifier.
    (r"^span_head/", "layers/classifier/"),
    (r"^(pooler|masked_lm_head|next_sentence_head)/", r"layers/\1/"),
)
_IN_ENCODER = re.compile(r"embeddings/|layer_\d|pooler/")


def keras_name(ours: str, has_encoder: bool) -> str:
    """What a ``.keras`` file calls our variable: the way to it through the layers' attributes.

    Args:
        ours: The variable's path.
        has_encoder: Whether the encoder is a part of the model, and not the model itself.
    """
    prefix = "encoder/" if has_encoder and _IN_ENCODER.match(ours) else ""
    return prefix + _renamed(ours, _KERAS)
