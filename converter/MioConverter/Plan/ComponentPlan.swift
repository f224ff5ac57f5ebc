import MioFormat

/// One tensor of the output and how it is made from tensors of the checkpoint.
package struct PlannedTensor: Sendable {
  /// A tensor of the checkpoint and the shape it must have.
  package struct Source: Hashable, Sendable {
    package let name: String
    package let shape: [Int]

    package init(_ name: String, _ shape: [Int]) {
      self.name = name
      self.shape = shape
    }
  }

  /// Turns the elements of the sources (row-major, in their order) into the elements of the planned tensor.
  package typealias Transform = @Sendable ([[Float]]) -> [Float]

  package let name: String
  package let shape: [Int]
  package let rule: EncodingRule
  package let sources: [Source]
  /// Nil if the tensor holds the elements of its only source as they are, which is then streamed at any size.
  package let transform: Transform?

  /// A tensor with the elements of one source, in the same order; the shape may differ.
  package init(_ name: String, _ shape: [Int], _ rule: EncodingRule, from source: Source? = nil) {
    let source = source ?? Source(name, shape)
    precondition(
      shape.reduce(1, *) == source.shape.reduce(1, *), "\(name) has another number of elements than \(source.name)")
    self.name = name
    self.shape = shape
    self.rule = rule
    sources = [source]
    transform = nil
  }

  /// A tensor computed from whole sources, which must fit in memory together with the result.
  package init(
    _ name: String, _ shape: [Int], _ rule: EncodingRule, from sources: [Source], transform: @escaping Transform
  ) {
    precondition(!sources.isEmpty, "\(name) needs a source")
    self.name = name
    self.shape = shape
    self.rule = rule
    self.sources = sources
    self.transform = transform
  }

  package var elementCount: Int { shape.reduce(1, *) }
}

/// Small data stored beside the tensors of a component.
package struct PlannedBlob: Sendable {
  package let name: String
  package let bytes: [UInt8]

  package init(_ name: String, _ bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }
}

/// Everything one component of the output will hold, decided before a byte is written.
package struct ComponentPlan: Sendable {
  /// The component's name in the file.
  package let component: String
  package let config: ConfigTable
  /// The output tensors in the order in which they will lie in the file.
  package let tensors: [PlannedTensor]
  package let blobs: [PlannedBlob]
  /// Where the tensors come from.
  package let source: TensorSet
  /// Every file of the checkpoint that the plan was made from, relative to it; the weight files are added.
  package let files: [String]
  /// Tensors of the source that the component does not use and whose presence is no mistake.
  package let ignored: @Sendable (_ name: String) -> Bool
  /// What a user should know, a sentence each.
  package let notes: [String]

  package init(
    _ component: String, config: ConfigTable, tensors: [PlannedTensor] = [], blobs: [PlannedBlob] = [],
    source: TensorSet = TensorSet(), files: [String], notes: [String] = [],
    ignored: @escaping @Sendable (_ name: String) -> Bool = { _ in false }
  ) {
    self.component = component
    self.config = config
    self.tensors = tensors
    self.blobs = blobs
    self.source = source
    var seen = Set<String>()
    self.files = (files + source.files).filter { seen.insert($0).inserted }
    self.notes = notes
    self.ignored = ignored
  }

  /// Everything that keeps the plan from being carried out: sources that are missing, misshapen or of a wrong type, and
  /// tensors that nothing uses. Of each kind the first thousand are named and the others counted; names that fit nowhere
  /// are one problem, however many they are.
  package func problems() -> [ConversionError.Problem] {
    let sources = tensors.flatMap(\.sources)
    if let stranger = strangers(Set(sources.map(\.name))) { return [stranger] }
    var problems: [ConversionError.Problem] = []
    var checked = Set<String>()
    for source in sources where checked.insert(source.name).inserted {
      if let problem = self.problem(with: source) { problems.append(problem) }
    }
    for name in source.names where !checked.contains(name) && !ignored(name) {
      problems.append(
        .init(
          .extraTensor, file: source[name]?.file ?? "", tensor: name,
          "nothing in a \(component) component uses this tensor; is it a checkpoint of another kind?"))
    }
    return Self.shortened(problems)
  }

  /// The one problem of weights whose names are none of the expected ones.
  private func strangers(_ expected: Set<String>) -> ConversionError.Problem? {
    guard !source.isEmpty, let wanted = expected.min() else { return nil }
    let names = source.names.filter { !ignored($0) }
    let adapted = names.first { $0.contains(".lora_A.") || $0.contains(".lora_B.") || $0.contains(".base_layer.") }
    if let adapted {
      return .init(
        .extraTensor, file: source[adapted]?.file ?? "", tensor: adapted,
        "the weights have LoRA adapters beside them; merge them first: model.merge_and_unload().save_pretrained(folder)")
    }
    guard names.count > 2, let found = names.first, expected.count > 2, !names.contains(where: expected.contains) else {
      return nil
    }
    // A name that ends in an expected one has something before it that is not known to mean nothing.
    let longer = names.lazy.compactMap { name in
      expected.first { name.hasSuffix("." + $0) }.map { (name, name.dropLast($0.utf8.count)) }
    }.first
    let hint = longer.map { "\($0.0) has the prefix \"\($0.1)\"; save the tensors without it" }
    return .init(
      .extraTensor, file: source[found]?.file ?? "", tensor: found,
      hint ?? "none of the \(names.count) tensors has a name that a \(component) component uses (\(wanted) for example); "
        + "is it a checkpoint of another kind?")
  }

  private static func shortened(_ problems: [ConversionError.Problem]) -> [ConversionError.Problem] {
    let limit = 1000
    var counts: [ConversionError.Code: Int] = [:]
    var kept: [ConversionError.Problem] = []
    var last: [ConversionError.Code: ConversionError.Problem] = [:]
    for problem in problems {
      counts[problem.code, default: 0] += 1
      if counts[problem.code, default: 0] <= limit { kept.append(problem) } else { last[problem.code] = problem }
    }
    for (code, problem) in last.sorted(by: { $0.key.description < $1.key.description }) {
      let count = (counts[code] ?? 0) - limit
      kept.append(
        .init(code, file: problem.file, "and \(count) tensors more with the same problem, the last \(problem.tensor ?? "")"))
    }
    return kept
  }

  private func problem(with expected: PlannedTensor.Source) -> ConversionError.Problem? {
    guard let stored = source[expected.name] else {
      let file = source.files.count == 1 ? source.files[0] : "\(source.files.count) weight files"
      return .init(.missingTensor, file: file, tensor: expected.name, "missing; expected shape \(expected.shape)")
    }
    if stored.shape != expected.shape {
      return .init(
        .wrongShape, file: stored.file, tensor: stored.name, "expected shape \(expected.shape), found \(stored.shape)")
    }
    if !stored.type.isConvertible {
      return .init(
        .wrongType, file: stored.file, tensor: stored.name,
        "stored as \(stored.type.name); only BF16, F16 and F32 weights can be converted")
    }
    return nil
  }
}
