import ArgumentParser
import Foundation
import MioCheckpoints
import MioConverter
import Synchronization

/// `mio-checkpoint DIR`: writes a checkpoint with random weights.
@main
struct MioCheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mio-checkpoint",
    abstract: "Writes a checkpoint directory in MIO's layout with random weights.",
    discussion: """
      Without options it has MIO's full size: 6.16 billion weights in 12.3 GB of BF16 shards, 76,292 tokens and a \
      SpeechTokenizer of 482 MB. The same options and seed give the same bytes.
      """)

  @Argument(help: "The directory; it is created.")
  var directory: String
  @Option(help: "Scales widths and depth: 0.1 makes a checkpoint of some 20 MB.")
  var scale = 1.0
  @Option var layers: Int?
  @Option var width: Int?
  @Option var innerWidth: Int?
  @Option var heads: Int?
  @Option var kvHeads: Int?
  @Option(help: "Rows of the embedding, if there are to be more than tokens.")
  var rows: Int?
  @Option(help: "Pieces of the text tokenizer.")
  var pieces = 64000
  @Option(help: "bf16, f16 or f32.")
  var type = "bf16"
  @Option(help: "safetensors or bin.")
  var form = RandomCheckpoint.Form.safetensors
  @Option(help: "decoder (since transformers 4.34) or json.")
  var addedTokens = PaddedTokenizer.Style.decoder
  @Option(help: "Bytes of one weight file at most.")
  var shardBytes = 5_000_000_000
  @Flag(help: "The output head is the embedding.")
  var tied = false
  @Flag(help: "No SpeechTokenizer.")
  var noSpeech = false
  @Flag(help: "No language model.")
  var noLanguage = false
  @Flag(help: "With an image tokenizer of MIO's size: 2.6 GB.")
  var imageTokenizer = false
  @Flag(help: "With a diffusion model of MIO's size: 2.5 GB.")
  var diffusion = false
  @Flag(help: "Snake instead of ELU in the SpeechTokenizer.")
  var snake = false
  @Option var seed: UInt64 = 1
  @Option var threads = ProcessInfo.processInfo.activeProcessorCount
  @Option(help: "The sentencepiece model to start from.")
  var tokenizer = "Tests/Goldens/speech/tiny-mio/tokenizer.model"

  func run() throws {
    var sizes = LanguageSizes().scaled(by: scale)
    if let layers { sizes.layerCount = layers }
    if let width { sizes.width = width }
    if let innerWidth { sizes.innerWidth = innerWidth }
    if let heads { sizes.headCount = heads }
    if let kvHeads { sizes.kvHeadCount = kvHeads }
    sizes.rows = rows
    sizes.isTied = tied
    guard let type = StoredType(name: type.uppercased()), type.isConvertible else {
      throw ValidationError("--type must be bf16, f16 or f32")
    }
    sizes.type = type
    guard sizes.layerCount > 0, sizes.headCount > 0, sizes.kvHeadCount > 0, sizes.width > 0, sizes.innerWidth > 0,
      sizes.width.isMultiple(of: 2 * sizes.headCount), sizes.headCount.isMultiple(of: sizes.kvHeadCount), threads > 0
    else { throw ValidationError("heads must divide the width into even parts, and key/value heads the heads") }
    var checkpoint = RandomCheckpoint()
    checkpoint.language = noLanguage ? nil : sizes
    if imageTokenizer { checkpoint.imageTokenizer = ImageTokenizerSizes() }
    if diffusion { checkpoint.diffusion = DiffusionModelSizes() }
    checkpoint.speech = noSpeech ? nil : SpeechSizes().scaled(by: scale)
    if snake { checkpoint.speech?.activation = "Snake" }
    checkpoint.pieceCount = pieces
    checkpoint.tokenStyle = addedTokens
    checkpoint.form = form
    checkpoint.shardByteCount = shardBytes
    checkpoint.seed = seed
    checkpoint.threads = threads
    let model = try [UInt8](Data(contentsOf: URL(fileURLWithPath: tokenizer)))
    let started = ContinuousClock.now
    try checkpoint.write(to: directory, tokenizer: model)
    print("wrote \(directory) in \(ContinuousClock.now - started)")
  }
}

extension RandomCheckpoint.Form: ExpressibleByArgument {}
extension PaddedTokenizer.Style: ExpressibleByArgument {}
