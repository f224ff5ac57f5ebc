import MioFormat
import MioTestSupport
import Testing

@Suite struct ModelFileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test func `reads back what was written`() throws {
    let path = folder.path("a.mio")
    let identity = try SampleFile.write(to: path)
    let file = try ModelFile.open(path: path)
    #expect(file.identity == identity)
    #expect(file.components == SampleFile.layout.components)
    #expect(file.tensors.map(\.name) == SampleFile.layout.tensors.map(\.name))
    for (tensor, bytes) in zip(SampleFile.layout.tensors, SampleFile.tensorBytes()) {
      let view = try file.tensor(tensor.component, tensor.name)
      #expect(view.record.shape == tensor.shape)
      #expect(view.record.encoding == tensor.encoding)
      #expect(unsafe UInt(bitPattern: view.bytes.baseAddress) % 64 == 0)
      #expect(unsafe view.bytes.elementsEqual(bytes))
    }
    for blob in SampleFile.layout.blobs {
      #expect(try file.blob(blob.component, blob.name) == blob.bytes)
    }
    try file.verify(threads: 2)
  }

  @Test func `the same input gives the same bytes, in any pieces and at any name`() throws {
    try SampleFile.write(to: folder.path("a.mio"))
    try SampleFile.write(to: folder.path("b.mio"), pieceLength: 7)
    #expect(try folder.bytes("a.mio") == folder.bytes("b.mio"))
    #expect(folder.contents == ["a.mio", "b.mio"])
  }

  @Test func `typed configuration comes back with its types`() throws {
    try SampleFile.write(to: folder.path("a.mio"))
    let file = try ModelFile.open(path: folder.path("a.mio"))
    let config = try file.requiredComponent("language").config
    #expect(try config.int("width") == 40)
    #expect(try config.float("norm_epsilon") == 1e-5)
    #expect(try config.float("width") == 40)
    #expect(try config.bool("tied_embeddings") == false)
    #expect(try config.string("activation") == "silu")
    #expect(try config.ints("strides") == [8, 5, -4])
    #expect(try config.floats("scales") == [0.5, -2])
    #expect(try config.strings("names") == ["a", "ü", ""])
    #expect(try config.intIfPresent("absent") == nil)
    #expect(errorCode { try config.int("absent") } == .missingConfig)
    #expect(errorCode { try config.string("width") } == .wrongConfigType)
  }

  @Test func `missing things are named`() throws {
    try SampleFile.write(to: folder.path("a.mio"))
    let file = try ModelFile.open(path: folder.path("a.mio"))
    #expect(errorCode { try file.tensor("language", "x.weight") } == .missingTensor)
    #expect(errorCode { try file.tensor("speech", "x.weight") } == .missingComponent)
    #expect(errorCode { try file.blob("text", "x") } == .missingBlob)
    #expect(errorCode { try file.requiredComponent("speech") } == .missingComponent)
  }
}

/// The code of the error that `body` throws, or nil if it throws none.
func errorCode<Result>(_ body: () throws -> Result) -> ModelFileError.Code? {
  do {
    _ = try body()
    return nil
  } catch {
    return (error as? ModelFileError)?.code
  }
}
