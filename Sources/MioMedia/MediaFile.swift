#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file that may hold a sound or a picture; its first bytes decide.
package enum MediaFile {
  case sound(AudioFile)
  case picture(Picture)

  package static func open(path: String) throws(MediaError) -> MediaFile {
    try open(AudioInput.opening(path: path), name: path)
  }

  /// Reads from a descriptor that stays the caller's; pipes are copied to a temporary file first.
  package static func open(descriptor: Int32, name: String) throws(MediaError) -> MediaFile {
    try open(AudioInput.seekable(FileDescriptor(descriptor, owned: false), name: name), name: name)
  }

  private static func open(_ input: AudioInput, name: String) throws(MediaError) -> MediaFile {
    guard case .file(let descriptor) = input, PictureFile.isPicture(firstBytes(of: descriptor)) else {
      return .sound(try AudioFile(input, name: name))
    }
    return .picture(try PictureFile.read(descriptor, name: name))
  }

  /// The bytes at the current position, which stays where it is.
  private static func firstBytes(of descriptor: FileDescriptor) -> [UInt8] {
    let start = lseek(descriptor.value, 0, SEEK_CUR)
    return unsafe [UInt8](unsafeUninitializedCapacity: 16) { buffer, used in
      used = unsafe max(0, pread(descriptor.value, buffer.baseAddress!, buffer.count, max(0, start)))
    }
  }
}
