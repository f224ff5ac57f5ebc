import MioFiles

/// Writes a model file in one pass: tensors in the order of the layout, then blobs, directory and header.
///
/// The file takes its name only when it is complete and on disk. After an error, after ``cancel()``, or when the writer
/// is dropped, nothing is left. The same layout and tensors give the same bytes.
@safe
package final class ModelFileWriter {
  package let path: String
  /// Bytes of all tensors, for a progress display.
  package let tensorByteCount: Int
  /// Bytes of tensors written so far.
  package private(set) var writtenByteCount = 0
  private var layout: FileLayout
  private let byteCounts: [Int]
  private let output: AtomicFile
  private var records: [TensorRecord] = []
  /// End of what has been written.
  private var end = FileHeader.byteCount
  /// Bytes of the current tensor written so far.
  private var partialByteCount = 0
  private var hasher = Digest.Hasher()

  /// Checks the layout and reserves space for the tensors, so that a full disk shows before the work is done.
  package init(path: String, layout: FileLayout) throws(ModelFileError) {
    do throws(ModelFileError) {
      let byteCounts = try layout.checkedByteCounts()
      var end = FileHeader.byteCount
      for count in byteCounts {
        end = FormatLimits.aligned(end) + count
        guard end <= FormatLimits.fileByteCount else {
          throw ModelFileError(.invalidLayout, "the tensors are larger than any file may be")
        }
      }
      let output: AtomicFile
      do throws(AtomicFileError) {
        // A model is mapped where it lies: pipes and devices cannot hold one.
        guard case .name = try OutputTarget(path: path) else { throw .notRegular }
        output = try AtomicFile(path: path)
        try output.reserve(end)
      } catch {
        throw ModelFileError(error, path: path)
      }
      self.path = path
      self.layout = layout
      self.byteCounts = byteCounts
      self.output = output
      tensorByteCount = byteCounts.reduce(0, +)
    } catch {
      throw error.located(path: path)
    }
  }

  /// Appends bytes to the current tensor; after its last byte the next tensor begins. A call may span tensors.
  @unsafe
  package func write(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
    var rest = unsafe bytes
    while unsafe !rest.isEmpty {
      guard records.count < byteCounts.count else {
        throw ModelFileError(.wrongByteCount, "there are more bytes than the tensors of the layout have", path: path)
      }
      if partialByteCount == 0 { try pad() }
      let count = min(byteCounts[records.count] - partialByteCount, rest.count)
      let piece = unsafe UnsafeRawBufferPointer(rebasing: rest[..<count])
      try changeFile { () throws(AtomicFileError) in try unsafe output.write(piece, at: end) }
      unsafe hasher.update(piece)
      end += count
      partialByteCount += count
      writtenByteCount += count
      unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      if partialByteCount == byteCounts[records.count] { endTensor() }
    }
  }

  /// Appends bytes as ``write(_:)-(UnsafeRawBufferPointer)`` does.
  package func write(_ bytes: [UInt8]) throws(ModelFileError) {
    try unsafe bytes.span.bytes.withUnsafeBytes { (pointer) throws(ModelFileError) in try unsafe write(pointer) }
  }

  /// Replaces the configuration of a component of the layout, for facts that are known only after the tensors.
  package func setConfig(_ config: ConfigTable, of component: String) throws(ModelFileError) {
    try change { layout throws(ModelFileError) in
      guard let index = layout.componentIndex(component) else {
        throw ModelFileError(.invalidLayout, "the layout has no such component", component: component)
      }
      layout.components[index] = Component(
        name: component, isRequired: layout.components[index].isRequired, config: config)
    }
  }

  /// Adds a blob, for facts that are known only after the tensors.
  package func addBlob(_ blob: FileLayout.Blob) throws(ModelFileError) {
    try change { layout throws(ModelFileError) in layout.blobs.append(blob) }
  }

  private func change(_ edit: (inout FileLayout) throws(ModelFileError) -> Void) throws(ModelFileError) {
    var changed = layout
    do throws(ModelFileError) {
      try edit(&changed)
      _ = try changed.checkedByteCounts()
    } catch {
      throw error.located(path: path)
    }
    layout = changed
  }

  /// Writes blobs, directory and header, and gives the file its name.
  ///
  /// - Returns: The identity of the file, see ``ModelFile/identity``.
  @discardableResult
  package func finish() throws(ModelFileError) -> Digest {
    try checkOpen()
    guard records.count == byteCounts.count else {
      let tensor = layout.tensors[records.count]
      cancel()
      throw ModelFileError(
        .wrongByteCount, "the file was finished before all bytes of the tensors were written", path: path,
        component: tensor.component, item: tensor.name, expected: "\(byteCounts[records.count])",
        found: "\(partialByteCount)")
    }
    do {
      return try finishFile()
    } catch {
      cancel()
      throw error.located(path: path)
    }
  }

  /// Gives up; nothing is left.
  package func cancel() { output.cancel() }

  private func endTensor() {
    let tensor = layout.tensors[records.count]
    records.append(
      TensorRecord(
        component: tensor.component, name: tensor.name, encoding: tensor.encoding, shape: tensor.shape,
        offset: end - partialByteCount, byteCount: partialByteCount, digest: hasher.finalize()))
    partialByteCount = 0
  }

  /// Writes zeros up to the next place where a region may start.
  private func pad() throws(ModelFileError) {
    let next = FormatLimits.aligned(end)
    try append([UInt8](repeating: 0, count: next - end))
  }

  private func append(_ bytes: [UInt8]) throws(ModelFileError) {
    try changeFile { () throws(AtomicFileError) in try output.write(bytes, at: end) }
    end += bytes.count
  }

  /// Runs `body`; after a failure nothing is left.
  private func changeFile(_ body: () throws(AtomicFileError) -> Void) throws(ModelFileError) {
    try checkOpen()
    do throws(AtomicFileError) {
      try body()
    } catch {
      cancel()
      throw ModelFileError(error, path: path)
    }
  }

  private func checkOpen() throws(ModelFileError) {
    guard output.isOpen else {
      throw ModelFileError(.cancelled, "writing was given up before, or is complete", path: path)
    }
  }

  private func finishFile() throws(ModelFileError) -> Digest {
    layout.sortBlobs()
    var blobRecords: [BlobRecord] = []
    for blob in layout.blobs {
      try pad()
      let (compression, stored) = BlobCompression.smallest(of: blob.bytes)
      blobRecords.append(
        BlobRecord(
          component: blob.component, name: blob.name, compression: compression, offset: end, byteCount: stored.count,
          contentByteCount: blob.bytes.count, digest: Digest(of: stored)))
      try append(stored)
    }
    try pad()
    let directory = Directory(components: layout.components, tensors: records, blobs: blobRecords).encoded()
    guard directory.count <= FormatLimits.directoryByteCount else {
      throw ModelFileError(
        .invalidLayout, "the directory is too long; shorten the configurations",
        expected: "at most \(FormatLimits.directoryByteCount) bytes", found: "\(directory.count)")
    }
    let directoryOffset = end
    try append(directory)
    let header = FileHeader(
      fileByteCount: end, directoryOffset: directoryOffset, directoryByteCount: directory.count,
      directoryDigest: Digest(of: directory)
    ).encoded()
    try changeFile { () throws(AtomicFileError) in
      try output.write(header, at: 0)
      try output.setLength(end)
      try output.commit(durably: true)
    }
    return Digest(bytes: Array(header[FileHeader.hashedByteCount...]))
  }
}

extension ModelFileError {
  fileprivate init(_ error: AtomicFileError, path: String) {
    self.init(error == .notRegular ? .notRegularFile : .cannotWrite, error.message, path: path)
  }
}
