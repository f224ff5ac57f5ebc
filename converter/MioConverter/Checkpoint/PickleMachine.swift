/// Executes the instructions that `torch.save` writes; see ``Pickle``.
struct PickleMachine {
  /// Bounds on what a pickle may build; a state dict of ten thousand tensors needs a tenth of them.
  static let stackLimit = 1_000_000
  static let memoLimit = 1_000_000
  static let containerLimit = 2_000_000

  private(set) var containers: [[Pickle.Value]] = []
  private let bytes: [UInt8]
  private var position = 0
  private var instruction = 0
  private var stack: [Pickle.Value] = []
  private var marks: [Int] = []
  private var memo: [Int: Pickle.Value] = [:]

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func run() throws(Pickle.Failure) -> Pickle.Value {
    while true {
      instruction = position
      let code = try take(1).first ?? 0
      if code == UInt8(ascii: ".") { break }
      try execute(code)
      guard stack.count <= Self.stackLimit, marks.count <= Self.stackLimit, memo.count <= Self.memoLimit,
        containers.count <= Self.containerLimit
      else {
        throw failure("builds more objects than a checkpoint can need")
      }
    }
    guard stack.count == 1, marks.isEmpty, let root = stack.first else {
      throw failure("ends with \(stack.count) objects instead of one")
    }
    return root
  }

  // MARK: - Instructions

  private mutating func execute(_ code: UInt8) throws(Pickle.Failure) {
    switch code {
    case 0x80: try checkProtocol()
    case UInt8(ascii: "("): marks.append(stack.count)
    case UInt8(ascii: "N"): stack.append(.none)
    case 0x88: stack.append(.bool(true))
    case 0x89: stack.append(.bool(false))
    case UInt8(ascii: "K"): stack.append(.integer(Int(try unsigned(1))))
    case UInt8(ascii: "M"): stack.append(.integer(Int(try unsigned(2))))
    case UInt8(ascii: "J"): stack.append(.integer(Int(Int32(truncatingIfNeeded: try unsigned(4)))))
    case 0x8A: stack.append(.integer(try longInteger()))
    case UInt8(ascii: "G"): stack.append(.float(Double(bitPattern: try take(8).reduce(0) { $0 << 8 | UInt64($1) })))
    case UInt8(ascii: "X"): stack.append(.string(try text(Int(try unsigned(4)))))
    case UInt8(ascii: "c"): stack.append(.global(try global()))
    case UInt8(ascii: "q"): try store(Int(try unsigned(1)))
    case UInt8(ascii: "r"): try store(Int(try unsigned(4)))
    case UInt8(ascii: "h"): try recall(Int(try unsigned(1)))
    case UInt8(ascii: "j"): try recall(Int(try unsigned(4)))
    case UInt8(ascii: ")"): stack.append(.tuple(container([])))
    case 0x85...0x87: stack.append(.tuple(container(try pop(Int(code) - 0x84))))
    case UInt8(ascii: "t"): stack.append(.tuple(container(try popToMark())))
    case UInt8(ascii: "]"): stack.append(.list(container([])))
    case UInt8(ascii: "}"): stack.append(.dictionary(container([])))
    case UInt8(ascii: "a"): try append(try pop(1), toList: true)
    case UInt8(ascii: "e"): try append(try popToMark(), toList: true)
    case UInt8(ascii: "s"): try append(try pop(2), toList: false)
    case UInt8(ascii: "u"): try append(try popToMark(), toList: false)
    case UInt8(ascii: "Q"): try referToStorage()
    case UInt8(ascii: "R"): try reduce()
    case UInt8(ascii: "b"): try build()
    default: throw failure("uses instruction 0x\(String(code, radix: 16)), which torch.save does not write")
    }
  }

  private mutating func checkProtocol() throws(Pickle.Failure) {
    let version = try unsigned(1)
    guard version == 2 else {
      throw failure("has protocol \(version); only protocol 2, the default of torch.save, is read")
    }
  }

  private mutating func global() throws(Pickle.Failure) -> Pickle.Global {
    let module = try line()
    let name = try line()
    guard let global = Pickle.Global(module: module, name: name) else {
      throw Pickle.Failure(
        code: .forbiddenPickle,
        message: "names \(module).\(name), which is not part of a plain tensor file; nothing was executed. "
          + "Save the tensors alone: torch.save(model.state_dict(), file)", byteOffset: instruction)
    }
    return global
  }

  private mutating func store(_ index: Int) throws(Pickle.Failure) {
    guard let top = stack.last, marks.last.map({ $0 < stack.count }) ?? true else { throw underflow() }
    memo[index] = top
  }

  private mutating func recall(_ index: Int) throws(Pickle.Failure) {
    guard let value = memo[index] else { throw failure("recalls object \(index), which it never stored") }
    stack.append(value)
  }

  private mutating func append(_ values: [Pickle.Value], toList: Bool) throws(Pickle.Failure) {
    switch (stack.last, toList) {
    case (.list(let index), true): containers[index] += values
    case (.dictionary(let index), false):
      guard values.count.isMultiple(of: 2) else { throw failure("sets a key without a value") }
      containers[index] += values
    default: throw failure("adds elements to \(stack.last?.kind ?? "nothing")")
    }
  }

  /// `('storage', type, key, device, numel)` becomes a storage.
  private mutating func referToStorage() throws(Pickle.Failure) {
    guard case .tuple(let index)? = try pop(1).first, containers[index].count == 5,
      case .string("storage") = containers[index][0], case .global(.storage(let type)) = containers[index][1],
      case .string(let key) = containers[index][2], case .string = containers[index][3],
      case .integer(let count) = containers[index][4], count >= 0
    else { throw failure("refers to something other than a tensor storage") }
    stack.append(.storage(Pickle.Storage(key: key, type: type, elementCount: count)))
  }

  private mutating func reduce() throws(Pickle.Failure) {
    let operands = try pop(2)
    guard case .global(let function) = operands[0], case .tuple(let index) = operands[1] else {
      throw failure("calls \(operands[0].kind)")
    }
    let arguments = containers[index]
    switch function {
    case .orderedDict:
      guard arguments.isEmpty else { throw failure("creates an OrderedDict with arguments") }
      stack.append(.dictionary(container([])))
    case .rebuildTensor: stack.append(.tensor(try tensor(arguments)))
    case .rebuildParameter: stack.append(try parameter(arguments))
    case .storage: throw failure("calls a storage type")
    }
  }

  /// `_rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None)`.
  private func tensor(_ arguments: [Pickle.Value]) throws(Pickle.Failure) -> Pickle.Tensor {
    guard (6...7).contains(arguments.count), case .storage(let storage) = arguments[0],
      case .integer(let offset) = arguments[1], let shape = integers(arguments[2]), let strides = integers(arguments[3]),
      case .bool = arguments[4], hasNoHooks(arguments[5])
    else { throw failure("rebuilds a tensor from unexpected arguments") }
    if arguments.count == 7 { try checkMetadata(arguments[6]) }
    return Pickle.Tensor(storage: storage, offset: offset, shape: shape, strides: strides)
  }

  /// `_rebuild_parameter(data, requires_grad, backward_hooks)`.
  private func parameter(_ arguments: [Pickle.Value]) throws(Pickle.Failure) -> Pickle.Value {
    guard arguments.count == 3, case .tensor = arguments[0], case .bool = arguments[1], hasNoHooks(arguments[2]) else {
      throw failure("rebuilds a parameter from unexpected arguments")
    }
    return arguments[0]
  }

  /// Whether nothing is to be called when gradients flow, which is what files always say.
  private func hasNoHooks(_ value: Pickle.Value) -> Bool {
    switch value {
    case .none: true
    case .dictionary(let index): containers[index].isEmpty
    default: false
    }
  }

  /// Marks of a tensor whose numbers are to be read in another way: the negative and the conjugate bit.
  private func checkMetadata(_ value: Pickle.Value) throws(Pickle.Failure) {
    if case .none = value { return }
    guard case .dictionary(let index) = value else { throw failure("rebuilds a tensor with metadata of another kind") }
    let members = containers[index]
    for position in stride(from: 0, to: members.count, by: 2) {
      guard case .string(let mark) = members[position], case .bool(let isSet) = members[position + 1],
        ["neg", "conj"].contains(mark)
      else { throw failure("rebuilds a tensor with metadata that is not known") }
      if isSet {
        throw failure(
          "holds a tensor with its \(mark == "neg" ? "negative" : "conjugate") bit set, which is not supported; resolve it "
            + "before saving: tensor.resolve_\(mark)()")
      }
    }
  }

  private func integers(_ value: Pickle.Value) -> [Int]? {
    guard case .tuple(let index) = value else { return nil }
    var result: [Int] = []
    for element in containers[index] {
      guard case .integer(let number) = element else { return nil }
      result.append(number)
    }
    return result
  }

  /// Sets attributes of an object: state dicts carry version numbers of their modules, which nobody needs.
  private mutating func build() throws(Pickle.Failure) {
    let operands = try pop(2)
    guard case .dictionary = operands[0], case .dictionary = operands[1] else {
      throw failure("sets attributes of \(operands[0].kind)")
    }
    stack.append(operands[0])
  }

  // MARK: - Stack and operands

  private mutating func container(_ values: [Pickle.Value]) -> Int {
    containers.append(values)
    return containers.count - 1
  }

  private mutating func pop(_ count: Int) throws(Pickle.Failure) -> [Pickle.Value] {
    guard stack.count - (marks.last ?? 0) >= count else { throw underflow() }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    return values
  }

  private mutating func popToMark() throws(Pickle.Failure) -> [Pickle.Value] {
    guard let mark = marks.popLast() else { throw underflow() }
    let values = Array(stack[mark...])
    stack.removeLast(values.count)
    return values
  }

  private mutating func take(_ count: Int) throws(Pickle.Failure) -> ArraySlice<UInt8> {
    guard count <= bytes.count - position else { throw failure("is truncated") }
    defer { position += count }
    return bytes[position..<(position + count)]
  }

  private mutating func unsigned(_ length: Int) throws(Pickle.Failure) -> UInt64 {
    try take(length).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A two's complement number of up to eight bytes.
  private mutating func longInteger() throws(Pickle.Failure) -> Int {
    let length = Int(try unsigned(1))
    guard length <= 8 else { throw failure("holds an integer of \(length) bytes") }
    guard length > 0 else { return 0 }
    let value = Int64(bitPattern: try unsigned(length))
    let unused = 64 - 8 * length
    return Int((value << unused) >> unused)
  }

  private mutating func text(_ length: Int) throws(Pickle.Failure) -> String {
    guard let text = String(validating: try take(length), as: UTF8.self) else {
      throw failure("holds a string that is not UTF-8")
    }
    return text
  }

  private mutating func line() throws(Pickle.Failure) -> String {
    guard let end = bytes[position...].firstIndex(of: 0x0A), end - position <= 1000 else {
      throw failure("names something without end")
    }
    let text = try text(end - position)
    position += 1
    return text
  }

  private func underflow() -> Pickle.Failure { failure("takes more objects than there are") }

  private func failure(_ message: String) -> Pickle.Failure {
    Pickle.Failure(code: .badArchive, message: message, byteOffset: instruction)
  }
}
