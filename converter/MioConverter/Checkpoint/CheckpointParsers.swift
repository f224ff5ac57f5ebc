import MioFormat

/// The readers of a checkpoint's files on bytes in memory, for tests that try every kind of damage.
package enum CheckpointParsers {
  package static func json(_ bytes: [UInt8]) { _ = try? JSON(parsing: bytes) }

  package static func sentencePiece(_ bytes: [UInt8]) {
    guard let model = try? SentencePieceModel(parsing: bytes) else { return }
    _ = (model.unsupportedFeatures(), model.inconsistencies())
  }

  package static func safetensors(_ bytes: [UInt8]) {
    read(bytes) { mapping throws(ConversionError) in try SafetensorsHeader.tensors(of: mapping, file: "fuzz") }
  }

  package static func torch(_ bytes: [UInt8]) {
    read(bytes) { mapping throws(ConversionError) in try TorchArchive.tensors(of: mapping, file: "fuzz") }
  }

  private static func read(
    _ bytes: [UInt8], _ parse: (MappedFile) throws(ConversionError) -> TensorSet
  ) {
    guard let mapping = try? MappedFile(bytes: bytes, name: "fuzz"), let tensors = try? parse(mapping) else { return }
    for tensor in tensors.names.compactMap({ tensors[$0] })
    where tensor.type.isConvertible && tensor.elementCount < 1 << 16 {
      _ = try? tensor.floats()
    }
  }
}
