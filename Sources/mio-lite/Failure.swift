import Foundation
import MioConverter
import MioFormat
import MioLite
import MioMedia
import MioModel

/// What ends a command early: one line for a person, and the exit status of the contract.
struct Failure: Error {
  enum Kind: Int32 {
    /// The work failed: no space, no permission, out of memory.
    case failed = 1
    /// The command line or an input is wrong.
    case wrongInput = 2
    /// Ctrl-C, or a request to end.
    case interrupted = 130
  }

  let kind: Kind
  let message: String

  init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  var status: Int32 { kind == .interrupted ? Interrupts.status : kind.rawValue }
}

extension Failure {
  /// The failure that an error of the layers below means for a person; `nil` for errors of the command line itself.
  init?(_ error: any Error) {
    switch error {
    case let failure as Failure:
      self = failure
    case let error as MioError:
      switch error.code {
      case .cancelled: self.init(.interrupted, "interrupted")
      case .failed: self.init(.failed, error.message)
      default: self.init(.wrongInput, error.message)
      }
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
