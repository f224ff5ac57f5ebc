import MioFormat

/// A piece of a conversion that one thread does alone. The steps and their order depend on the plan only, so the output
/// is the same for any number of threads.
struct ConversionStep {
  enum Work {
    /// Rows of a matrix, whole panels or the last rows, packed as they are read.
    case pack(rows: Range<Int>)
    /// Elements of a plain tensor.
    case copy(elements: Range<Int>)
    /// A tensor made from whole sources.
    case compute
    /// Bytes of a source file, read for its digest.
    case digest(file: Int, bytes: Range<Int>)
  }

  let work: Work
  /// Place of the tensor in the layout; meaningless for digests.
  let tensor: Int
  /// Bytes of weights that are done with when the step is.
  let sourceByteCount: Int
  /// Memory that the step needs, roughly.
  let memoryByteCount: Int
}

/// The steps of a conversion: tensors in the order of the layout, and between them the source files in slices, each
/// soon after its tensors were read, so that a disk need deliver nothing twice.
struct ConversionSchedule {
  /// About as many elements are handled in one step.
  static let stepElementCount = 1 << 20
  static let digestByteCount = 1 << 22

  private(set) var steps: [ConversionStep] = []
  private let tensors: [(plan: ComponentPlan, tensor: PlannedTensor)]
  private let encodings: [TensorEncoding]
  private let files: [(name: String, byteCount: Int)]
  private var fileIndexes: [String: Int] = [:]
  /// Bytes of each file that have been used by tensors, and that have been scheduled for its digest.
  private var used: [Int]
  private var digested: [Int]

  init(
    tensors: [(plan: ComponentPlan, tensor: PlannedTensor)], encodings: [TensorEncoding],
    files: [(name: String, byteCount: Int)]
  ) {
    self.tensors = tensors
    self.encodings = encodings
    self.files = files
    used = Array(repeating: 0, count: files.count)
    digested = used
    for (index, file) in files.enumerated() { fileIndexes[file.name] = index }
    for index in tensors.indices { addTensor(index) }
    for index in files.indices { addDigest(of: index, upTo: files[index].byteCount) }
  }

  private mutating func addTensor(_ index: Int) {
    let (plan, tensor) = tensors[index]
    let stored = tensor.sources.compactMap { plan.source[$0.name] }
    guard tensor.transform == nil, let source = stored.first else {
      let bytes = stored.reduce(0) { $0 + $1.byteCount }
      // Sources and result as floats, and the packed bytes.
      let elements = stored.reduce(2 * tensor.elementCount) { $0 + $1.elementCount }
      add(
        ConversionStep(work: .compute, tensor: index, sourceByteCount: bytes, memoryByteCount: elements * 4),
        for: stored)
      return
    }
    if encodings[index].isPanels {
      let (rows, columns) = (tensor.shape[0], tensor.shape[1])
      let panelRows = TensorEncoding.panelRowCount
      let stepRows = max(1, Self.stepElementCount / (panelRows * columns)) * panelRows
      for start in stride(from: 0, to: rows, by: stepRows) {
        let range = start..<min(rows, start + stepRows)
        add(.pack(rows: range), index, source, elementCount: range.count * columns)
      }
    } else {
      for start in stride(from: 0, to: tensor.elementCount, by: Self.stepElementCount) {
        let range = start..<min(tensor.elementCount, start + Self.stepElementCount)
        add(.copy(elements: range), index, source, elementCount: range.count)
      }
    }
  }

  private mutating func add(_ work: ConversionStep.Work, _ index: Int, _ source: StoredTensor, elementCount: Int) {
    let step = ConversionStep(
      work: work, tensor: index, sourceByteCount: elementCount * source.type.byteCount,
      memoryByteCount: elementCount * 12)
    add(step, for: [source])
  }

  private mutating func add(_ step: ConversionStep, for sources: [StoredTensor]) {
    steps.append(step)
    guard let file = sources.first.flatMap({ fileIndexes[$0.file] }) else { return }
    used[file] += step.sourceByteCount
    while digested[file] + Self.digestByteCount <= min(used[file], files[file].byteCount) {
      addDigest(of: file, upTo: digested[file] + Self.digestByteCount)
    }
  }

  private mutating func addDigest(of file: Int, upTo end: Int) {
    while digested[file] < end {
      let slice = digested[file]..<min(end, digested[file] + Self.digestByteCount)
      steps.append(
        ConversionStep(
          work: .digest(file: file, bytes: slice), tensor: 0, sourceByteCount: 0, memoryByteCount: slice.count))
      digested[file] = slice.upperBound
    }
  }
}
