"""A model computes in its own arithmetic, whoever else is traced at the same time.

What is read while a graph is traced is no part of a ``tf.function``'s cache key and does not cross
threads. So nothing may decide what a layer computes but what the layer holds for good.
"""

import ast
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import BertForQuestionAnswering
from bert_keras.arithmetic import PLAIN, XNNPACK, FewPasses, OneDNN
from tests.support.models import small_config

CONFIG = small_config(50, hidden_size=16, intermediate_size=24, max_position_embeddings=16)
BATCH = {
    "input_ids": tf.constant([[2, 7, 9, 3], [2, 8, 3, 0]]),
    "attention_mask": tf.constant([[1, 1, 1, 1], [1, 1, 1, 0]]),
    "start_positions": tf.constant([1, 1]),
    "end_positions": tf.constant([2, 1]),
}
FEW, ONEDNN, PHONE = FewPasses(), OneDNN(), XNNPACK(masked_score=-50.0)
# What the graph of each has and of no other here.
MARKS = {FEW: "PartitionedCall", ONEDNN: "FusedBatchNormV3", PHONE: "Split"}
PAIRS = [(PLAIN, FEW), (FEW, ONEDNN), (ONEDNN, PHONE), (PHONE, PLAIN)]
FAST = [(PLAIN, FEW), (ONEDNN, PHONE)]  # each arithmetic once


@pytest.fixture(
    params=[pytest.param(p, marks=[] if p in FAST else pytest.mark.system) for p in PAIRS],
    ids=lambda pair: "-".join(type(a).__name__ for a in pair),
)
def models(request):
    """Two models of the same weights and different arithmetics."""
    first = BertForQuestionAnswering(CONFIG, seed=1, arithmetic=request.param[0])
    return first, first.copy(arithmetic=request.param[1])


def loss_of(model, meet=lambda: None):
    """The function from a batch to the loss and, in training, its gradients.

    Whoever is traced beside is met before, between and after the parts of the model.
    """

    def loss(batch):
        with tf.GradientTape() as tape:
            meet()
            tokens, layout, _ = model.encoder.encode(batch)
            meet()
            logits = layout.to_sequences(model.span_head(tokens))
            outputs = {"start_logits": logits[:, :, 0], "end_logits": logits[:, :, 1]}
            mean = model.objective.measure(batch, outputs)["span_loss"].value()
            meet()
        if isinstance(model.arithmetic, OneDNN):  # which has no gradient
            return [mean]
        return [mean, *tape.gradient(mean, model.encoder.transformer_layers[0].trainable_weights)]

    return tf.function(loss, autograph=False)


def check(model, function):
    """Its graph is of its own arithmetic alone, and gives the plain one's numbers, untraced."""
    graph = function.get_concrete_function(BATCH).graph
    names = {operation.type.removeprefix("Stateful") for operation in graph.get_operations()}
    found = {arithmetic for arithmetic, mark in MARKS.items() if mark in names}
    assert found == {model.arithmetic} - {PLAIN}
    plain = model.copy(arithmetic=PLAIN)
    numbers = loss_of(plain).python_function(BATCH)
    for given, expected in zip(function(BATCH), numbers, strict=False):
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-6)


def test_two_models_traced_in_turn_compute_each_its_own(models):
    functions = [loss_of(model) for model in models]
    for _ in range(2):
        for model, function in zip(models, functions, strict=True):
            check(model, function)


def test_a_model_traced_within_anothers_tracing_computes_its_own(models):
    outer, inner = models
    within = loss_of(inner)
    function = loss_of(outer, meet=lambda: within.get_concrete_function(BATCH))
    check(outer, function)
    check(inner, within)


def test_two_models_traced_step_by_step_in_two_threads_compute_each_its_own(models):
    barrier = threading.Barrier(2, timeout=60)
    functions = [loss_of(model, meet=barrier.wait) for model in models]
    threads = [
        threading.Thread(target=function.get_concrete_function, args=(BATCH,))
        for function in functions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not barrier.broken
    for model, function in zip(models, functions, strict=True):
        check(model, function)


FOLDER = Path(bert_keras.__file__).parent
FILES = sorted(
    path
    for package in ("modeling", "arithmetic", "objectives", "optimizers")
    for path in (FOLDER / package).glob("*.py")
)


# Called when something is made or read in: nothing of it is traced yet, or it is traced anew.
MAKERS = ("__init__", "build", "like", "load_assets", "expect", "freeze", "compile", "add_tokens",
          "fix_positions")  # fmt: skip
# What a model decides by is fitted to its logits afterwards: no traced step of training reads it.
AFTERWARDS = ("decision", "_decision")
# To set an objective takes ``compile`` back, without which nothing that was traced is called.
BEFORE_COMPILE = ("_objective", "compiled")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_that_is_read_in_tracing_is_changed_once_it_is_made(path):
    """No context variable, no thread's or module's own, no attribute set for a call."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    imported = {
        alias.name.split(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    } | {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not imported & {"contextvars", "threading", "ContextVar", "local"}
    assert not [node for node in nodes if isinstance(node, ast.Global | ast.Nonlocal)]
    for function in (node for node in nodes if isinstance(node, ast.FunctionDef)):
        within = [node for node in ast.walk(function) if hasattr(node, "ctx")]
        if function.name in ("call", "compute_loss", "train_step", "test_step", "predict_step"):
            read = {node.attr for node in within if isinstance(node, ast.Attribute)}
            assert not read & set(AFTERWARDS), function.name
        changed = [node for node in within if isinstance(node.ctx, ast.Store | ast.Del)]
        own = {node.id for node in changed if isinstance(node, ast.Name)}
        for node in changed:
            if isinstance(node, ast.Attribute):
                is_made = function.name in MAKERS or node.attr in (*AFTERWARDS, *BEFORE_COMPILE)
                assert is_made, ast.unparse(node)
            if isinstance(node, ast.Subscript):
                root = node.value
                is_own = isinstance(root, ast.Name) and root.id in own
                assert is_own or function.name in MAKERS, ast.unparse(node)
