import MioKernels
import MioModel

/// The machinery of one call: threads, a cache, and the generator on top. Used by one thread at a time.
final class Engine {
  let model: Model
  let context: KernelContext
  let tokenizer: TextTokenizer
  let classes: TokenClasses
  let generator: Generator
  private let session: LanguageSession

  /// Sequences evaluated together at most: beams of all requests counted.
  static let batchLimit = 16

  init(_ model: Model, batchLimit: Int = Engine.batchLimit) throws(MioError) {
    self.model = model
    tokenizer = try model.requiredTokenizer()
    let language = try model.requiredLanguage()
    context = KernelContext(threads: model.threads)
    session = LanguageSession(
      language, contextLength: model.options.contextLength, cache: model.options.cache.format,
      capacity: (batchLimit + 2) * (model.options.contextLength ?? language.config.contextLength), context: context)
    classes = try model.tokenClasses()
    generator = Generator(session, batchLimit: batchLimit)
  }

  var contextLength: Int { session.contextLength }

  /// Runs requests until all are finished, reporting every event with the index of its request.
  func run(
    _ requests: [GenerationRequest], cancellation: Cancellation, onEvent: (Int, GenerationEvent) throws -> Void
  ) throws {
    var indexes: [Int: Int] = [:]
    for (index, request) in requests.enumerated() { indexes[try generator.submit(request)] = index }
    while !generator.isIdle {
      if cancellation.isCancelled {
        indexes.keys.forEach(generator.cancel)
        _ = try generator.step()
        throw MioError(.cancelled, "cancelled")
      }
      for event in try generator.step() {
        guard let index = indexes[event.request] else { continue }
        try onEvent(index, event)
      }
    }
  }
}

extension GenerationEvent {
  /// The request that the event belongs to.
  var request: Int {
    switch self {
    case .token(let request, _), .blockFinished(let request, _), .finished(let request, _): request
    }
  }
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

extension Engine {
  /// What `ids` say as ordinary text: a reply without control tokens and media.
  func plainText(_ ids: [Int32]) -> String { ReplyContent(ids, tokenizer: tokenizer).text }
}
