import MioFormat

/// Changes the settings of a packed file and leaves its weights as they are: for what is found out after the training.
package enum Resetting {
  /// Writes `output`, a copy of `input` with other values of mio-lite's own settings.
  ///
  /// - Parameter changes: `KEY=VALUE` each; an empty value removes the setting.
  package static func run(input: String, output: String, changes: [String]) throws {
    let file = try ModelFile.open(path: input)
    var layout = FileLayout(
      components: file.components,
      tensors: file.tensors.map { .init(component: $0.component, name: $0.name, encoding: $0.encoding, shape: $0.shape) })
    for blob in file.blobs {
      layout.blobs.append(
        .init(component: blob.component, name: blob.name, bytes: try file.blob(blob.component, blob.name)))
    }
    let old = try file.requiredComponent(GenerationPlan.component)
    let config = try changed(old.config, changes, file: input)
    layout.components = file.components.map {
      $0.name == old.name ? Component(name: old.name, isRequired: old.isRequired, config: config) : $0
    }
    let writer = try ModelFileWriter(path: output, layout: layout)
    for tensor in file.tensors {
      try unsafe writer.write(file.tensor(tensor.component, tensor.name).bytes)
    }
    try writer.finish()
  }

  private static func changed(
    _ config: ConfigTable, _ changes: [String], file: String
  ) throws(ConversionError) -> ConfigTable {
    var entries = config.entries.map { ($0.key, $0.value) }
    for change in changes {
      let parts = change.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else { throw unknown(change, file) }
      if parts[1].isEmpty {
        entries.removeAll { $0.0 == parts[0] }
        continue
      }
      guard let (name, value) = GenerationPlan.ownSetting(parts[0], parts[1]) else { throw unknown(change, file) }
      entries.removeAll { $0.0 == name }
      entries.append((name, value))
    }
    return ConfigTable(entries)
  }

  private static func unknown(_ change: String, _ file: String) -> ConversionError {
    ConversionError(
      .unsupported, file: file, "'\(change)' is no KEY=VALUE of a setting; format-spec/SPEC.md lists those of 'generation'")
  }
}
