extension [Range<Int>] {
  /// Ascending, disjoint, non-adjacent ranges of the same ids as `ranges`, which may come in any order and overlap.
  static func union(of ranges: [Range<Int>]) -> [Range<Int>] {
    var merged: [Range<Int>] = []
    for range in ranges.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, range.lowerBound <= last.upperBound {
        merged[merged.count - 1] = last.lowerBound..<Swift.max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    return merged
  }

  /// The ranges that cover exactly `ids`.
  static func covering(_ ids: [Int32]) -> [Range<Int>] {
    union(of: ids.map { Int($0)..<Int($0) + 1 })
  }

  /// Whether `id` is in one of the ranges, which are ascending and disjoint.
  func holds(_ id: Int) -> Bool {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle].upperBound <= id { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low].contains(id)
  }

  /// The one id that the ranges hold, if it is only one.
  var onlyId: Int32? {
    count == 1 && self[0].count == 1 ? Int32(exactly: self[0].lowerBound) : nil
  }
}
