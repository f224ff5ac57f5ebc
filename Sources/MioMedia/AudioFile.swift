import CSndfile
import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A sound file of any format, rate, width and channel count that libsndfile knows, read block by block as mono floats.
///
/// Integers are divided by 2^(bits - 1), floats are taken as they are, and channels are mixed down to their mean. The
/// file is never held in memory, so its length is bounded by the disk alone. A recording whose end is missing gives the
/// samples that are there and says so in ``shortfall``.
@safe
package final class AudioFile {
  package let name: String
  package let sampleRateHz: Int
  package let channelCount: Int
  /// Samples per channel as the header states them; nil where it leaves them open. Not to be trusted for allocation.
  package let statedFrameCount: Int?
  /// Samples per channel read so far.
  package private(set) var framesRead = 0
  /// After the end: why fewer frames arrived than the header promised.
  package private(set) var shortfall: String?

  /// Largest magnitude accepted: that of a 32-bit integer stored in a float file without scaling.
  package static let largestMagnitude: Float = 2_147_483_648

  private let input: AudioInput
  private let layout: SoundLayout
  private var handle: OpaquePointer
  /// What the handle reads from, if it is a part of the input.
  private var bytes: SoundBytes?
  /// Index of the recording that is read, of those that the file holds one after the other.
  private var part = 0
  private var interleaved: [Float] = []
  private var mix: ListeningMix?

  package static func open(path: String) throws(MediaError) -> AudioFile {
    try AudioFile(AudioInput.opening(path: path), name: path)
  }

  package static func open(bytes: [UInt8], name: String) throws(MediaError) -> AudioFile {
    if bytes.isEmpty { throw MediaError(.empty, name, "the file is empty; record or export it again") }
    return try AudioFile(.memory(MemoryFile(bytes)), name: name)
  }

  /// Reads from a descriptor that stays the caller's; pipes are copied to a temporary file first.
  package static func open(descriptor: Int32, name: String) throws(MediaError) -> AudioFile {
    try AudioFile(AudioInput.seekable(FileDescriptor(descriptor, owned: false), name: name), name: name)
  }

  init(_ input: AudioInput, name: String) throws(MediaError) {
    var (input, layout, info) = (input, SoundLayout(input), SF_INFO())
    var opened = unsafe Self.openHandle(input, layout, part: 0, &info)
    if unsafe opened.handle == nil {
      let error = Self.openError(name, layout, input)
      let isKnown = layout.isVorbisOrOpus && layout.shortfall != nil
      guard !isKnown, let kind = SoundProgram.kind(of: input.bytes(192, at: 0)) else { throw error }
      input = try SoundProgram.decoded(input, kind, name: name)
      layout = SoundLayout(input)
      opened = unsafe Self.openHandle(input, layout, part: 0, &info)
    }
    guard let handle = unsafe opened.handle else { throw Self.openError(name, layout, input) }
    let problem = Self.problem(in: info)
    if let problem {
      unsafe sf_close(handle)
      throw MediaError(problem.code, name, problem.message)
    }
    self.input = input
    self.layout = layout
    self.name = name
    unsafe self.handle = handle
    bytes = unsafe opened.bytes
    sampleRateHz = Int(info.samplerate)
    channelCount = Int(info.channels)
    statedFrameCount = layout.starts.count == 1 && info.frames > 0 && info.frames < Int64.max ? Int(info.frames) : nil
  }

  deinit { unsafe sf_close(handle) }

  private static func openHandle(
    _ input: AudioInput, _ layout: SoundLayout, part: Int, _ info: inout SF_INFO
  ) -> (handle: OpaquePointer?, bytes: SoundBytes?) {
    info = SF_INFO()
    if layout.starts.count > 1 || layout.patch != nil || !layout.prefix.isEmpty {
      let end = part + 1 < layout.starts.count ? layout.starts[part + 1] : input.byteCount
      let pieces = layout.pieces.isEmpty ? [layout.starts[part]..<end] : layout.pieces
      let bytes = SoundBytes(input, pieces: pieces, prefix: layout.prefix, patch: layout.patch)
      var callbacks = SoundBytes.callbacks()
      return unsafe (sf_open_virtual(&callbacks, Int32(SFM_READ), &info, Unmanaged.passUnretained(bytes).toOpaque()), bytes)
    }
    switch input {
    case .file(let descriptor):
      // libsndfile closes what it cannot read, even if it is told not to: it gets a descriptor of its own.
      let own = fcntl(descriptor.value, F_DUPFD_CLOEXEC, 3)
      return own < 0 ? (nil, nil) : unsafe (sf_open_fd(own, Int32(SFM_READ), &info, 1), nil)
    case .memory(let file):
      var callbacks = MemoryFile.callbacks()
      return unsafe (sf_open_virtual(&callbacks, Int32(SFM_READ), &info, Unmanaged.passUnretained(file).toOpaque()), nil)
    }
  }

  /// Goes on with another of the recordings that were joined; false if it cannot be read along with the first.
  private func open(part next: Int) -> Bool {
    var info = SF_INFO()
    let opened = unsafe Self.openHandle(input, layout, part: next, &info)
    guard let handle = unsafe opened.handle else { return false }
    guard Int(info.samplerate) == sampleRateHz, Int(info.channels) == channelCount else {
      unsafe sf_close(handle)
      return false
    }
    unsafe sf_close(self.handle)
    unsafe self.handle = handle
    bytes = unsafe opened.bytes
    part = next
    return true
  }

  private static func problem(in info: SF_INFO) -> (code: MediaError.Code, message: String)? {
    if info.channels < 1 { return (.malformed, "the header states \(info.channels) channels; export the file again") }
    let rates = Resampler.supportedRates
    if !rates.contains(Int(info.samplerate)) {
      return (
        .unsupportedRate,
        "\(info.samplerate) samples per second; rates of \(rates.lowerBound)...\(rates.upperBound) can be read"
      )
    }
    if info.frames == 0 { return (.empty, "the file holds no samples") }
    return nil
  }

  private static func openError(_ name: String, _ layout: SoundLayout, _ input: AudioInput) -> MediaError {
    let reason = unsafe String(cString: sf_strerror(nil))
    if let shortfall = layout.shortfall {
      return MediaError(.malformed, name, "no sound can be read: \(shortfall); copy or export it again")
    }
    switch sf_error(nil) {
    case Int32(SF_ERR_UNRECOGNISED_FORMAT), Int32(SF_ERR_UNSUPPORTED_ENCODING):
      // Downloads fail quietly: a pointer, an error page, or an archive that was not unpacked.
      let complaint = FileKind(input.bytes(FileKind.headLength, at: 0)).complaint(for: .media)
      return MediaError(
        .notAudio, name, complaint ?? "not a sound file that can be read (\(reason)); convert it to wav or flac")
    default:
      return MediaError(.malformed, name, "a damaged sound file (\(reason)); export it again")
    }
  }

  /// The next samples, at most `maximumFrames` of them, mixed down to one channel; empty at the end.
  package func read(maximumFrames: Int) throws(MediaError) -> [Float] {
    precondition(maximumFrames > 0, "ask for at least one frame")
    let count = readNext(maximumFrames: maximumFrames)
    if count <= 0 {
      try noteEnd()
      return []
    }
    try checkSamples(frames: count)
    framesRead += count
    return mixedDown(frames: count)
  }

  /// Frames of this recording, or of the next one.
  private func readNext(maximumFrames: Int) -> Int {
    var count = readInterleaved(maximumFrames: maximumFrames)
    while count <= 0, part + 1 < layout.starts.count, open(part: part + 1) {
      count = readInterleaved(maximumFrames: maximumFrames)
    }
    return count
  }

  private func readInterleaved(maximumFrames: Int) -> Int {
    // A header may state a thousand channels, so the block shrinks rather than the memory growing.
    let frames = min(maximumFrames, max(1, Self.blockLength / channelCount))
    if interleaved.count < frames * channelCount {
      interleaved = [Float](repeating: 0, count: frames * channelCount)
    }
    return unsafe interleaved.withUnsafeMutableBufferPointer {
      unsafe Int(sf_readf_float(handle, $0.baseAddress!, sf_count_t(frames)))
    }
  }

  private static let blockLength = 1 << 18

  /// Seconds of a recording of one channel that are looked at before it is listened to.
  private static let surveyedSeconds = 600

  /// From now on channels are mixed as a listener would: integers in floats are scaled, offsets removed, and silent channels
  /// or those that cancel each other left out. To be called before anything is read.
  ///
  /// - Returns: what is done, in words; empty if the recording is read as it is.
  package func prepareForListening() throws(MediaError) -> [String] {
    var survey = SoundSurvey(channelCount: channelCount, sampleRateHz: sampleRateHz)
    let limit = channelCount == 1 ? Self.surveyedSeconds * sampleRateHz : Int.max
    var count = readNext(maximumFrames: Self.blockLength)
    while count > 0 {
      try checkSamples(frames: count)
      survey.push(interleaved[..<(count * channelCount)])
      framesRead += count
      count = framesRead < limit ? readNext(maximumFrames: Self.blockLength) : 0
    }
    guard part == 0 ? unsafe sf_seek(handle, 0, SEEK_SET) == 0 : open(part: 0) else {
      throw MediaError(.malformed, name, "cannot be read a second time; convert it to wav or flac")
    }
    framesRead = 0
    let mix = survey.mix
    if !mix.isPlain { self.mix = mix }
    return mix.remarks
  }

  private func noteEnd() throws(MediaError) {
    guard shortfall == nil else { return }
    if framesRead == 0 {
      let reason = layout.shortfall.map { ": \($0)" } ?? ""
      throw MediaError(.empty, name, "the file holds no samples that can be decoded\(reason)")
    }
    let fault = unsafe sf_error(handle) == 0 ? nil : unsafe String(cString: sf_strerror(handle))
    if let statedFrameCount, framesRead < statedFrameCount {
      shortfall = "\(framesRead) of \(statedFrameCount) samples could be read (\(fault ?? "the file is cut off"))"
    } else if let fault {
      shortfall = "reading stopped after \(framesRead) samples (\(fault))"
    } else if part + 1 < layout.starts.count {
      shortfall =
        "what follows byte \(layout.starts[part + 1]) has another rate or other channels, or cannot be read, and is left out"
    } else if let missing = layout.shortfall {
      shortfall = "\(missing), \(framesRead) samples could be read"
    } else if let first = layout.pieces.first {
      let count = input.byteCount - first.lowerBound - layout.pieces.reduce(0) { $0 + $1.count }
      shortfall = "\(count) bytes between or behind its frames are no sound and are left out"
    }
  }

  private func checkSamples(frames: Int) throws(MediaError) {
    let used = interleaved[..<(frames * channelCount)]
    // Comparisons with NaN are false, so this also finds the numbers that are none.
    guard let bad = used.firstIndex(where: { !($0.magnitude <= Self.largestMagnitude) }) else { return }
    let frame = framesRead + bad / channelCount
    throw MediaError(
      .badSample, name,
      "sample \(frame) of channel \(bad % channelCount + 1) is \(used[bad]); "
        + "export the recording again as 16-bit wav or flac")
  }

  private func mixedDown(frames: Int) -> [Float] {
    if mix != nil { return mix?.mixedDown(interleaved[..<(frames * channelCount)]) ?? [] }
    if channelCount == 1 { return Array(interleaved[..<frames]) }
    let share = 1 / Float(channelCount)
    return (0..<frames).map { frame in
      var sum: Float = 0
      for channel in 0..<channelCount { sum += interleaved[frame * channelCount + channel] }
      return sum * share
    }
  }
}
