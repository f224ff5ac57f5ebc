/// The frames of an MP3 file, counted by their headers (ISO 11172-3, 13818-3, and the half rates of MPEG 2.5).
///
/// Where no frame says how long the sound is, libmpg123 takes its length from the first frame's bit rate and libsndfile reads
/// no further: with a rate that varies, the end is lost. Where something else lies between frames, libmpg123 looks for the next one
/// in a thousand bytes, and gives up.
struct MPEGFrames {
  private(set) var count = 0
  /// Where frames lie one behind the other.
  private(set) var pieces: [Range<Int>] = []
  /// Whether all frames have one bit rate, so that the length of the file tells that of the sound.
  private(set) var isConstant = true
  private let first: Header

  /// What a frame that states the length says of itself, at a varying rate and at one rate.
  static let lengthMarks = ["Xing", "Info"].map { Array($0.utf8) }

  /// Most pieces that are looked for.
  private static let pieceLimit = 10_000

  /// - Parameter start: where the first frame begins.
  /// - Returns: nil where no frame of layer III begins there, or its length is not given.
  init?(_ input: AudioInput, from start: Int) {
    guard let header = Header(input.bytes(4, at: start)) else { return nil }
    first = header
    // A frame that states the length is none of those that are counted.
    let isStated = header.statesLength(input.bytes(4, at: start + 4 + header.sideByteCount))
    var begin: Int? = isStated ? start + header.byteCount : start
    while let from = begin, pieces.count < Self.pieceLimit {
      var offset = from
      while let next = Header(input.bytes(4, at: offset)), next.isLike(first) {
        count += 1
        isConstant = isConstant && next.bitrate == first.bitrate
        offset += next.byteCount
      }
      if offset > from { pieces.append(from..<min(offset, input.byteCount)) }
      begin = Self.next(like: first, in: input, from: offset)
    }
  }

  /// Where two frames of the same stream follow each other again.
  private static func next(like first: Header, in input: AudioInput, from start: Int) -> Int? {
    let block = 1 << 16
    var offset = start
    while true {
      let bytes = input.bytes(block + 3, at: offset)
      guard bytes.count >= 4 else { return nil }
      for index in 0..<(bytes.count - 3) where bytes[index] == 0xFF {
        guard let header = Header(Array(bytes[index..<(index + 4)])), header.isLike(first) else { continue }
        let place = offset + index
        if let second = Header(input.bytes(4, at: place + header.byteCount)), second.isLike(first) { return place }
      }
      offset += block
    }
  }

  /// A frame that states the length of the sound, as encoders put it in front of the others.
  ///
  /// - Parameter byteCount: bytes of the frames behind it.
  func lengthFrame(byteCount: Int) -> [UInt8] {
    // Without a checksum, without padding, with room enough.
    var frame = [first.bytes[0], first.bytes[1] | 1, 0x90 | first.bytes[2] & 0x0C, first.bytes[3]]
    guard let header = Header(frame) else { return [] }
    frame += [UInt8](repeating: 0, count: header.sideByteCount) + Self.lengthMarks[0]
    for number in [3, count, byteCount + header.byteCount] {
      frame += (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }
    return frame + [UInt8](repeating: 0, count: header.byteCount - frame.count)
  }

  private struct Header {
    let bytes: [UInt8]
    let bitrate: Int
    let byteCount: Int
    private let isFirstVersion: Bool

    /// Bytes between the header and what an encoder says of itself.
    var sideByteCount: Int {
      let isMono = bytes[3] >> 6 == 3
      return isFirstVersion ? (isMono ? 17 : 32) : (isMono ? 9 : 17)
    }

    init?(_ bytes: [UInt8]) {
      guard bytes.count == 4, bytes[0] == 0xFF, bytes[1] & 0xE6 == 0xE2 else { return nil }
      let (version, rateIndex, bitrateIndex) = (bytes[1] >> 3 & 3, Int(bytes[2] >> 2 & 3), Int(bytes[2] >> 4))
      guard version != 1, rateIndex < 3, (1...14).contains(bitrateIndex) else { return nil }
      self.bytes = bytes
      isFirstVersion = version == 3
      bitrate = (isFirstVersion ? Self.bitrates : Self.lowBitrates)[bitrateIndex - 1]
      let sampleRate = [44_100, 48_000, 32_000][rateIndex] >> (version == 3 ? 0 : version == 2 ? 1 : 2)
      byteCount = (isFirstVersion ? 144_000 : 72_000) * bitrate / sampleRate + Int(bytes[2] >> 1 & 1)
    }

    /// Whether these bytes behind the side information say that the frame states the length.
    func statesLength(_ word: [UInt8]) -> Bool { MPEGFrames.lengthMarks.contains(word) }

    /// Whether both belong to one stream: same version, layer and sample rate.
    func isLike(_ other: Header) -> Bool {
      bytes[1] & 0xFE == other.bytes[1] & 0xFE && bytes[2] & 0x0C == other.bytes[2] & 0x0C
    }

    /// In kb/s.
    private static let bitrates = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
    private static let lowBitrates = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
  }
}
