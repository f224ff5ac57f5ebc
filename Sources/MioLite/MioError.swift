/// What went wrong, in a form a program can act on and a sentence a person can act on.
public struct MioError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of fault. New kinds may be added: treat unknown ones like ``failed``.
  public struct Code: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }

    /// A text, sound, option or token list that cannot be used.
    public static let invalidInput = Code(rawValue: "invalid-input")
    /// The model file is damaged, of another version, or not a model file.
    public static let invalidModel = Code(rawValue: "invalid-model")
    /// The model file lacks what the request needs, a speech codec for instance.
    public static let unsupported = Code(rawValue: "unsupported")
    /// The prompt and the reply do not fit the context.
    public static let contextFull = Code(rawValue: "context-full")
    /// What the request may need does not fit the memory that the model may use for keys and values.
    public static let cacheFull = Code(rawValue: "cache-full")
    /// The call was cancelled. Callers see `CancellationError` instead.
    static let cancelled = Code(rawValue: "cancelled")
    /// Reading or writing failed.
    public static let failed = Code(rawValue: "failed")
  }

  public let code: Code
  /// What happened, where, and what to do about it.
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  static let cancelled = MioError(.cancelled, "cancelled")

  public var description: String { "\(code.rawValue): \(message)" }
}
