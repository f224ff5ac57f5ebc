import MioFormat

/// Reads and checks the header of a safetensors file.
enum SafetensorsHeader {
  /// The tensors of a mapped file, in the order of their bytes.
  static func tensors(of mapping: MappedFile, file: String) throws(ConversionError) -> TensorSet {
    func failure(_ message: String, tensor: String? = nil) -> ConversionError {
      ConversionError(.badSafetensors, file: file, tensor: tensor, message)
    }
    guard mapping.byteCount >= 8 else { throw failure("\(mapping.byteCount) bytes are too few for a safetensors file") }
    let length = try mapping.read(0..<8, label: file).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(SafetensorsFile.headerLimit) else {
      throw failure(
        "a header of \(length) bytes; at most \(SafetensorsFile.headerLimit) are allowed. Is it a safetensors file?")
    }
    let start = 8 + Int(length)
    guard start <= mapping.byteCount else {
      throw failure("truncated: the header needs \(start) bytes, the file has \(mapping.byteCount)")
    }
    let text = try mapping.read(8..<start, label: file)
    let header: JSON
    do { header = try JSON(parsing: text) } catch {
      throw failure("header: \(error.message) (byte \(8 + error.byteOffset))")
    }
    guard let object = header.object else { throw failure("the header is not a JSON object") }

    var tensors: [StoredTensor] = []
    var problems: [ConversionError.Problem] = []
    for (name, value) in zip(object.keys, object.values) where name != "__metadata__" {
      switch entry(value, dataLength: mapping.byteCount - start) {
      case .success(let entry):
        tensors.append(
          StoredTensor(
            name: name, shape: entry.shape, type: entry.type, byteOffset: start + entry.offset, file: file,
            mapping: mapping))
      case .failure(let reason):
        problems.append(.init(.badSafetensors, file: file, tensor: name, reason.message))
      }
    }
    if !problems.isEmpty { throw ConversionError(problems) }
    tensors.sort { ($0.byteOffset, $0.byteCount, $0.name) < ($1.byteOffset, $1.byteCount, $1.name) }
    try checkCoverage(of: tensors, from: start, to: mapping.byteCount, file: file)
    return try TensorSet(tensors, files: [file])
  }

  private struct Entry {
    let type: StoredType
    let shape: [Int]
    /// From the end of the header.
    let offset: Int
  }

  private struct Reason: Error { let message: String }

  private static func entry(_ value: JSON, dataLength: Int) -> Result<Entry, Reason> {
    guard let object = value.object else { return .failure(Reason(message: "its header entry is not an object")) }
    guard let typeName = object["dtype"]?.string else { return .failure(Reason(message: "no dtype")) }
    guard let type = StoredType(name: typeName) else {
      return .failure(Reason(message: "the type \(typeName) is not known"))
    }
    guard let shape = object["shape"]?.integers, shape.allSatisfy({ $0 >= 0 }), shape.count <= 8 else {
      return .failure(Reason(message: "the shape is not a list of at most eight whole numbers"))
    }
    guard let offsets = object["data_offsets"]?.integers, offsets.count == 2 else {
      return .failure(Reason(message: "data_offsets are not two whole numbers"))
    }
    guard offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= dataLength else {
      return .failure(Reason(message: "data_offsets \(offsets) lie outside of the \(dataLength) bytes of data"))
    }
    guard let expected = byteCount(shape, type), expected == offsets[1] - offsets[0] else {
      return .failure(
        Reason(message: "\(offsets[1] - offsets[0]) bytes do not hold \(type.name) of shape \(shape)"))
    }
    return .success(Entry(type: type, shape: shape, offset: offsets[0]))
  }

  /// Nil if the product does not fit.
  private static func byteCount(_ shape: [Int], _ type: StoredType) -> Int? {
    var count = type.byteCount
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      count = product
    }
    return count
  }

  /// Tensors must follow one another without holes or overlaps and fill the file.
  private static func checkCoverage(
    of tensors: [StoredTensor], from start: Int, to end: Int, file: String
  ) throws(ConversionError) {
    var position = start
    for tensor in tensors {
      guard tensor.byteOffset == position else {
        throw ConversionError(
          .badSafetensors, file: file, tensor: tensor.name,
          tensor.byteOffset < position
            ? "overlaps the tensor before it" : "\(tensor.byteOffset - position) unused bytes before it")
      }
      position += tensor.byteCount
    }
    guard position == end else {
      throw ConversionError(.badSafetensors, file: file, "\(end - position) unused bytes at the end")
    }
  }
}
