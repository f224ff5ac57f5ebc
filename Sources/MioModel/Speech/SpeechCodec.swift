import MioFormat
import MioKernels

/// SpeechTokenizer: mono sound to four (or one, or eight) streams of codes at 50 frames per second, and back.
///
/// Zhang et al. 2023, arXiv:2308.16692. MODEL.md describes the network; the rates and sizes come from the file.
package struct SpeechCodec: Sendable {
  /// The component of a model file that holds the codec.
  package static let component = "speech"

  package let config: SpeechConfig
  let encoder: SpeechEncoder
  package let quantizer: ResidualQuantizer
  let decoder: SpeechDecoder

  package init(from file: ModelFile) throws(ModelFileError) {
    let weights = WeightScope(file, component: Self.component)
    config = try SpeechConfig(weights.config)
    encoder = try SpeechEncoder(config, from: weights["encoder"])
    quantizer = try ResidualQuantizer(config, from: weights["quantizer"])
    decoder = try SpeechDecoder(config, from: weights["decoder"])
  }

  /// Frames that a clip of `sampleCount` samples is encoded to.
  package func frameCount(sampleCount: Int) -> Int { (sampleCount + config.hopLength - 1) / config.hopLength }

  /// Encodes a whole clip.
  ///
  /// - Parameter samples: mono at `config.sampleRateHz`, at any codebook.
  /// - Parameter codebooks: how many codebooks to compute, from content (codebook 0) on.
  /// - Returns: codes [codebooks, T], T = ceil(samples / 320).
  package func encode(
    _ samples: [Float], codebooks: Int, windows: SpeechEncoderStream.Windows = .init(), trace: SpeechTrace? = nil,
    on context: KernelContext
  ) throws(SpeechCodecError) -> [[Int32]] {
    let stream = try SpeechEncoderStream(self, codebooks: codebooks, windows: windows, trace: trace, on: context)
    let first = try stream.push(samples)
    return zip(first, try stream.finish()).map { $0 + $1 }
  }

  /// Decodes a whole clip.
  ///
  /// - Parameter codes: [q, T], q from 1 to Q codebooks.
  /// - Returns: 320 T samples, nominally in -1...1 but not cut off there.
  package func decode(
    _ codes: [[Int32]], trace: SpeechTrace? = nil, on context: KernelContext
  ) throws(SpeechCodecError) -> [Float] {
    let stream = try SpeechDecoderStream(self, codebooks: codes.count, trace: trace, on: context)
    let first = try stream.push(codes)
    return first + (try stream.finish())
  }
}
