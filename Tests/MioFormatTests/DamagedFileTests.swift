import Foundation
import MioFormat
import MioTestSupport
import Testing

/// Damage of every kind, at every place of a small file.
@Suite struct DamagedFileTests {
  let folder: TemporaryFolder
  let original = ValidVector.tiny.encoded()
  init() throws { folder = try TemporaryFolder() }

  @Test func `every truncation is refused when opening`() throws {
    for count in 0..<original.count {
      let path = try folder.write(Array(original[..<count]))
      #expect(errorCode { try ModelFile.open(path: path) } == .truncated, "\(count) bytes")
    }
  }

  @Test func `every single flipped bit is found and named`() throws {
    let file = try ModelFile.open(path: try folder.write(original))
    let regions = file.tensors.map { ($0.name, $0.byteRange) } + file.blobs.map { ($0.name, $0.byteRange) }
    let directory = regions.map(\.1.upperBound).max()! + 51
    for offset in original.indices {
      for bit in 0..<8 {
        var damaged = original
        damaged[offset] ^= 1 << UInt8(bit)
        let path = try folder.write(damaged)
        let error = try #require(fault { try ModelFile.open(path: path).verify() }, "bit \(bit) of byte \(offset)")
        if let (name, range) = regions.first(where: { $0.1.contains(offset) }) {
          #expect(error.code == .hashMismatch && error.item == name && error.byteRange == range, "byte \(offset)")
        } else if offset >= 128 && offset < directory {
          #expect(error.code == .nonZeroPadding, "byte \(offset)")
          #expect(error.byteRange == offset..<(offset + 1), "byte \(offset)")
        } else if offset >= directory {
          #expect(error.code == .directoryHashMismatch, "byte \(offset)")
          #expect(error.byteRange == directory..<original.count, "byte \(offset)")
        } else {
          let expected: Set<ModelFileError.Code> = [
            .badMagic, .textModeDamage, .badByteOrder, .unsupportedVersion, .headerHashMismatch,
          ]
          #expect(expected.contains(error.code), "byte \(offset): \(error)")
          #expect(error.byteRange?.contains(offset) == true, "byte \(offset): \(error)")
        }
      }
    }
  }

  /// The header's digest is made to fit again, so that the changed field itself is judged.
  @Test func `every field of the header is checked at its extremes`() throws {
    let fields: [(name: String, offset: Int, size: Int)] = [
      ("byte order", 8, 4), ("version", 12, 4), ("file length", 16, 8), ("required features", 24, 8),
      ("optional features", 32, 8), ("directory offset", 40, 8), ("directory length", 48, 8), ("reserved", 56, 8),
    ]
    for field in fields {
      let largest = field.size == 8 ? UInt64.max : UInt64(UInt32.max)
      for value in [0, 1, largest, largest - 1, largest / 2, largest / 2 + 1] {
        var changed = original
        changed.replaceSubrange(field.offset..<(field.offset + field.size), with: le(value).prefix(field.size))
        changed.replaceSubrange(96..<128, with: Digest(of: Array(changed[..<96])).bytes)
        let error = fault { try ModelFile.open(path: try folder.write(changed)).verify() }
        let isHarmless = field.name == "optional features" || changed == original
        #expect((error == nil) == isHarmless, "\(field.name) = \(value): \(String(describing: error))")
      }
    }
  }

  /// Both digests are made to fit again, so that the directory's own rules are what refuses the file.
  @Test func `every byte of the directory is checked at its extremes`() throws {
    let directory = 576
    for offset in directory..<original.count {
      for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFE, 0xFF] {
        var changed = original
        changed[offset] = value
        changed.replaceSubrange(64..<96, with: Digest(of: Array(changed[directory...])).bytes)
        changed.replaceSubrange(96..<128, with: Digest(of: Array(changed[..<96])).bytes)
        let path = try folder.write(changed)
        // Refused with a typed error, or a file that can be read to the end: nothing else may happen.
        guard let file = try? ModelFile.open(path: path) else { continue }
        for tensor in file.tensors { _ = try file.tensor(tensor.component, tensor.name).withBytes { $0.byteCount } }
        _ = fault { try file.verify() }
      }
    }
  }

  /// More of the same in a longer run: `MIO_FUZZ_ROUNDS=1000000 swift test ... --filter DamagedFileTests`.
  @Test func `random changes give a typed error or a readable file`() throws {
    let environment = ProcessInfo.processInfo.environment
    let rounds = environment["MIO_FUZZ_ROUNDS"].flatMap(Int.init) ?? 2000
    let seed = environment["MIO_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
    var random = SplitMix(seed: seed)
    let originals = ValidVector.all.map(\.bytes)
    for round in 0..<rounds {
      let path = try folder.write(Mutation.mutated(originals.randomElement(using: &random)!, using: &random))
      do {
        let file = try ModelFile.open(path: path)
        for blob in file.blobs { _ = fault { try file.blob(blob.component, blob.name) } }
        try file.verify()
      } catch {
        #expect(error.path == path, "MIO_FUZZ_SEED=\(seed), round \(round)")
      }
    }
  }

  @Test func `the first fault of the file is reported for any number of threads`() throws {
    try SampleFile.write(to: folder.path("sample.mio"))
    let file = try ModelFile.open(path: folder.path("sample.mio"))
    var damaged = try folder.bytes("sample.mio")
    for tensor in file.tensors[2...] { damaged[tensor.offset] ^= 1 }
    let path = try folder.write(damaged, "damaged.mio")
    for threads in [1, 2, 3, 8] {
      let error = fault { try ModelFile.open(path: path).verify(threads: threads) }
      #expect(error?.item == file.tensors[2].name, "\(threads) threads")
      #expect(error?.byteRange == file.tensors[2].byteRange, "\(threads) threads")
    }
  }

  @Test func `a file that changes while it is open is noticed by verify`() throws {
    let path = try folder.write(original)
    let file = try ModelFile.open(path: path)
    try #require(unsafe truncate(path, off_t(original.count - 1)) == 0)
    #expect(errorCode { try file.verify() } == .truncated)
    _ = try folder.write(original + [0])
    #expect(errorCode { try ModelFile.open(path: path) } == .trailingBytes)
  }

  @Test func `reading a blob checks its digest`() throws {
    var damaged = original
    damaged[520] ^= 1
    let file = try ModelFile.open(path: try folder.write(damaged))
    #expect(errorCode { try file.blob("about", "song") } == .hashMismatch)
  }

  @Test func `progress counts up and can stop the check`() throws {
    let file = try ModelFile.open(path: try folder.write(original))
    #expect(errorCode { try file.verify { _, _ in false } } == .cancelled)
    try file.verify { [count = original.count] checked, total in checked <= total && total == count }
  }
}

/// What cannot be a model file at all.
@Suite struct OpenTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test func `a missing file cannot be opened`() {
    let error = fault { try ModelFile.open(path: folder.path("none.mio")) }
    #expect(error?.code == .cannotOpen)
    #expect(error?.description.contains("No such file or directory") == true)
  }

  @Test func `a directory, a pipe and a device are refused at once`() throws {
    #expect(errorCode { try ModelFile.open(path: folder.url.path) } == .notRegularFile)
    try #require(unsafe mkfifo(folder.path("pipe"), 0o600) == 0)
    #expect(errorCode { try ModelFile.open(path: folder.path("pipe")) } == .notRegularFile)
    #expect(errorCode { try ModelFile.open(path: "/dev/zero") } == .notRegularFile)
  }

  @Test func `an empty file is truncated`() throws {
    #expect(errorCode { try ModelFile.open(path: try folder.write([])) } == .truncated)
  }

  @Test(arguments: [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n", "git lfs pull"),
    ("<!DOCTYPE html><html><body>Not found", "web page"), ("GGUF\u{3}\0\0\0", "GGUF"), ("PK\u{3}\u{4}", "mio-lite convert"),
    ("\0\0\0\0\0\0\0\0", "zeros"), ("Repository not found", "Repository not found"),
  ]) func `what came instead of a model is named`(text: String, says: String) throws {
    let path = try folder.write(Array(text.utf8))
    #expect(errorCode { try ModelFile.open(path: path) } == .badMagic)
    let message = #expect(throws: ModelFileError.self) { try ModelFile.open(path: path) }?.message
    #expect(message?.contains(says) == true, "\(message ?? "")")
  }

  @Test func `a huge sparse file without a header is no model`() throws {
    let path = try folder.write([])
    try #require(unsafe truncate(path, 1 << 40) == 0)
    #expect(errorCode { try ModelFile.open(path: path) } == .badMagic)
  }

  @Test func `unknown components are refused if required and left alone if not`() throws {
    let file = try ModelFile.open(path: try folder.write(ValidVector.tiny.encoded()))
    try file.refuseUnknownComponents(except: ["language"])
    let error = fault { try file.refuseUnknownComponents(except: ["about"]) }
    #expect(error?.code == .unknownRequiredComponent && error?.component == "language")
  }

  @Test func `messages say what, where and what to do`() throws {
    var damaged = ValidVector.tiny.encoded()
    damaged[200] ^= 1
    let path = try folder.write(damaged)
    let error = fault { try ModelFile.open(path: path).verify() }
    #expect(
      error?.description
        == "\(path): language/head.weight: the bytes do not match their SHA-256; copy or download the file again "
        + "[bytes 192..<480]")
  }
}

/// The model file error that `body` throws, or nil if it throws none.
func fault<Result>(_ body: () throws -> Result) -> ModelFileError? {
  do {
    _ = try body()
    return nil
  } catch {
    return error as? ModelFileError
  }
}
