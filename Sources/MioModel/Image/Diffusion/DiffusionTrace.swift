import MioKernels

/// Collects named intermediate results of one evaluation of the U-Net, under the modules' own names (`down_blocks.1`).
package final class DiffusionTrace {
  /// Maps as [N, C, H, W], vectors as [N, E].
  package private(set) var tensors: [String: [Float]] = [:]

  package init() {}

  func record(_ name: String, _ map: FeatureMap) { tensors[name] = map.channelsFirst }

  func record(_ name: String, _ rows: borrowing Activations) { tensors[name] = rows.values }

  /// The result of a norm before its activation.
  func record(_ name: String, _ norm: GroupNormalization, _ x: FeatureMap, on context: KernelContext) {
    record(name, norm(x, activates: false, on: context))
  }

  func scope(_ path: String) -> Scope { Scope(trace: self, path: path) }

  /// A place in the tree of modules.
  struct Scope {
    let trace: DiffusionTrace
    let path: String

    func record(_ name: String, _ map: FeatureMap) { trace.record(path + "." + name, map) }

    func record(_ map: FeatureMap) { trace.record(path, map) }
  }
}
