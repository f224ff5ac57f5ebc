import MioFormat

/// The numbers of `SpeechTokenizer/config.json` under the names of the file format. Training settings are ignored.
struct SpeechSizes {
  let filterCount: Int
  let strides: [Int]
  let width: Int
  let lstmLayerCount: Int
  let isBidirectional: Bool
  let dilationBase: Int
  let residualKernelLength: Int
  let residualLayerCount: Int
  let usesSnake: Bool
  let codebookSize: Int
  let codebookCount: Int
  let sampleRateHz: Int

  /// The reference has no defaults: every key must be there.
  init(_ reader: inout SettingsReader) {
    filterCount = reader.count("n_filters")
    width = reader.count("dimension")
    lstmLayerCount = reader.count("lstm_layers")
    dilationBase = reader.count("dilation_base")
    residualKernelLength = reader.count("residual_kernel_size")
    residualLayerCount = reader.count("n_residual_layers")
    codebookSize = reader.count("codebook_size")
    codebookCount = reader.count("n_q")
    sampleRateHz = reader.count("sample_rate")
    strides = Self.strides(&reader)
    if reader["bidirectional"] == nil { reader.refuse("bidirectional", "missing") }
    isBidirectional = reader.flag("bidirectional", default: true)
    let activation = reader["activation"]?.string
    usesSnake = activation == "Snake"
    if activation != "Snake" && activation != "ELU" {
      let found = activation.map { "\"\($0)\"" } ?? "none"
      reader.refuse("activation", "only \"ELU\" and \"Snake\" are supported, found \(found)")
    }
    checkLimits(&reader)
  }

  private static func strides(_ reader: inout SettingsReader) -> [Int] {
    guard let strides = reader["strides"]?.integers, (1...8).contains(strides.count),
      strides.allSatisfy((1...64).contains), strides.reduce(1, *) <= 1 << 16
    else {
      reader.refuse("strides", "expected 1 to 8 whole numbers of 1 to 64 whose product is at most 65536")
      return [1]
    }
    return strides
  }

  /// The limits of the engine's `SpeechConfig`.
  private func checkLimits(_ reader: inout SettingsReader) {
    let limits: [(key: String, value: Int, range: ClosedRange<Int>)] = [
      ("n_filters", filterCount, 2...1 << 12), ("dimension", width, 1...1 << 16),
      ("lstm_layers", lstmLayerCount, 1...16), ("dilation_base", dilationBase, 1...16),
      ("residual_kernel_size", residualKernelLength, 1...64),
      ("n_residual_layers", residualLayerCount, 1...8), ("codebook_size", codebookSize, 1...1 << 20),
      ("n_q", codebookCount, 1...64), ("sample_rate", sampleRateHz, 1_000...768_000),
    ]
    guard reader.problems.isEmpty else { return }
    for limit in limits where !limit.range.contains(limit.value) {
      reader.refuse(limit.key, "\(limit.value); supported are \(limit.range.lowerBound) to \(limit.range.upperBound)")
    }
  }

  var config: ConfigTable {
    ConfigTable([
      ("filter_count", .int(filterCount)), ("strides", .ints(strides)), ("width", .int(width)),
      ("lstm_layer_count", .int(lstmLayerCount)), ("bidirectional", .bool(isBidirectional)),
      ("dilation_base", .int(dilationBase)), ("residual_kernel_length", .int(residualKernelLength)),
      ("residual_layer_count", .int(residualLayerCount)), ("activation", .string(usesSnake ? "Snake" : "ELU")),
      ("codebook_size", .int(codebookSize)), ("codebook_count", .int(codebookCount)),
      ("sample_rate", .int(sampleRateHz)),
    ])
  }
}
