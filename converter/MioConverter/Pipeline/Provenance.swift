import MioFormat

/// The `about` component: where a model file comes from and how it was made. It holds no time and no path, so that the
/// same checkpoint gives the same bytes everywhere.
struct Provenance {
  static let component = "about"

  let config: ConfigTable
  /// The licence texts of the checkpoint, under the names of their files.
  let blobs: [PlannedBlob]

  init(
    _ conversion: Conversion, lines: [PlanLine], files: [SourceFile], notes: [String]
  ) throws(ConversionError) {
    config = ConfigTable([
      ("converter", .string("mio-lite \(Conversion.programVersion)")),
      ("lz4", .string(LZ4Block.libraryVersion)),
      ("quantization", .string(conversion.quantization.rawValue)),
      ("source_names", .strings(files.map(\.name))),
      ("source_sizes", .ints(files.map(\.byteCount))),
      ("source_sha256", .strings(files.map(\.digest))),
      ("plan_components", .strings(lines.map(\.rule.component))),
      ("plan_tensors", .strings(lines.map(\.rule.tensors))),
      ("plan_encodings", .strings(lines.map(\.encoding.name))),
      ("plan_reasons", .strings(lines.map(\.rule.reason))),
      ("notes", .strings(notes)),
    ])
    var blobs: [PlannedBlob] = []
    for file in Self.licenceFiles(of: conversion.checkpoint) {
      blobs.append(PlannedBlob(file, try conversion.checkpoint.bytes(file)))
    }
    self.blobs = blobs
  }

  /// Names under which checkpoints carry their licence.
  private static let licenceNames = [
    "LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "NOTICE", "NOTICE.txt",
  ]

  static func licenceFiles(of checkpoint: CheckpointDirectory) -> [String] {
    licenceNames.filter(checkpoint.has)
  }
}
