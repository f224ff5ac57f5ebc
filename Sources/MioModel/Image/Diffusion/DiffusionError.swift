/// Why an image cannot be drawn as asked.
package struct DiffusionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of problem it is; more kinds may come.
  package struct Code: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    /// The embedding has another width than the model's.
    package static let wrongEmbedding = Code(description: "wrongEmbedding")
    /// Latents of a size that the network cannot halve often enough, or of too few or too many values.
    package static let wrongLatents = Code(description: "wrongLatents")
    /// A number of steps, or a step, outside the schedule.
    package static let wrongSteps = Code(description: "wrongSteps")
    /// The guidance is not a number.
    package static let wrongGuidance = Code(description: "wrongGuidance")
    /// The network computed something that is no number.
    package static let notFinite = Code(description: "notFinite")
    /// The caller asked to stop.
    package static let cancelled = Code(description: "cancelled")
  }

  package let code: Code
  /// What is wrong, and the way out.
  package let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}
