import MioFormat
import MioKernels

/// A place in the tensor tree of one component, walked as the code walks the network:
/// `weights["layers"][3]["mlp"].matrix("up_proj.weight", [f, e])`.
///
/// Every tensor is checked when it is bound: it must exist, have the expected shape and an encoding that fits. What is
/// bound is a view of the mapped file and keeps the file open.
package struct WeightScope: Sendable {
  package let file: ModelFile
  package let component: String
  /// Names of the scopes walked so far, each with a dot behind it.
  package let path: String

  /// The root of a component.
  package init(_ file: ModelFile, component: String) {
    self.init(file, component: component, path: "")
  }

  private init(_ file: ModelFile, component: String, path: String) {
    self.file = file
    self.component = component
    self.path = path
  }

  package subscript(_ name: String) -> WeightScope {
    WeightScope(file, component: component, path: path + name + ".")
  }

  package subscript(_ index: Int) -> WeightScope { self["\(index)"] }

  /// The configuration of the whole component.
  package var config: ConfigTable {
    get throws(ModelFileError) { try file.requiredComponent(component).config }
  }

  package func has(_ name: String) -> Bool { file.hasTensor(component, path + name) }

  /// A matrix [rows, columns] in any of the panel encodings.
  package func matrix(_ name: String, _ shape: [Int]) throws(ModelFileError) -> PackedMatrix {
    let view = try tensor(name, shape)
    guard let format = view.record.encoding.weightFormat, shape.count == 2 else {
      throw wrongEncoding(view.record, expected: "a matrix in panels")
    }
    let byteCount = format.byteCount(rows: shape[0], columns: shape[1])
    guard view.record.byteCount == byteCount else { throw wrongByteCount(view.record, expected: byteCount) }
    return unsafe PackedMatrix(
      format: format, rows: shape[0], columns: shape[1], bytes: view.bytes, owner: file)
  }

  /// A vector of 32-bit floats.
  package func vector(_ name: String, _ count: Int) throws(ModelFileError) -> WeightVector {
    try vector(name, shape: [count])
  }

  /// A plain 32-bit float tensor of any shape, row-major, as one vector.
  package func vector(_ name: String, shape: [Int]) throws(ModelFileError) -> WeightVector {
    let view = try tensor(name, shape)
    guard view.record.encoding == .f32 else { throw wrongEncoding(view.record, expected: "plain 32-bit floats") }
    let byteCount = 4 * shape.reduce(1, *)
    guard view.record.byteCount == byteCount else { throw wrongByteCount(view.record, expected: byteCount) }
    return unsafe WeightVector(bytes: view.bytes, owner: file)
  }

  /// The tensor, if it has the expected shape.
  private func tensor(_ name: String, _ shape: [Int]) throws(ModelFileError) -> TensorView {
    let view = try file.tensor(component, path + name)
    guard view.record.shape == shape, shape.allSatisfy({ $0 > 0 }) else {
      throw ModelFileError(
        .wrongShape, "the tensor does not fit the configuration; convert the checkpoint again", path: file.path,
        component: component, item: path + name, byteRange: view.record.byteRange, expected: "\(shape)",
        found: "\(view.record.shape)")
    }
    return view
  }

  private func wrongEncoding(_ record: TensorRecord, expected: String) -> ModelFileError {
    ModelFileError(
      .wrongEncoding, "the tensor is stored in a form that does not fit here; convert the checkpoint again",
      path: file.path, component: component, item: record.name, byteRange: record.byteRange, expected: expected,
      found: "\(record.encoding)")
  }

  private func wrongByteCount(_ record: TensorRecord, expected: Int) -> ModelFileError {
    ModelFileError(
      .wrongByteCount, "the tensor has another size than its shape needs; convert the checkpoint again",
      path: file.path, component: component, item: record.name, byteRange: record.byteRange,
      expected: "\(expected) bytes", found: "\(record.byteCount)")
  }
}

extension TensorEncoding {
  /// The kernels' name of a panel encoding; nil for the others.
  package var weightFormat: WeightFormat? {
    switch self {
    case .panelF32: .f32
    case .panelF16: .f16
    case .panelQ8: .q8
    case .panelQ4: .q4
    case .f32, .i32, .u8: nil
    }
  }
}
