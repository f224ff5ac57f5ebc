import Foundation
import MioKernels

/// What `bench` measured, in the form of its JSON.
struct BenchReport: Encodable {
  struct Machine: Encodable {
    let readGbps: Double
    /// Streams of each thread that reading was fastest with, and how far ahead they were asked for.
    let readStreams: Int
    let readBytesAhead: Int
    /// The kernels with whose instructions products were measured.
    let variant: String
    let int8Gops: Double
    let f32Gflops: Double

    init(_ limits: MachineLimits, _ variant: KernelVariant) {
      readGbps = limits.readGigabytesPerSecond.roundedForReport
      readStreams = limits.reading.streams
      readBytesAhead = limits.reading.bytesAhead
      self.variant = variant.name
      int8Gops = limits.int8Gigaops.roundedForReport
      f32Gflops = limits.f32Gigaflops.roundedForReport
    }

    var readingAhead: String { readBytesAhead == 0 ? "left to the processor" : "\(readBytesAhead) bytes ahead" }

    enum CodingKeys: String, CodingKey {
      case variant
      case readGbps = "read_gbps"
      case readStreams = "read_streams"
      case readBytesAhead = "read_bytes_ahead"
      case int8Gops = "int8_gops"
      case f32Gflops = "f32_gflops"
    }
  }

  struct Model: Encodable {
    let file: String
    let identity: String
    let bytes: Int
    let weightBytesPerToken: Int
    let parametersPerToken: Int

    enum CodingKeys: String, CodingKey {
      case file, identity, bytes
      case weightBytesPerToken = "weight_bytes_per_token"
      case parametersPerToken = "parameters_per_token"
    }
  }

  struct Spread: Encodable {
    let min: Double
    let median: Double
    let max: Double
    /// In the order in which they were measured.
    let samples: [Double]

    init(_ values: [Double]) {
      samples = values.map(\.roundedForReport)
      let sorted = samples.sorted()
      min = sorted.first ?? 0
      median = sorted.isEmpty ? 0 : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
      max = sorted.last ?? 0
    }
  }

  struct Result: Encodable {
    let phase: String
    let threads: Int
    let batch: Int
    let depth: Int
    /// Per second: tokens; for the codec and long texts seconds of sound; images seen or decoded; rows of the U-Net.
    let rate: Spread
    var fractionOfLimit: Double
    let limit: String
    /// What the machine could do beside this result.
    var machine: Machine?

    enum CodingKeys: String, CodingKey {
      case phase, threads, batch, depth, limit, machine
      case rate = "tokens_per_second"
      case fractionOfLimit = "fraction_of_limit"
    }
  }

  let machine: [String: Machine]
  let model: Model
  let results: [Result]
  let loadSeconds: Double
  let peakRSSBytes: Int

  enum CodingKeys: String, CodingKey {
    case machine, model, results
    case loadSeconds = "load_seconds"
    case peakRSSBytes = "peak_rss_bytes"
  }

  /// The report for a person.
  var table: String {
    var text = "\(model.file): \(ByteCount.text(model.bytes)), opened in \(milliseconds(loadSeconds)) ms, "
    text += "peak memory \(ByteCount.text(peakRSSBytes))\n\n"
    for (threads, limits) in machine.sorted(by: { Int($0.key) ?? 0 < Int($1.key) ?? 0 }) {
      text += "machine, \(threads) thread(s): read \(rounded(limits.readGbps)) GB/s "
      text += "(\(limits.readStreams) stream(s) a thread, \(limits.readingAhead)), "
      text += "\(limits.variant): int8 \(Int(limits.int8Gops)) GOP/s, f32 \(Int(limits.f32Gflops)) GFLOP/s\n"
    }
    text += "\nphase          threads  batch  depth    per second (min - max)        of the limit\n"
    for result in results {
      text += result.phase.padded(15) + "\(result.threads)".padded(9) + "\(result.batch)".padded(7)
      text += "\(result.depth)".padded(9)
      let spread = "\(rounded(result.rate.median)) (\(rounded(result.rate.min)) - \(rounded(result.rate.max)))"
      text += spread.padded(30) + "\(Int((result.fractionOfLimit * 100).rounded())) % of \(result.limit)\n"
    }
    return text
  }

  private func rounded(_ value: Double) -> String {
    value >= 100 ? "\(Int(value.rounded()))" : "\((value * 100).rounded() / 100)"
  }

  private func milliseconds(_ seconds: Double) -> String { "\((seconds * 10_000).rounded() / 10)" }
}

extension Double {
  /// The number to five digits: no measurement here is better.
  var roundedForReport: Double {
    guard isFinite, self != 0 else { return self }
    let unit = pow(10, (log10(magnitude)).rounded(.down) - 4)
    return unit >= 1 ? (self / unit).rounded() * unit : (self * (1 / unit).rounded()).rounded() / (1 / unit).rounded()
  }
}
