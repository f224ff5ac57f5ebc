/// The words in which a task is put to the model, with places for what the user brings.
package struct PromptTemplate: Hashable, Sendable {
  /// A place in the pattern, written `{text}`.
  package enum Slot: String, CaseIterable, Hashable, Sendable {
    case text, question, speech, image
    /// Everything in the order in which it was given.
    case parts
  }

  /// The user's turn for the instruction-tuned model, the whole prompt for the base model.
  package let pattern: String
  /// The system prompt; nil for the base model, which knows no turns.
  package let system: ChatTemplate.System?

  init(_ pattern: String, _ system: ChatTemplate.System?) {
    self.pattern = pattern
    self.system = system
  }

  /// The places that the pattern has.
  package var slots: Set<Slot> { Set(Slot.allCases.filter { pattern.contains("{\($0.rawValue)}") }) }

  /// The pattern with its slots filled: the words around them are trusted, what fills them is as trusted as it says.
  package func content(_ filling: [Slot: Prompt]) -> Prompt {
    var prompt = Prompt()
    var rest = pattern[...]
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      prompt.append(.trusted(String(rest[..<open])))
      if let slot = Slot(rawValue: String(rest[rest.index(after: open)..<close])) {
        precondition(filling[slot] != nil, "the template \"\(pattern)\" needs something for {\(slot.rawValue)}")
        prompt.append(filling[slot] ?? Prompt())
      }
      rest = rest[rest.index(after: close)...]
    }
    prompt.append(.trusted(String(rest)))
    return prompt
  }

  /// The whole prompt, bos included.
  package func prompt(_ filling: [Slot: Prompt], for tokenizer: TextTokenizer) throws(TextError) -> Prompt {
    guard let system else { return tokenizer.beginning(content(filling)) }
    return try ChatTemplate(system).prompt([ChatTurn(.user, content(filling))], for: tokenizer)
  }
}
