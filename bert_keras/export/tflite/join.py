"""Two TFLite files as one: what the first answers, the second is asked."""

import flatbuffers
from tensorflow.lite.python import schema_py_generated as schema

from bert_keras.export.tflite.metadata import METADATA, AlignedBuffer
from bert_keras.modeling.model import BertModel


def joined(first: bytes, second: bytes, signature: str, passed_on: tuple[str, ...]) -> bytes:
    """One file of one graph: the operations of the first, then those of the second.

    Args:
        first: A file of one signature and one graph.
        second: Another, whose inputs are outputs of the first by the same names.
        signature: The name of the signature of the result, with the inputs of the first.
        passed_on: Outputs of the first that the result has beside those of the second.
    """
    result, added = (schema.ModelT.InitFromPackedBuf(data, 0) for data in (first, second))
    assert len(result.subgraphs) == len(added.subgraphs) == 1, "control flow is not joined"
    graph, other = result.subgraphs[0], added.subgraphs[0]
    asked, answered = result.signatureDefs[0], added.signatureDefs[0]
    codes, buffers, tensors = (
        len(part) for part in (result.operatorCodes, result.buffers, graph.tensors)
    )
    outputs = {entry.name: entry.tensorIndex for entry in asked.outputs}
    places = {number: tensors + number for number in range(len(other.tensors))}
    places |= {entry.tensorIndex: outputs[entry.name] for entry in answered.inputs}
    places[-1] = -1  # an optional input that is left out
    for tensor in other.tensors:
        tensor.buffer += buffers
    for operator in other.operators:
        operator.opcodeIndex += codes
        for name in ("inputs", "outputs", "intermediates"):
            numbers = getattr(operator, name)
            if numbers is not None:
                setattr(operator, name, [places[int(number)] for number in numbers])
    for entry in added.metadata or []:
        entry.buffer += buffers
    for entry in answered.outputs:
        entry.tensorIndex = places[entry.tensorIndex]
    kept = [entry for entry in asked.outputs if entry.name.decode() in passed_on]
    asked.signatureKey = signature.encode()
    asked.outputs = [*answered.outputs, *kept]
    graph.outputs = [entry.tensorIndex for entry in asked.outputs]
    graph.tensors += other.tensors
    graph.operators += other.operators
    result.operatorCodes += added.operatorCodes
    # What MediaPipe reads is said of the second's inputs.
    result.metadata = [entry for entry in added.metadata or [] if entry.name != METADATA]
    result.buffers += added.buffers
    return packed(result)


def packed(model: BertModel) -> bytes:
    """The bytes of a model."""
    model.buffers = [AlignedBuffer(buffer.data) for buffer in model.buffers]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
