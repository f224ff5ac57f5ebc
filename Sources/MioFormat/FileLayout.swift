/// What a file will hold, known before the first byte is written.
package struct FileLayout: Sendable {
  package struct Tensor: Hashable, Sendable {
    package var component: String
    package var name: String
    package var encoding: TensorEncoding
    package var shape: [Int]

    package init(component: String, name: String, encoding: TensorEncoding, shape: [Int]) {
      self.component = component
      self.name = name
      self.encoding = encoding
      self.shape = shape
    }
  }

  package struct Blob: Hashable, Sendable {
    package var component: String
    package var name: String
    package var bytes: [UInt8]

    package init(component: String, name: String, bytes: [UInt8]) {
      self.component = component
      self.name = name
      self.bytes = bytes
    }
  }

  /// In the order of the file.
  package var components: [Component]
  /// In the order in which they will be written, grouped by component in the order of the components.
  package var tensors: [Tensor]
  /// In any order; the file has them by component and name.
  package var blobs: [Blob]

  package init(components: [Component], tensors: [Tensor] = [], blobs: [Blob] = []) {
    self.components = components
    self.tensors = tensors
    self.blobs = blobs
  }

  package func componentIndex(_ name: String) -> Int? { components.firstIndex { $0.name == name } }

  /// Sorts the blobs into the order of the file.
  mutating func sortBlobs() {
    let indexes = Dictionary(components.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    blobs.sort { left, right in
      let (leftIndex, rightIndex) = (indexes[left.component, default: 0], indexes[right.component, default: 0])
      return leftIndex == rightIndex
        ? left.name.utf8.lexicographicallyPrecedes(right.name.utf8) : leftIndex < rightIndex
    }
  }
}

// MARK: - Checks

extension FileLayout {
  /// Refuses what a reader would refuse, and returns the byte count of each tensor.
  func checkedByteCounts() throws(ModelFileError) -> [Int] {
    try checkComponents()
    try checkBlobs()
    try checkCount(tensors.count, FormatLimits.tensorCount, "tensors")
    var names: Set<[String]> = []
    var previous = 0
    var byteCounts: [Int] = []
    for tensor in tensors {
      try checkName(tensor.name, component: tensor.component)
      guard let index = componentIndex(tensor.component) else { throw unknownComponent(tensor.component, tensor.name) }
      guard index >= previous else {
        throw ModelFileError(
          .invalidLayout, "tensors must be grouped by component, in the order of the components",
          component: tensor.component, item: tensor.name)
      }
      previous = index
      guard names.insert([tensor.component, tensor.name]).inserted else {
        throw ModelFileError(
          .invalidLayout, "two tensors have this name", component: tensor.component, item: tensor.name)
      }
      guard let count = tensor.encoding.byteCount(of: tensor.shape) else {
        throw ModelFileError(
          .invalidLayout, "the shape does not fit the encoding \(tensor.encoding.name)", component: tensor.component,
          item: tensor.name, found: "\(tensor.shape)")
      }
      byteCounts.append(count)
    }
    return byteCounts
  }

  private func checkComponents() throws(ModelFileError) {
    try checkCount(components.count, FormatLimits.componentCount, "components")
    var names: Set<String> = []
    for component in components {
      try checkName(component.name, component: component.name)
      guard names.insert(component.name).inserted else {
        throw ModelFileError(.invalidLayout, "two components have this name", component: component.name)
      }
      do {
        try component.config.check()
      } catch {
        throw error.located(component: component.name)
      }
    }
  }

  private func checkBlobs() throws(ModelFileError) {
    try checkCount(blobs.count, FormatLimits.blobCount, "blobs")
    var names: Set<[String]> = []
    for blob in blobs {
      try checkName(blob.name, component: blob.component)
      guard componentIndex(blob.component) != nil else { throw unknownComponent(blob.component, blob.name) }
      guard names.insert([blob.component, blob.name]).inserted else {
        throw ModelFileError(.invalidLayout, "two blobs have this name", component: blob.component, item: blob.name)
      }
      guard blob.bytes.count <= FormatLimits.blobByteCount else {
        throw ModelFileError(
          .invalidLayout, "the blob is too long", component: blob.component, item: blob.name,
          expected: "at most \(FormatLimits.blobByteCount) bytes", found: "\(blob.bytes.count)")
      }
    }
  }

  private func unknownComponent(_ component: String, _ item: String) -> ModelFileError {
    ModelFileError(.invalidLayout, "the layout has no such component", component: component, item: item)
  }
}

extension ConfigTable {
  /// Refuses keys and values that a reader would refuse.
  func check() throws(ModelFileError) {
    try checkCount(entries.count, FormatLimits.configEntryCount, "configuration entries")
    var previous: String?
    for (key, value) in entries {
      try checkName(key, component: nil)
      guard key != previous else {
        throw ModelFileError(.invalidLayout, "the configuration has this key twice", item: key)
      }
      previous = key
      do {
        try value.check()
      } catch {
        throw error.located(item: key)
      }
    }
  }
}

extension ConfigValue {
  fileprivate func check() throws(ModelFileError) {
    switch self {
    case .int, .bool: break
    case .float(let value): try Self.checkFinite([value])
    case .string(let value): try Self.checkTexts([value])
    case .ints(let values): try Self.checkList(values.count)
    case .floats(let values):
      try Self.checkList(values.count)
      try Self.checkFinite(values)
    case .strings(let values):
      try Self.checkList(values.count)
      try Self.checkTexts(values)
    }
  }

  private static func checkList(_ count: Int) throws(ModelFileError) {
    try checkCount(count, FormatLimits.configListCount, "elements in a configuration list")
  }

  private static func checkFinite(_ values: [Double]) throws(ModelFileError) {
    guard values.allSatisfy(\.isFinite) else {
      throw ModelFileError(.invalidLayout, "a configuration number must be finite")
    }
  }

  private static func checkTexts(_ values: [String]) throws(ModelFileError) {
    for value in values {
      try checkCount(value.utf8.count, FormatLimits.configTextByteCount, "bytes in a configuration text")
    }
  }
}

private func checkCount(_ count: Int, _ limit: Int, _ what: String) throws(ModelFileError) {
  guard count <= limit else {
    throw ModelFileError(.invalidLayout, "too many \(what)", expected: "at most \(limit)", found: "\(count)")
  }
}

private func checkName(_ name: String, component: String?) throws(ModelFileError) {
  guard validName(Array(name.utf8)) != nil else {
    throw ModelFileError(
      .invalidLayout, "a name must have 1 to \(FormatLimits.nameByteCount) printable ASCII characters and no spaces",
      component: component, item: name)
  }
}
