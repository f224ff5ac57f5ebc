/// The tensors of one or several files, found by name.
package struct TensorSet: Sendable {
  private var tensors: [String: StoredTensor] = [:]
  /// The files that the tensors lie in, as messages should call them.
  package let files: [String]

  /// No tensors.
  package init() { files = [] }

  /// - Throws: every name that occurs twice.
  init(_ tensors: [StoredTensor], files: [String]) throws(ConversionError) {
    self.files = files
    var problems: [ConversionError.Problem] = []
    for tensor in tensors {
      if let first = self.tensors.updateValue(tensor, forKey: tensor.name) {
        problems.append(
          .init(
            .badIndex, file: tensor.file, tensor: tensor.name, "occurs a second time; the first is in \(first.file)"))
      }
    }
    if !problems.isEmpty { throw ConversionError(problems) }
  }

  /// The same tensors under the names they have in the model itself.
  func renamed(_ name: (String) -> String) throws(ConversionError) -> TensorSet {
    var renamed: [StoredTensor] = []
    for old in names {
      guard let tensor = tensors[old] else { continue }
      renamed.append(tensor.named(name(old)))
    }
    return try TensorSet(renamed, files: files)
  }

  package var isEmpty: Bool { tensors.isEmpty }

  /// All names in ascending order.
  package var names: [String] { tensors.keys.sorted() }

  package subscript(_ name: String) -> StoredTensor? { tensors[name] }
}
