import Foundation
import MioCheckpoints
import MioConverter
import MioTestSupport
import Testing

@Suite struct TorchArchiveTests {
  @Test func `reads the goldens`() throws {
    let codec = try CheckpointDirectory(path: Goldens.speech("tiny-mio").path)
      .torchTensors("SpeechTokenizer/SpeechTokenizer.pt")
    #expect(codec["encoder.model.0.conv.conv.weight_v"]?.shape == [3, 1, 7])
    #expect(codec["quantizer.vq.layers.0._codebook.embed"]?.type == .f32)
    #expect(try codec["quantizer.vq.layers.0._codebook.inited"]?.floats() == [1])
    let language = try CheckpointDirectory(path: Goldens.speech("llm-other-format").path).languageTensors()
    #expect(language.index == "pytorch_model.bin.index.json")
    #expect(language.tensors["model.layers.0.mlp.down_proj.weight"]?.shape == [64, 160])
  }

  @Test(arguments: [false, true])
  func `reads transposed, sliced, shared and expanded tensors`(_ isZip64: Bool) throws {
    let values: [Float] = [0, 1, 2, 3, 4, 5]
    let found = try read(forcesZip64: isZip64, storages: [floatBytes(values)]) { writer in
      func view(_ name: String, offset: Int, _ shape: [Int], _ strides: [Int]) {
        writer.string(name)
        writer.tensor(storage: "0", type: .f32, storageCount: 6, offset: offset, shape: shape, strides: strides)
      }
      view("plain", offset: 0, [2, 3], [3, 1])
      view("transposed", offset: 0, [3, 2], [1, 3])
      view("column", offset: 2, [2], [3])
      view("row", offset: 3, [1, 3], [17, 1])
      view("expanded", offset: 5, [2, 2], [0, 0])
      view("scalar", offset: 4, [], [])
      view("empty", offset: 6, [0, 3], [3, 1])
      writer.string("parameter")
      writer.global("torch._utils", "_rebuild_parameter")
      writer.op("(")
      writer.tensor(storage: "0", type: .f32, storageCount: 6, offset: 1, shape: [2], strides: [1])
      writer.raw([0x88])
      writer.orderedDictionary()
      writer.op("t")
      writer.op("R")
    }
    #expect(try found["plain"]?.floats() == values)
    #expect(try found["transposed"]?.floats() == [0, 3, 1, 4, 2, 5])
    #expect(try found["column"]?.floats() == [2, 5])
    #expect(try found["row"]?.floats() == [3, 4, 5])
    #expect(try found["expanded"]?.floats() == [5, 5, 5, 5])
    #expect(try found["scalar"]?.floats() == [4])
    #expect(try found["empty"]?.floats() == [])
    #expect(try found["parameter"]?.floats() == [1, 2])
  }

  @Test func `reads parts of a transposed tensor`() throws {
    let values = (0..<60).map(Float.init)
    let tensor = try #require(
      read(storages: [floatBytes(values)]) { writer in
        writer.string("x")
        writer.tensor(storage: "0", type: .f32, storageCount: 60, offset: 0, shape: [5, 3, 4], strides: [4, 20, 1])
      }["x"])
    var whole: [Float] = []
    for i in 0..<5 {
      for j in 0..<3 { whole += (0..<4).map { values[4 * i + 20 * j + $0] } }
    }
    #expect(try tensor.floats() == whole)
    var scratch: [UInt8] = []
    for start in 0..<60 {
      var part = [Float](repeating: -1, count: 60 - start)
      try unsafe part.withUnsafeMutableBufferPointer { target in
        try unsafe tensor.readFloats(start..<60, into: target, scratch: &scratch)
      }
      #expect(part == Array(whole[start...]))
    }
  }

  // MARK: - Hostile pickles

  struct Hostile: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let code: ConversionError.Code
    let says: String
    let write: @Sendable (inout PickleWriter) -> Void

    init(
      _ description: String, _ code: ConversionError.Code = .badArchive, says: String,
      _ write: @escaping @Sendable (inout PickleWriter) -> Void
    ) {
      testDescription = description
      self.code = code
      self.says = says
      self.write = write
    }
  }

  static let hostile: [Hostile] = [
    Hostile("os.system", .forbiddenPickle, says: "posix.system") { writer in
      writer.global("posix", "system")
      writer.string("touch /tmp/executed")
      writer.raw([0x85])
      writer.op("R")
    },
    Hostile("eval", .forbiddenPickle, says: "builtins.eval") { $0.global("builtins", "eval") },
    Hostile("an unknown function of torch", .forbiddenPickle, says: "torch.load") { $0.global("torch", "load") },
    Hostile("a class of the model", .forbiddenPickle, says: "model.Net") { $0.global("model", "Net") },
    Hostile("a name without end", says: "without end") { $0.raw(Array(repeating: UInt8(ascii: "c"), count: 2000)) },
    Hostile("a storage called as a function", says: "storage") { writer in
      writer.global("torch", "FloatStorage")
      writer.op(")")
      writer.op("R")
    },
    Hostile("a call of a string", says: "calls a str") { writer in
      writer.string("system")
      writer.op(")")
      writer.op("R")
    },
    Hostile("an OrderedDict with arguments", says: "arguments") { writer in
      writer.global("collections", "OrderedDict")
      writer.tuple([1])
      writer.op("R")
    },
    Hostile("an instruction to create any object", says: "0x81") { $0.raw([0x81]) },
    Hostile("an instruction of protocol 0", says: "0x69") { $0.op("i") },
    Hostile("a persistent object that is no storage", says: "storage") { writer in
      writer.string("file:///etc/passwd")
      writer.op("Q")
    },
    Hostile("attributes of a string", says: "sets attributes") { writer in
      writer.string("x")
      writer.op("}")
      writer.op("b")
    },
    Hostile("elements added to a number", says: "adds elements") { writer in
      writer.integer(1)
      writer.integer(2)
      writer.op("a")
    },
    Hostile("a key without a value", says: "without a value") { writer in
      writer.op("}")
      writer.op("(")
      writer.integer(2)
      writer.op("u")
    },
    Hostile("an object recalled before it was stored", says: "never stored") { $0.raw([UInt8(ascii: "h"), 7]) },
    Hostile("more taken than there is", says: "more objects") { $0.op("t") },
    Hostile("a mark taken as an object", says: "more objects") { writer in
      writer.integer(1)
      writer.op("(")
      writer.op("R")
    },
    Hostile("a string beyond the end", says: "truncated") { $0.raw([UInt8(ascii: "X"), 255, 255, 255, 127]) },
    Hostile("a string that is not UTF-8", says: "UTF-8") { $0.raw([UInt8(ascii: "X"), 1, 0, 0, 0, 0xFF]) },
    Hostile("an integer of 200 bytes", says: "200 bytes") { $0.raw([0x8A, 200] + Array(repeating: 1, count: 200)) },
    Hostile("a list instead of a dictionary", says: "instead of a dictionary") { $0.op("]") },
    Hostile("a tensor instead of a dictionary", says: "a tensor instead") { writer in
      writer.tensor(storage: "0", type: .f32, storageCount: 2, offset: 0, shape: [2], strides: [1])
    },
    Hostile("a tensor with the negative bit", says: "resolve_neg") { $0.marked { $0.mark("neg", true) } },
    Hostile("a tensor with the conjugate bit", says: "resolve_conj") { $0.marked { $0.mark("conj", true) } },
    Hostile("a tensor with an unknown mark", says: "not known") { $0.marked { $0.mark("flipped", true) } },
    Hostile("a tensor with eight arguments", says: "unexpected arguments") { $0.marked { $0.raw([0x4E, 0x4E]) } },
    Hostile("a tensor with metadata that is a list", says: "another kind") { $0.marked { $0.op("]") } },
    Hostile("numbers as names", says: "as a key") { writer in
      writer.op("}")
      writer.integer(1)
      writer.integer(2)
      writer.op("s")
    },
    Hostile("a training checkpoint", says: "state_dict") { writer in
      writer.op("}")
      writer.string("epoch")
      writer.integer(3)
      writer.op("s")
    },
    Hostile("deep nesting of tuples", says: "instead of a dictionary") { writer in
      writer.op(")")
      writer.raw(Array(repeating: 0x85, count: 500_000))
    },
    Hostile("a dictionary that contains itself", says: "is a dict") { writer in
      writer.op("}")
      writer.raw([UInt8(ascii: "q"), 0])
      writer.string("self")
      writer.raw([UInt8(ascii: "h"), 0])
      writer.op("s")
    },
    Hostile("a stack without end", says: "more objects than") { writer in
      writer.raw(Array(repeating: UInt8(ascii: "N"), count: 2_000_000))
    },
    Hostile("marks without end", says: "more objects than") { writer in
      writer.raw(Array(repeating: UInt8(ascii: "("), count: 2_000_000))
    },
    Hostile("containers without end", says: "more objects than") { writer in
      writer.op("]")
      for _ in 0..<2_500_000 { writer.raw([UInt8(ascii: ")"), UInt8(ascii: "a")]) }
    },
    Hostile("a giant memo", says: "more objects than") { writer in
      writer.op("N")
      for index in 0..<1_200_000 {
        writer.raw([UInt8(ascii: "r")] + (0..<4).map { UInt8(truncatingIfNeeded: index >> (8 * $0)) })
      }
    },
  ]

  @Test(arguments: [[], [false], [nil]] as [[Bool?]])
  func `reads tensors whose metadata changes nothing`(_ metadata: [Bool?]) throws {
    var writer = PickleWriter()
    writer.op("}")
    writer.string("x")
    writer.marked { writer in
      for mark in metadata { if let mark { writer.mark("neg", mark) } else { writer.op("N") } }
    }
    writer.op("s")
    writer.op(".")
    #expect(try read(pickle: writer.bytes, storages: [floatBytes([1, 2])])["x"]?.floats() == [1, 2])
  }

  @Test(arguments: hostile)
  func `refuses a hostile pickle`(_ hostile: Hostile) throws {
    var writer = PickleWriter()
    hostile.write(&writer)
    writer.op(".")
    let pickle = writer.bytes
    let found = try #require(problem { _ = try read(pickle: pickle, storages: [floatBytes([1, 2])]) })
    #expect(found.code == hostile.code)
    #expect(found.message.contains(hostile.says), "\(found.message)")
    #expect(!FileManager.default.fileExists(atPath: "/tmp/executed"))
  }

  struct Lie: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var storage = "0"
    var type = StoredType.f32
    var count = 4
    var offset = 0
    var shape = [4]
    var strides = [1]
  }

  /// Claims about a storage of four floats.
  static let lies: [Lie] = [
    Lie(testDescription: "a storage that is not there", storage: "7"),
    Lie(testDescription: "a storage outside of the archive", storage: "../../etc/passwd"),
    Lie(testDescription: "more elements than bytes", count: 5),
    Lie(testDescription: "fewer elements than bytes", count: 3, shape: [3]),
    Lie(testDescription: "elements that overflow", count: Int.max),
    Lie(testDescription: "a negative count", count: -4),
    Lie(testDescription: "another type", type: .f64),
    Lie(testDescription: "an offset beyond the end", offset: 1),
    Lie(testDescription: "a negative offset", offset: -1),
    Lie(testDescription: "an offset that overflows", offset: Int.max, shape: [0]),
    Lie(testDescription: "a shape beyond the end", shape: [5]),
    Lie(testDescription: "a negative size", shape: [-4]),
    Lie(testDescription: "a stride beyond the end", shape: [2], strides: [4]),
    Lie(testDescription: "a negative stride", offset: 3, strides: [-1]),
    Lie(testDescription: "a stride that overflows", shape: [3], strides: [Int.max]),
    Lie(testDescription: "sizes that overflow", shape: [1 << 40, 1 << 40], strides: [0, 0]),
    Lie(testDescription: "fewer strides than axes", shape: [2, 2], strides: [1]),
    Lie(testDescription: "nine axes", shape: Array(repeating: 1, count: 9), strides: Array(repeating: 1, count: 9)),
  ]

  @Test(arguments: lies)
  func `refuses a tensor that lies`(_ lie: Lie) throws {
    let found = problem {
      _ = try read(storages: [floatBytes([0, 1, 2, 3])]) { writer in
        writer.string("x")
        writer.tensor(
          storage: lie.storage, type: lie.type, storageCount: lie.count, offset: lie.offset, shape: lie.shape,
          strides: lie.strides)
      }
    }
    #expect(found?.code == .badArchive)
  }

  @Test func `names every entry that is no tensor`() throws {
    let found = problems {
      _ = try read(storages: [floatBytes([0])]) { writer in
        for name in ["lr", "x", "epoch"] {
          writer.string(name)
          if name == "x" {
            writer.tensor(storage: "0", type: .f32, storageCount: 1, offset: 0, shape: [1], strides: [1])
          } else {
            writer.integer(1)
          }
        }
      }
    }
    #expect(found.map(\.tensor) == ["lr", "epoch"])
  }

  // MARK: - Archives

  @Test func `refuses every truncation and survives every changed byte`() throws {
    let tensors = [TensorSpecification("x", [2], type: .f32, deviation: 1)]
    let whole = TorchFile(tensors, stem: "m").bytes([floatBytes([1, 2])])
    let folder = try TemporaryFolder()
    for length in 0..<whole.count {
      try folder.write("m.pt", Array(whole[..<length]))
      #expect(problem { _ = try CheckpointDirectory(path: folder.url.path).torchTensors("m.pt") } != nil)
    }
    for index in whole.indices {
      for change in [UInt8(1), 0x80, 0xFF] {
        var bytes = whole
        bytes[index] ^= change
        try folder.write("m.pt", bytes)
        // Either an error or the tensor; what matters is that nothing else happens.
        _ = problems { _ = try CheckpointDirectory(path: folder.url.path).torchTensors("m.pt")["x"]?.floats() }
      }
    }
  }

  @Test func `explains what to do with a bare pickle`() throws {
    let folder = try TemporaryFolder()
    try folder.write("old.bin", [0x80, 2, 0x8A, 10])
    let found = problem { _ = try CheckpointDirectory(path: folder.url.path).torchTensors("old.bin") }
    #expect(found?.code == .legacyPickle)
    #expect(found?.message.contains("torch.save") == true)
  }

  @Test func `refuses big-endian numbers`() throws {
    let tensors = [TensorSpecification("x", [1], type: .f32, deviation: 1)]
    let file = TorchFile(
      tensorByteCounts: [4], pickle: PickleWriter.stateDictionary(tensors), stem: "m", byteOrder: "big")
    let folder = try TemporaryFolder()
    try folder.write("m.pt", file.bytes([floatBytes([1])]))
    let found = problem { _ = try CheckpointDirectory(path: folder.url.path).torchTensors("m.pt") }
    #expect(found?.message.contains("little-endian") == true)
  }

  @Test func `refuses two entries of one name`() throws {
    let tensors = ["a", "b"].map { TensorSpecification($0, [1], type: .f32, deviation: 1) }
    var bytes = TorchFile(tensors, stem: "m").bytes([floatBytes([1]), floatBytes([2])])
    replace(Array("m/data/1".utf8), by: Array("m/data/0".utf8), in: &bytes)
    let folder = try TemporaryFolder()
    try folder.write("m.pt", bytes)
    let found = problem { _ = try CheckpointDirectory(path: folder.url.path).torchTensors("m.pt") }
    #expect(found?.message.contains("two entries named m/data/0") == true)
  }

  @Test func `refuses a second pickle`() throws {
    let tensors = [TensorSpecification("x", [1], type: .f32, deviation: 1)]
    var bytes = TorchFile(tensors, stem: "m").bytes([floatBytes([1])])
    replace(Array("m/byteorder".utf8), by: Array("ma/data.pkl".utf8), in: &bytes)
    let folder = try TemporaryFolder()
    try folder.write("m.pt", bytes)
    let found = problem { _ = try CheckpointDirectory(path: folder.url.path).torchTensors("m.pt") }
    #expect(found?.message.contains("found 2") == true)
  }

  // MARK: - Making files

  private func floatBytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
  }

  /// Reads a file whose dictionary has the members that `members` writes.
  private func read(
    forcesZip64: Bool = false, storages: [[UInt8]], _ members: (inout PickleWriter) -> Void
  ) throws -> TensorSet {
    var writer = PickleWriter()
    writer.orderedDictionary()
    writer.op("(")
    members(&writer)
    writer.op("u")
    // A state dict of a module carries versions as an attribute.
    writer.op("}")
    writer.string("_metadata")
    writer.orderedDictionary()
    writer.op("s")
    writer.op("b")
    writer.op(".")
    return try read(pickle: writer.bytes, storages: storages, forcesZip64: forcesZip64)
  }

  private func read(pickle: [UInt8], storages: [[UInt8]], forcesZip64: Bool = false) throws -> TensorSet {
    let folder = try TemporaryFolder()
    let file = TorchFile(
      tensorByteCounts: storages.map(\.count), pickle: pickle, stem: "archive", forcesZip64: forcesZip64)
    try folder.write("m.pt", file.bytes(storages))
    return try CheckpointDirectory(path: folder.url.path).torchTensors("m.pt")
  }

  private func replace(_ old: [UInt8], by new: [UInt8], in bytes: inout [UInt8]) {
    for start in 0...(bytes.count - old.count) where bytes[start..<(start + old.count)].elementsEqual(old) {
      bytes.replaceSubrange(start..<(start + old.count), with: new)
    }
  }
}

extension PickleWriter {
  /// A tensor of two numbers whose rebuild function gets further arguments.
  fileprivate mutating func marked(_ metadata: (inout PickleWriter) -> Void) {
    tensor(storage: "0", type: .f32, storageCount: 2, offset: 0, shape: [2], strides: [1], metadata: metadata)
  }

  /// A dictionary of one mark.
  fileprivate mutating func mark(_ name: String, _ value: Bool) {
    op("}")
    string(name)
    raw([value ? 0x88 : 0x89])
    op("s")
  }
}
