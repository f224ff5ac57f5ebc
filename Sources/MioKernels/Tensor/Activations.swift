#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A row-major block of 32-bit floats, `[rows, columns]`, that owns its memory.
///
/// Noncopyable, so one buffer cannot be passed as both input and output. Rows are contiguous; the first one starts on a
/// 64-byte boundary. `reshape` changes the logical size inside the capacity and never allocates.
@safe
package struct Activations: ~Copyable {
  package private(set) var rows: Int
  package private(set) var columns: Int
  /// Floats the buffer can hold.
  package let capacity: Int
  let base: UnsafeMutablePointer<Float>

  /// Allocates `rows × columns` zeros.
  package init(rows: Int, columns: Int) {
    self.init(unspecified: rows, columns: columns)
    unsafe base.initialize(repeating: 0, count: max(capacity, 16))
  }

  /// Allocates without setting the contents, for buffers that a layer overwrites as a whole.
  package init(unspecified rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0, "activations need a size of zero or more")
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    precondition(!overflow && count <= Int.max / 8, "activations of \(rows) x \(columns) do not fit in memory")
    self.rows = rows
    self.columns = columns
    capacity = count
    unsafe base = LargeBlocks.shared.allocate(byteCount: max(count, 16) * 4).bindMemory(
      to: Float.self, capacity: max(count, 16))
  }

  /// Copies `values`, read row by row.
  package init(rows: Int, columns: Int, values: [Float]) {
    precondition(values.count == rows * columns, "\(values.count) values do not fill \(rows) x \(columns)")
    self.init(rows: rows, columns: columns)
    for (index, value) in values.enumerated() { unsafe base[index] = value }
  }

  deinit { unsafe LargeBlocks.shared.deallocate(base, byteCount: max(capacity, 16) * 4) }

  /// Sets the logical size; the contents are unspecified afterwards unless the columns stay the same.
  package mutating func reshape(rows: Int, columns: Int? = nil) {
    let columns = columns ?? self.columns
    precondition(rows >= 0 && columns >= 0 && rows * columns <= capacity, "reshape beyond the capacity of the buffer")
    self.rows = rows
    self.columns = columns
  }

  package var count: Int { rows * columns }

  package subscript(row: Int, column: Int) -> Float {
    get {
      precondition(row >= 0 && row < rows && column >= 0 && column < columns, "activation index out of range")
      return unsafe base[row * columns + column]
    }
    set {
      precondition(row >= 0 && row < rows && column >= 0 && column < columns, "activation index out of range")
      unsafe base[row * columns + column] = newValue
    }
  }

  /// The elements of one row. The caller must not let the buffer outlive `self`.
  @unsafe
  package func row(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
    precondition(index >= 0 && index < rows, "activation row out of range")
    return unsafe UnsafeMutableBufferPointer(start: base + index * columns, count: columns)
  }

  /// All elements, row after row. The caller must not let the buffer outlive `self`.
  @unsafe
  package var elements: UnsafeMutableBufferPointer<Float> {
    unsafe UnsafeMutableBufferPointer(start: base, count: rows * columns)
  }

  /// A copy of all elements, row after row.
  package var values: [Float] { unsafe Array(elements) }

  /// Overwrites everything with `value`.
  package mutating func fill(_ value: Float) { unsafe base.update(repeating: value, count: count) }
}
