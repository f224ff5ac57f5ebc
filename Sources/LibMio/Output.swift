import CMioLite
import MioLite

/// A piece of a result.
struct Piece {
  enum Content {
    case text(String)
    case audio(Audio, text: String?, codes: [[Int32]])
    case image(Image?, codes: [Int32])
    case codes(MediaCodes)
    case tokens([Int32])
    case problem(String)
    case progress(Double, String?)
  }

  var content: Content
  var index = 0
  var count = 0
  var isCutShort = false
  /// Seconds.
  var start = 0.0
  var end = 0.0

  /// Whether it is a part of the result.
  var isKept: Bool { if case .progress = content { false } else { true } }

  /// What pieces have in common that can be joined to one; nil for those that stay alone.
  private var stretch: [Int]? {
    switch content {
    case .text: [MIO_EVENT_TEXT]
    case .tokens: [MIO_EVENT_TOKENS]
    case .audio(let audio, _, let codes): [MIO_EVENT_AUDIO, audio.sampleRateHz, codes.count]
    default: nil
    }
  }

  /// The pieces with neighbouring stretches of one thing joined.
  static func joined(_ pieces: [Piece]) -> [Piece] {
    var joined: [Piece] = []
    var rest = pieces[...]
    while let first = rest.first {
      let stretch = first.stretch
      let run = stretch == nil ? rest.prefix(1) : rest.prefix { $0.stretch == stretch }
      rest = rest.dropFirst(run.count)
      joined.append(run.count == 1 ? first : one(run))
    }
    return joined
  }

  /// One piece of several that can be joined.
  private static func one(_ run: ArraySlice<Piece>) -> Piece {
    var piece = run[run.startIndex]
    piece.isCutShort = run.contains { $0.isCutShort }
    piece.end = run[run.endIndex - 1].end
    switch piece.content {
    case .text:
      piece.content = .text(
        run.map { piece -> String in if case .text(let text) = piece.content { text } else { "" } }.joined())
    case .tokens:
      piece.content = .tokens(run.flatMap { piece -> [Int32] in if case .tokens(let ids) = piece.content { ids } else { [] } })
    case .audio(let audio, _, let codes): piece.content = sound(run, audio.sampleRateHz, codebooks: codes.count)
    default: break
    }
    return piece
  }

  private static func sound(_ run: ArraySlice<Piece>, _ sampleRateHz: Int, codebooks: Int) -> Content {
    var (samples, words, joined) = ([Float](), [String](), Array(repeating: [Int32](), count: codebooks))
    for piece in run {
      guard case .audio(let audio, let text, let codes) = piece.content else { continue }
      samples += audio.samples
      if let text { words.append(text) }
      for (codebook, more) in codes.enumerated() { joined[codebook] += more }
    }
    return .audio(
      Audio(samples: samples, sampleRateHz: sampleRateHz), text: words.isEmpty ? nil : words.joined(separator: " "),
      codes: joined)
  }
}

/// A piece as C sees it; everything it points to lives as long as this object.
@safe final class Event {
  let pointer: UnsafePointer<mio_event>
  private let event: UnsafeMutablePointer<mio_event>
  private var text: CText?
  private var blocks: [UnsafeMutableRawPointer] = unsafe []

  init(_ piece: Piece) {
    unsafe event = .allocate(capacity: 1)
    unsafe event.initialize(to: mio_event())
    unsafe pointer = UnsafePointer(event)
    unsafe event.pointee.size = MemoryLayout<mio_event>.size
    unsafe event.pointee.index = Int32(clamping: piece.index)
    unsafe event.pointee.count = Int32(clamping: piece.count)
    unsafe event.pointee.is_cut_short = piece.isCutShort ? 1 : 0
    unsafe event.pointee.start = piece.start
    unsafe event.pointee.end = piece.end
    fill(piece.content)
  }

  deinit {
    unsafe event.deallocate()
    unsafe blocks.forEach { unsafe $0.deallocate() }
  }

  private func fill(_ content: Piece.Content) {
    switch content {
    case .text(let text): fill(MIO_EVENT_TEXT, text)
    case .problem(let text): fill(MIO_EVENT_PROBLEM, text)
    case .progress(let fraction, let text):
      fill(MIO_EVENT_PROGRESS, text)
      unsafe event.pointee.fraction = fraction
    case .audio(let audio, let text, let codes):
      fill(MIO_EVENT_AUDIO, text)
      unsafe event.pointee.samples = kept(audio.samples)
      unsafe event.pointee.sample_count = audio.samples.count
      unsafe event.pointee.sample_rate = Int32(clamping: audio.sampleRateHz)
      fill(codes)
    case .image(let image, let codes):
      fill(MIO_EVENT_IMAGE, nil)
      if let image {
        unsafe event.pointee.rgb = kept(image.rgb)
        unsafe event.pointee.width = Int32(clamping: image.width)
        unsafe event.pointee.height = Int32(clamping: image.height)
      }
      fill(codes)
    case .codes(.speech(let codes)):
      fill(MIO_EVENT_CODES, nil)
      fill(codes)
    case .codes(.image(let codes)):
      fill(MIO_EVENT_CODES, nil)
      fill(codes)
    case .tokens(let ids):
      fill(MIO_EVENT_TOKENS, nil)
      fill(ids)
    }
  }

  private func fill(_ kind: Int, _ text: String?) {
    unsafe event.pointee.kind = mio_kind(kind)
    self.text = text.map(CText.init)
    unsafe event.pointee.text = self.text?.pointer
  }

  private func fill(_ codes: [Int32]) {
    unsafe event.pointee.codes = kept(codes)
    unsafe event.pointee.code_count = codes.count
  }

  private func fill(_ codebooks: [[Int32]]) {
    unsafe event.pointee.codes = kept(Array(codebooks.joined()))
    unsafe event.pointee.codebooks = codebooks.count
    unsafe event.pointee.code_count = codebooks.first?.count ?? 0
  }

  private func kept<Element: BitwiseCopyable>(_ array: [Element]) -> UnsafePointer<Element>? {
    if array.isEmpty { return nil }
    let block = UnsafeMutableBufferPointer<Element>.allocate(capacity: array.count)
    _ = unsafe block.initialize(from: array)
    unsafe blocks.append(UnsafeMutableRawPointer(block.baseAddress!))
    return unsafe UnsafePointer(block.baseAddress!)
  }
}

/// What a `mio_output` points to: a whole result.
final class Output: Handle {
  private let events: [Event]

  init(_ pieces: [Piece]) { events = pieces.map(Event.init) }

  var count: Int { events.count }
  subscript(index: Int) -> UnsafePointer<mio_event>? {
    unsafe events.indices.contains(index) ? events[index].pointer : nil
  }
}

/// Where the pieces of a result go: to a callback, into an output, or both.
@safe struct Sink {
  private let event: mio_event_fn?
  private let user: UnsafeMutableRawPointer?
  private let output: UnsafeMutablePointer<OpaquePointer?>?
  private let joins: Bool
  private var pieces: [Piece] = []

  /// - Parameter joins: whether neighbouring words, tokens and stretches of speech become one piece of the output.
  init(
    _ event: mio_event_fn?, _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?, joins: Bool
  ) {
    (unsafe self.event, unsafe self.user, unsafe self.output, self.joins) = unsafe (event, user, output, joins)
    unsafe output?.pointee = nil
  }

  /// - Throws: `CancellationError` if the callback wants no more.
  mutating func put(_ piece: Piece) throws {
    if unsafe output != nil, piece.isKept { pieces.append(piece) }
    guard let event = unsafe event else { return }
    let seen = Event(piece)
    let wantsMore = unsafe event(seen.pointer, user)
    withExtendedLifetime(seen) {}
    if wantsMore == 0 { throw CancellationError() }
  }

  /// Hands over what was kept.
  func finish() { unsafe output?.pointee = Output(joins ? Piece.joined(pieces) : pieces).handedOver() }
}
