import MioConverter
import Testing

/// The first problem that `body` reports; nil if it succeeds.
func problem(_ body: () throws -> Void) -> ConversionError.Problem? { problems(body).first }

/// All problems that `body` reports.
func problems(_ body: () throws -> Void) -> [ConversionError.Problem] {
  do {
    try body()
    return []
  } catch let error as ConversionError {
    return error.problems
  } catch {
    Issue.record(error, "another kind of error")
    return []
  }
}
