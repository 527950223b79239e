"""The compiler of a TPU on a machine without one: its program, and its prediction.

    .venv-tpu/bin/python benchmarks/tpu_compiler.py step.hlo --chip v5e

compiles a serialized HLO module (``tpu_step.py`` writes one; so does any
``experimental_get_compiler_ir(...)(stage="hlo_serialized")``) and prints JSON. It needs ``jax`` and
``libtpu`` and nothing of ours. ``cycles`` are the compiler's own estimates of each operation, of a
loop's body times its trips. Nothing runs, and nothing is measured but the compiler's own time.
"""

import argparse
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from math import prod
from typing import Any

# The slice that libtpu is told to see, and the name of its topology: four chips of one host.
CHIPS = {
    "v5e": ("v5litepod-4", "v5e:2x2"),
    "v6e": ("v6e-4", "v6e:2x2"),
    "v4": ("v4-8", "v4:2x2x1"),
}
# Without time of its own, or beside the arithmetic: transfers between the chip's memories.
FREE = frozenset({
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "iota", "after-all",
    "partition-id", "replica-id", "copy-start", "copy-done", "slice-start", "slice-done",
    "async-start", "async-update", "async-done", "all-reduce-done", "opt-barrier",
})  # fmt: skip
# Custom calls that only name what is there.
NAMES = ("ConcatBitcast", "AssumeGatherIndicesInBound", "X64Combine", "X64SplitHigh", "X64SplitLow")
LARGE = 4096  # bytes of the result from which an operation without cycles is named
# The kind of an operation: the first whose pattern is found in TensorFlow's name of it, which
# begins with the layers it stands in. A fusion has the name of its last operation.
KINDS = {
    "update": r"^(?:adamw|lamb)/",
    "normalization": r"layer_norm",
    "GELU": r"Gelu",
    "softmax": r"Softmax$",
    "loss and accuracy": r"cross_entropy/|SparseSoftmax|ArgMax|^(?:Equal|Cast_\d+|Sum_\d+)$",
    "dropout": r"(?:SelectV2|GreaterEqual|Bitcast|zeros_like)(?:_\d+)?$",
    "bias": r"BiasAdd|^MatMul",
    "gathers and their gradients": r"Gather|SegmentSum",
    "casts": r"Cast(?:_\d+)?$",
    "transposes": r"transpose(?:_\d+)?$|/(?:unstack|stack)$",
    "reshapes": r"Reshape(?:_\d+)?$",
}
_HEAD = re.compile(r"(ENTRY )?%?(\S+) \(.*\{$")
_LINE = re.compile(r"\s+(?:ROOT )?%?(\S+) = (\(.*?\)|\S+) ([\w-]+)\(")
_CALLED = re.compile(r"(?:calls|to_apply|condition|body)=%?([\w.-]+)")
_BRANCHES = re.compile(
    r"(?:true_computation|false_computation)=%?([\w.-]+)|branch_computations=\{([^}]*)\}"
)


@dataclass(frozen=True)
class Operation:
    """A line of the compiled program.

    Attributes:
        opcode: HLO's name of it.
        shape: As it is printed.
        line: All of it.
    """

    opcode: str
    shape: str
    line: str

    @property
    def cycles(self) -> int | None:
        """The compiler's estimate."""
        found = re.search(r'"estimated_cycles":"(\d+)"', self.line)
        return int(found[1]) if found else None

    @property
    def name(self) -> str:
        """TensorFlow's name of the operation that it was made from; empty where there is none."""
        found = re.search(r'op_name="([^"]*)"', self.line)
        return found[1] if found else ""

    @property
    def is_free(self) -> bool:
        """Tell whether it takes no time of its own."""
        called = re.search(r'custom_call_target="([^"]*)"', self.line)
        return self.opcode in FREE or bool(called and called[1] in NAMES)

    @property
    def bytes(self) -> int:
        """Those of its result."""
        parts = re.findall(r"(pred|[a-z]+(\d+))\[([\d,]*)\]", self.shape)
        sizes = (prod(map(int, filter(None, size.split(",")))) for *_, size in parts)
        return sum(
            n * max(int(bits or 8) // 8, 1) for n, (_, bits, _) in zip(sizes, parts, strict=True)
        )

    @property
    def called(self) -> list[str]:
        """The computations that it names."""
        branches = [name for pair in _BRANCHES.findall(self.line) for name in pair if name]
        names = [name.strip(" %") for group in branches for name in group.split(",")]
        return _CALLED.findall(self.line) + names


@dataclass
class Program:
    """A compiled program as text, by computation.

    Attributes:
        computations: The operations of each, by name.
        entry: The name of the one that is run.
        costs: The cycles and the operation of everything that has cycles, with its times.
        without: Of each large operation that the compiler gives no cycles, how often it is run and
            the bytes that it writes then, in all.
        loops: The trips of each loop, by the name of its body.
    """

    computations: dict[str, list[Operation]]
    entry: str
    costs: list[tuple[int, Operation]] = field(default_factory=list)
    without: dict[str, tuple[int, int]] = field(default_factory=dict)
    loops: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Program":
        """The program of an HLO module's text."""
        computations: dict[str, list[Operation]] = {}
        entry, lines = "", None
        for line in text.splitlines():
            head = _HEAD.match(line)
            if head:
                lines = computations[head[2]] = []
                entry = head[2] if head[1] else entry
            elif lines is not None and (found := _LINE.match(line)):
                lines.append(Operation(found[3], found[2], line))
        program = cls(computations, entry)
        program.count(entry, 1)
        return program

    def count(self, computation: str, times: int) -> None:
        """Add up what a computation costs that is run ``times`` times; of a branch, every side."""
        for operation in self.computations[computation]:
            if operation.opcode == "while":
                condition, body = (
                    re.search(rf"{part}=%?([\w.-]+)", operation.line)[1]
                    for part in ("condition", "body")
                )
                self.loops[body] = self.trips(operation, condition)
                self.count(body, times * self.loops[body])
            elif operation.opcode in ("call", "conditional"):
                for called in operation.called:
                    self.count(called, times)
            elif operation.cycles is not None:
                self.costs.append((times * operation.cycles, operation))
            elif not operation.is_free and operation.bytes >= LARGE:
                shape = re.sub(r"\{[^}]*\}", "", operation.shape)
                name = re.sub(r"_?\d+", "", operation.name.split(";")[0].split("/")[-1])
                name = f"{operation.opcode} {shape} {name}".strip()
                before = self.without.get(name, (0, 0))
                self.without[name] = (before[0] + times, before[1] + times * operation.bytes)

    def trips(self, loop: Operation, condition: str) -> int:
        """The runs of a loop: as the compiler notes, else its condition's one constant."""
        noted = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', loop.line)
        if noted:
            return int(noted[1])
        constants = re.compile(r"s32\[\]\S* constant\((\d+)\)")
        limits = [int(n) for o in self.inside(condition) for n in constants.findall(o.line)]
        if len(limits) != 1:
            raise SystemExit(f"the trips of a loop are not plain: {condition}, constants {limits}")
        return limits[0]

    def inside(self, computation: str) -> Iterator[Operation]:
        """The operations of a computation and of all that it calls."""
        for operation in self.computations[computation]:
            yield operation
            for called in operation.called:
                yield from self.inside(called)

    def kind(self, operation: Operation) -> str:
        """The kind of an operation; a product or a draw also where others are fused with it."""
        parts = [*self.parts(operation), operation]
        opcodes = {part.opcode for part in parts}
        if opcodes & {"convolution", "dot"}:
            return "products, with what is fused into them"
        if any("stateless_random" in part.name for part in parts) or "u32[" in operation.shape:
            return "random numbers"
        if any(opcode.startswith("all-reduce") for opcode in opcodes):
            return "reductions over the chips"
        name = operation.name.split(";")[0]
        for kind, pattern in KINDS.items():
            if re.search(pattern, name):
                return kind
        return "copies" if operation.opcode == "copy" else "others"

    def kinds(self) -> dict[str, int]:
        """The cycles of each kind, the largest first."""
        sums: Counter[str] = Counter()
        for cycles, operation in self.costs:
            sums[self.kind(operation)] += cycles
        return dict(sums.most_common())

    def parts(self, operation: Operation) -> list[Operation]:
        """The operations of a fusion; another operation itself."""
        return [o for name in operation.called for o in self.inside(name)] or [operation]


def compiled_for(chip: str, serialized: bytes) -> tuple[Any, float]:
    """The executable for one chip of a slice, and the seconds that the compiler took."""
    accelerator, topology = CHIPS[chip]
    os.environ |= {
        "TPU_SKIP_MDS_QUERY": "1",  # there is no server that knows of a TPU
        "TPU_ACCELERATOR_TYPE": accelerator,
        "TPU_WORKER_HOSTNAMES": "localhost",
        "TPU_WORKER_ID": "0",
        "JAX_PLATFORMS": "cpu",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    }
    import numpy as np
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jax.experimental import topologies
    from jaxlib.mlir import ir

    computation = xla_client.XlaComputation(serialized)
    module = xla_client._xla.mlir.xla_computation_to_mlir_module(computation)
    with mlir.make_ir_context():
        text = module if isinstance(module, str) else str(ir.Module.parse(module))
        # A copy says where a value lies, which is the TPU compiler's own business.
        copy = r"mhlo\.copy (%\S+)(?: \{[^}]*\})? : (tensor<[^>]*>)"
        module = ir.Module.parse(re.sub(copy, r"stablehlo.reshape \1 : (\2) -> \2", text))
        device = topologies.get_topology_desc(topology, platform="tpu").devices[0]
        options = xla_client.CompileOptions()
        options.num_replicas = options.num_partitions = 1
        options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]]))
        start = time.monotonic()
        devices = xla_client.DeviceList((device,))
        return device.client.compile(module, devices, options), time.monotonic() - start


def prediction(chip: str, serialized: bytes, text: str | None = None) -> Mapping[str, Any]:
    """The compiler's answer on a program, by the names that ``tpu.py`` reads."""
    found: dict[str, Any] = {"versions": {name: version(name) for name in ("jax", "libtpu")}}
    try:
        executable, seconds = compiled_for(chip, serialized)
    except Exception as error:  # whatever the compiler raises is an answer: it does not compile
        return found | {"compiles": False, "error": str(error).strip().split("\n")[0][:300]}
    memory = executable.get_compiled_memory_stats()
    cost = executable.cost_analysis()
    compiled = executable.hlo_modules()[0].to_string()
    if text:
        with open(text, "x", encoding="utf-8") as file:
            file.write(compiled)
    program = Program.parse(compiled)
    return found | {
        "compiles": True,
        "seconds": round(seconds),
        "memory": {
            "arguments": memory.argument_size_in_bytes,
            "results": memory.output_size_in_bytes - memory.alias_size_in_bytes,
            "temporary": memory.temp_size_in_bytes,
            "program": memory.generated_code_size_in_bytes,
        },
        "bytes": (cost[0] if isinstance(cost, list) else cost)["bytes accessed"],
        "cycles": sum(cycles for cycles, _ in program.costs),
        "kinds": program.kinds(),
        "loops": program.loops,
        "without": dict(sorted(program.without.items(), key=lambda item: -item[1][1])),
    }


def main() -> None:
    """Compile one program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hlo", help="serialized, as TensorFlow gives it")
    parser.add_argument("--chip", choices=CHIPS, default="v5e")
    parser.add_argument("--text", help="a file for the compiled program")
    options = parser.parse_args()
    with open(options.hlo, "rb") as file:
        serialized = file.read()
    print(json.dumps(prediction(options.chip, serialized, options.text)))


if __name__ == "__main__":
    main()
