/// What the containers of sound say of themselves: where one recording ends and another begins, and whether all of it is there.
/// libsndfile reads the first of several, and takes a file that was cut off for a shorter one.
struct SoundLayout {
  /// Where recordings begin; the first one at 0.
  private(set) var starts = [0]
  /// A size in the header that is put right.
  private(set) var patch: (offset: Int, bytes: [UInt8])?
  /// Bytes that the file should have; nil where it does not say.
  private(set) var statedByteCount: Int?
  /// Whether it ends without the mark of an end.
  private(set) var lacksEnd = false

  private let input: AudioInput
  private let byteCount: Int

  init(_ input: AudioInput) {
    self.input = input
    byteCount = input.byteCount
    let start = input.bytes(16, at: 0)
    func begins(_ text: String) -> Bool { start.starts(with: Array(text.utf8)) }
    if begins("RIFF") || begins("RIFX") || begins("RF64") {
      wave(isBig: begins("RIFX"), isLong: begins("RF64"))
      // Waves that were joined: each begins where the sound of another ends.
      while let end = statedByteCount, starts.count < Self.startLimit, end < byteCount,
        Array(start.prefix(4)) == input.bytes(4, at: end),
        end > starts[starts.count - 1]
      {
        starts.append(end)
        wave(isBig: begins("RIFX"), isLong: begins("RF64"), from: end)
      }
    } else if begins("FORM") {
      aiff()
    } else if begins(".snd"), start.count == 16 {
      let (offset, size) = (Self.number(start[4..<8], isBig: true), Self.number(start[8..<12], isBig: true))
      if size != 0xFFFF_FFFF { statedByteCount = offset + size }
    } else if begins("riff") {
      wave64()
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

  private static func number(_ bytes: ArraySlice<UInt8>, isBig: Bool) -> Int {
    (isBig ? Array(bytes) : bytes.reversed()).reduce(0) { $0 << 8 | Int($1) }
  }

  // MARK: - Chunks

  /// Most chunks before the sound.
  private static let chunkLimit = 1000

  private mutating func wave(isBig: Bool, isLong: Bool, from start: Int = 0) {
    var offset = start + 12
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

  private mutating func aiff() {
    var offset = 12
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

  private mutating func wave64() {
    var offset = 40
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
    for word in ["Xing", "Info"] {
      for place in places(of: Array(word.utf8), from: tag + 4096) {
        for distance in [36, 21, 13] {
          let head = input.bytes(2, at: place - distance)
          guard head.count == 2, head[0] == 0xFF, head[1] & 0xE6 == 0xE2 else { continue }
          starts.append(place - distance)
          break
        }
      }
    }
    starts.sort()
  }

  /// Most recordings in a file.
  private static let startLimit = 10_000

  /// Where a word stands.
  private func places(of word: [UInt8], from start: Int) -> [Int] {
    var places: [Int] = []
    var offset = start
    let block = 1 << 20
    while offset < byteCount, places.count < Self.startLimit {
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
