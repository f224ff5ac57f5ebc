import CSndfile

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A part of a sound file as libsndfile sees it: some of its bytes, with others before them, or a size in its header put right.
final class SoundBytes {
  private let input: AudioInput
  private let range: Range<Int>
  private let prefix: [UInt8]
  private let patch: (offset: Int, bytes: [UInt8])?
  private var position = 0

  private var byteCount: Int { prefix.count + range.count }

  init(_ input: AudioInput, range: Range<Int>, prefix: [UInt8] = [], patch: (offset: Int, bytes: [UInt8])? = nil) {
    (self.input, self.range, self.prefix, self.patch) = (input, range, prefix, patch)
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
    if done < count {
      done += unsafe input.read(
        into: UnsafeMutableRawBufferPointer(start: target + done, count: count - done),
        at: range.lowerBound + position + done - prefix.count)
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
