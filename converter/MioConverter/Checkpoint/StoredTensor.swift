import MioFormat

/// The number type of a tensor in a checkpoint.
package enum StoredType: Sendable, CaseIterable {
  case bf16, f16, f32, f64, i8, u8, bool, i16, u16, i32, u32, i64, u64

  package var byteCount: Int {
    switch self {
    case .i8, .u8, .bool: 1
    case .bf16, .f16, .i16, .u16: 2
    case .f32, .i32, .u32: 4
    case .f64, .i64, .u64: 8
    }
  }

  /// The name in safetensors files.
  package var name: String {
    switch self {
    case .bf16: "BF16"
    case .f16: "F16"
    case .f32: "F32"
    case .f64: "F64"
    case .i8: "I8"
    case .u8: "U8"
    case .bool: "BOOL"
    case .i16: "I16"
    case .u16: "U16"
    case .i32: "I32"
    case .u32: "U32"
    case .i64: "I64"
    case .u64: "U64"
    }
  }

  package init?(name: String) {
    guard let type = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = type
  }

  /// True for the types weights come in.
  package var isConvertible: Bool { self == .bf16 || self == .f16 || self == .f32 }
}

/// Bytes of a file and the CRC-32 that was taken of them when they were written.
struct ChecksummedBytes: Hashable, Sendable {
  let range: Range<Int>
  let checksum: UInt32
}

/// A tensor inside a mapped file of a checkpoint: a checked view, no copy.
package struct StoredTensor: Sendable {
  package let name: String
  package let shape: [Int]
  package let type: StoredType
  /// The file it lies in, as messages should call it.
  package let file: String
  /// Elements from one index of an axis to the next.
  let strides: [Int]
  /// Where element zero lies.
  let byteOffset: Int
  let mapping: MappedFile
  /// Where the file keeps a checksum of the bytes the tensor lies in.
  let storage: ChecksummedBytes?

  /// - Parameter strides: nil for row-major order without gaps. The caller has checked that every element lies inside
  ///   the file.
  init(
    name: String, shape: [Int], strides: [Int]? = nil, type: StoredType, byteOffset: Int, file: String,
    mapping: MappedFile, storage: ChecksummedBytes? = nil
  ) {
    self.name = name
    self.shape = shape
    self.type = type
    self.file = file
    self.byteOffset = byteOffset
    self.mapping = mapping
    self.storage = storage
    self.strides = strides ?? Self.rowMajorStrides(shape)
  }

  /// The same tensor under another name.
  func named(_ name: String) -> StoredTensor {
    StoredTensor(
      name: name, shape: shape, strides: strides, type: type, byteOffset: byteOffset, file: file, mapping: mapping,
      storage: storage)
  }

  package var elementCount: Int { shape.reduce(1, *) }
  package var byteCount: Int { elementCount * type.byteCount }

  /// Wraps around instead of trapping: an empty tensor may claim any size on its other axes.
  static func rowMajorStrides(_ shape: [Int]) -> [Int] {
    var strides = Array(repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] &* shape[axis + 1] }
    return strides
  }

  /// True if the elements lie in row-major order without gaps.
  var isContiguous: Bool {
    zip(shape, zip(strides, Self.rowMajorStrides(shape))).allSatisfy { $0 == 1 || $1.0 == $1.1 }
  }

  /// All elements as 32-bit floats, row-major.
  package func floats() throws(ConversionError) -> [Float] {
    var scratch: [UInt8] = []
    return try floats(0..<elementCount, scratch: &scratch)
  }

  /// The elements at the row-major positions `range` as 32-bit floats.
  func floats(_ range: Range<Int>, scratch: inout [UInt8]) throws(ConversionError) -> [Float] {
    var result = [Float](repeating: 0, count: range.count)
    try unsafe result.withUnsafeMutableBufferPointer { (target) throws(ConversionError) in
      try unsafe readFloats(range, into: target, scratch: &scratch)
    }
    return result
  }

  /// Writes the elements at the row-major positions `range` to `target`, which holds as many.
  ///
  /// Contiguous tensors are read from the file, not from its mapping: what was read does not stay in this process's
  /// memory, and a disk that fails is an error rather than a signal.
  @unsafe
  package func readFloats(
    _ range: Range<Int>, into target: UnsafeMutableBufferPointer<Float>, scratch: inout [UInt8]
  ) throws(ConversionError) {
    precondition(type.isConvertible, "\(name) holds \(type.name), not floats")
    precondition(range.lowerBound >= 0 && range.upperBound <= elementCount, "range outside of \(name)")
    precondition(target.count == range.count, "the target of \(name) has another size than the range")
    guard !range.isEmpty else { return }
    guard isContiguous else { return unsafe gather(range, into: target) }
    let count = range.count * type.byteCount
    if scratch.count < count { scratch = [UInt8](repeating: 0, count: count) }
    let start = byteOffset + range.lowerBound * type.byteCount
    try mapping.read(start..<(start + count), into: &scratch, label: file)
    unsafe scratch.withUnsafeBytes { bytes in
      unsafe FloatDecoding.decode(type, UnsafeRawBufferPointer(rebasing: bytes[..<count]), into: target)
    }
  }

  /// Reads the elements one by one; only tensors that were saved transposed or sliced come here.
  private func gather(_ range: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) {
    var index = Array(repeating: 0, count: shape.count)
    var rest = range.lowerBound
    for axis in shape.indices.reversed() {
      index[axis] = rest % shape[axis]
      rest /= shape[axis]
    }
    var element = zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 }
    for position in 0..<range.count {
      let start = byteOffset + element * type.byteCount
      unsafe FloatDecoding.decode(
        type, mapping.bytes(start..<(start + type.byteCount)),
        into: UnsafeMutableBufferPointer(rebasing: target[position..<(position + 1)]))
      for axis in shape.indices.reversed() {
        index[axis] += 1
        element += strides[axis]
        if index[axis] < shape[axis] { break }
        element -= strides[axis] * shape[axis]
        index[axis] = 0
      }
    }
  }
}
