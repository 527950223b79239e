"""Messages of TF Serving that tensorflow-serving-api lacks, by their published fields.

``BatchingParameters`` stands in servables/tensorflow/session_bundle_config.proto and
``MonitoringConfig`` in config/monitoring_config.proto, both under tensorflow_serving/.
"""

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

_FILE = """
name: "published.proto" package: "tensorflow.serving" syntax: "proto3"
dependency: "google/protobuf/wrappers.proto"
message_type { name: "BatchingParameters"
  field { number: 1 name: "max_batch_size" type_name: ".google.protobuf.Int64Value" }
  field { number: 2 name: "batch_timeout_micros" type_name: ".google.protobuf.Int64Value" }
  field { number: 3 name: "max_enqueued_batches" type_name: ".google.protobuf.Int64Value" }
  field { number: 4 name: "num_batch_threads" type_name: ".google.protobuf.Int64Value" }
  field { number: 5 name: "thread_pool_name" type_name: ".google.protobuf.StringValue" }
  field { number: 6 name: "allowed_batch_sizes" type: TYPE_INT64 label: LABEL_REPEATED }
  field { number: 7 name: "pad_variable_length_inputs" type: TYPE_BOOL }
  field { number: 8 name: "enable_large_batch_splitting" type_name: ".google.protobuf.BoolValue" }
  field { number: 9 name: "max_execution_batch_size" type_name: ".google.protobuf.Int64Value" }
}
message_type { name: "PrometheusConfig"
  field { number: 1 name: "enable" type: TYPE_BOOL }
  field { number: 2 name: "path" type: TYPE_STRING }
}
message_type { name: "MonitoringConfig"
  field { number: 1 name: "prometheus_config" type_name: ".tensorflow.serving.PrometheusConfig" }
}
"""


def _messages():
    file = text_format.Parse(_FILE, descriptor_pb2.FileDescriptorProto())
    for field in (field for message in file.message_type for field in message.field):
        if not field.HasField("label"):
            field.label = field.LABEL_OPTIONAL
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClassesForFiles([file.name], pool)


_MESSAGES = _messages()


def parse(name, path):
    """A file in the text format of protocol buffers; what the message lacks is an error."""
    message = _MESSAGES[f"tensorflow.serving.{name}"]()
    return text_format.Parse(path.read_text(encoding="utf-8"), message)


class RefusedError(Exception):
    """What a server refuses, with a code of gRPC."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
