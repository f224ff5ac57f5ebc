import Foundation
import MioFiles
import MioFormat

/// Where finished steps go, in order: tensors to the writer, bytes of source files to their digests.
///
/// Only one thread at a time calls ``deliver(_:_:byteCount:)``; the lock in ``StepQueue`` orders the calls.
final class Delivery: @unchecked Sendable {
  private let writer: ModelFileWriter
  private let files: [SourceMapping]
  private let digests: [FileDigest]
  private let checksums: [FileChecksums]
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
    checksums = files.map(FileChecksums.init)
    self.tensorNames = tensorNames
    self.bytesTotal = bytesTotal
    self.progress = progress
  }

  func deliver(_ step: ConversionStep, _ bytes: [UInt8], byteCount: Int) throws(ConversionError) {
    if case .digest(let file, let range) = step.work {
      digests[file].update(bytes, byteCount: byteCount)
      try checksums[file].update(bytes, range)
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
  ///
  /// - Throws: every file that is called by another digest than it has.
  func sourceFiles() throws(ConversionError) -> [SourceFile] {
    let found = zip(files, digests).map { file, digest in
      SourceFile(name: file.name, byteCount: file.mapping.byteCount, digest: digest.finalize().description)
    }
    let problems = zip(files, found).compactMap { file, found -> ConversionError.Problem? in
      guard let expected = file.expectedDigest, expected != found.digest else { return nil }
      return .init(
        .damagedFile, file: file.name,
        "the cache calls it \(expected.prefix(12))..., its SHA-256 is \(found.digest.prefix(12))...: the download is damaged; "
          + "delete it and download it again")
    }
    if !problems.isEmpty { throw ConversionError(problems) }
    return found
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

/// Compares parts of a file with the checksums it carries while its bytes come by in order.
private final class FileChecksums {
  private let file: SourceMapping
  private var next = 0
  private var checksum = CRC32()

  init(_ file: SourceMapping) { self.file = file }

  /// - Parameter range: where the first `range.count` bytes of `bytes` lie in the file.
  func update(_ bytes: [UInt8], _ range: Range<Int>) throws(ConversionError) {
    while next < file.checksums.count {
      let (expected, tensor) = file.checksums[next]
      let part = expected.range.clamped(to: range)
      if !part.isEmpty {
        unsafe bytes.withUnsafeBytes { buffer in
          let slice = part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound
          unsafe checksum.update(UnsafeRawBufferPointer(rebasing: buffer[slice]))
        }
      }
      guard expected.range.upperBound <= range.upperBound else { return }
      guard checksum.value == expected.checksum else {
        throw ConversionError(
          .damagedFile, file: file.name, tensor: tensor,
          "its bytes are not those that were saved (the CRC-32 of its storage differs); download or copy the file again. "
            + "If it was saved with torch.serialization.set_crc32_options(False), save it again without")
      }
      checksum = CRC32()
      next += 1
    }
  }
}
