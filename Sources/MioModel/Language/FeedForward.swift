import MioFormat
import MioKernels

/// SwiGLU feed-forward of one decoder layer: `y = down(silu(gate(x)) ⊙ up(x))`.
///
/// Shazeer 2020, arXiv:2002.05202, eq. 6; tensor names as in `LlamaMLP` of huggingface/transformers.
struct FeedForward: Sendable {
  struct Config: Hashable, Sendable {
    let width: Int  // E
    let innerWidth: Int  // F
  }

  struct Scratch: ~Copyable {
    var gate: Activations  // [T, F]
    var up: Activations  // [T, F]

    init(_ config: Config, maxRows: Int) {
      gate = Activations(rows: maxRows, columns: config.innerWidth)
      up = Activations(rows: maxRows, columns: config.innerWidth)
    }
  }

  let gate: PackedMatrix  // [F, E]
  let up: PackedMatrix  // [F, E]
  let down: PackedMatrix  // [E, F]

  init(_ config: Config, from weights: WeightScope) throws(ModelFileError) {
    let (e, f) = (config.width, config.innerWidth)
    gate = try weights.matrix("gate_proj.weight", [f, e])
    up = try weights.matrix("up_proj.weight", [f, e])
    down = try weights.matrix("down_proj.weight", [e, f])
  }

  /// Computes the block for every row of `x` [T, E] and overwrites `y` [T, E].
  func forward(
    _ x: borrowing Activations, into y: inout Activations, scratch: inout Scratch, on context: KernelContext
  ) {
    scratch.gate.reshape(rows: x.rows)
    scratch.up.reshape(rows: x.rows)
    PackedMatrix.apply(x, gate, into: &scratch.gate, up, into: &scratch.up, on: context)
    scratch.up.swiglu(gatedBy: scratch.gate, on: context)
    down.apply(scratch.up, into: &y, on: context)
  }
}
