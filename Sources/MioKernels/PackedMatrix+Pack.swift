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
  /// The same values give the same bytes on every machine. 16-bit floats saturate at ±65,504.
  /// - Parameter target: exactly `format.byteCount(rows:columns:)` bytes.
  @unsafe
  package static func pack(
    _ values: UnsafeBufferPointer<Float>, rows: Int, columns: Int, format: WeightFormat,
    into target: UnsafeMutableRawBufferPointer
  ) {
    precondition(rows > 0 && columns > 0, "a matrix needs rows and columns")
    precondition(values.count == rows * columns, "\(values.count) values do not fill \(rows) x \(columns)")
    precondition(
      target.count == format.byteCount(rows: rows, columns: columns), "the target has the wrong size for the format")
    guard let source = values.baseAddress, let base = target.baseAddress else { return }
    let panelBytes = format.panelByteCount(columns: columns)
    for panel in 0..<(rows + 15) / 16 {
      let bytes = unsafe base + panel * panelBytes
      unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: panelBytes)
      for lane in 0..<min(16, rows - panel * 16) {
        let row = unsafe UnsafeBufferPointer(start: source + (panel * 16 + lane) * columns, count: columns)
        unsafe pack(row: row, lane: lane, format: format, into: bytes)
      }
      if format == .q4, rows - panel * 16 < 16 { unsafe padPanel(bytes, from: rows - panel * 16, columns: columns) }
    }
  }

  private static func pack(
    row: UnsafeBufferPointer<Float>, lane: Int, format: WeightFormat, into panel: UnsafeMutableRawPointer
  ) {
    switch format {
    case .f32:
      for k in 0..<row.count { unsafe panel.storeBytes(of: row[k], toByteOffset: (k * 16 + lane) * 4, as: Float.self) }
    case .f16:
      for k in 0..<row.count {
        unsafe panel.storeBytes(of: HalfFloat.bits(row[k]), toByteOffset: (k * 16 + lane) * 2, as: UInt16.self)
      }
    case .q8, .q4:
      let groups = (row.count + 31) / 32
      let scales = unsafe panel + groups * format.groupByteCount
      for group in 0..<groups {
        var values = SIMD32<Float>(repeating: 0)
        for k in 0..<min(32, row.count - group * 32) { unsafe values[k] = row[group * 32 + k] }
        let bytes = unsafe panel + group * format.groupByteCount
        let scale = unsafe format == .q8 ? packQ8(values, lane, into: bytes) : packQ4(values, lane, into: bytes)
        unsafe scales.storeBytes(of: scale, toByteOffset: (group * 16 + lane) * 2, as: UInt16.self)
      }
    }
  }

  /// Rounds to multiples of max |x| / 127. Returns the scale.
  private static func packQ8(_ values: SIMD32<Float>, _ lane: Int, into group: UnsafeMutableRawPointer) -> UInt16 {
    let peak = max(values.max(), -values.min())
    let scale = HalfFloat.bits(peak / 127)
    let step = HalfFloat.float(scale)
    for k in 0..<32 where step > 0 {
      let quantum = min(127, max(-127, (values[k] / step).rounded(.toNearestOrEven)))
      unsafe group.storeBytes(of: Int8(quantum), toByteOffset: k / 4 * 64 + lane * 4 + k % 4, as: Int8.self)
    }
    return scale
  }

  /// Picks the scale of the least squared error among a few, then the nearest levels. Returns the scale.
  private static func packQ4(_ values: SIMD32<Float>, _ lane: Int, into group: UnsafeMutableRawPointer) -> UInt16 {
    let (high, low) = (values.max(), values.min())
    // The element of largest magnitude meets the longer, negative end of the table.
    let extreme = high > -low ? high : low
    var best: (error: Float, scale: UInt16, indexes: SIMD32<UInt8>) = (.infinity, 0, SIMD32(repeating: 8))
    for step in -4...4 {
      let scale = HalfFloat.bits(extreme / -64 * (1 + Float(step) * 0.03))
      let (factor, indexes) = (HalfFloat.float(scale), nearestLevels(values, HalfFloat.float(scale)))
      var error: Float = 0
      for k in 0..<32 {
        let difference = values[k] - factor * Float(WeightFormat.q4Levels[Int(indexes[k])])
        error += difference * difference
      }
      if error < best.error { best = (error, scale, indexes) }
    }
    for k in 0..<32 {
      let offset = k % 16 / 4 * 64 + lane * 4 + k % 4
      let nibble = best.indexes[k] << (k < 16 ? 0 : 4)
      let byte = unsafe group.load(fromByteOffset: offset, as: UInt8.self) & (k < 16 ? 0xF0 : 0x0F)
      unsafe group.storeBytes(of: byte | nibble, toByteOffset: offset, as: UInt8.self)
    }
    return best.scale
  }

  private static func nearestLevels(_ values: SIMD32<Float>, _ scale: Float) -> SIMD32<UInt8> {
    var indexes = SIMD32<UInt8>(repeating: 0)
    guard scale != 0 else { return SIMD32(repeating: 8) }
    for k in 0..<32 {
      let target = values[k] / scale
      for level in 0..<15 {
        let middle = (Float(WeightFormat.q4Levels[level]) + Float(WeightFormat.q4Levels[level + 1])) / 2
        if target > middle { indexes[k] = UInt8(level + 1) }
      }
    }
    return indexes
  }

  /// Rows that pad the last panel hold the index of level 0.
  private static func padPanel(_ panel: UnsafeMutableRawPointer, from lane: Int, columns: Int) {
    for group in 0..<(columns + 31) / 32 {
      for lane in lane..<16 {
        for k in 0..<16 {
          unsafe panel.storeBytes(of: 0x88, toByteOffset: group * 256 + k / 4 * 64 + lane * 4 + k % 4, as: UInt8.self)
        }
      }
    }
  }
}
