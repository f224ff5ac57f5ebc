import MioFormat
import MioKernels
import Synchronization

/// Does the steps of a conversion, one after the other, with memory that is reused from step to step.
struct StepWorker {
  let tensors: [(plan: ComponentPlan, tensor: PlannedTensor)]
  let encodings: [TensorEncoding]
  let files: [SourceMapping]
  /// Tensors that hold a number other than 0.
  let nonzero: NonzeroTensors
  /// Tensors that are packed already.
  let calibrated: CalibratedTensors?
  private var scratch: [UInt8] = []
  private var floats: [Float] = []

  init(
    tensors: [(plan: ComponentPlan, tensor: PlannedTensor)], encodings: [TensorEncoding], files: [SourceMapping],
    nonzero: NonzeroTensors, calibrated: CalibratedTensors? = nil
  ) {
    self.calibrated = calibrated
    self.nonzero = nonzero
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
      if let calibrated, encodings[step.tensor] == .panelQ4, calibrated.contains(tensors[step.tensor].tensor.name) {
        nonzero.insert(step.tensor)
        let start = encodings[step.tensor].byteCount(of: [rows.lowerBound, columns]) ?? 0
        let bytes = start..<start + outputByteCount(step)
        return try calibrated.read(tensors[step.tensor].tensor.name, bytes, into: &output)
      }
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
    try check(range.count, firstElement: range.lowerBound, source, index)
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
    try check(floats.count, firstElement: 0, first, index)
  }

  /// The largest magnitude in a whole tensor; NaN if there is one.
  mutating func peak(of index: Int) throws(ConversionError) -> Float {
    let (plan, tensor) = tensors[index]
    var peak: Float = 0
    for name in tensor.sources.map(\.name) where tensor.transform == nil {
      guard let source = plan.source[name] else { continue }
      for start in stride(from: 0, to: source.elementCount, by: ConversionSchedule.stepElementCount) {
        let part = try source.floats(
          start..<min(source.elementCount, start + ConversionSchedule.stepElementCount), scratch: &scratch)
        peak = unsafe max(peak, part.withUnsafeBufferPointer { unsafe Self.peak($0) })
      }
    }
    if let transform = tensor.transform {
      var sources: [[Float]] = []
      for name in tensor.sources.map(\.name) { sources.append(try plan.source[name]?.floats() ?? []) }
      peak = unsafe transform(sources).withUnsafeBufferPointer { unsafe Self.peak($0) }
    }
    return peak
  }

  /// Refuses what the encoding cannot hold: a NaN or a value that would become infinite.
  private func check(
    _ count: Int, firstElement: Int, _ source: StoredTensor, _ index: Int
  ) throws(ConversionError) {
    let encoding = encodings[index]
    let limit = encoding.greatestMagnitude
    let peak = unsafe floats.withUnsafeBufferPointer { unsafe Self.peak(UnsafeBufferPointer(rebasing: $0[..<count])) }
    if peak > 0 { nonzero.insert(index) }
    // Not a number is beyond every limit, and only the negation says so.
    guard !(peak <= limit), let first = floats.prefix(count).firstIndex(where: { !(abs($0) <= limit) }) else { return }
    throw ConversionError(
      .badWeight, file: source.file, tensor: source.name,
      "element \(firstElement + first) is \(floats[first]), which \(encoding.name) cannot hold"
        + (floats[first].isFinite ? "; use --quantize f32" : "; the checkpoint is damaged"))
  }

  /// The largest magnitude; NaN if there is one.
  static func peak(_ values: UnsafeBufferPointer<Float>) -> Float {
    // Compared as integers, magnitudes keep their order, and NaN comes after infinity.
    var peak: UInt32 = 0
    for index in 0..<values.count { unsafe peak = max(peak, values[index].bitPattern & 0x7FFF_FFFF) }
    return Float(bitPattern: peak)
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
  /// The digest that the file's own name promises, in hexadecimal.
  let expectedDigest: String?
  /// Parts of the file whose checksums it carries, in ascending order, and a tensor that lies in each.
  let checksums: [(bytes: ChecksummedBytes, tensor: String)]
}

/// Which tensors of a conversion hold a number other than 0, noted from any thread.
final class NonzeroTensors: Sendable {
  private let indexes = Mutex<Set<Int>>([])

  func insert(_ index: Int) { indexes.withLock { _ = $0.insert(index) } }

  func contains(_ index: Int) -> Bool { indexes.withLock { $0.contains(index) } }
}

extension TensorEncoding {
  /// The largest magnitude that fits; quantized groups have 16-bit scales.
  var greatestMagnitude: Float { self == .f32 || self == .panelF32 ? .greatestFiniteMagnitude : 65504 }

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
