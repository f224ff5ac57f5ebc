import CMioKernels

extension PackedMatrix {
  /// Writes row `row` as floats, for embedding lookups.
  @unsafe
  package func copyRow(_ row: Int, into target: UnsafeMutableBufferPointer<Float>) {
    precondition(row >= 0 && row < rows, "row \(row) lies outside the matrix of \(rows)")
    precondition(target.count == columns, "a row of \(columns) does not fit a buffer of \(target.count)")
    let panel = unsafe base + row / 16 * format.panelByteCount(columns: columns)
    let lane = row % 16
    let scales = unsafe panel + format.storedColumns(columns) / 32 * format.groupByteCount
    for k in 0..<columns {
      switch format {
      case .f32: unsafe target[k] = panel.load(fromByteOffset: (k * 16 + lane) * 4, as: Float.self)
      case .f16:
        unsafe target[k] = HalfFloat.float(panel.load(fromByteOffset: (k * 16 + lane) * 2, as: UInt16.self))
      case .q8, .q4:
        let group = unsafe panel + k / 32 * format.groupByteCount
        let quantum = unsafe Float(WeightFormat.quantum(in: group, format, row: lane, k: k % 32))
        let scale = unsafe scales.load(fromByteOffset: (k / 32 * 16 + lane) * 2, as: UInt16.self)
        unsafe target[k] = quantum * HalfFloat.float(scale)
      }
    }
  }

  /// Packs row-major floats [rows, columns] into panels. The rows may be any whole panels of a larger matrix, or its last rows.
  ///
  /// The same finite values give the same bytes on every machine. 16-bit floats saturate at ±65,504.
  /// - Parameter target: exactly `format.byteCount(rows:columns:)` bytes.
  @unsafe
  package static func pack(
    _ values: UnsafeBufferPointer<Float>, rows: Int, columns: Int, format: WeightFormat,
    into target: UnsafeMutableRawBufferPointer, variant: KernelVariant = .preferred
  ) {
    precondition(rows > 0 && columns > 0, "a matrix needs rows and columns")
    precondition(values.count == rows * columns, "\(values.count) values do not fill \(rows) x \(columns)")
    precondition(
      target.count == format.byteCount(rows: rows, columns: columns), "the target has the wrong size for the format")
    guard let source = values.baseAddress, let base = target.baseAddress else { return }
    let table = unsafe variant.table.pointee
    let panelBytes = format.panelByteCount(columns: columns)
    func forEachPanel(_ pack: (UnsafePointer<Float>, Int, UnsafeMutablePointer<UInt8>) -> Void) {
      for first in stride(from: 0, to: rows, by: 16) {
        let panel = unsafe base + first / 16 * panelBytes
        unsafe pack(source + first * columns, min(16, rows - first), panel.assumingMemoryBound(to: UInt8.self))
      }
    }
    switch format {
    case .f32: unsafe forEachPanel { unsafe table.pack_f32($0, $1, columns, $2) }
    case .f16: unsafe forEachPanel { unsafe table.pack_f16($0, $1, columns, $2) }
    case .q8: unsafe forEachPanel { unsafe table.pack_q8($0, $1, columns, $2) }
    case .q4:
      unsafe withUnsafeTemporaryAllocation(byteCount: mio_q4_search_size(), alignment: 64) { memory in
        guard let start = memory.baseAddress else { return }
        let search = OpaquePointer(start)
        unsafe mio_prepare_q4_search(search)
        unsafe forEachPanel { unsafe table.pack_q4($0, $1, columns, search, $2) }
      }
    }
  }
}
