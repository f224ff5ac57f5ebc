import Foundation
import Glibc
import MioFiles

/// Packed tensors that wait in a scratch file for their place in the output. The file has no name: it is gone with the
/// process.
final class CalibratedTensors: @unchecked Sendable {
  private let descriptor: Int32
  private let label: String
  private var length = 0
  private var ranges: [String: Range<Int>] = [:]

  /// - Parameter output: the scratch file lies beside it, where room for the output is needed anyway.
  init(beside output: String) throws(ConversionError) {
    label = output
    guard let descriptor = ScratchFile.open(beside: output + ".calibration") else {
      throw ConversionError(
        .output, file: output, "cannot make a scratch file beside it: \(unsafe String(cString: strerror(errno)))")
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Appends a tensor; one thread at a time, before anything is read.
  func add(_ name: String, _ bytes: [UInt8]) throws(ConversionError) {
    let failure: String? = unsafe bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let count = unsafe pwrite(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(length + done))
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return unsafe String(cString: strerror(errno)) }
        done += count
      }
      return nil
    }
    if let failure { throw ConversionError(.output, file: label, "cannot write the scratch file beside it: \(failure)") }
    ranges[name] = length..<length + bytes.count
    length += bytes.count
  }

  func contains(_ name: String) -> Bool { ranges[name] != nil }

  /// Fills the first bytes of `buffer` with a part of a tensor.
  func read(_ name: String, _ part: Range<Int>, into buffer: inout [UInt8]) throws(ConversionError) {
    guard let range = ranges[name] else { preconditionFailure("\(name) was not calibrated") }
    precondition(part.lowerBound >= 0 && part.upperBound <= range.count, "a part outside of \(name)")
    let isComplete = unsafe buffer.withUnsafeMutableBytes { target in
      var done = 0
      while done < part.count {
        let count = unsafe pread(
          descriptor, target.baseAddress! + done, part.count - done, off_t(range.lowerBound + part.lowerBound + done))
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return false }
        done += count
      }
      return true
    }
    if !isComplete { throw ConversionError(.output, file: label, "cannot read the scratch file beside it") }
  }
}
