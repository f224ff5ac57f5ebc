/// What the containers of sound say of themselves: where one recording ends and another begins, and whether all of it is there.
/// libsndfile reads the first of several, and takes a file that was cut off for a shorter one.
struct SoundLayout {
  /// Where recordings begin; the first one at 0.
  private(set) var starts = [0]
  /// A size in the header that is put right.
  private(set) var patch: (offset: Int, bytes: [UInt8])?
  /// What is read before the recording: a statement of its length that the file lacks.
  private(set) var prefix: [UInt8] = []
  /// Stretches of a recording that is interrupted by what is no sound; empty if it is in one piece.
  private(set) var pieces: [Range<Int>] = []
  /// Bytes that the file should have; nil where it does not say.
  private(set) var statedByteCount: Int?
  /// Where the last of the recordings ends by the size of its whole, notes behind the sound included.
  private var statedWholeEnd: Int?
  /// Whether it ends without the mark of an end.
  private(set) var lacksEnd = false
  /// Whether it is an Ogg file of a codec that libsndfile reads.
  private(set) var isVorbisOrOpus = false

  private let input: AudioInput
  private let byteCount: Int

  init(_ input: AudioInput) {
    self.input = input
    byteCount = input.byteCount
    let start = input.bytes(16, at: 0)
    func begins(_ text: String) -> Bool { start.starts(with: Array(text.utf8)) }
    if begins("RIFF") || begins("RIFX") || begins("RF64") {
      chained(4) { $0.wave(isBig: begins("RIFX"), isLong: begins("RF64"), from: $1) }
    } else if begins("FORM") {
      chained(4) { $0.aiff(from: $1) }
    } else if begins(".snd") {
      chained(4) { $0.au(from: $1) }
    } else if begins("riff") {
      chained(16) { $0.wave64(from: $1) }
    } else if begins("OggS") {
      ogg()
    } else if begins("fLaC") {
      starts += places(of: Array("fLaC".utf8), from: 4).filter { place in
        let header = input.bytes(4, at: place + 4)
        return header.count == 4 && header[0] & 0x7F == 0 && header[1...] == [0, 0, 34]
      }
    } else if begins("ID3") || (start.count > 1 && start[0] == 0xFF && start[1] & 0xE0 == 0xE0) {
      mp3()
    }
  }

  /// Reads one header after the other: of recordings that were joined, each begins where another ends, or at most some bytes of
  /// filling or of notes later.
  ///
  /// - Parameter length: bytes at the beginning of a recording that are the same in the next one.
  private mutating func chained(_ length: Int, _ read: (inout SoundLayout, _ start: Int) -> Void) {
    let mark = input.bytes(length, at: 0)
    read(&self, 0)
    while let end = statedByteCount, starts.count < Self.startLimit, end < byteCount,
      let start = ([end, end + end % 2] + [statedWholeEnd].compactMap { $0 }).first(where: {
        $0 > starts[starts.count - 1] && input.bytes(length, at: $0) == mark
      })
    {
      starts.append(start)
      statedByteCount = nil
      read(&self, start)
    }
  }

  static func number(_ bytes: ArraySlice<UInt8>, isBig: Bool) -> Int {
    (isBig ? Array(bytes) : bytes.reversed()).reduce(0) { $0 << 8 | Int($1) }
  }

  // MARK: - Chunks

  /// Most chunks before the sound.
  private static let chunkLimit = 1000

  private mutating func au(from start: Int) {
    let head = input.bytes(16, at: start)
    guard head.count == 16 else { return }
    let (offset, size) = (Self.number(head[4..<8], isBig: true), Self.number(head[8..<12], isBig: true))
    if size != 0xFFFF_FFFF { statedByteCount = start + offset + size }
  }

  private mutating func wave(isBig: Bool, isLong: Bool, from start: Int) {
    var offset = start + 12
    statedWholeEnd = start + 8 + Self.number(input.bytes(4, at: start + 4)[...], isBig: isBig)
    var longSize: Int?
    for _ in 0..<Self.chunkLimit {
      let head = input.bytes(8, at: offset)
      guard head.count == 8 else { return }
      var size = Self.number(head[4..<8], isBig: isBig)
      if head.starts(with: Array("ds64".utf8)) {
        let sizes = input.bytes(16, at: offset + 8)
        if sizes.count == 16, sizes[15] < 0x80 { longSize = Self.number(sizes[8..<16], isBig: false) }
      } else if head.starts(with: Array("data".utf8)) {
        let rest = byteCount - offset - 8
        if isLong, size == 0xFFFF_FFFF, let longSize { size = longSize }
        if size == 0, rest > 0, start == 0 {
          // A stream whose writer could not go back: everything that follows is sound.
          let bytes = (0..<4).map { UInt8(truncatingIfNeeded: min(rest, 0xFFFF_FFFE) >> (8 * $0)) }
          patch = (offset + 4, isBig ? bytes.reversed() : bytes)
        } else if isLong || (size < 0x7FFF_0000 && !isStream(isBig: isBig)) {
          let (end, overflow) = (offset + 8).addingReportingOverflow(size)
          statedByteCount = overflow ? nil : end
        }
        return
      }
      offset += 8 + size + size % 2
    }
  }

  /// Whether the writer said that it does not know the length of the whole.
  private func isStream(isBig: Bool) -> Bool {
    let size = Self.number(input.bytes(4, at: 4)[...], isBig: isBig)
    return size == 0 || size >= 0x7FFF_0000
  }

  private mutating func aiff(from start: Int) {
    var offset = start + 12
    statedWholeEnd = start + 8 + Self.number(input.bytes(4, at: start + 4)[...], isBig: true)
    for _ in 0..<Self.chunkLimit {
      let head = input.bytes(8, at: offset)
      guard head.count == 8 else { return }
      let size = Self.number(head[4..<8], isBig: true)
      if head.starts(with: Array("SSND".utf8)) {
        statedByteCount = offset + 8 + size
        return
      }
      offset += 8 + size + size % 2
    }
  }

  private mutating func wave64(from start: Int) {
    var offset = start + 40
    let whole = input.bytes(8, at: start + 16)
    if whole.count == 8, whole[7] < 0x40 { statedWholeEnd = start + Self.number(whole[...], isBig: false) }
    for _ in 0..<Self.chunkLimit {
      let head = input.bytes(24, at: offset)
      guard head.count == 24, head[23] < 0x40 else { return }
      let size = Self.number(head[16..<24], isBig: false)
      if head.starts(with: Array("data".utf8)) {
        statedByteCount = offset + size
        return
      }
      guard size >= 24 else { return }
      offset += (size + 7) / 8 * 8
    }
  }

  // MARK: - Pages and frames

  /// Goes from page to page; a recording begins behind the end of another.
  private mutating func ogg() {
    let codec = input.bytes(8, at: 27 + Int(input.bytes(1, at: 26).first ?? 0))
    isVorbisOrOpus = codec.dropFirst().starts(with: Array("vorbis".utf8)) || codec.starts(with: Array("OpusHead".utf8))
    var offset = 0
    var (isEnd, isBroken) = (false, false)
    while offset < byteCount {
      let head = input.bytes(27 + 255, at: offset)
      guard head.count > 27, head.starts(with: Array("OggS".utf8)), head.count >= 27 + Int(head[26]) else {
        isBroken = true
        break
      }
      if head[5] & 2 != 0, isEnd { starts.append(offset) }
      isEnd = head[5] & 4 != 0
      let count = Int(head[26])
      offset += 27 + count + head[27..<(27 + count)].reduce(0) { $0 + Int($1) }
    }
    lacksEnd = !isEnd || (isBroken && starts.count == 1 && !isEnd) || offset > byteCount
  }

  /// Recordings that were joined each have the frame that states the length of one.
  private mutating func mp3() {
    let head = input.bytes(10, at: 0)
    let isTagged = head.count == 10 && head.starts(with: Array("ID3".utf8))
    let tag = isTagged ? 10 + head[6...].reduce(0) { $0 << 7 | Int($1 & 0x7F) } : 0
    for word in MPEGFrames.lengthMarks {
      for place in places(of: word, from: tag + 4096) {
        for distance in [36, 21, 13] {
          let head = input.bytes(2, at: place - distance)
          guard head.count == 2, head[0] == 0xFF, head[1] & 0xE6 == 0xE2 else { continue }
          starts.append(place - distance)
          break
        }
      }
    }
    starts.sort()
    guard starts.count == 1 else { return }
    let frames = MPEGFrames(input, from: tag)
    if let frames, frames.pieces.count > 1 || !isNotes(from: frames.pieces.last?.upperBound ?? byteCount) {
      pieces = frames.pieces
      prefix = frames.lengthFrame(byteCount: pieces.reduce(0) { $0 + $1.count })
    } else if MPEGFrames.lengthMarks.contains(where: { !places(of: $0, from: tag, before: tag + 4096).isEmpty }) {
      putXingSizeRight(near: tag)
    } else if let frames, !frames.isConstant {
      starts = [tag]
      prefix = frames.lengthFrame(byteCount: byteCount - tag)
    }
  }

  /// Whether nothing follows, or what is written behind MP3 about it, which libmpg123 knows.
  private func isNotes(from end: Int) -> Bool {
    let bytes = input.bytes(8, at: end)
    return bytes.isEmpty || ["TAG", "APETAGEX", "LYRICS", "ID3", "3DI"].contains { bytes.starts(with: Array($0.utf8)) }
  }

  /// The size that the first frame states is put right where it is not the file's: libmpg123 would complain to standard error.
  private mutating func putXingSizeRight(near tag: Int) {
    for word in MPEGFrames.lengthMarks {
      guard let place = places(of: word, from: tag, before: tag + 4096).first else { continue }
      let head = input.bytes(16, at: place)
      guard head.count == 16, head[7] & 2 != 0 else { return }
      let offset = place + (head[7] & 1 != 0 ? 12 : 8)
      let stated = Self.number(input.bytes(4, at: offset)[...], isBig: true)
      if abs(stated - byteCount) * 100 > byteCount {
        patch = (offset, (0..<4).map { UInt8(truncatingIfNeeded: byteCount >> (24 - 8 * $0)) })
      }
      return
    }
  }

  /// Most recordings in a file.
  private static let startLimit = 10_000

  /// Where a word stands.
  private func places(of word: [UInt8], from start: Int, before limit: Int = .max) -> [Int] {
    var places: [Int] = []
    var offset = start
    let limit = min(limit, byteCount)
    let block = min(1 << 20, max(0, limit - start))
    while offset < limit, places.count < Self.startLimit {
      let bytes = input.bytes(block + word.count - 1, at: offset)
      for index in bytes.indices.dropLast(word.count - 1) where bytes[index] == word[0] {
        if bytes[index..<(index + word.count)].elementsEqual(word) { places.append(offset + index) }
      }
      offset += block
    }
    return places
  }

  /// What is missing at the end, in words.
  var shortfall: String? {
    if let statedByteCount, statedByteCount > byteCount + 1 {
      return "the file is cut off: \(byteCount) of \(statedByteCount) bytes are there"
    }
    return lacksEnd ? "the file is cut off: its last page is missing" : nil
  }
}
