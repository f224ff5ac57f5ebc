import MioFormat
import MioKernels

/// Does the steps of a conversion, one after the other, with memory that is reused from step to step.
struct StepWorker {
  let tensors: [(plan: ComponentPlan, tensor: PlannedTensor)]
  let encodings: [TensorEncoding]
  let files: [SourceMapping]
  private var scratch: [UInt8] = []
  private var floats: [Float] = []

  init(tensors: [(plan: ComponentPlan, tensor: PlannedTensor)], encodings: [TensorEncoding], files: [SourceMapping]) {
    self.tensors = tensors
    self.encodings = encodings
    self.files = files
  }

  /// Bytes that a step puts out.
  func outputByteCount(_ step: ConversionStep) -> Int {
    let encoding = encodings.isEmpty ? TensorEncoding.f32 : encodings[step.tensor]
    switch step.work {
    case .pack(let rows):
      return encoding.byteCount(of: [rows.count, tensors[step.tensor].tensor.shape[1]]) ?? 0
    case .copy(let elements): return elements.count * 4
    case .compute: return encoding.byteCount(of: tensors[step.tensor].tensor.shape) ?? 0
    case .digest(_, let bytes): return bytes.count
    }
  }

  /// Does one step; `output` has room for its bytes.
  mutating func perform(_ step: ConversionStep, into output: inout [UInt8]) throws(ConversionError) {
    switch step.work {
    case .digest(let file, let bytes):
      try files[file].mapping.read(bytes, into: &output, label: files[file].name)
    case .pack(let rows):
      let columns = tensors[step.tensor].tensor.shape[1]
      try read(step.tensor, rows.lowerBound * columns..<rows.upperBound * columns)
      pack(rows.count * columns, rows: rows.count, columns: columns, encodings[step.tensor], into: &output)
    case .copy(let elements):
      try read(step.tensor, elements)
      copy(elements.count, into: &output)
    case .compute:
      try compute(step.tensor)
      let tensor = tensors[step.tensor].tensor
      if encodings[step.tensor].isPanels {
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        pack(rows * columns, rows: rows, columns: columns, encodings[step.tensor], into: &output)
      } else {
        copy(tensor.elementCount, into: &output)
      }
      // Whole tensors are far larger than steps; with many threads they must not stay in memory.
      floats = []
    }
  }

  // MARK: - Reading

  /// Fills `floats` with elements of the tensor's only source.
  private mutating func read(_ index: Int, _ range: Range<Int>) throws(ConversionError) {
    let (plan, tensor) = tensors[index]
    guard let source = plan.source[tensor.sources[0].name] else {
      preconditionFailure("\(tensor.name) was planned without its source")
    }
    if floats.count < range.count { floats = [Float](repeating: 0, count: range.count) }
    try unsafe floats.withUnsafeMutableBufferPointer { (buffer) throws(ConversionError) in
      let target = unsafe UnsafeMutableBufferPointer(rebasing: buffer[..<range.count])
      try unsafe source.readFloats(range, into: target, scratch: &scratch)
    }
    try check(range.count, firstElement: range.lowerBound, source, encodings[index])
  }

  /// Fills `floats` with a tensor computed from its sources.
  private mutating func compute(_ index: Int) throws(ConversionError) {
    let (plan, tensor) = tensors[index]
    guard let transform = tensor.transform else {
      preconditionFailure("\(tensor.name) was planned without a transform")
    }
    var sources: [[Float]] = []
    for name in tensor.sources.map(\.name) {
      guard let source = plan.source[name] else {
        preconditionFailure("\(tensor.name) was planned without its sources")
      }
      sources.append(try source.floats())
    }
    floats = transform(sources)
    precondition(floats.count == tensor.elementCount, "the transform of \(tensor.name) gave \(floats.count) elements")
    guard let first = plan.source[tensor.sources[0].name] else { return }
    try check(floats.count, firstElement: 0, first, encodings[index])
  }

  /// Refuses what the encoding cannot hold: a NaN or a value that would become infinite.
  private func check(
    _ count: Int, firstElement: Int, _ source: StoredTensor, _ encoding: TensorEncoding
  ) throws(ConversionError) {
    let limit = encoding == .f32 || encoding == .panelF32 ? Float.greatestFiniteMagnitude : Self.halfLimit
    guard
      let index = unsafe floats.withUnsafeBufferPointer({ buffer in
        unsafe Self.firstBeyond(limit, UnsafeBufferPointer(rebasing: buffer[..<count]))
      })
    else { return }
    throw ConversionError(
      .badWeight, file: source.file, tensor: source.name,
      "element \(firstElement + index) is \(floats[index]), which \(encoding.name) cannot hold"
        + (floats[index].isFinite ? "; use --quantize f32" : "; the checkpoint is damaged"))
  }

  /// The largest 16-bit float; quantized groups have 16-bit scales.
  private static let halfLimit: Float = 65504

  /// The index of the first number that is NaN or beyond ±limit.
  private static func firstBeyond(_ limit: Float, _ values: UnsafeBufferPointer<Float>) -> Int? {
    // Compared as integers, magnitudes keep their order, and NaN comes after infinity.
    let limitBits = limit.bitPattern
    var peak: UInt32 = 0
    for index in 0..<values.count { unsafe peak = max(peak, values[index].bitPattern & 0x7FFF_FFFF) }
    guard peak > limitBits else { return nil }
    return unsafe values.firstIndex { $0.bitPattern & 0x7FFF_FFFF > limitBits }
  }

  // MARK: - Writing

  private func pack(_ count: Int, rows: Int, columns: Int, _ encoding: TensorEncoding, into output: inout [UInt8]) {
    guard let format = encoding.weightFormat else { preconditionFailure("\(encoding.name) has no panels") }
    let byteCount = format.byteCount(rows: rows, columns: columns)
    unsafe floats.withUnsafeBufferPointer { values in
      unsafe output.withUnsafeMutableBytes { target in
        unsafe PackedMatrix.pack(
          UnsafeBufferPointer(rebasing: values[..<count]), rows: rows, columns: columns, format: format,
          into: UnsafeMutableRawBufferPointer(rebasing: target[..<byteCount]))
      }
    }
  }

  private func copy(_ count: Int, into output: inout [UInt8]) {
    unsafe floats.withUnsafeBytes { values in
      unsafe output.withUnsafeMutableBytes { target in
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: values[..<(count * 4)]))
      }
    }
  }
}

/// A file whose digest is taken.
struct SourceMapping: Sendable {
  let name: String
  let mapping: MappedFile
}

extension TensorEncoding {
  /// The kernels' name of a panel encoding; nil for the others.
  var weightFormat: WeightFormat? {
    switch self {
    case .panelF32: .f32
    case .panelF16: .f16
    case .panelQ8: .q8
    case .panelQ4: .q4
    case .f32, .i32, .u8: nil
    }
  }
}
