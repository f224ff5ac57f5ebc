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
  /// Whether results cannot be written any more, so that there is no point in going on.
  let isOutputLost: Bool

  init(_ kind: Kind, _ message: String, isOutputLost: Bool = false) {
    self.kind = kind
    self.message = message
    self.isOutputLost = isOutputLost
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

/// What went wrong with some of several files while the others were dealt with.
struct Failures {
  private var worst: Failure?
  private var count = 0
  private var total = 0

  /// Deals with one of `total` files; its failure is told at once and does not keep the next from its turn.
  ///
  /// A request to stop, and the failure of a single file, are thrown.
  mutating func collecting(of total: Int, _ work: () async throws -> Void) async throws {
    do { try await work() } catch { try keep(error, total) }
  }

  mutating func collecting(of total: Int, _ work: () throws -> Void) throws {
    do { try work() } catch { try keep(error, total) }
  }

  private mutating func keep(_ error: any Error, _ total: Int) throws {
    guard total > 1, let failure = Failure(error), failure.kind != .interrupted, !failure.isOutputLost else { throw error }
    Output.note("mio-lite: \(failure.message)")
    if worst == nil || failure.kind == .failed { worst = failure }
    (count, self.total) = (count + 1, total)
  }

  /// Throws if anything went wrong.
  func check() throws {
    guard let worst else { return }
    throw Failure(worst.kind, "\(count) of \(total) failed")
  }
}
