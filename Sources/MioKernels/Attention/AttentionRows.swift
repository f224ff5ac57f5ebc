/// The rows of one batched pass and where they belong: row i continues some sequence at some position.
package struct AttentionRows: ~Copyable {
  /// One row.
  struct Row {
    let position: Int
    let pages: Pages
  }

  /// The page list of the row's sequence.
  @safe
  struct Pages {
    let addresses: UnsafeMutablePointer<UnsafePointer<UInt8>?>
  }

  /// Neighbouring rows of one sequence that read the cache together.
  struct Tile {
    let rows: Range<Int>
    /// Positions below this one are visible to the last row.
    let end: Int

    var chunkCount: Int { (end + KeyValueFormat.chunkLength - 1) / KeyValueFormat.chunkLength }
  }

  private(set) var rows: [Row] = []
  private(set) var tiles: [Tile] = []
  private let tileLength: Int

  /// - Parameter headsPerGroup: query heads that share a key/value head.
  package init(maxRows: Int, headsPerGroup: Int) {
    tileLength = max(1, 64 / headsPerGroup)
    rows.reserveCapacity(maxRows)
    tiles.reserveCapacity(maxRows)
  }

  package var count: Int { rows.count }

  package mutating func removeAll() {
    rows.removeAll(keepingCapacity: true)
    tiles.removeAll(keepingCapacity: true)
  }

  /// Adds one row for each of `positions`, which the sequence already holds.
  package mutating func append(_ sequence: Int, positions: Range<Int>, in cache: KeyValueCache) {
    precondition(
      positions.lowerBound >= 0 && positions.upperBound <= cache.length(of: sequence),
      "rows need positions that their sequence holds")
    let pages = unsafe Pages(addresses: cache.pageAddresses(of: sequence))
    for start in stride(from: positions.lowerBound, to: positions.upperBound, by: tileLength) {
      let end = min(start + tileLength, positions.upperBound)
      tiles.append(Tile(rows: rows.count..<rows.count + end - start, end: end))
      for position in start..<end { rows.append(Row(position: position, pages: pages)) }
    }
  }
}
