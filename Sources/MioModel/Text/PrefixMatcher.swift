/// Finds the longest of a set of strings that starts at a position of a text.
///
/// The strings are kept sorted; matching narrows a range of them byte by byte, which takes
/// O(length of the match × log of the number of strings) and no memory of its own.
struct PrefixMatcher: Sendable {
  private let strings: StringPool
  private let order: [Int32]  // indices into the pool, ascending by bytes
  /// Where the strings that begin with byte b lie in `order`: firstByte[b] ..< firstByte[b + 1].
  private let firstByte: [Int32]  // [257]

  /// - Parameter order: Indices of distinct, non-empty strings, ascending by their bytes.
  init(_ strings: StringPool, order: [Int32]) {
    self.strings = strings
    self.order = order
    var starts = [Int32](repeating: 0, count: 257)
    for index in order { starts[Int(strings.bytes[strings.range(Int(index)).lowerBound]) + 1] += 1 }
    for b in 0..<256 { starts[b + 1] += starts[b] }
    firstByte = starts
  }

  /// Whether some string begins with this byte.
  func canStart(with byte: UInt8) -> Bool { firstByte[Int(byte)] < firstByte[Int(byte) + 1] }

  /// The longest string that lies at `text[start...]` and ends at or before `end`, among those that `accepts` lets
  /// through.
  ///
  /// - Returns: Its index in the pool and its length, or nil.
  func longestMatch(
    in text: [UInt8], at start: Int, end: Int, accepts: (_ index: Int32, _ length: Int) -> Bool = { _, _ in true }
  ) -> (index: Int32, length: Int)? {
    guard start < end else { return nil }
    var low = Int(firstByte[Int(text[start])])
    var high = Int(firstByte[Int(text[start]) + 1])
    var depth = 1
    var best: (index: Int32, length: Int)?
    while low < high {
      // A string that ends here sorts before its extensions.
      if length(low) == depth {
        if accepts(order[low], depth) { best = (order[low], depth) }
        low += 1
      }
      guard start + depth < end, low < high else { break }
      let byte = text[start + depth]
      low = bound(low, high, depth) { $0 < byte }
      high = bound(low, high, depth) { $0 <= byte }
      depth += 1
    }
    return best
  }

  private func length(_ position: Int) -> Int { strings.range(Int(order[position])).count }

  /// The first position of `low ..< high` whose byte at `depth` does not satisfy `isBefore`.
  private func bound(_ low: Int, _ high: Int, _ depth: Int, _ isBefore: (UInt8) -> Bool) -> Int {
    var (low, high) = (low, high)
    while low < high {
      let middle = (low + high) / 2
      if isBefore(strings.bytes[strings.range(Int(order[middle])).lowerBound + depth]) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}
