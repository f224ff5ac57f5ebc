import CSndfile

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A part of a sound file as libsndfile sees it: some of its bytes, with others before them, or a size in its header put right.
final class SoundBytes {
  private let input: AudioInput
  private let pieces: [Range<Int>]
  /// Where each piece begins in what is seen, and where the last one ends.
  private let starts: [Int]
  private let prefix: [UInt8]
  private let patch: (offset: Int, bytes: [UInt8])?
  private var position = 0

  private var byteCount: Int { starts[pieces.count] }

  /// - Parameters:
  ///   - pieces: of the file, in their order.
  ///   - prefix: seen before them.
  ///   - patch: bytes seen instead of others, at an offset in what is seen.
  init(_ input: AudioInput, pieces: [Range<Int>], prefix: [UInt8] = [], patch: (offset: Int, bytes: [UInt8])? = nil) {
    (self.input, self.pieces, self.prefix, self.patch) = (input, pieces, prefix, patch)
    starts = pieces.reduce(into: [prefix.count]) { $0.append($0[$0.count - 1] + $1.count) }
  }

  private func seek(_ offset: Int, _ whence: Int32) -> Int {
    let start = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? position : byteCount
    let (target, overflow) = start.addingReportingOverflow(offset)
    guard !overflow, (0...byteCount).contains(target) else { return -1 }
    position = target
    return target
  }

  private func read(into target: UnsafeMutableRawPointer, count: Int) -> Int {
    let count = max(0, min(count, byteCount - position))
    guard count > 0 else { return 0 }
    let before = prefix[min(position, prefix.count)..<min(position + count, prefix.count)]
    unsafe UnsafeMutableRawBufferPointer(start: target, count: count).copyBytes(from: before)
    var done = before.count
    var index = done < count ? piece(at: position + done) : pieces.count
    while done < count, index < pieces.count {
      let skipped = position + done - starts[index]
      let wanted = min(count - done, pieces[index].count - skipped)
      let read = unsafe input.read(
        into: UnsafeMutableRawBufferPointer(start: target + done, count: wanted), at: pieces[index].lowerBound + skipped)
      done += read
      if read < wanted { break }
      index += 1
    }
    if let patch {
      for (index, byte) in patch.bytes.enumerated() {
        let place = patch.offset + index - position
        if (0..<done).contains(place) { unsafe target.storeBytes(of: byte, toByteOffset: place, as: UInt8.self) }
      }
    }
    position += done
    return done
  }

  /// The piece that holds a position behind the prefix.
  private func piece(at position: Int) -> Int {
    var (low, high) = (0, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if starts[middle + 1] <= position { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private static func from(_ pointer: UnsafeMutableRawPointer?) -> SoundBytes {
    unsafe Unmanaged<SoundBytes>.fromOpaque(pointer!).takeUnretainedValue()
  }

  /// libsndfile's view; the caller passes `self` as user data and keeps it alive.
  static func callbacks() -> SF_VIRTUAL_IO {
    unsafe SF_VIRTUAL_IO(
      get_filelen: { unsafe sf_count_t(SoundBytes.from($0).byteCount) },
      seek: { unsafe sf_count_t(SoundBytes.from($2).seek(Int($0), $1)) },
      read: { unsafe sf_count_t(SoundBytes.from($2).read(into: $0!, count: Int($1))) },
      write: { _, _, _ in 0 },
      tell: { unsafe sf_count_t(SoundBytes.from($0).position) })
  }
}

extension AudioInput {
  /// Bytes of the whole input.
  var byteCount: Int { beginning(1).fileBytes }

  /// Reads bytes at a place; returns how many there were.
  func read(into target: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
    switch self {
    case .memory(let file): return unsafe file.copy(into: target, at: offset)
    case .file(let descriptor):
      var done = 0
      while done < target.count {
        let count = unsafe pread(descriptor.value, target.baseAddress! + done, target.count - done, off_t(offset + done))
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { break }
        done += count
      }
      return done
    }
  }

  /// Bytes at a place; fewer at the end.
  func bytes(_ count: Int, at offset: Int) -> [UInt8] {
    guard count > 0, offset >= 0 else { return [] }
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
      used = unsafe read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
    }
  }
}
