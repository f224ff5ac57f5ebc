import MioFormat

/// A small file with every kind of thing in it.
enum SampleFile {
  static let layout = FileLayout(
    components: [
      Component(
        name: "language", isRequired: true,
        config: ConfigTable([
          ("width", .int(40)), ("norm_epsilon", .float(1e-5)), ("tied_embeddings", .bool(false)),
          ("activation", .string("silu")), ("strides", .ints([8, 5, -4])), ("scales", .floats([0.5, -2])),
          ("names", .strings(["a", "ü", ""])),
        ])),
      Component(name: "text", isRequired: false, config: ConfigTable()),
    ],
    tensors: [
      .init(component: "language", name: "norm.weight", encoding: .f32, shape: [5]),
      .init(component: "language", name: "a.weight", encoding: .panelQ4, shape: [17, 40]),
      .init(component: "language", name: "b.weight", encoding: .panelQ8, shape: [16, 32]),
      .init(component: "language", name: "c.weight", encoding: .panelF16, shape: [1, 3]),
      .init(component: "language", name: "d.weight", encoding: .panelF32, shape: [2, 3]),
      .init(component: "text", name: "ids", encoding: .i32, shape: [2, 3]),
      .init(component: "text", name: "kinds", encoding: .u8, shape: [1, 1, 2, 7]),
    ],
    blobs: [
      .init(component: "text", name: "tokenizer", bytes: Array("abcabcabc".utf8) + [UInt8](repeating: 7, count: 300)),
      .init(component: "language", name: "licence", bytes: Array("Do as you like.".utf8)),
      .init(component: "text", name: "nothing", bytes: []),
    ])

  /// The tensors' bytes, one after the other, from a fixed sequence.
  static func tensorBytes(_ layout: FileLayout = layout) -> [[UInt8]] {
    var state: UInt32 = 1
    return layout.tensors.map { tensor in
      (0..<(tensor.encoding.byteCount(of: tensor.shape) ?? 0)).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(state >> 24)
      }
    }
  }

  @discardableResult
  static func write(to path: String, layout: FileLayout = layout, pieceLength: Int = .max) throws -> Digest {
    let writer = try ModelFileWriter(path: path, layout: layout)
    let bytes = tensorBytes(layout).flatMap { $0 }
    var start = 0
    while start < bytes.count {
      let end = start + min(pieceLength, bytes.count - start)
      try writer.write(Array(bytes[start..<end]))
      start = end
    }
    return try writer.finish()
  }
}
