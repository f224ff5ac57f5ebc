import Foundation
import MioLite

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
      self.init(error.code == .failed ? .failed : .wrongInput, error.message)
    case is CancellationError:
      self.init(.interrupted, "interrupted")
    default:
      guard let failure = Failure(inside: error) else { return nil }
      self = failure
    }
  }
}
