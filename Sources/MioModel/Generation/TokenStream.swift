/// The tokens of a reply that are certain, and the events that report them.
struct TokenStream {
  private let plan: SequenceState
  private var reply: Reply
  private var isCutShort = false

  init(_ plan: SequenceState) {
    self.plan = plan
    reply = Reply(state: plan.start)
  }

  var count: Int { reply.ids.count }
  var ids: [Int32] { reply.ids }

  mutating func emit(_ id: Int32, into events: inout [GenerationEvent]) {
    let before = reply.state
    if let grammar = plan.grammar, case .speech(codebook: 0, let count, _) = before.place, !isContent(id, grammar) {
      isCutShort = !grammar.allowsContent(after: count, in: before, remaining: plan.budget - reply.ids.count)
    }
    reply.append(id, plan.grammar)
    events.append(.token(request: plan.request, id: id))
    if before.isInBlock && !reply.state.isInBlock, let block = closedBlock(before) {
      events.append(.blockFinished(request: plan.request, block))
    }
  }

  private func isContent(_ id: Int32, _ grammar: ModalityGrammar) -> Bool {
    if case .speech(codebook: 0, _) = grammar.classes.kind(of: id) { true } else { false }
  }

  /// The block that the last token closed; `before` is the state before that token.
  private func closedBlock(_ before: ModalityGrammar.State) -> MediaBlock? {
    guard let classes = plan.grammar?.classes else { return nil }
    // The opener and the codes; the first of them may stand in the prompt.
    let length = before.openTokenCount
    let own = reply.ids.dropLast().suffix(length)
    let tokens = plan.prompt.suffix(length - own.count) + own
    switch before.place {
    case .text: return nil
    case .image:
      return .image(tokens.compactMap { if case .image(let code) = classes.kind(of: $0) { code } else { nil } })
    case .speech(let codebook, _, _):
      var codebooks = Array(repeating: [Int](), count: codebook + 1)
      for id in tokens {
        if case .speech(let codebook, let code) = classes.kind(of: id), codebook < codebooks.count {
          codebooks[codebook].append(code)
        }
      }
      let voiceFrameCount = before.blockCount == 0 ? plan.grammar?.voice?.frameCount ?? 0 : 0
      return .speech(SpeechBlock(codebooks: codebooks, voiceFrameCount: voiceFrameCount, isCutShort: isCutShort))
    }
  }
}
