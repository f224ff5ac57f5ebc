/// The header of a mono RIFF WAVE file.
///
/// Floats use the layout of `scipy.io.wavfile.write`: an 18-byte `fmt ` chunk, then `fact` with the number of samples
/// (the true one; scipy writes 1 for the array shape the reference passes it), then `data`. Integers use the classical
/// 44 bytes.
struct WaveHeader {
  enum Encoding: Sendable { case float32, integer16 }

  let encoding: Encoding
  let sampleRateHz: Int

  var bytesPerSample: Int { encoding == .float32 ? 4 : 2 }
  var byteCount: Int { encoding == .float32 ? 58 : 44 }
  /// Most samples whose sizes fit into the 32-bit fields.
  var maximumSampleCount: Int { (Int(UInt32.max) - byteCount) / bytesPerSample }

  /// - Parameter sampleCount: nil writes the largest sizes, which players of streams take as "until the end".
  func bytes(sampleCount: Int?) -> [UInt8] {
    let isFloat = encoding == .float32
    var header: [UInt8] = []
    func append(_ text: String) { header += Array(text.utf8) }
    func append16(_ value: Int) { header += [UInt8(value & 255), UInt8(value >> 8 & 255)] }
    func append32(_ value: Int) {
      append16(value & 0xFFFF)
      append16(value >> 16 & 0xFFFF)
    }
    let unknown = Int(UInt32.max)
    let dataBytes = sampleCount.map { $0 * bytesPerSample }
    append("RIFF")
    append32(dataBytes.map { $0 + byteCount - 8 } ?? unknown)
    append("WAVEfmt ")
    append32(isFloat ? 18 : 16)
    append16(isFloat ? 3 : 1)
    append16(1)
    append32(sampleRateHz)
    append32(sampleRateHz * bytesPerSample)
    append16(bytesPerSample)
    append16(bytesPerSample * 8)
    if isFloat {
      append16(0)
      append("fact")
      append32(4)
      append32(sampleCount ?? unknown)
    }
    append("data")
    append32(dataBytes ?? unknown)
    return header
  }

  /// Little-endian bytes of `samples` in this encoding.
  func encode(_ samples: [Float], clipper: inout SampleClipper) -> [UInt8] {
    switch encoding {
    case .float32: Self.littleEndianBytes(samples.map { $0.bitPattern.littleEndian })
    case .integer16: Self.littleEndianBytes(clipper.integers(samples).map { $0.littleEndian })
    }
  }

  private static func littleEndianBytes<Value: FixedWidthInteger>(_ values: [Value]) -> [UInt8] {
    unsafe values.withUnsafeBytes { unsafe Array($0) }
  }
}

extension WaveHeader {
  /// Length of a RIFF file as its first 8 bytes state it; nil for other files and for streams, whose writers put the
  /// largest sizes there.
  static func statedFileByteCount(_ beginning: [UInt8]) -> Int? {
    guard beginning.count >= 8, beginning.starts(with: Array("RIFF".utf8)) else { return nil }
    let size = (0..<4).reduce(0) { $0 | Int(beginning[4 + $1]) << (8 * $1) }
    return size == 0 || size >= 0x7FFF_0000 ? nil : size + 8
  }
}
