import MioConverter
import MioFormat
import MioLite
import MioMedia
import MioModel

extension Failure {
  /// The failure that an error of the layers below MioLite means, for commands that look inside; nil for other errors.
  init?(inside error: any Error) {
    switch error {
    case let error as ConversionError:
      let codes = Set(error.problems.map(\.code))
      self.init(codes.contains(.cancelled) ? .interrupted : codes.contains(.output) ? .failed : .wrongInput, error.description)
    case let error as ModelFileError:
      self.init(Self.kind(of: error.code), error.description)
    case is MediaError, is TextError, is SpeechCodecError, is ImageTokenizerError, is DiffusionError, is LanguageError,
      is GenerationError:
      self.init(MioError(error))
    default:
      return nil
    }
  }

  private static func kind(of code: ModelFileError.Code) -> Kind {
    switch code {
    case .cancelled: .interrupted
    case .cannotWrite, .readFailed: .failed
    default: .wrongInput
    }
  }
}
