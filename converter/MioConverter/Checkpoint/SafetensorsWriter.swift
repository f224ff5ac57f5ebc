import Foundation
import MioFiles

/// Writes a safetensors file of named tensors, in the order of their names.
package struct SafetensorsWriter {
  /// The elements of one tensor, row-major.
  package enum Elements: Sendable {
    case floats([Float])
    case ints([Int32])

    var count: Int {
      switch self {
      case .floats(let values): values.count
      case .ints(let values): values.count
      }
    }
  }

  private var tensors: [String: (shape: [Int], elements: Elements)] = [:]

  package init() {}

  /// Adds a tensor, or replaces the one of the same name.
  package mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
    add(name, shape, .floats(values))
  }

  /// Adds a tensor, or replaces the one of the same name.
  package mutating func add(_ name: String, _ shape: [Int], _ values: [Int32]) {
    add(name, shape, .ints(values))
  }

  private mutating func add(_ name: String, _ shape: [Int], _ elements: Elements) {
    precondition(shape.reduce(1, *) == elements.count, "\(elements.count) values do not fill \(name) \(shape)")
    tensors[name] = (shape, elements)
  }

  /// Writes the file; it appears under its name only when it is complete.
  package func write(to path: String) throws(ConversionError) {
    var data = Self.header(
      tensors.sorted { $0.key < $1.key }.map { name, tensor in
        let type: StoredType = if case .floats = tensor.elements { .f32 } else { .i32 }
        return (name: name, type: type, shape: tensor.shape)
      })
    for (_, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      switch tensor.elements {
      case .floats(let values): unsafe values.withUnsafeBytes { unsafe data.append(contentsOf: $0) }
      case .ints(let values): unsafe values.withUnsafeBytes { unsafe data.append(contentsOf: $0) }
      }
    }
    do throws(AtomicFileError) { try AtomicFile.write(Array(data), to: path) } catch {
      throw ConversionError(.output, file: path, error.message)
    }
  }

  /// The length field and the header for tensors that follow without gaps in this order, padded to 8 bytes.
  package static func header(_ tensors: [(name: String, type: StoredType, shape: [Int])]) -> Data {
    var offset = 0
    let entries = tensors.map { tensor in
      let end = offset + tensor.shape.reduce(tensor.type.byteCount, *)
      defer { offset = end }
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      return "\(JSON.quoted(tensor.name)):{\"dtype\":\"\(tensor.type.name)\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(offset),\(end)]}"
    }
    var text = Array("{\(entries.joined(separator: ","))}".utf8)
    text += Array(repeating: UInt8(ascii: " "), count: -text.count & 7)
    var data = Data()
    for shift in stride(from: 0, to: 64, by: 8) { data.append(UInt8(truncatingIfNeeded: text.count >> shift)) }
    data.append(contentsOf: text)
    return data
  }
}
