import MioConverter

/// Writes pickles of protocol 2, instruction by instruction.
package struct PickleWriter {
  package private(set) var bytes: [UInt8] = [0x80, 2]

  package init() {}

  /// The pickle of a state dict: tensor i is all of storage i.
  package static func stateDictionary(_ tensors: [TensorSpecification]) -> [UInt8] {
    var writer = PickleWriter()
    writer.orderedDictionary()
    writer.op("(")
    for (index, tensor) in tensors.enumerated() {
      writer.string(tensor.name)
      writer.tensor(
        storage: "\(index)", type: tensor.type, storageCount: tensor.elementCount, offset: 0, shape: tensor.shape,
        strides: rowMajorStrides(tensor.shape))
    }
    writer.op("u")
    writer.op(".")
    return writer.bytes
  }

  package static func rowMajorStrides(_ shape: [Int]) -> [Int] {
    shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
  }

  /// One instruction without operands.
  package mutating func op(_ instruction: Unicode.Scalar) { bytes.append(UInt8(ascii: instruction)) }

  package mutating func raw(_ bytes: [UInt8]) { self.bytes += bytes }

  package mutating func global(_ module: String, _ name: String) {
    op("c")
    bytes += Array("\(module)\n\(name)\n".utf8)
  }

  package mutating func string(_ text: String) {
    op("X")
    var length = LittleEndianBytes()
    length.u32(UInt32(text.utf8.count))
    bytes += length.bytes + Array(text.utf8)
  }

  package mutating func integer(_ value: Int) {
    var number = LittleEndianBytes()
    switch value {
    case 0..<256: bytes += [UInt8(ascii: "K"), UInt8(value)]
    case Int(Int32.min)...Int(Int32.max):
      number.u32(UInt32(bitPattern: Int32(value)))
      bytes += [UInt8(ascii: "J")] + number.bytes
    default:
      number.u64(value)
      bytes += [0x8A, 8] + number.bytes
    }
  }

  package mutating func tuple(_ values: [Int]) {
    op("(")
    values.forEach { integer($0) }
    op("t")
  }

  /// An empty OrderedDict.
  package mutating func orderedDictionary() {
    global("collections", "OrderedDict")
    op(")")
    op("R")
  }

  /// A call of `torch._utils._rebuild_tensor_v2`.
  package mutating func tensor(
    storage: String, type: StoredType, storageCount: Int, offset: Int, shape: [Int], strides: [Int],
    metadata: (inout PickleWriter) -> Void = { _ in }
  ) {
    global("torch._utils", "_rebuild_tensor_v2")
    op("(")
    op("(")
    string("storage")
    global("torch", Self.storageNames[type] ?? "UntypedStorage")
    string(storage)
    string("cpu")
    integer(storageCount)
    op("t")
    op("Q")
    integer(offset)
    tuple(shape)
    tuple(strides)
    raw([0x89])
    orderedDictionary()
    metadata(&self)
    op("t")
    op("R")
  }

  private static let storageNames: [StoredType: String] = [
    .f32: "FloatStorage", .f16: "HalfStorage", .bf16: "BFloat16Storage", .i64: "LongStorage", .i32: "IntStorage",
    .i8: "CharStorage", .f64: "DoubleStorage",
  ]
}
