/// An open model file: its directory, and views of its tensors in the mapped memory.
///
/// Opening reads and checks the header and the directory only, whatever the size of the file.
/// ``verify(threads:progress:)`` checks every byte.
package final class ModelFile: Sendable {
  package let path: String
  package let byteCount: Int
  /// Digest of the header. Header, directory and regions form a tree of digests, so two files with the same identity
  /// have the same bytes.
  package let identity: Digest
  let file: MappedFile
  let header: FileHeader
  let directory: Directory
  private let tensorIndexes: [String: [String: Int]]

  /// Opens a file and checks its header and directory.
  ///
  /// - Complexity: O(size of the directory); no page of a tensor is touched.
  package static func open(path: String) throws(ModelFileError) -> ModelFile {
    do {
      return try ModelFile(MappedFile(path: path))
    } catch {
      throw error.located(path: path)
    }
  }

  /// The same for a file in memory.
  package static func open(bytes: [UInt8], name: String) throws(ModelFileError) -> ModelFile {
    do {
      return try ModelFile(MappedFile(bytes: bytes, name: name))
    } catch {
      throw error.located(path: name)
    }
  }

  private init(_ file: MappedFile) throws(ModelFileError) {
    // Header and directory are parsed from copies, so that nobody can change them between check and use.
    let headerBytes = try file.read(0..<min(FileHeader.byteCount, file.byteCount))
    header = try FileHeader(parsing: headerBytes, actualByteCount: file.byteCount)
    directory = try Self.readDirectory(file, header)
    identity = Digest(bytes: Array(headerBytes[FileHeader.hashedByteCount...]))
    path = file.path
    byteCount = file.byteCount
    self.file = file
    var indexes: [String: [String: Int]] = [:]
    for (index, tensor) in directory.tensors.enumerated() {
      indexes[tensor.component, default: [:]][tensor.name] = index
    }
    tensorIndexes = indexes
  }

  private static func readDirectory(_ file: MappedFile, _ header: FileHeader) throws(ModelFileError) -> Directory {
    let range = header.directoryOffset..<(header.directoryOffset + header.directoryByteCount)
    let bytes = try file.read(range)
    guard Digest(of: bytes) == header.directoryDigest else {
      throw ModelFileError(
        .directoryHashMismatch, "the directory is damaged; copy or convert the file again", byteRange: range)
    }
    return try Directory(parsing: bytes, fileOffset: header.directoryOffset)
  }

  /// The version of the format; readers take exactly the one they know.
  package var formatVersion: Int { Int(FileHeader.formatVersion) }
  package var components: [Component] { directory.components }
  package var tensors: [TensorRecord] { directory.tensors }
  package var blobs: [BlobRecord] { directory.blobs }
  /// Bits of optional features that the writer used; a reader may ignore them.
  package var optionalFeatures: UInt64 { header.optionalFeatures }

  package func component(_ name: String) -> Component? {
    directory.components.first { $0.name == name }
  }

  /// The component, or an error that names it.
  package func requiredComponent(_ name: String) throws(ModelFileError) -> Component {
    guard let component = component(name) else {
      throw ModelFileError(
        .missingComponent, "the file has no such component; convert a checkpoint that has it", path: path,
        component: name)
    }
    return component
  }

  /// Refuses a file with a required component that the caller does not know; optional ones may be left alone.
  package func refuseUnknownComponents(except known: Set<String>) throws(ModelFileError) {
    for component in components where component.isRequired && !known.contains(component.name) {
      throw ModelFileError(
        .unknownRequiredComponent, "the file needs a component that this version does not know; use a newer mio-lite",
        path: path, component: component.name)
    }
  }

  package func hasTensor(_ component: String, _ name: String) -> Bool {
    tensorIndexes[component]?[name] != nil
  }

  /// A tensor and its bytes in the mapped memory.
  package func tensor(_ component: String, _ name: String) throws(ModelFileError) -> TensorView {
    guard let index = tensorIndexes[component]?[name] else {
      _ = try requiredComponent(component)
      throw ModelFileError(
        .missingTensor, "the file lacks this tensor; convert the checkpoint again", path: path, component: component,
        item: name)
    }
    return TensorView(record: directory.tensors[index], owner: self)
  }

  package func hasBlob(_ component: String, _ name: String) -> Bool {
    directory.blobs.contains { $0.component == component && $0.name == name }
  }

  /// The content of a blob, decompressed now and checked against its digest.
  package func blob(_ component: String, _ name: String) throws(ModelFileError) -> [UInt8] {
    guard let record = directory.blobs.first(where: { $0.component == component && $0.name == name }) else {
      throw ModelFileError(
        .missingBlob, "the file lacks this blob; convert the checkpoint again", path: path, component: component,
        item: name)
    }
    let stored = try file.read(record.byteRange)
    guard Digest(of: stored) == record.digest else { throw mismatch(component, name, record.byteRange) }
    guard let content = record.compression.content(of: stored, contentByteCount: record.contentByteCount) else {
      throw ModelFileError(
        .corruptBlob, "the compressed bytes do not give the promised content; convert the checkpoint again",
        path: path, component: component, item: name, byteRange: record.byteRange,
        expected: "\(record.contentByteCount) bytes")
    }
    return content
  }

  func mismatch(_ component: String, _ item: String, _ range: Range<Int>) -> ModelFileError {
    ModelFileError(
      .hashMismatch, "the bytes do not match their SHA-256; copy or download the file again", path: path,
      component: component, item: item, byteRange: range)
  }
}

/// A tensor in the mapped memory of a file, which it keeps open.
@safe
package struct TensorView: Sendable {
  package let record: TensorRecord
  /// Keeps ``bytes`` valid.
  package let owner: ModelFile

  /// The bytes, on a 64-byte boundary; valid as long as ``owner``.
  @unsafe
  package var bytes: UnsafeRawBufferPointer { unsafe owner.file.bytes(record.byteRange) }

  /// Lends the bytes without a pointer.
  package func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    try body(unsafe bytes.bytes)
  }
}
