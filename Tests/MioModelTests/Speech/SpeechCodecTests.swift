import MioKernels
import MioModel
import MioTestSupport
import Testing

@Suite struct SpeechCodecTests {
  let context = KernelContext(threads: 2)

  @Test(arguments: [SpeechFixture.Set.elu, .snake])
  func `every module agrees with the reference`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    let trace = SpeechTrace(modules: true)
    _ = try fixture.codec.encode(fixture.goldens.floats("layers/wave"), codebooks: 1, trace: trace, on: context)
    _ = try fixture.codec.decode(fixture.goldens.integerRows("layers/codes"), trace: trace, on: context)
    var compared = 0
    for golden in fixture.goldens.names where golden.hasPrefix("layers/enc") || golden.hasPrefix("layers/dec") {
      let part = golden.contains("enc") ? "encoder" : "decoder"
      let module = "\(part).model.\(golden.dropFirst("layers/enc".count))"
      let expected = try fixture.goldens.floats(golden)
      let found = try #require(trace.tensors[module], "\(module) was not recorded")
      let difference = largestDifference(found.channelsFirst, expected)
      // Inside the network the scale is free: Snake's decoder reaches thousands before its last convolution.
      let scale = expected.reduce(1) { max($0, $1.magnitude) }
      #expect(difference < (part == "encoder" ? set.featureTolerance : set.waveTolerance) * scale, "\(module)")
      compared += 1
    }
    #expect(compared == 32)
  }

  @Test(arguments: SpeechFixture.Set.allCases)
  func `features and all codes agree with the reference`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    for clip in fixture.clips("enc") {
      let trace = SpeechTrace()
      let codes = try fixture.codec.encode(
        fixture.goldens.floats("\(clip)/wave"), codebooks: fixture.codec.quantizer.codebookCount, trace: trace, on: context)
      let features = try #require(trace.tensors["features"]).channelsFirst
      #expect(largestDifference(features, try fixture.goldens.floats("\(clip)/features")) < set.featureTolerance)
      #expect(try codes == fixture.goldens.integerRows("\(clip)/codes"), "\(clip)")
    }
  }

  @Test(arguments: SpeechFixture.Set.allCases)
  func `fewer codebooks give the same codes`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    let expected = try fixture.goldens.integerRows("\(fixture.clips("enc").last ?? "")/codes")
    for codebooks in 1...3 {
      let codes = try fixture.codec.encode(fixture.longestWave(), codebooks: codebooks, on: context)
      #expect(codes == Array(expected[..<codebooks]))
    }
  }

  @Test(arguments: SpeechFixture.Set.allCases)
  func `decoded waves agree with the reference`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    for clip in fixture.clips("dec") {
      let trace = SpeechTrace()
      let wave = try fixture.codec.decode(fixture.goldens.integerRows("\(clip)/codes"), trace: trace, on: context)
      #expect(largestDifference(wave, try fixture.goldens.floats("\(clip)/wave")) < set.waveTolerance, "\(clip)")
      let quantized = try #require(trace.tensors["quantized"]).channelsFirst
      #expect(largestDifference(quantized, try fixture.goldens.floats("\(clip)/quantized")) < 1e-5, "\(clip)")
    }
  }

  @Test(arguments: [SpeechFixture.Set.elu, .snake])
  func `four and eight codebooks are reconstructed like the reference`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    for clip in fixture.clips("enc") {
      let codes = try fixture.goldens.integerRows("\(clip)/codes")
      for codebooks in [4, 8] where fixture.goldens.names.contains("\(clip)/reconstruction\(codebooks)") {
        let wave = try fixture.codec.decode(Array(codes[..<codebooks]), on: context)
        let expected = try fixture.goldens.floats("\(clip)/reconstruction\(codebooks)")
        #expect(largestDifference(wave, expected) < set.waveTolerance, "\(clip), \(codebooks) codebooks")
      }
    }
  }

  @Test func `writes the reference's decoded file`() throws {
    let fixture = try SpeechFixture(.elu)
    let set = fixture.set
    let output = try GoldenTensors(Goldens.speech("expected/wav_output.safetensors"))
    let wave = try fixture.codec.decode(output.integerRows("codes"), on: context)
    #expect(largestDifference(wave, try output.floats("wave")) < set.waveTolerance)
  }

  @Test(arguments: SpeechFixture.Set.allCases)
  func `threads do not change a bit`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    let (wave, codes) = (try fixture.longestWave(), try fixture.longestCodes())
    var traces: [[Float]] = []
    for threads in 1...3 {
      let (context, trace) = (KernelContext(threads: threads), SpeechTrace())
      _ = try fixture.codec.encode(wave, codebooks: 1, trace: trace, on: context)
      traces.append(trace.tensors["features"]?.values ?? [])
      traces[threads - 1] += try fixture.codec.decode(codes, on: context)
    }
    #expect(traces[0] == traces[1] && traces[0] == traces[2])
  }

  /// What `--quantize f16` and below cost: matrices with 11 bits of mantissa. Measured: 2e-3 of full scale and no code
  /// of codebook 0. (The Snake sets amplify any difference: their random decoders reach thousands inside.)
  @Test(arguments: [SpeechFixture.Set.elu, .uneven])
  func `16-bit weights change samples little and no content code`(set: SpeechFixture.Set) throws {
    let (exact, half) = (try SpeechFixture(set), try SpeechFixture(set, quantization: .f16))
    let (wave, codes) = (try exact.longestWave(), try exact.longestCodes())
    let difference = largestDifference(
      try exact.codec.decode(codes, on: context), try half.codec.decode(codes, on: context))
    #expect(difference < 4e-3)
    let content = try [exact, half].map { try $0.codec.encode(wave, codebooks: 1, on: context)[0] }
    #expect(content[0] == content[1])
  }
}
