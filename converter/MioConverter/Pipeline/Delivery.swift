import Foundation
import MioFormat

/// Where finished steps go, in order: tensors to the writer, bytes of source files to their digests.
///
/// Only one thread at a time calls ``deliver(_:_:byteCount:)``; the lock in ``StepQueue`` orders the calls.
final class Delivery: @unchecked Sendable {
  private let writer: ModelFileWriter
  private let files: [SourceMapping]
  private let digests: [FileDigest]
  private let tensorNames: [String]
  private let bytesTotal: Int
  private let progress: @Sendable (ConversionProgress) -> Void
  private var bytesDone = 0

  init(
    path: String, layout: FileLayout, files: [SourceMapping], tensorNames: [String], bytesTotal: Int,
    progress: @escaping @Sendable (ConversionProgress) -> Void
  ) throws(ConversionError) {
    do { writer = try ModelFileWriter(path: path, layout: layout) } catch { throw Self.failure(error, path) }
    self.files = files
    digests = files.map { _ in FileDigest() }
    self.tensorNames = tensorNames
    self.bytesTotal = bytesTotal
    self.progress = progress
  }

  func deliver(_ step: ConversionStep, _ bytes: [UInt8], byteCount: Int) throws(ConversionError) {
    if case .digest(let file, _) = step.work {
      digests[file].update(bytes, byteCount: byteCount)
      return
    }
    do {
      try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(ModelFileError) in
        try unsafe writer.write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[..<byteCount])))
      }
    } catch { throw Self.failure(error, writer.path) }
    bytesDone += step.sourceByteCount
    progress(ConversionProgress(bytesDone: bytesDone, bytesTotal: bytesTotal, tensor: tensorNames[step.tensor]))
  }

  func cancel() { writer.cancel() }

  /// The source files with their digests, once every step is delivered.
  func sourceFiles() -> [SourceFile] {
    zip(files, digests).map { file, digest in
      SourceFile(name: file.name, byteCount: file.mapping.byteCount, digest: digest.finalize().description)
    }
  }

  /// Adds the provenance and gives the file its name. Returns its length.
  func finish(_ provenance: Provenance) throws(ConversionError) -> Int {
    do {
      try writer.setConfig(provenance.config, of: Provenance.component)
      for blob in provenance.blobs {
        try writer.addBlob(.init(component: Provenance.component, name: blob.name, bytes: blob.bytes))
      }
      try writer.finish()
      return try MappedFile(path: writer.path).byteCount
    } catch {
      writer.cancel()
      throw Self.failure(error, writer.path)
    }
  }

  private static func failure(_ error: ModelFileError, _ path: String) -> ConversionError {
    let item = [error.component, error.item].compactMap { $0 }.joined(separator: "/")
    return ConversionError(.output, file: path, tensor: item.isEmpty ? nil : item, error.message)
  }
}

/// A digest that grows; a class because noncopyable values cannot be elements of an array.
private final class FileDigest {
  private var hasher = Digest.Hasher()

  func update(_ bytes: [UInt8], byteCount: Int) {
    unsafe bytes.withUnsafeBytes { unsafe hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<byteCount])) }
  }

  func finalize() -> Digest { hasher.finalize() }
}
