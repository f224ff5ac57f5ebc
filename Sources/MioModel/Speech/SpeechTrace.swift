import MioKernels

/// Collects named intermediate results of the codec, piece by piece as the streams produce them.
///
/// Names are the modules' own (`encoder.model.3`), and `features`, `quantized` and `wave` between the parts.
package final class SpeechTrace {
  package struct Tensor {
    /// Columns of a row: channels, or the width of a frame.
    package let width: Int
    /// Row-major [T, width].
    package fileprivate(set) var values: [Float]

    /// The values as the reference lays them out, [width, T].
    package var channelsFirst: [Float] {
      let count = values.count / width
      return (0..<width).flatMap { channel in (0..<count).map { values[$0 * width + channel] } }
    }
  }

  package private(set) var tensors: [String: Tensor] = [:]
  /// Whether every module records its output, or only the results between the parts.
  let recordsModules: Bool

  package init(modules: Bool = false) { recordsModules = modules }

  func record(_ name: String, _ rows: borrowing Activations) {
    let width = rows.columns
    tensors[name, default: Tensor(width: width, values: [])].values += rows.values
  }

  func recordModule(_ path: String, _ rows: borrowing Activations) {
    if recordsModules { record(path, rows) }
  }
}
