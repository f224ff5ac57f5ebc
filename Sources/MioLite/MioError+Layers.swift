import MioFormat
import MioMedia
import MioModel

extension MioError {
  /// The error of a lower layer in the terms of this one.
  package init(_ error: any Error) {
    switch error {
    case let error as MioError: self = error
    case let error as ModelFileError: self.init(Self.code(of: error), error.description)
    case let error as MediaError where error.code == .cancelled: self.init(.cancelled, "cancelled")
    case let error as MediaError:
      let writing = [MediaError.Code.writeFailed, .brokenPipe, .readFailed].contains(error.code)
      self.init(writing ? .failed : .invalidInput, error.description)
    case let error as GenerationError where error.underlying is LanguageError: self.init(error.underlying ?? error)
    case let error as GenerationError:
      self.init(
        error.code == .promptTooLong ? .contextFull : error.code == .cacheTooSmall ? .cacheFull : .invalidInput,
        error.description)
    case let error as LanguageError where error.code == .notFinite: self.init(.failed, error.description)
    case let error as ImageTokenizerError where error.code == .notFinite: self.init(.failed, error.description)
    case let error as SpeechCodecError where error.code == .notFinite: self.init(.failed, error.description)
    case let error as DiffusionError where error.code == .notFinite: self.init(.failed, error.description)
    case let error as TextError: self.init(.invalidInput, error.description)
    case let error as ImageTokenizerError: self.init(.invalidInput, error.description)
    case let error as SpeechCodecError: self.init(.invalidInput, error.description)
    case let error as DiffusionError: self.init(error.code == .cancelled ? .cancelled : .invalidInput, error.description)
    case let error as LanguageError: self.init(.contextFull, error.description)
    case is CancellationError: self.init(.cancelled, "cancelled")
    default: self.init(.failed, "\(error)")
    }
  }

  /// What a caller sees of an error.
  static func publicError(_ error: any Error) -> any Error {
    let error = MioError(error)
    return error.code == .cancelled ? CancellationError() : error
  }

  private static func code(of error: ModelFileError) -> Code {
    switch error.code {
    case .cancelled: .cancelled
    case .cannotWrite, .readFailed: .failed
    case .missingComponent, .missingBlob: .unsupported
    default: .invalidModel
    }
  }
}
