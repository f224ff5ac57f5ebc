import MioFormat

/// The valid files of `format-spec/vectors`, each with what it is there to show.
struct ValidVector {
  let name: String
  let why: String
  let bytes: [UInt8]

  private init(_ name: String, _ why: String, _ file: RawFile) {
    (self.name, self.why, bytes) = (name, why, file.encoded())
  }

  static let all = [
    ValidVector("empty-model", "no component, no tensor, no blob: a header and an empty directory", RawFile()),
    ValidVector("tiny", "the file that SPEC.md explains to the last byte", tiny),
    ValidVector("encodings", "every encoding, with rows and columns that fill no panel and no group", encodings),
    ValidVector("config", "every type of configuration value at its extremes", config),
    ValidVector("blobs", "stored and compressed blobs: long lengths, overlapping matches, empty content", blobs),
    ValidVector("optional", "optional features, an optional section and an optional component to skip", optional),
    ValidVector("names", "names of 1 and of 255 bytes, tensors in no alphabetical order, four dimensions", names),
  ]

  /// The file of the last section of SPEC.md; `ModelFileWriter` gives the same bytes.
  static let tiny: RawFile = {
    var file = RawFile()
    file.components = [
      .init("language", [.float("norm_epsilon", 1e-5), .int("width", 5)]),
      .init("about", flags: 0, [.string("converter", "mio-lite 0")]),
    ]
    file.tensors = [
      .init("norm.weight", .f32, [3], [Float(1), -0.5, 2].flatMap { le($0.bitPattern) }),
      .init("head.weight", .panelQ4, [2, 5], tinyPanel),
    ]
    file.blobs = [
      .init("song", lz4: [0x3F] + "la ".utf8 + [3, 0, 3, 0x50] + "a la!".utf8, content: 30, component: 1)
    ]
    return file
  }()

  /// The layout from which the writer makes ``tiny``.
  static let tinyLayout = FileLayout(
    components: [
      Component(
        name: "language", isRequired: true, config: ConfigTable([("width", .int(5)), ("norm_epsilon", .float(1e-5))])),
      Component(name: "about", isRequired: false, config: ConfigTable([("converter", .string("mio-lite 0"))])),
    ],
    tensors: [
      .init(component: "language", name: "norm.weight", encoding: .f32, shape: [3]),
      .init(component: "language", name: "head.weight", encoding: .panelQ4, shape: [2, 5]),
    ],
    blobs: [.init(component: "about", name: "song", bytes: Array("la la la la la la la la la la!".utf8))])

  /// Rows [-64, -51, 0, 6, 55] · 0.5 and [0, 6, 12, 18, 25] · 2, padded with zeros.
  static let tinyPanel: [UInt8] = {
    var bytes = [UInt8](repeating: 0x88, count: 256)
    for (row, indexes) in [[0, 1, 8, 9, 15], [8, 9, 10, 11, 12] as [UInt8]].enumerated() {
      for (k, index) in indexes.enumerated() { bytes[k / 4 * 64 + row * 4 + k % 4] = 0x80 | index }
    }
    return bytes + le(UInt16(0x3800)) + le(UInt16(0x4000)) + [UInt8](repeating: 0, count: 28)
  }()

  /// Numbers from a fixed sequence; 16-bit scales among them are finite.
  private static func bytes(_ encoding: TensorEncoding, _ shape: [Int], seed: UInt32) -> [UInt8] {
    var state = seed
    func next() -> UInt32 {
      state = state &* 1_664_525 &+ 1_013_904_223
      return state >> 8
    }
    let finiteHalf = { () -> [UInt8] in le(UInt16(truncatingIfNeeded: next()) & 0xBFFF) }
    let finiteFloat = { () -> [UInt8] in le(next() << 9 & 0xBFFF_FFFF) }
    let (rows, columns) = (shape[0], shape.last ?? 1)
    let panels = (rows + 15) / 16
    let groups = (columns + 31) / 32
    switch encoding {
    case .f32: return (0..<shape.reduce(1, *)).flatMap { _ in finiteFloat() }
    case .i32: return (0..<shape.reduce(1, *)).flatMap { _ in le(next() << 8 | next() & 0xFF) }
    case .u8: return (0..<shape.reduce(1, *)).map { _ in UInt8(truncatingIfNeeded: next()) }
    case .panelF32: return (0..<panels * columns * 16).flatMap { _ in finiteFloat() }
    case .panelF16: return (0..<panels * columns * 16).flatMap { _ in finiteHalf() }
    case .panelQ8, .panelQ4:
      return (0..<panels).flatMap { _ in
        (0..<groups * (encoding == .panelQ8 ? 512 : 256)).map { _ in
          let byte = UInt8(truncatingIfNeeded: next())
          return encoding == .panelQ8 && byte == 0x80 ? 0x81 : byte
        } + (0..<groups * 16).flatMap { _ in finiteHalf() }
      }
    }
  }

  private static let encodings: RawFile = {
    var file = RawFile()
    file.components = [.init("weights")]
    let shapes: [(TensorEncoding, [Int])] = [
      (.f32, [3, 5]), (.i32, [7]), (.u8, [2, 3, 5]), (.panelF32, [17, 3]), (.panelF16, [5, 7]), (.panelQ8, [18, 33]),
      (.panelQ8, [16, 32]), (.panelQ4, [33, 70]), (.panelQ4, [1, 1]), (.f32, [1]),
    ]
    for (index, (encoding, shape)) in shapes.enumerated() {
      file.tensors.append(
        .init(
          "\(encoding.name).\(index)", encoding, shape.map { UInt32($0) },
          bytes(encoding, shape, seed: UInt32(index + 1))))
    }
    return file
  }()

  private static let config: RawFile = {
    var file = RawFile()
    file.components = [
      .init(
        "numbers",
        [
          .bool("false", 0), .float("float.largest", .greatestFiniteMagnitude), .float("float.minus-zero", -0.0),
          .float("float.smallest", .leastNonzeroMagnitude), .floats("floats", [0.1, -1e300]),
          .floats("floats.none", []),
          .int("int.largest", .max), .int("int.smallest", .min), .ints("ints", [0, -1, 1 << 53 + 1]),
          .ints("ints.none", []), .bool("true", 1),
        ]),
      .init(
        "texts",
        [
          .string("ascii", "a \"b\" \\ \u{1}\n"), .string("empty", ""), .string("four-bytes", "ü€😀"),
          .strings("list", ["", "a", "ß"]), .strings("list.none", []),
        ]),
      .init("void", flags: 0),
    ]
    return file
  }()

  private static let blobs: RawFile = {
    let longText = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var file = RawFile()
    file.components = [.init("about", flags: 0), .init("text")]
    file.blobs = [
      .init("empty", lz4: [0], content: 0),
      .init("stored", stored: Array("kept as it is".utf8)),
      // One literal, then 600 bytes that repeat it, then five more literals.
      .init("run", lz4: [0x1F, 0x61, 1, 0, 255, 255, 71, 0x50] + "bcdef".utf8, content: 606, component: 1),
      // 300 literals: 15 in the token, 255 and 30 behind it.
      .init("literals", lz4: [0xF0, 255, 30] + longText, content: 300, component: 1),
    ]
    return file
  }()

  private static let optional: RawFile = {
    var file = tiny
    file.optionalFeatures = 1 << 63 | 1
    file.components.append(.init("of-the-future", flags: 0, [.int("x", 1)]))
    file.editSections = { $0.append(.init("seek", 3, [1, 2, 3, 4, 5])) }
    return file
  }()

  private static let names: RawFile = {
    var file = RawFile()
    file.components = [.init("!"), .init(String(repeating: "c", count: 255), flags: 0)]
    for name in ["z", "a", "~!", String(repeating: "n", count: 255)] {
      file.tensors.append(.init(name, .u8, [1, 1, 2, 1], [1, 2]))
    }
    file.tensors.append(.init("a", .u8, [64], [UInt8](repeating: 9, count: 64), component: 1))
    file.blobs = [.init("a", stored: [1]), .init("a", stored: [2], component: 1)]
    return file
  }()
}
