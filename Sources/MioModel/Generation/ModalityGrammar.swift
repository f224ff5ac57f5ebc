/// Which tokens may follow, so that everything generated can be decoded.
///
/// Output is a row of text tokens and media blocks, then a stop token:
///
/// - speech: `<spch>`, N >= 1 content tokens, exactly N tokens of every timbre codebook in turn, `</spch>`. The content
///   ends when a token of the first timbre codebook is chosen. On the user's side of a conversation there is content
///   only.
/// - image: `<image>`, exactly 32 codes, `</image>`.
///
/// A block opens only if it can be closed within the tokens that remain, and its content is cut off in time. Control
/// tokens and rows of the head that no token owns are never allowed.
///
/// The probabilities are those of the model under the condition that the token is allowed: the head computes allowed ids
/// only. A repetition penalty weakens `<spch>`, `</spch>` and the stop token too if they occurred before, as it does in
/// the reference; where one of them is the only allowed token that changes nothing.
package struct ModalityGrammar: Sendable {
  package struct Rules: Hashable, Sendable {
    package enum SpeechForm: Hashable, Sendable {
      /// What MIO speaks: content, then every timbre codebook.
      case allCodebooks
      /// What MIO hears: content, then the end.
      case contentOnly
    }

    /// Text may stand before, between and after blocks.
    package var text = true
    /// The form of speech blocks; `nil` allows none.
    package var speech: SpeechForm?
    package var images = false
    /// The output begins with a block, and therefore has one.
    package var startsWithBlock = false
    /// Most blocks; `nil` sets no limit.
    package var maxBlocks: Int?
    /// Most frames of one speech block that are not part of a voice prompt.
    package var maxSpeechFrames: Int?

    package init(
      text: Bool = true, speech: SpeechForm? = nil, images: Bool = false, startsWithBlock: Bool = false,
      maxBlocks: Int? = nil, maxSpeechFrames: Int? = nil
    ) {
      self.text = text
      self.speech = speech
      self.images = images
      self.startsWithBlock = startsWithBlock
      self.maxBlocks = maxBlocks
      self.maxSpeechFrames = maxSpeechFrames
    }

    /// Transcripts, captions, answers in writing.
    package static let textOnly = Rules()
    /// Any mixture of text, speech and images.
    package static let anything = Rules(speech: .allCodebooks, images: true)
    /// One speech block and nothing else.
    package static let speechOnly = Rules(text: false, speech: .allCodebooks, startsWithBlock: true, maxBlocks: 1)
    /// One image and nothing else.
    package static let imageOnly = Rules(text: false, images: true, startsWithBlock: true, maxBlocks: 1)
    /// Key frames: one or more images.
    package static let video = Rules(text: false, images: true, startsWithBlock: true)
    /// Text and images in turn.
    package static let story = Rules(images: true)
  }

  /// Where a sequence stands.
  package struct State: Hashable, Sendable {
    enum Place: Hashable, Sendable {
      case text
      /// `count` tokens of `codebook` are there; `frames` is N, growing while the codebook is 0.
      case speech(codebook: Int, count: Int, frames: Int)
      case image(count: Int)
    }

    var place = Place.text
    var blockCount = 0
    /// Tokens of the open block so far, its opener included; 0 between blocks.
    var openTokenCount = 0

    /// Whether a media block is open.
    package var isInBlock: Bool { place != .text }
  }

  package let classes: TokenClasses
  package let rules: Rules
  package let voice: VoicePrompt?
  private let betweenBlocks: [[Range<Int>]]  // by Allowance bits
  private let content: [Range<Int>]
  private let contentOrEnd: [Range<Int>]
  private let codebooks: [[Range<Int>]]  // by codebook

  /// - Parameter voice: frames that every first speech block must begin with.
  package init(_ classes: TokenClasses, rules: Rules, voice: VoicePrompt? = nil) {
    if let voice, let speech = classes.speech {
      precondition(
        voice.codebooks.count == speech.codebooks.count
          && zip(voice.codebooks, speech.codebooks).allSatisfy { codes, ids in codes.allSatisfy(ids.indices.contains) },
        "a voice prompt needs codes of every codebook of this model")
    }
    self.classes = classes
    self.rules = rules
    self.voice = voice
    codebooks = classes.codebookRanges
    content = codebooks.first ?? []
    let close = [Range<Int>].covering(classes.speech.map { [$0.close] } ?? [])
    let endOfContent = rules.speech == .contentOnly || codebooks.count < 2 ? close : codebooks[1]
    contentOrEnd = .union(of: content + endOfContent)
    betweenBlocks = (0..<16).map { bits in
      let allowed = Allowance(rawValue: bits)
      var ranges: [Range<Int>] = []
      if allowed.contains(.text) { ranges += classes.textRanges }
      if allowed.contains(.stop) { ranges += classes.stopRanges }
      if allowed.contains(.speech), let speech = classes.speech { ranges += .covering([speech.open]) }
      if allowed.contains(.image), let image = classes.image { ranges += .covering([image.open]) }
      return .union(of: ranges)
    }
  }

  private struct Allowance: OptionSet {
    let rawValue: Int
    static let text = Allowance(rawValue: 1)
    static let stop = Allowance(rawValue: 2)
    static let speech = Allowance(rawValue: 4)
    static let image = Allowance(rawValue: 8)
  }

  // MARK: - Start

  /// The state in which the first token after `prompt` is chosen: inside a block if the prompt leaves one open.
  package func start(after prompt: [Int32]) -> State {
    let opener = prompt.lastIndex { id in
      let kind = classes.kind(of: id)
      return kind == .openSpeech || kind == .openImage
    }
    guard let opener else { return State() }
    var state = State()
    for id in prompt[opener...] {
      guard belongs(id, to: state.place, isOpener: state.openTokenCount == 0) else { return State() }
      advance(&state, by: id)
      if !state.isInBlock { return State() }
    }
    return state
  }

  /// Whether `id` continues `place` in form, whatever the rules of the task.
  private func belongs(_ id: Int32, to place: State.Place, isOpener: Bool) -> Bool {
    switch (place, classes.kind(of: id)) {
    case (.text, _): isOpener
    case (.image(let count), .image): count < (classes.image?.blockLength ?? 0)
    case (.speech(let codebook, let count, let frames), .speech(let next, _)):
      next == codebook && (codebook == 0 || count < frames) || next == codebook + 1 && frames > 0 && count == frames
    default: false
    }
  }

  // MARK: - Steps

  /// The allowed ids, as ascending, disjoint ranges; empty if the output is complete.
  ///
  /// - Parameter remaining: tokens that may still be generated, at least 1.
  package func allowed(in state: State, remaining: Int) -> [Range<Int>] {
    switch state.place {
    case .text: betweenBlocks[allowance(in: state, remaining: remaining).rawValue]
    case .image(let count):
      count < (classes.image?.blockLength ?? 0) ? classes.imageRanges : single(classes.image?.close)
    case .speech(let codebook, let count, let frames):
      allowedInSpeech(codebook: codebook, count: count, frames: frames, state: state, remaining: remaining)
    }
  }

  /// Advances `state` by an allowed token.
  package func advance(_ state: inout State, by id: Int32) {
    defer { state.openTokenCount = state.isInBlock ? state.openTokenCount + 1 : 0 }
    switch (state.place, classes.kind(of: id)) {
    case (.text, .openSpeech): state.place = .speech(codebook: 0, count: 0, frames: 0)
    case (.text, .openImage): state.place = .image(count: 0)
    case (.speech(0, let count, _), .speech(0, _)):
      state.place = .speech(codebook: 0, count: count + 1, frames: count + 1)
    case (.speech(_, let count, let frames), .speech(let codebook, _)):
      state.place = .speech(codebook: codebook, count: count < frames ? count + 1 : 1, frames: frames)
    case (.image(let count), .image): state.place = .image(count: count + 1)
    case (.speech, .closeSpeech), (.image, .closeImage):
      state.place = .text
      state.blockCount += 1
    default: break
    }
  }

  /// The least number of tokens that end the output properly from the start state `state`.
  package func minimumTokens(from state: State) -> Int {
    switch state.place {
    case .text:
      guard rules.startsWithBlock else { return 1 }
      return min(
        rules.speech == nil || classes.speech == nil ? .max : speechBlockLength,
        rules.images ? imageBlockLength ?? .max : .max)
    case .image(let count): return (classes.image?.blockLength ?? 0) - count + 1
    case .speech(let codebook, let count, let frames):
      if codebook > 0 { return (codebookCount - codebook) * frames - count + 1 }
      let least = minFrames(from: count, voiceFrames: voiceFrames(in: state))
      return least - count + (codebookCount - 1) * least + 1
    }
  }

  /// Tokens that the voice prompt puts into the first speech block of an output that begins in `state`.
  package func voiceTokenCount(from state: State) -> Int {
    guard rules.speech != nil, classes.speech != nil, let voice else { return 0 }
    if case .image = state.place { return 0 }
    return voice.frameCount * codebookCount
  }

  /// Whether one more content frame may follow `frames` of them.
  func allowsContent(after frames: Int, in state: State, remaining: Int) -> Bool {
    let voiceFrames = voiceFrames(in: state)
    let target = minFrames(from: frames + 1, voiceFrames: voiceFrames)
    if let limit = rules.maxSpeechFrames {
      let multiple = classes.speech?.frameMultiple ?? 1
      let most = max(voiceFrames + max(limit, 1), minFrames(from: 1, voiceFrames: voiceFrames))
      if target > max(most / multiple * multiple, minFrames(from: 1, voiceFrames: voiceFrames)) { return false }
    }
    return remaining >= target - frames + (codebookCount - 1) * target + 1
  }

  // MARK: - Parts

  /// Codebooks of a block in the form that the rules ask for.
  private var codebookCount: Int {
    rules.speech == .contentOnly ? 1 : classes.speech?.codebooks.count ?? 1
  }

  private var speechBlockLength: Int {
    codebookCount * minFrames(from: 1, voiceFrames: voice?.frameCount ?? 0) + 2
  }

  private var imageBlockLength: Int? { classes.image.map { $0.blockLength + 2 } }

  /// Frames of the voice prompt that the open block must begin with: only the first block of the output has any.
  private func voiceFrames(in state: State) -> Int {
    state.blockCount == 0 ? voice?.frameCount ?? 0 : 0
  }

  /// The least N >= `frames` at which content may end.
  private func minFrames(from frames: Int, voiceFrames: Int) -> Int {
    let multiple = classes.speech?.frameMultiple ?? 1
    return (max(frames, voiceFrames + 1) + multiple - 1) / multiple * multiple
  }

  private func allowance(in state: State, remaining: Int) -> Allowance {
    var allowed: Allowance = []
    let isFirst = rules.startsWithBlock && state.blockCount == 0
    if !isFirst {
      allowed.insert(.stop)
      if rules.text { allowed.insert(.text) }
    }
    if state.blockCount < rules.maxBlocks ?? .max {
      let speechLength =
        state.blockCount == 0 ? speechBlockLength : codebookCount * minFrames(from: 1, voiceFrames: 0) + 2
      if rules.speech != nil && classes.speech != nil && remaining >= speechLength { allowed.insert(.speech) }
      if rules.images, let length = imageBlockLength, remaining >= length { allowed.insert(.image) }
    }
    return allowed
  }

  private func allowedInSpeech(
    codebook: Int, count: Int, frames: Int, state: State, remaining: Int
  ) -> [Range<Int>] {
    guard let speech = classes.speech else { return [] }
    let voiceFrames = voiceFrames(in: state)
    if codebook > 0 && count == frames {
      if codebook + 1 == speech.codebooks.count { return single(speech.close) }
      return forced(codebook + 1, 0, voiceFrames) ?? codebooks[codebook + 1]
    }
    if let only = forced(codebook, count, voiceFrames) { return only }
    if codebook > 0 { return codebooks[codebook] }
    let mayEnd = count > 0 && minFrames(from: count, voiceFrames: voiceFrames) == count
    let mayGoOn = allowsContent(after: count, in: state, remaining: remaining)
    if !mayEnd { return content }
    if mayGoOn { return voiceFrames > 0 && codebookCount > 1 ? contentOrVoice(speech) : contentOrEnd }
    if codebookCount == 1 { return single(speech.close) }
    return forced(1, 0, voiceFrames) ?? codebooks[1]
  }

  /// The one allowed id while a codebook repeats the voice prompt.
  private func forced(_ codebook: Int, _ index: Int, _ voiceFrames: Int) -> [Range<Int>]? {
    guard index < voiceFrames, let voice, let speech = classes.speech else { return nil }
    return single(speech.codebooks[codebook][voice.codebooks[codebook][index]])
  }

  /// Content tokens or the first timbre token of the voice prompt.
  private func contentOrVoice(_ speech: TokenClasses.Speech) -> [Range<Int>] {
    guard let voice else { return contentOrEnd }
    let end = Int(speech.codebooks[1][voice.codebooks[1][0]])
    var ranges = content
    ranges.insert(end..<end + 1, at: ranges.firstIndex { $0.lowerBound > end } ?? ranges.count)
    return ranges
  }

  private func single(_ id: Int32?) -> [Range<Int>] {
    id.map { [Int($0)..<Int($0) + 1] } ?? []
  }
}
