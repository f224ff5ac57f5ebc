/// A sound file as a stream of mono samples at one fixed rate: ``AudioFile`` followed by ``Resampler``.
package struct AudioSource {
  package let file: AudioFile
  private var resampler: Resampler
  private var isFinished = false

  package init(_ file: AudioFile, sampleRateHz: Int) {
    self.file = file
    resampler = Resampler(from: file.sampleRateHz, to: sampleRateHz)
  }

  /// The next samples; empty at the end of the file and never before it.
  ///
  /// - Parameter blockFrames: frames of the file read at once; the output has as many at the new rate.
  package mutating func next(blockFrames: Int = 1 << 16) throws(MediaError) -> [Float] {
    while !isFinished {
      let block = try file.read(maximumFrames: blockFrames)
      isFinished = block.isEmpty
      let samples = isFinished ? resampler.finish() : resampler.push(block)
      if !samples.isEmpty { return samples }
    }
    return []
  }

  /// Everything to the end of the file.
  ///
  /// - Throws: ``MediaError`` with code `.tooLong` when there are more than `maximumSamples`.
  package mutating func readAll(maximumSamples: Int) throws(MediaError) -> [Float] {
    var samples: [Float] = []
    while true {
      let block = try next()
      if block.isEmpty { return samples }
      if samples.count + block.count > maximumSamples {
        throw MediaError(
          .tooLong, file.name, "longer than the \(maximumSamples) samples that fit here; cut it into parts")
      }
      samples += block
    }
  }
}
