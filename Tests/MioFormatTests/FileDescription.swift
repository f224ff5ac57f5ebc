import Foundation
import MioFormat
import MioKernels

/// Everything a reader must find in a file, in the form of the JSON files beside the valid vectors.
///
/// Numbers of a configuration are texts, floats the hexadecimal digits of their bits: no JSON reader can round them.
struct FileDescription: Codable, Equatable {
  struct Entry: Codable, Equatable {
    var key: String
    var type: String
    var values: [String]
  }

  struct Part: Codable, Equatable {
    var name: String
    var required: Bool
    var config: [Entry]
  }

  struct Tensor: Codable, Equatable {
    var component: String
    var name: String
    var encoding: String
    var shape: [Int]
    var offset: Int
    var bytes: Int
    var sha256: String
    /// SHA-256 of the values, row-major: 32-bit floats for floats and panels, integers as they are.
    var values_sha256: String
  }

  struct Blob: Codable, Equatable {
    var component: String
    var name: String
    var compression: String
    var offset: Int
    var bytes: Int
    var sha256: String
    var content_bytes: Int
    var content_sha256: String
  }

  var identity: String
  var optional_features: String
  var components: [Part]
  var tensors: [Tensor]
  var blobs: [Blob]

  init(_ file: ModelFile) throws {
    identity = file.identity.description
    optional_features = String(file.optionalFeatures, radix: 16)
    components = file.components.map {
      Part(name: $0.name, required: $0.isRequired, config: $0.config.entries.map(Entry.init))
    }
    tensors = try file.tensors.map { record in
      Tensor(
        component: record.component, name: record.name, encoding: record.encoding.name, shape: record.shape,
        offset: record.offset, bytes: record.byteCount, sha256: record.digest.description,
        values_sha256: Digest(of: try file.tensor(record.component, record.name).rowMajorBytes).description)
    }
    blobs = try file.blobs.map { record in
      Blob(
        component: record.component, name: record.name, compression: record.compression == .lz4 ? "lz4" : "none",
        offset: record.offset, bytes: record.byteCount, sha256: record.digest.description,
        content_bytes: record.contentByteCount,
        content_sha256: Digest(of: try file.blob(record.component, record.name)).description)
    }
  }
}

extension FileDescription.Entry {
  fileprivate init(key: String, value: ConfigValue) {
    func bits(_ value: Double) -> String {
      let digits = String(value.bitPattern, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
    let (type, values): (String, [String]) =
      switch value {
      case .int(let value): ("int", ["\(value)"])
      case .float(let value): ("float", [bits(value)])
      case .bool(let value): ("bool", ["\(value)"])
      case .string(let value): ("string", [value])
      case .ints(let values): ("ints", values.map { "\($0)" })
      case .floats(let values): ("floats", values.map(bits))
      case .strings(let values): ("strings", values)
      }
    self.init(key: key, type: type, values: values)
  }
}

extension TensorView {
  /// The values in row-major order; panels are unpacked by the kernels that the networks use.
  fileprivate var rowMajorBytes: [UInt8] {
    let format: WeightFormat? =
      switch record.encoding {
      case .panelF32: .f32
      case .panelF16: .f16
      case .panelQ8: .q8
      case .panelQ4: .q4
      default: nil
      }
    guard let format else { return unsafe Array(bytes) }
    let (rows, columns) = (record.shape[0], record.shape[1])
    let matrix = unsafe PackedMatrix(format: format, rows: rows, columns: columns, bytes: bytes, owner: owner)
    var row = [Float](repeating: 0, count: columns)
    return (0..<rows).flatMap { index in
      unsafe row.withUnsafeMutableBufferPointer { unsafe matrix.copyRow(index, into: $0) }
      return row.flatMap { le($0.bitPattern) }
    }
  }
}
