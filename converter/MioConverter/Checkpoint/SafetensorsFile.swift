import MioFormat

/// A safetensors file: 8 bytes of header length, a JSON header, then the tensors' bytes without gaps.
///
/// The whole header is checked when the file is opened; tensors are read from the mapping when asked for.
///
/// - SeeAlso: The format's description in huggingface/safetensors, `README.md`.
package struct SafetensorsFile: Sendable {
  /// The longest header that is read, as in the reference implementation.
  package static let headerLimit = 100_000_000

  package let tensors: TensorSet
  /// The file as messages call it.
  package let file: String

  /// Opens and checks a file.
  ///
  /// - Parameter label: what messages call the file; its path if nil.
  package init(path: String, label: String? = nil) throws(ConversionError) {
    let label = label ?? path
    let mapping = try MappedFile.open(path, label: label)
    self.init(try SafetensorsHeader.tensors(of: mapping, file: label), file: label)
  }

  private init(_ tensors: TensorSet, file: String) {
    self.tensors = tensors
    self.file = file
  }

  /// All tensor names in ascending order.
  package var names: [String] { tensors.names }

  /// The shape of a tensor.
  package func shape(of name: String) throws(ConversionError) -> [Int] { try tensor(name).shape }

  /// All elements of a BF16, F16 or F32 tensor, row-major.
  package func floats(_ name: String) throws(ConversionError) -> [Float] {
    let tensor = try tensor(name)
    guard tensor.type.isConvertible else {
      throw ConversionError(
        .wrongType, file: file, tensor: name, "stored as \(tensor.type.name); expected BF16, F16 or F32")
    }
    return try tensor.floats()
  }

  /// All elements of an I32 or I64 tensor, row-major.
  package func ints(_ name: String) throws(ConversionError) -> [Int32] {
    let tensor = try tensor(name)
    guard let values = tensor.ints() else {
      throw ConversionError(
        .wrongType, file: file, tensor: name,
        "stored as \(tensor.type.name); expected I32, or I64 with values that fit 32 bits")
    }
    return values
  }

  private func tensor(_ name: String) throws(ConversionError) -> StoredTensor {
    guard let tensor = tensors[name] else {
      throw ConversionError(.missingTensor, file: file, tensor: name, "there is no such tensor")
    }
    return tensor
  }
}

extension StoredTensor {
  /// All elements as 32-bit integers; nil if the type is another or a value does not fit.
  package func ints() -> [Int32]? {
    guard type == .i32 || type == .i64, isContiguous else { return nil }
    let bytes = unsafe mapping.bytes(byteOffset..<(byteOffset + byteCount))
    var values: [Int32] = []
    values.reserveCapacity(elementCount)
    for start in stride(from: 0, to: byteCount, by: type.byteCount) {
      if type == .i32 {
        values.append(unsafe bytes.loadUnaligned(fromByteOffset: start, as: Int32.self))
      } else {
        guard let value = unsafe Int32(exactly: bytes.loadUnaligned(fromByteOffset: start, as: Int64.self)) else {
          return nil
        }
        values.append(value)
      }
    }
    return values
  }
}
