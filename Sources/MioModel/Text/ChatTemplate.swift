/// One turn of a conversation.
package struct ChatTurn: Hashable, Sendable {
  package enum Role: String, Hashable, Sendable {
    case system, user, assistant
  }

  package var role: Role
  /// What was said: a user's words as `.untrusted`, media as `.tokens`.
  package var content: Prompt

  package init(_ role: Role, _ content: Prompt) {
    self.role = role
    self.content = content
  }
}

/// How a conversation is written for the instruction-tuned model.
///
/// Same text as `apply_chat_template` of MIO's `tokenization_mio.py`, with bos in front:
/// ```
/// <|startoftext|><|im_start|>system
/// {system}<|im_end|>
/// <|im_start|>user
/// {query}<|im_end|>
/// <|im_start|>assistant
/// ```
package struct ChatTemplate: Hashable, Sendable {
  /// Which words open the conversation.
  package enum System: Hashable, Sendable {
    /// MIO's ordinary ones; turns of the system are left out, as the reference does.
    case standard
    /// Those that ask for speech; they hold the tokens `<spch>` and `</spch>`. Turns of the system are left out.
    case voice
    /// The first turn, which must be the system's.
    case custom
  }

  package static let standardSystem = """
    You are MIO, an AI assistant capable of understanding and generating images, text, videos, and speech, \
    selecting the appropriate modality according to the context.
    """
  package static let voiceSystem = """
    You are MIO, an AI assistant capable of understanding images, text, videos, and speech, and generating speech. \
    Please respond to the user with speech only, starting with <spch> and ending with </spch>.
    """

  package var system: System
  /// Whether the assistant's next turn is opened at the end.
  package var opensReply = true

  package init(_ system: System, opensReply: Bool = true) {
    self.system = system
    self.opensReply = opensReply
  }

  /// The conversation as one prompt.
  ///
  /// - Throws: ``TextError`` with code `.invalidConversation` if `.custom` lacks the system's turn.
  package func prompt(_ turns: [ChatTurn], for tokenizer: TextTokenizer) throws(TextError) -> Prompt {
    var prompt = Prompt()
    Self.append("system", try systemText(turns), to: &prompt)
    for turn in turns where turn.role != .system {
      prompt.append(.trusted("\n"))
      Self.append(turn.role.rawValue, turn.content, to: &prompt)
    }
    if opensReply { prompt.append(Self.opening) }
    return tokenizer.beginning(prompt)
  }

  /// What continues a conversation: the user's next turn, behind the last one, and the opening of the reply.
  package static func nextTurn(_ content: Prompt) -> Prompt {
    var prompt = Prompt.trusted("\n")
    append(ChatTurn.Role.user.rawValue, content, to: &prompt)
    return prompt + opening
  }

  private static let opening = Prompt.trusted("\n<|im_start|>assistant\n")

  private static func append(_ role: String, _ content: Prompt, to prompt: inout Prompt) {
    prompt.append(.trusted("<|im_start|>\(role)\n"))
    prompt.append(content)
    prompt.append(.trusted("<|im_end|>"))
  }

  private func systemText(_ turns: [ChatTurn]) throws(TextError) -> Prompt {
    switch system {
    case .standard: return .trusted(Self.standardSystem)
    case .voice: return .trusted(Self.voiceSystem)
    case .custom:
      guard let first = turns.first, first.role == .system else {
        throw TextError(.invalidConversation, "a custom system prompt must be the first turn of the conversation")
      }
      return first.content
    }
  }
}

extension TextTokenizer {
  /// `prompt` with the bos token in front, unless it begins with it already.
  package func beginning(_ prompt: Prompt) -> Prompt {
    guard let id = beginningID, let text = piece(id), !starts(prompt, with: text, id) else { return prompt }
    return Prompt([.trusted(text)]) + prompt
  }

  private func starts(_ prompt: Prompt, with text: String, _ id: Int32) -> Bool {
    var start: [UInt8] = []
    for segment in prompt.segments {
      switch segment {
      case .trusted(let more): start += more.utf8.prefix(text.utf8.count - start.count)
      case .untrusted(let more): if !more.isEmpty { return false }
      case .tokens(let ids): if let first = ids.first { return start.isEmpty && first == id }
      }
      if start.count == text.utf8.count { return start.elementsEqual(text.utf8) }
    }
    return false
  }
}
