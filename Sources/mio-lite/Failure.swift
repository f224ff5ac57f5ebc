import Foundation

/// What ends a command early: one line for a person, and the exit status of the contract.
struct Failure: Error {
  enum Kind: Int32 {
    /// The work failed: no space, no permission, out of memory.
    case failed = 1
    /// The command line or an input is wrong.
    case wrongInput = 2
    /// Ctrl-C.
    case interrupted = 130
  }

  let kind: Kind
  let message: String

  init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  var status: Int32 { kind.rawValue }
}
