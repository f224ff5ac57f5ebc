import MioKernels
import MioModel

/// What all calls of a model share: its threads, one scheduler with one cache, and turns at the codec and at images.
///
/// Requests for tokens are evaluated by a thread of the engine, those of all calls together in one batch. Sound and images are
/// computed by the threads of the calls themselves, beside it: one call at a time for each kind of work, first come, first
/// served. So an image never keeps another call's words waiting.
final class Engine: Sendable {
  let tokenizer: TextTokenizer
  let classes: TokenClasses
  let contextLength: Int
  let codec: Lane
  let vision: Lane
  let diffusion: Lane
  private let loop: GenerationLoop

  /// Most sequences of one step.
  static let maxSequences = 1024

  init(_ model: Model) throws(MioError) {
    tokenizer = try model.requiredTokenizer()
    classes = try model.tokenClasses()
    let language = try model.requiredLanguage()
    contextLength = model.options.contextLength ?? language.config.contextLength
    (codec, vision, diffusion) = (model.lanes.codec, model.lanes.vision, model.lanes.diffusion)
    loop = try GenerationLoop(
      language, contextLength: contextLength, cache: model.options.cache.format, byteLimit: model.cacheByteLimit,
      lanes: model.lanes)
  }

  deinit { loop.stop() }

  /// Runs requests until all are finished, reporting every event with the index of its request.
  ///
  /// - Parameters:
  ///   - limit: requests that are under way at the same time; the others follow as these end, so that a call with very many
  ///     leaves room for others.
  ///   - wantsTokens: whether single tokens are reported.
  func run(
    _ requests: [GenerationRequest], limit: Int = 16, wantsTokens: Bool = true, cancellation: Cancellation,
    onEvent: (Int, GenerationEvent) throws -> Void
  ) throws {
    let mailbox = Mailbox(loop, wantsTokens: wantsTokens)
    defer { mailbox.close() }
    var (next, open) = (0, 0)
    while next < requests.count || open > 0 {
      while next < requests.count, open < limit {
        mailbox.submit(requests[next], index: next)
        (next, open) = (next + 1, open + 1)
      }
      for (index, event) in try mailbox.next(cancellation) {
        if case .failed(_, let error) = event { throw error }
        if event.isLast { open -= 1 }
        try onEvent(index, event)
      }
    }
  }

  /// What `ids` say as ordinary text: a reply without control tokens and media.
  func plainText(_ ids: [Int32]) -> String { ReplyContent(ids, tokenizer: tokenizer).text }
}

extension Model {
  /// The tables by which the grammar knows this model's tokens.
  func tokenClasses() throws(MioError) -> TokenClasses {
    let tokenizer = try requiredTokenizer()
    let vocabularySize = try requiredLanguage().config.vocabularySize
    do {
      let classes = try TokenClasses(tokenizer, vocabularySize: vocabularySize, stopIds: stopIds)
      guard let multiple = try settings.intIfPresent("frame_multiple"), classes.speech != nil else { return classes }
      return try classes.speaking(inMultiplesOf: multiple)
    } catch {
      throw MioError(error)
    }
  }
}
