import MioKernels

/// Collects named intermediate results of the image tokenizer, each row-major [rows, width].
///
/// Always: `vision`, `queries`, `code_vectors`, `embedding`. With steps, also what every layer leaves: `vision.start`,
/// `vision.0` ..., `queries.0` ..., `embedder.start`, `embedder.0` ...
package final class ImageTrace {
  package struct Tensor {
    package let rows: Int
    package let width: Int
    package let values: [Float]
  }

  package private(set) var tensors: [String: Tensor] = [:]
  private let recordsSteps: Bool

  package init(steps: Bool = false) { recordsSteps = steps }

  func record(_ name: String, _ x: borrowing Activations) {
    tensors[name] = Tensor(rows: x.rows, width: x.columns, values: x.values)
  }

  func recordStep(_ name: String, _ x: borrowing Activations) {
    if recordsSteps { record(name, x) }
  }
}
