import MioKernels
import MioModel
import MioTestSupport
import Testing

@Suite struct SpeechStreamTests {
  let context = KernelContext(threads: 2)

  @Test(arguments: SpeechFixture.Set.allCases)
  func `decoding in pieces gives the same bits as the whole clip`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    let codes = try fixture.longestCodes().map { $0 + $0.reversed() + $0 }
    let whole = try fixture.codec.decode(codes, on: context)
    #expect(whole.count == codes[0].count * fixture.codec.config.hopLength)
    for piece in [1, 2, 3, 7, 16, 17, 59] {
      let stream = try SpeechDecoderStream(fixture.codec, codebooks: codes.count, on: context)
      var samples: [Float] = []
      for start in stride(from: 0, to: codes[0].count, by: piece) {
        samples += try stream.push(codes.map { Array($0[start..<min(start + piece, codes[0].count)]) })
      }
      samples += try stream.finish()
      #expect(samples == whole, "pieces of \(piece)")
    }
  }

  @Test(arguments: SpeechFixture.Set.allCases)
  func `samples come out as soon as the stated frames are known`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    let codes = try fixture.longestCodes()
    let stream = try SpeechDecoderStream(fixture.codec, codebooks: codes.count, on: context)
    #expect(stream.lookaheadFrames == (set == .uneven ? 7 : set == .dense ? 6 : 4))
    var count = 0
    for frame in codes[0].indices {
      count += try stream.push(codes.map { [$0[frame]] }).count
      let complete = max(0, frame + 1 - stream.lookaheadFrames) * fixture.codec.config.hopLength
      #expect(count >= complete && count < complete + fixture.codec.config.hopLength, "frame \(frame)")
    }
  }

  @Test(arguments: SpeechFixture.Set.allCases)
  func `encoding in pieces gives the same bits as the whole clip`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    let wave = try fixture.longestWave()
    let trace = SpeechTrace()
    let whole = try fixture.codec.encode(wave, codebooks: 4, trace: trace, on: context)
    for piece in [1, 319, 320, 1000, wave.count - 1] {
      let pieces = SpeechTrace()
      let stream = try SpeechEncoderStream(fixture.codec, codebooks: 4, trace: pieces, on: context)
      var codes = whole.map { _ in [Int32]() }
      for start in stride(from: 0, to: wave.count, by: piece) {
        let next = try stream.push(Array(wave[start..<min(start + piece, wave.count)]))
        codes = zip(codes, next).map { $0 + $1 }
      }
      codes = zip(codes, try stream.finish()).map { $0 + $1 }
      #expect(codes == whole, "pieces of \(piece)")
      #expect(pieces.tensors["features"]?.values == trace.tensors["features"]?.values, "pieces of \(piece)")
    }
  }

  @Test(arguments: [1, 2, 100, 319, 320, 321, 5119, 5120, 5121, 6000])
  func `every length gives the stated number of frames and samples`(count: Int) throws {
    let fixture = try SpeechFixture(.elu)
    let wave = Array(try fixture.longestWave()[..<count])
    let codes = try fixture.codec.encode(wave, codebooks: 2, on: context)
    #expect(codes.map(\.count) == Array(repeating: fixture.codec.frameCount(sampleCount: count), count: 2))
    #expect(try fixture.codec.decode(codes, on: context).count == codes[0].count * 320)
  }

  @Test func `an empty clip gives no codes and no samples`() throws {
    let fixture = try SpeechFixture(.elu)
    #expect(try fixture.codec.encode([], codebooks: 2, on: context) == [[], []])
    #expect(try fixture.codec.decode([[], []], on: context) == [])
  }

  /// Windows change what the backward direction remembers. With the context used by default its start is forgotten; the
  /// test cuts far shorter windows to see the seams at all.
  @Test(arguments: [SpeechFixture.Set.elu, .snake, .dense])
  func `windows change few codes, and none with enough context`(set: SpeechFixture.Set) throws {
    let fixture = try SpeechFixture(set)
    let clip = try fixture.longestWave()
    let wave = (0..<8).flatMap { repeated in clip.map { $0 * (1 - 0.1 * Float(repeated)) } }
    let whole = try fixture.codec.encode(wave, codebooks: 1, on: context)[0]
    func differences(_ windows: SpeechEncoderStream.Windows) throws -> Int {
      let cut = try fixture.codec.encode(wave, codebooks: 1, windows: windows, on: context)[0]
      #expect(cut.count == whole.count)
      return zip(cut, whole).count { $0 != $1 }
    }
    let counts = try [0, 2, 10, 40].map { try differences(.init(frames: 50, contextFrames: $0)) }
    #expect(counts[3] == 0 && counts[2] <= counts[0], "codes of \(whole.count) that differ: \(counts)")
  }

  @Test func `names what is wrong with codes and samples`() throws {
    let codec = try SpeechFixture(.elu).codec
    func code(_ codes: [[Int32]]) -> SpeechCodecError.Code? {
      #expect(throws: SpeechCodecError.self) { try codec.decode(codes, on: context) }?.code
    }
    #expect(code([]) == .wrongLevelCount)
    #expect(code(Array(repeating: [1], count: 9)) == .wrongLevelCount)
    #expect(code([[1, 2], [3]]) == .unequalCodebooks)
    #expect(code([[1, 1024]]) == .codeOutOfRange)
    #expect(code([[1], [-1]]) == .codeOutOfRange)
    let error = #expect(throws: SpeechCodecError.self) { try codec.encode([0, .nan], codebooks: 1, on: context) }
    #expect(error?.code == .badSample)
    let codebooks = #expect(throws: SpeechCodecError.self) { try codec.encode([0], codebooks: 0, on: context) }
    #expect(codebooks?.code == .wrongLevelCount)
  }
}
