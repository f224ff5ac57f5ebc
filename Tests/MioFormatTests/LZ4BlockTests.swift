import MioFormat
import MioTestSupport
import Testing

/// Compressed blobs, through the file: the codec itself is no package interface.
@Suite struct LZ4BlockTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func write(_ contents: [[UInt8]]) throws -> ModelFile {
    let blobs = contents.enumerated().map { FileLayout.Blob(component: "c", name: "\($0)", bytes: $1) }
    let components = [Component(name: "c", isRequired: false, config: ConfigTable())]
    try ModelFileWriter(path: folder.path("a.mio"), layout: FileLayout(components: components, blobs: blobs)).finish()
    return try ModelFile.open(path: folder.path("a.mio"))
  }

  @Test(arguments: [1, 2, 3, 256] as [Int]) func `every length comes back, whatever repeats`(alphabet: Int) throws {
    var random = SplitMix(seed: UInt64(alphabet))
    let contents = (0..<300).map { length in
      (0..<length).map { _ in UInt8(Int.random(in: 0..<alphabet, using: &random)) }
    }
    let file = try write(contents)
    for (index, content) in contents.enumerated() { #expect(try file.blob("c", "\(index)") == content) }
    #expect(try IndependentReader.read([file.path]).allSatisfy { $0.error == nil })
  }

  @Test func `matches at the farthest offset are found, and none beyond`() throws {
    var random = SplitMix(seed: 1)
    let phrase = (0..<64).map { _ in UInt8.random(in: 0...255, using: &random) }
    let contents = [65_535, 65_536].map { distance in
      phrase + [UInt8](repeating: 0, count: distance - phrase.count) + phrase + phrase.reversed()
    }
    let file = try write(contents)
    for (index, content) in contents.enumerated() { #expect(try file.blob("c", "\(index)") == content) }
    #expect(file.blobs.first { $0.name == "0" }!.byteCount + 50 < file.blobs.first { $0.name == "1" }!.byteCount)
  }

  @Test func `text shrinks and noise is stored as it is`() throws {
    var random = SplitMix(seed: 2)
    let noise = (0..<100_000).map { _ in UInt8.random(in: 0...255, using: &random) }
    let text = Array(String(repeating: "All work and no play makes Jack a dull boy. ", count: 1000).utf8)
    let file = try write([noise, text])
    #expect(file.blobs[0].compression == .none && file.blobs[0].byteCount == noise.count)
    #expect(file.blobs[1].compression == .lz4 && file.blobs[1].byteCount < text.count / 100)
    #expect(try file.blob("c", "0") == noise)
    #expect(try file.blob("c", "1") == text)
  }
}
