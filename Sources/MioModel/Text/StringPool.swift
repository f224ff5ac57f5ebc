/// Many short strings in one buffer of UTF-8 bytes.
struct StringPool: Sendable {
  let bytes: [UInt8]
  /// End of string i; it starts where string i - 1 ends.
  let ends: [UInt32]

  var count: Int { ends.count }

  func range(_ i: Int) -> Range<Int> { (i == 0 ? 0 : Int(ends[i - 1]))..<Int(ends[i]) }

  func utf8(_ i: Int) -> ArraySlice<UInt8> { bytes[range(i)] }

  func string(_ i: Int) -> String { String(decoding: utf8(i), as: UTF8.self) }

  /// Whether string i comes before string j in the order of their bytes.
  func precedes(_ i: Int, _ j: Int) -> Bool { utf8(i).lexicographicallyPrecedes(utf8(j)) }
}
