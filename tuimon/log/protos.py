"""The parts of TensorBoard's messages that tuimon reads, with their own field numbers.

Sources: tensorflow/core/util/event.proto and tensorflow/core/framework/{summary,tensor,tensor_shape}.proto. Fields that are not
named here are skipped, so any event file parses. The classes are made while importing, from the table below, and not by
`protoc`: generated code works only with runtimes near the compiler's version, and users have protobufs of every age.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "tuimon.log"
_Field = descriptor_pb2.FieldDescriptorProto
_KINDS: dict[str, int] = {
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}
_MESSAGES = {
    "Skipped": "",
    "PluginData": "string plugin_name = 1",
    "SummaryMetadata": "PluginData plugin_data = 1",
    "Dim": "int64 size = 1",
    "TensorShapeProto": "repeated Dim dim = 2",
    "TensorProto": (
        "int32 dtype = 1; TensorShapeProto tensor_shape = 2; bytes tensor_content = 4; "
        "repeated float float_val = 5; repeated double double_val = 6; repeated int32 int_val = 7; "
        "repeated bytes string_val = 8; repeated int64 int64_val = 10; repeated bool bool_val = 11; "
        "repeated int32 half_val = 13; repeated uint32 uint32_val = 16; repeated uint64 uint64_val = 17"
    ),
    "HistogramProto": (
        "double min = 1; double max = 2; double num = 3; double sum = 4; double sum_squares = 5; "
        "repeated double bucket_limit = 6; repeated double bucket = 7"
    ),
    "Image": "bytes encoded_image_string = 4",
    "Value": (
        "string tag = 1; SummaryMetadata metadata = 9; "
        "oneof float simple_value = 2; oneof Image image = 4; oneof HistogramProto histo = 5; "
        "oneof Skipped audio = 6; oneof TensorProto tensor = 8"
    ),
    "Summary": "repeated Value value = 1",
    "Event": "double wall_time = 1; int64 step = 2; Summary summary = 5",
}


def _add_field(message: descriptor_pb2.DescriptorProto, text: str) -> None:
    *labels, kind, name, _, number = text.split()
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    if "repeated" in labels:
        field.label = _Field.LABEL_REPEATED
    if "oneof" in labels:
        field.oneof_index = 0
    if kind in _KINDS:
        field.type = _KINDS[kind]  # type: ignore[assignment]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="tuimon/log/event.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if "oneof " in fields:
            message.oneof_decl.add(name="value")
        for text in filter(None, fields.split("; ")):
            _add_field(message, text)
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())

Event: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.Event"))
