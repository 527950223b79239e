"""The operations of the stock TF Serving binary, and the check that an export uses no others.

Read in TF Serving's tag 2.20.0 (commit bc7e9d2b), the newest: ``tensorflow_model_server`` links
TensorFlow with all its kernels (``@org_tensorflow//tensorflow/core:tensorflow`` in the ``deps`` of
``server_lib``) and ``SUPPORTED_TENSORFLOW_OPS``, both in tensorflow_serving/model_servers/BUILD; of
tensorflow-text that is ``ops_lib``, at release 2.20.0 as tensorflow_serving/workspace.bzl has it,
whose parts tensorflow_text/BUILD names. The lists below are those operations that our graphs may
use; the tests hold each to the kernels that the wheels register.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2

from bert_keras.errors import InputError

# In ops_lib: normalize_ops_cc, fast_bert_normalizer_cc, fast_wordpiece_tokenizer_cc,
# regex_split_ops_cc, sentencepiece_tokenizer_cc, wordpiece_tokenizer_cc. TFText>RoundRobinTrim is
# in it too, but has been missing from published binaries (tensorflow/serving issue 2267), so it is
# left out.
_TEXT_OPERATIONS = """
    CaseFoldUTF8 FastBertNormalize FastWordpieceTokenizeWithOffsets NormalizeUTF8
    RegexSplitWithOffsets SentencepieceOp SentencepieceTokenizeOp WordpieceTokenizeWithOffsets
"""

# tensorflow/core/kernels.
_CORE_OPERATIONS = """
    Abs Add AddN AddV2 All Any ArgMax ArgMin Assert AssignVariableOp BatchMatMul BatchMatMulV2
    BatchMatMulV3 BiasAdd Bincount Bitcast BitwiseAnd BitwiseOr BitwiseXor BroadcastArgs BroadcastTo
    Bucketize Case Cast ClipByValue Concat ConcatV2 Const Cumprod Cumsum DecodeRaw DenseBincount
    DisableCopyOnRead DivNoNan DynamicPartition DynamicStitch Einsum Elu EnsureShape Equal Erf
    Erfc Exp ExpandDims Expm1 Fill Floor FloorDiv FloorMod FusedBatchNormV3 Gather GatherNd
    GatherV2 Greater GreaterEqual HashTableV2 Identity IdentityN If InTopKV2 InitializeTableV2
    InvertPermutation IsFinite IsInf IsNan L2Loss LeakyRelu LeftShift Less LessEqual Log Log1p
    LogSoftmax LogicalAnd LogicalNot LogicalOr LookupTableFindV2 LookupTableImportV2
    LookupTableSizeV2 LowerBound MatMul MatrixBandPart Max Maximum Mean MergeV2Checkpoints Min
    Minimum Mod Mul MulNoNan MutableHashTableV2 Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2
    ParallelDynamicStitch PartitionedCall Placeholder PlaceholderWithDefault Pow PreventGradient
    Prod RaggedGather RaggedRange RaggedTensorToTensor Range Rank ReadVariableOp RealDiv
    Reciprocal RegexFullMatch RegexReplace Relu Relu6 Reshape ResourceGather RestoreV2
    ReverseSequence ReverseV2 RightShift Rint Round Rsqrt SaveV2 ScatterNd SegmentMax SegmentMin
    SegmentSum Select SelectV2 Selu Shape ShapeN ShardedFilename Sigmoid Sign Size Slice Softmax
    Softplus Softsign Split SplitV Sqrt Square SquaredDifference Squeeze StatefulPartitionedCall
    StatelessIf StatelessWhile StaticRegexFullMatch StaticRegexReplace StopGradient StridedSlice
    StringFormat StringJoin StringLength StringLower StringNGrams StringSplit StringSplitV2
    StringStrip StringToHashBucketFast StringToNumber StringUpper Sub Substr Sum Tanh
    TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather
    TensorListGetItem TensorListLength TensorListReserve TensorListResize TensorListSetItem
    TensorListStack TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterUpdate Tile
    TopKV2 Transpose TruncateDiv TruncateMod UnicodeDecode UnicodeDecodeWithOffsets
    UnicodeEncode UnicodeScript UnicodeTranscode Unique UniqueV2 UniqueWithCounts
    UniqueWithCountsV2 Unpack UnsortedSegmentJoin UnsortedSegmentMax UnsortedSegmentMin
    UnsortedSegmentProd UnsortedSegmentSum UpperBound VarHandleOp VarIsInitializedOp Where While
    Xdivy Xlogy ZerosLike
"""
TEXT_OPERATIONS = frozenset(_TEXT_OPERATIONS.split())
CORE_OPERATIONS = frozenset(_CORE_OPERATIONS.split())
ALLOWED = CORE_OPERATIONS | TEXT_OPERATIONS


def operations_of(folder: Path) -> dict[str, int]:
    """The number of each operation in a SavedModel, its functions included, by name."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    counts: Counter[str] = Counter()
    names: set[str] = set()
    for meta_graph in saved.meta_graphs:
        library = meta_graph.graph_def.library.function
        names |= {function.signature.name for function in library}
        counts.update(node.op for node in meta_graph.graph_def.node)
        for function in library:
            counts.update(node.op for node in function.node_def)
    return {name: counts[name] for name in sorted(counts.keys() - names)}


def check_operations(folder: Path) -> dict[str, int]:
    """The operations of a SavedModel.

    Raises:
        InputError: When TF Serving's binary may lack one; names it.
    """
    operations = operations_of(folder)
    missing = sorted(operations.keys() - ALLOWED)
    if missing:
        raise InputError(
            f"the graph needs operations that TF Serving's binary may lack: {', '.join(missing)}; "
            "nothing was written"
        )
    return operations


def packages_needed(operations: Iterable[str]) -> list[str]:
    """The modules that Python must import before it opens a graph of these operations."""
    return ["tensorflow_text"] if TEXT_OPERATIONS & set(operations) else []
