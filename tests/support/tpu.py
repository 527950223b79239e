"""A TPU that is a CPU: it asks of a program what a TPU asks, as far as that can be asked here."""

import re
from typing import Any, NamedTuple

import pytest
import tensorflow as tf

from bert_keras.modeling import BertEncoder

_OneDevice: Any = type(tf.distribute.OneDeviceStrategy("/cpu:0").extended)
# They call Python, print or check on the host.
_OF_THE_HOST = re.compile(r"(Eager)?PyFunc(Stateless)?|Print(V2)?|Assert|CheckNumerics(V2)?")


class Program(NamedTuple):
    """What a replica ran, and the specs of what it was given."""

    function: Any
    arguments: tuple[Any, ...]

    @property
    def shapes(self) -> dict[str, list[int]]:
        """The shapes of the batch, by name."""
        return {name: spec.shape.as_list() for name, spec in self.arguments[0].items()}


class BelievedTPU(tf.distribute.TPUStrategy):
    """A ``TPUStrategy`` of one chip, without the chip.

    What a replica runs goes through TensorFlow's own ``TPUStrategy.run``, and XLA compiles it for
    the CPU. Inputs and outputs without a static shape, and operations that call the host, are
    refused as they are traced; what XLA cannot compile fails as it runs. The rest of a TPU's
    demands can be read off ``lowered``.

    Attributes:
        programs: What replicas have run, one entry for each trace.
    """

    def __init__(self) -> None:
        self.programs: list[Program] = []
        tf.distribute.Strategy.__init__(self, _Extended(self))

    def lowered(self) -> list[str]:
        """The programs, as TensorFlow hands them to XLA."""
        texts = []
        for program in self.programs:
            arguments = tf.nest.map_structure(
                lambda s: tf.zeros(s.shape, s.dtype), program.arguments
            )
            texts.append(program.function.experimental_get_compiler_ir(*arguments)(stage="hlo"))
        return texts


class _Extended(_OneDevice):  # type: ignore[misc]
    num_hosts = 1

    def __init__(self, strategy: BelievedTPU) -> None:
        super().__init__(strategy, "/cpu:0")
        self._programs = strategy.programs

    def tpu_run(self, fn: Any, args: Any, kwargs: Any, options: Any = None) -> Any:
        """In the place of ``TPUExtended``'s, which compiles for a TPU."""
        assert not kwargs, "the library gives none"
        function = tf.function(lambda *args: self.call_for_each_replica(fn, args), jit_compile=True)
        specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, tuple(args))
        traced = function.get_concrete_function(*specs)
        for what, given in (("given", specs), ("returned", traced.structured_outputs)):
            shapes = [value.shape for value in tf.nest.flatten(given)]
            assert all(shape.is_fully_defined() for shape in shapes), f"not static: {what} {given}"
        of_host = sorted(filter(_OF_THE_HOST.fullmatch, operations_of(traced)))
        assert not of_host, f"operations of the host: {of_host}"
        self._programs.append(Program(function, specs))
        return function(*args)


def believed_tpu(monkeypatch: pytest.MonkeyPatch) -> BelievedTPU:
    """The TPU that runs take from here on, and that its models compute on and nowhere else."""
    strategy, encode = BelievedTPU(), BertEncoder.encode

    def on_a_replica(encoder: BertEncoder, *arguments: Any) -> Any:
        if encoder._distribute_strategy is strategy:
            assert tf.distribute.get_replica_context(), "outside of the TPU"
        return encode(encoder, *arguments)

    monkeypatch.setattr(BertEncoder, "encode", on_a_replica)
    monkeypatch.setattr("bert_keras.training.run.make_strategy", lambda settings: strategy)
    return strategy


def operations_of(traced: Any) -> set[str]:
    """The kinds of operations of a concrete function, and of the functions that it calls."""
    graph = traced.graph.as_graph_def()
    inner = [node for function in graph.library.function for node in function.node_def]
    return {node.op for node in (*graph.node, *inner)}


def assert_for_a_tpu(program: str) -> None:
    """Check that an XLA program has static shapes and does not call the host.

    ``[<=8]`` is how a program writes a size that may change.
    """
    assert "ENTRY" in program
    assert "<=" not in program
    assert "custom-call" not in program
    assert not re.search(r"\b(infeed|outfeed|send|recv|set-dimension-size)\(", program)
