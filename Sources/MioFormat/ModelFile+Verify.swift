import Glibc
import Synchronization

extension ModelFile {
  /// Checks every byte of the file: header, directory, the digest of each region, the content of each blob, and that
  /// all padding is zero.
  ///
  /// Bytes are read through the file descriptor, so a file that shrinks or a disk that fails gives an error.
  ///
  /// - Parameters:
  ///   - threads: regions checked at the same time.
  ///   - progress: bytes checked and bytes in all; may be called from any of the threads, one at a time. Returning
  ///     false stops the check with the error `cancelled`.
  /// - Throws: the first fault in the order of the file, with its byte range, whatever the number of threads.
  package func verify(
    threads: Int = 1, progress: @escaping @Sendable (_ checked: Int, _ total: Int) -> Bool = { _, _ in true }
  ) throws(ModelFileError) {
    do throws(ModelFileError) {
      try checkLengthAndDirectory()
      let job = VerifyJob(file: self, progress: progress)
      runThreads(min(max(threads, 1), max(job.regions.count, 1))) { job.work() }
      if let fault = job.firstFault { throw fault }
    } catch {
      throw error.located(path: path)
    }
  }

  private func checkLengthAndDirectory() throws(ModelFileError) {
    let headerBytes = try file.read(0..<FileHeader.byteCount)
    guard try FileHeader(parsing: headerBytes, actualByteCount: file.currentByteCount()) == header else {
      throw ModelFileError(
        .headerHashMismatch, "the header changed since the file was opened", byteRange: 0..<FileHeader.byteCount)
    }
    let range = header.directoryOffset..<byteCount
    guard Digest(of: try file.read(range)) == header.directoryDigest else {
      throw ModelFileError(
        .directoryHashMismatch, "the directory changed since the file was opened", byteRange: range)
    }
  }
}

/// One check of a whole file, shared by the threads that do it.
private final class VerifyJob: Sendable {
  struct Region: Sendable {
    let component: String
    let name: String
    let range: Range<Int>
    let digest: Digest
    /// Zeros between this region and the next thing in the file.
    let padding: Range<Int>
    let isBlob: Bool
  }

  private struct State {
    var nextRegion = 0
    var checkedByteCount = 0
    var faultRegion = Int.max
    var fault: ModelFileError?
  }

  let regions: [Region]
  private let file: ModelFile
  private let progress: @Sendable (Int, Int) -> Bool
  private let state = Mutex(State())

  init(file: ModelFile, progress: @escaping @Sendable (Int, Int) -> Bool) {
    self.file = file
    self.progress = progress
    let places =
      file.tensors.map { ($0.component, $0.name, $0.byteRange, $0.digest, false) }
      + file.blobs.map { ($0.component, $0.name, $0.byteRange, $0.digest, true) }
    regions = places.map { component, name, range, digest, isBlob in
      Region(
        component: component, name: name, range: range, digest: digest,
        padding: range.upperBound..<FormatLimits.aligned(range.upperBound), isBlob: isBlob)
    }
  }

  var firstFault: ModelFileError? { state.withLock { $0.fault } }

  /// Takes regions in the order of the file until none is left or one before them is at fault.
  func work() {
    let largest = regions.map(\.range.count).max() ?? 0
    var buffer = [UInt8](repeating: 0, count: min(largest, 1 << 20))
    while let index = takeRegion() {
      do {
        try check(regions[index], &buffer)
      } catch let error as ModelFileError {
        // All regions before this one have been taken, so the lowest fault is the first of the file.
        state.withLock { state in
          guard index < state.faultRegion else { return }
          state.faultRegion = index
          state.fault = error
        }
      } catch {
        preconditionFailure("checking throws only model file errors")
      }
    }
  }

  private func takeRegion() -> Int? {
    state.withLock { state in
      guard state.nextRegion < regions.count, state.fault == nil else { return nil }
      defer { state.nextRegion += 1 }
      return state.nextRegion
    }
  }

  private func check(_ region: Region, _ buffer: inout [UInt8]) throws {
    var hasher = Digest.Hasher()
    var position = region.range.lowerBound
    while position < region.range.upperBound {
      let count = min(buffer.count, region.range.upperBound - position)
      try file.file.read(position..<(position + count), into: &buffer)
      unsafe buffer.withUnsafeBytes { unsafe hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      position += count
      try report(count)
    }
    guard hasher.finalize() == region.digest else {
      throw file.mismatch(region.component, region.name, region.range)
    }
    if region.isBlob { _ = try file.blob(region.component, region.name) }
    let padding = try file.file.read(region.padding)
    if let offset = padding.firstIndex(where: { $0 != 0 }) {
      throw ModelFileError(
        .nonZeroPadding, "the padding after this region is not zero; copy or download the file again",
        component: region.component, item: region.name,
        byteRange: region.padding.lowerBound + offset..<(region.padding.lowerBound + offset + 1))
    }
  }

  private func report(_ count: Int) throws {
    let goesOn = state.withLock { state in
      state.checkedByteCount += count
      return progress(state.checkedByteCount, file.byteCount)
    }
    if !goesOn { throw ModelFileError(.cancelled, "the check was cancelled") }
  }
}

/// Runs `body` on `count` threads, one of which is the caller's, and waits for all.
private func runThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) {
  var threads: [pthread_t] = []
  for _ in 1..<max(count, 1) {
    let context = unsafe Unmanaged.passRetained(ThreadBody(run: body))
    var thread = pthread_t()
    let result = unsafe pthread_create(&thread, nil, threadEntry, context.toOpaque())
    // Fewer threads than asked for only make the work slower.
    guard result == 0 else {
      unsafe context.release()
      break
    }
    threads.append(thread)
  }
  body()
  for thread in threads { pthread_join(thread, nil) }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(run: @escaping @Sendable () -> Void) { self.run = run }
}

private func threadEntry(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let context = unsafe context { unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run() }
  return nil
}
