/// A weight matrix `[rows, columns]` in the panel order of ``WeightFormat``: a view on memory that `owner` keeps alive.
@safe
package struct PackedMatrix: Sendable {
  package let format: WeightFormat
  package let rows: Int
  package let columns: Int
  nonisolated(unsafe) let base: UnsafeRawPointer
  let owner: any AnyObject & Sendable

  /// - Parameter bytes: exactly `format.byteCount(rows:columns:)` bytes on a 64-byte boundary.
  @unsafe
  package init(
    format: WeightFormat, rows: Int, columns: Int, bytes: UnsafeRawBufferPointer, owner: any AnyObject & Sendable
  ) {
    precondition(rows > 0 && columns > 0, "a matrix needs rows and columns")
    precondition(
      bytes.count == format.byteCount(rows: rows, columns: columns),
      "a \(format) matrix of \(rows) x \(columns) has \(format.byteCount(rows: rows, columns: columns)) bytes, not \(bytes.count)"
    )
    self.format = format
    self.rows = rows
    self.columns = columns
    unsafe base = bytes.baseAddress!
    self.owner = owner
  }
}
