/// A pickle of protocol 2 read without running anything: numbers, strings, containers, and names that mean tensors.
///
/// A pickle is a program for a stack machine; its `REDUCE` instruction calls any Python function by name. Here only the
/// names of ``Global`` exist and each has a fixed meaning; every other one is refused. Containers live in one flat
/// list and refer to each other by index, so neither depth nor cycles can exhaust the stack.
///
/// - SeeAlso: `pickletools.py` of python/cpython for the instructions, `torch/_utils.py` of pytorch/pytorch for the
///   rebuild functions.
struct Pickle {
  /// The Python names that may occur.
  enum Global: Hashable {
    case orderedDict
    case rebuildTensor
    case rebuildParameter
    case storage(StoredType)

    init?(module: String, name: String) {
      switch (module, name) {
      case ("collections", "OrderedDict"): self = .orderedDict
      case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
      case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
      case ("torch", let name):
        guard let type = Self.storageTypes[name] else { return nil }
        self = .storage(type)
      default: return nil
      }
    }

    private static let storageTypes: [String: StoredType] = [
      "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16, "DoubleStorage": .f64,
      "LongStorage": .i64, "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8, "ByteStorage": .u8,
      "BoolStorage": .bool,
    ]
  }

  /// A reference to `numel` numbers stored beside the pickle.
  struct Storage: Hashable {
    let key: String
    let type: StoredType
    let elementCount: Int
  }

  /// A strided view on a storage; sizes and strides as the pickle claims them.
  struct Tensor: Hashable {
    let storage: Storage
    let offset: Int
    let shape: [Int]
    let strides: [Int]
  }

  enum Value: Hashable {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    case global(Global)
    case storage(Storage)
    case tensor(Tensor)
    /// Indexes into the list of containers.
    case tuple(Int)
    case list(Int)
    case dictionary(Int)

    /// What Python calls it.
    var kind: String {
      switch self {
      case .none: "None"
      case .bool: "a bool"
      case .integer: "an int"
      case .float: "a float"
      case .string: "a str"
      case .global: "a class or function"
      case .storage: "a storage"
      case .tensor: "a tensor"
      case .tuple: "a tuple"
      case .list: "a list"
      case .dictionary: "a dict"
      }
    }
  }

  /// Why a pickle was refused, and at which byte of it.
  struct Failure: Error {
    let code: ConversionError.Code
    let message: String
    let byteOffset: Int
  }

  /// The object that the pickle describes.
  let root: Value
  private let containers: [[Value]]

  init(parsing bytes: [UInt8]) throws(Failure) {
    var machine = PickleMachine(bytes: bytes)
    root = try machine.run()
    containers = machine.containers
  }

  /// The keys and values of a dictionary, alternating.
  func members(_ index: Int) -> [Value] { containers[index] }
}
