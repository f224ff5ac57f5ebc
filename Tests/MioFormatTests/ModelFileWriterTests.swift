import Foundation
import MioFormat
import MioTestSupport
import Testing

@Suite struct ModelFileWriterTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private let component = Component(name: "c", isRequired: true, config: ConfigTable())

  private func refusal(_ layout: FileLayout) -> ModelFileError? {
    fault { try ModelFileWriter(path: folder.path("a.mio"), layout: layout) }
  }

  @Test func `layouts that a reader would refuse are refused, and nothing is written`() {
    func tensor(_ name: String, _ encoding: TensorEncoding = .f32, _ shape: [Int] = [1], in component: String = "c")
      -> FileLayout.Tensor
    { .init(component: component, name: name, encoding: encoding, shape: shape) }
    let second = Component(name: "d", isRequired: false, config: ConfigTable())
    let layouts: [String: FileLayout] = [
      "same component": FileLayout(components: [component, component]),
      "component name": FileLayout(components: [Component(name: "a b", isRequired: true, config: ConfigTable())]),
      "too many components": FileLayout(
        components: (0...FormatLimits.componentCount).map {
          Component(name: "\($0)", isRequired: true, config: ConfigTable())
        }),
      "same tensor": FileLayout(components: [component], tensors: [tensor("t"), tensor("t")]),
      "unknown component": FileLayout(components: [component], tensors: [tensor("t", in: "x")]),
      "not grouped": FileLayout(components: [component, second], tensors: [tensor("t", in: "d"), tensor("t")]),
      "empty name": FileLayout(components: [component], tensors: [tensor("")]),
      "long name": FileLayout(components: [component], tensors: [tensor(String(repeating: "x", count: 256))]),
      "name with umlaut": FileLayout(components: [component], tensors: [tensor("ü")]),
      "no dimension": FileLayout(components: [component], tensors: [tensor("t", .f32, [])]),
      "zero dimension": FileLayout(components: [component], tensors: [tensor("t", .f32, [2, 0])]),
      "five dimensions": FileLayout(components: [component], tensors: [tensor("t", .f32, [1, 1, 1, 1, 1])]),
      "panels of a vector": FileLayout(components: [component], tensors: [tensor("t", .panelQ4, [16])]),
      "too large": FileLayout(components: [component], tensors: [tensor("t", .f32, [1 << 30, 1 << 30])]),
      "too large together": FileLayout(
        components: [component], tensors: (0..<3).map { tensor("\($0)", .u8, [1 << 22, 1 << 21]) }),
      "same blob": FileLayout(
        components: [component],
        blobs: [.init(component: "c", name: "b", bytes: []), .init(component: "c", name: "b", bytes: [1])]),
      "same key": FileLayout(
        components: [Component(name: "c", isRequired: true, config: ConfigTable([("k", .int(1)), ("k", .int(2))]))]),
      "infinite number": FileLayout(
        components: [Component(name: "c", isRequired: true, config: ConfigTable([("k", .float(.infinity))]))]),
      "long text": FileLayout(
        components: [
          Component(
            name: "c", isRequired: true,
            config: ConfigTable([("k", .string(String(repeating: "x", count: FormatLimits.configTextByteCount + 1)))]))
        ]),
    ]
    for (name, layout) in layouts { #expect(refusal(layout)?.code == .invalidLayout, "\(name)") }
    #expect(folder.contents.isEmpty)
  }

  @Test func `too few and too many bytes are refused, and nothing is left`() throws {
    let writer = try ModelFileWriter(path: folder.path("a.mio"), layout: SampleFile.layout)
    try writer.write([1, 2, 3])
    #expect(errorCode { try writer.finish() } == .wrongByteCount)
    #expect(folder.contents.isEmpty)

    let other = try ModelFileWriter(path: folder.path("b.mio"), layout: FileLayout(components: [component]))
    #expect(errorCode { try other.write([1]) } == .wrongByteCount)
    other.cancel()
    #expect(folder.contents.isEmpty)
  }

  @Test func `a cancelled or forgotten writer leaves nothing behind`() throws {
    let writer = try ModelFileWriter(path: folder.path("a.mio"), layout: SampleFile.layout)
    #expect(!folder.contents.contains("a.mio"))
    writer.cancel()
    #expect(folder.contents.isEmpty)
    #expect(errorCode { try writer.write([1]) } == .cancelled)
    #expect(errorCode { try writer.finish() } == .cancelled)

    do { _ = try ModelFileWriter(path: folder.path("a.mio"), layout: SampleFile.layout) }
    #expect(folder.contents.isEmpty)
  }

  @Test func `an existing file keeps its contents until the new one is complete`() throws {
    let path = try folder.write([1, 2, 3], "a.mio")
    let writer = try ModelFileWriter(path: path, layout: SampleFile.layout)
    try writer.write(SampleFile.tensorBytes()[0])
    #expect(try folder.bytes("a.mio") == [1, 2, 3])
    writer.cancel()
    #expect(try folder.bytes("a.mio") == [1, 2, 3])
    let identity = try SampleFile.write(to: path)
    #expect(try ModelFile.open(path: path).identity == identity)
    #expect(folder.contents == ["a.mio"])
  }

  @Test func `an open file survives being replaced`() throws {
    try SampleFile.write(to: folder.path("a.mio"))
    let file = try ModelFile.open(path: folder.path("a.mio"))
    try ModelFileWriter(path: folder.path("a.mio"), layout: FileLayout(components: [])).finish()
    try file.verify()
    #expect(try ModelFile.open(path: folder.path("a.mio")).tensors.isEmpty)
  }

  @Test func `directories, devices and missing folders are refused as output`() {
    #expect(errorCode { try ModelFileWriter(path: folder.url.path, layout: SampleFile.layout) } == .notRegularFile)
    #expect(errorCode { try ModelFileWriter(path: "/dev/full", layout: SampleFile.layout) } == .notRegularFile)
    #expect(errorCode { try ModelFileWriter(path: folder.path("no/a.mio"), layout: SampleFile.layout) } == .cannotWrite)
    #expect(folder.contents.isEmpty)
  }

  @Test func `configurations and blobs can be added after the tensors`() throws {
    let config = ConfigTable([("width", .int(7))])
    let writer = try ModelFileWriter(path: folder.path("a.mio"), layout: SampleFile.layout)
    try writer.write(SampleFile.tensorBytes().flatMap { $0 })
    try writer.setConfig(config, of: "text")
    try writer.addBlob(.init(component: "language", name: "added", bytes: [1, 2, 3]))
    #expect(errorCode { try writer.setConfig(config, of: "nobody") } == .invalidLayout)
    #expect(errorCode { try writer.addBlob(.init(component: "language", name: "added", bytes: [])) } == .invalidLayout)
    try writer.finish()
    let file = try ModelFile.open(path: folder.path("a.mio"))
    #expect(file.component("text")?.config == config)
    #expect(try file.blob("language", "added") == [1, 2, 3])
    #expect(file.blobs.map(\.name) == ["added", "licence", "nothing", "tokenizer"])
  }

  /// A limit on file sizes stands in for a full disk; it holds for a whole process, hence the child.
  @Test func `a full disk gives an error and leaves nothing behind`() async {
    await #expect(processExitsWith: .success) {
      signal(SIGXFSZ, SIG_IGN)
      let folder = try TemporaryFolder()
      func limitFiles(to count: Int) {
        var limit = rlimit(rlim_cur: rlim_t(count), rlim_max: rlim_t.max)
        unsafe precondition(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0, "the limit is refused")
      }
      let bytes = SampleFile.tensorBytes().flatMap { $0 }

      // When the space is reserved.
      limitFiles(to: 1000)
      precondition(
        errorCode { try ModelFileWriter(path: folder.path("a.mio"), layout: SampleFile.layout) } == .cannotWrite,
        "reserving should fail")
      precondition(folder.contents.isEmpty, "something is left after reserving")

      // While the tensors are written.
      limitFiles(to: 1 << 30)
      let first = try ModelFileWriter(path: folder.path("a.mio"), layout: SampleFile.layout)
      limitFiles(to: 1000)
      precondition(errorCode { try first.write(bytes) } == .cannotWrite, "writing should fail")
      precondition(folder.contents.isEmpty, "something is left after writing")

      // When the rest is written at the end.
      limitFiles(to: 1 << 30)
      let second = try ModelFileWriter(path: folder.path("a.mio"), layout: SampleFile.layout)
      try second.write(bytes)
      limitFiles(to: 1000)
      precondition(errorCode { try second.finish() } == .cannotWrite, "finishing should fail")
      precondition(folder.contents.isEmpty, "something is left after finishing")
    }
  }
}
