import Foundation

/// The tensors of a `.safetensors` file that an oracle wrote, read by means independent of the product.
package struct GoldenTensors {
  package struct Fault: Error, CustomStringConvertible {
    package let description: String
  }

  private struct Entry: Decodable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }

  private let entries: [String: Entry]
  private let data: Data
  private let name: String

  package init(_ url: URL) throws {
    let file = try Data(contentsOf: url)
    guard file.count >= 8 else { throw Fault(description: "\(url.path) is too short") }
    let headerLength = file.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    var header = try JSONSerialization.jsonObject(with: file[8..<(8 + headerLength)]) as? [String: Any] ?? [:]
    header["__metadata__"] = nil
    entries = try JSONDecoder().decode([String: Entry].self, from: JSONSerialization.data(withJSONObject: header))
    data = file[(8 + headerLength)...]
    name = url.lastPathComponent
  }

  package var names: [String] { entries.keys.sorted() }

  package func shape(_ tensor: String) throws -> [Int] { try entry(tensor).shape }

  /// The values of an F32 tensor, row-major.
  package func floats(_ tensor: String) throws -> [Float] {
    try words(tensor, dtype: "F32").map { Float(bitPattern: $0) }
  }

  /// The values of an I32 tensor, row-major.
  package func integers(_ tensor: String) throws -> [Int32] {
    try words(tensor, dtype: "I32").map { Int32(bitPattern: $0) }
  }

  /// The rows of a two-dimensional I32 tensor.
  package func integerRows(_ tensor: String) throws -> [[Int32]] {
    let (shape, values) = (try shape(tensor), try integers(tensor))
    return (0..<shape[0]).map { Array(values[($0 * shape[1])..<(($0 + 1) * shape[1])]) }
  }

  private func entry(_ tensor: String) throws -> Entry {
    guard let entry = entries[tensor] else { throw Fault(description: "\(name) has no tensor \(tensor)") }
    return entry
  }

  private func words(_ tensor: String, dtype: String) throws -> [UInt32] {
    let entry = try entry(tensor)
    guard entry.dtype == dtype else { throw Fault(description: "\(tensor) of \(name) is \(entry.dtype), not \(dtype)") }
    let start = data.startIndex + entry.data_offsets[0]
    return (0..<((entry.data_offsets[1] - entry.data_offsets[0]) / 4)).map { index in
      (0..<4).reduce(UInt32(0)) { (word: UInt32, byte: Int) -> UInt32 in
        word | UInt32(data[start + 4 * index + byte]) << UInt32(8 * byte)
      }
    }
  }
}
