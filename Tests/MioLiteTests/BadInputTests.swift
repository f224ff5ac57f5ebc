import Foundation
import MioTestSupport
import Testing

/// Bad input, tried on purpose: every row of the table in `Tests/ERROR-CONTRACT.md`, on the built program.
///
/// Each gives one line that says what is wrong and what to do, the promised status, and leaves no file behind.
@Suite struct BadInputTests {
  @Test func `the table in ERROR-CONTRACT.md lists exactly these cases`() throws {
    let document = try String(
      contentsOf: Goldens.root.deletingLastPathComponent().appendingPathComponent("ERROR-CONTRACT.md"), encoding: .utf8)
    let rows = document.split(separator: "\n").filter { $0.hasPrefix("| `") }
      .map { String($0.split(separator: "`", omittingEmptySubsequences: false)[1]) }
    #expect(rows == BadInput.cases.map(\.name))
  }

  @Test(arguments: BadInput.cases) func `is answered as promised`(_ bad: BadInput) throws {
    let folder = try TemporaryFolder()
    let before = try bad.prepare(folder)
    let names = folder.contents
    let result = try Program.run(
      before.arguments, input: before.input, environment: before.environment, in: folder.url)
    #expect(result.status == bad.status, "\(result.notes)")
    if bad.status != 0 {
      let lines = result.notes.split(separator: "\n").filter { !$0.hasPrefix("seed ") && !$0.hasPrefix("note: ") }
      #expect(lines.first?.hasPrefix("mio-lite: ") == true, "\(result.notes)")
      #expect(result.notes.contains(bad.says), "\(result.notes)")
      #expect(folder.contents == names, "something was left behind")
    }
  }
}

/// One row of the table.
struct BadInput: Sendable, CustomTestStringConvertible {
  struct Call {
    var arguments: [String]
    var input: [UInt8]?
    var environment: [String: String] = [:]
  }

  let name: String
  let status: Int32
  /// What the message says.
  let says: String
  /// Makes the input in a folder and says how the program is called.
  let prepare: @Sendable (TemporaryFolder) throws -> Call

  var testDescription: String { name }

  init(
    _ name: String, _ status: Int32, _ says: String, _ prepare: @escaping @Sendable (TemporaryFolder) throws -> Call
  ) {
    self.name = name
    self.status = status
    self.says = says
    self.prepare = prepare
  }

  static let cases = models + checkpoints + sounds + images + videos + texts + options
}

// MARK: - Model files

extension BadInput {
  private static let models = [
    BadInput("model: no such file", 2, "none.mio") { _ in Call(arguments: ["inspect", "none.mio"]) },
    BadInput("model: a directory", 2, "regular file") { _ in Call(arguments: ["inspect", "/tmp"]) },
    BadInput("model: a checkpoint", 2, "mio-lite convert") { _ in
      Call(arguments: ["tts", "hello", "-m", Goldens.speech("tiny-mio").path, "-o", "out.wav"])
    },
    BadInput("model: empty", 2, "empty") { folder in try inspect([], folder) },
    BadInput("model: another kind of file", 2, "not a .mio file") { folder in
      try inspect(Array(repeating: UInt8(ascii: "x"), count: 5000), folder)
    },
    BadInput("model: cut off", 2, "shorter") { folder in
      try inspect(Array(standardBytes().dropLast(100)), folder)
    },
    BadInput("model: bytes behind the end", 2, "appended") { folder in try inspect(standardBytes() + [0], folder) },
    BadInput("model: one bit of the header flipped", 2, "header") { folder in
      var bytes = try standardBytes()
      bytes[40] ^= 1
      return try inspect(bytes, folder)
    },
    BadInput("model: lacks what the command needs", 2, "has no") { folder in
      let path = folder.path("llm.mio")
      _ = try Program.run(["convert", Goldens.speech("llm-other-format").path, "-o", path, "-q"])
      return Call(arguments: ["tts", "hello", "-m", path])
    },
    BadInput("model: was not taught the task", 2, "only speaks") { _ in Call(arguments: ["chat", "hello"]) },
    BadInput("model: some of several", 2, "1 of 2") { _ in
      Call(arguments: ["inspect", "none.mio", try PackedModel.standard])
    },
  ]

  private static func standardBytes() throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: PackedModel.standard)))
  }

  private static func inspect(_ bytes: [UInt8], _ folder: TemporaryFolder) throws -> Call {
    try Data(bytes).write(to: folder.url.appendingPathComponent("bad.mio"))
    return Call(arguments: ["inspect", "bad.mio"])
  }
}

// MARK: - Checkpoints

extension BadInput {
  private static let checkpoints = [
    BadInput("checkpoint: no such directory", 2, "none") { _ in Call(arguments: ["convert", "none", "-o", "out.mio"]) },
    BadInput("checkpoint: an empty directory", 2, "nothing to convert") { folder in try convert(folder) { _ in } },
    BadInput("checkpoint: a missing shard", 2, "model-00002-of-00002.safetensors") { folder in
      try convertCopy(folder) {
        try FileManager.default.removeItem(at: $0.appendingPathComponent("model-00002-of-00002.safetensors"))
      }
    },
    BadInput("checkpoint: a shard cut off", 2, "model-00001-of-00002.safetensors") { folder in
      try convertCopy(folder) {
        let shard = $0.appendingPathComponent("model-00001-of-00002.safetensors")
        try Data(contentsOf: shard).dropLast(1000).write(to: shard)
      }
    },
    BadInput("checkpoint: an index that names absent tensors", 2, "model.extra.weight") { folder in
      try convertCopy(folder) {
        let index = $0.appendingPathComponent("model.safetensors.index.json")
        let text = try String(contentsOf: index, encoding: .utf8)
        let entry = "\"weight_map\": {\"model.extra.weight\": \"model-00001-of-00002.safetensors\","
        try text.replacingOccurrences(of: "\"weight_map\": {", with: entry).write(to: index, atomically: true, encoding: .utf8)
      }
    },
    BadInput("checkpoint: a configuration of another network", 2, "rope_scaling") { folder in
      try convertCopy(folder) {
        let config = $0.appendingPathComponent("config.json")
        let text = try String(contentsOf: config, encoding: .utf8)
        try text.replacingOccurrences(
          of: "\"rope_scaling\": null", with: "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}"
        )
        .write(to: config, atomically: true, encoding: .utf8)
      }
    },
    BadInput("checkpoint: sizes that do not fit the weights", 2, "mlp.down_proj") { folder in
      try convertCopy(folder) {
        let config = $0.appendingPathComponent("config.json")
        let text = try String(contentsOf: config, encoding: .utf8)
        try text.replacingOccurrences(of: "\"intermediate_size\": 160", with: "\"intermediate_size\": 192")
          .write(to: config, atomically: true, encoding: .utf8)
      }
    },
    BadInput("checkpoint: a pickle from before PyTorch 1.6", 2, "torch.save") { folder in
      try convertCopy(folder) {
        try Data([0x80, 2, 0x8a, 10]).write(to: $0.appendingPathComponent("SpeechTokenizer/SpeechTokenizer.pt"))
      }
    },
    BadInput("checkpoint: output into a folder that is not there", 1, "nowhere") { _ in
      Call(arguments: ["convert", Goldens.speech("tiny-mio").path, "-o", "nowhere/out.mio"])
    },
    BadInput("checkpoint: output to a stream", 2, "cannot be streamed") { _ in
      Call(arguments: ["convert", Goldens.speech("tiny-mio").path, "-o", "-"])
    },
    BadInput("checkpoint: more mean bits than there are", 2, "from 4.5 (all q4) to 8.5 (all q8)") { _ in
      Call(arguments: ["convert", Goldens.speech("tiny-mio").path, "-o", "out.mio", "--bits", "9"])
    },
    BadInput("checkpoint: mean bits of weights that have all the same", 2, "--bits mixes q4 and q8") { _ in
      Call(arguments: ["convert", Goldens.speech("tiny-mio").path, "-o", "out.mio", "--bits", "5", "--quantize", "q8"])
    },
  ]

  private static func convert(_ folder: TemporaryFolder, _ change: (URL) throws -> Void) throws -> Call {
    let checkpoint = folder.url.appendingPathComponent("checkpoint")
    try FileManager.default.createDirectory(at: checkpoint, withIntermediateDirectories: true)
    try change(checkpoint)
    return Call(arguments: ["convert", "checkpoint", "-o", "out.mio"])
  }

  private static func convertCopy(_ folder: TemporaryFolder, _ change: (URL) throws -> Void) throws -> Call {
    let checkpoint = folder.url.appendingPathComponent("checkpoint")
    try FileManager.default.copyItem(at: Goldens.root.appendingPathComponent("speech/tiny-mio"), to: checkpoint)
    try change(checkpoint)
    return Call(arguments: ["convert", "checkpoint", "-o", "out.mio"])
  }
}

// MARK: - Sound

extension BadInput {
  private static let sounds = [
    BadInput("sound: no such file", 2, "none.wav") { _ in try listen("none.wav") },
    BadInput("sound: an empty file", 2, "bad.wav") { folder in try listen([], folder) },
    BadInput("sound: not a sound file", 2, "bad.wav") { folder in try listen(Array("hello, world".utf8), folder) },
    BadInput("sound: no samples", 2, "bad.wav") { folder in try listen(wave(Array(repeating: 0, count: 0)), folder) },
    BadInput("sound: a single sample", 0, "") { folder in try listen(wave([0, 64]), folder) },
    BadInput("sound: 8 bits", 0, "") { folder in
      try listen(wave(Array(repeating: 128, count: 3200), bits: 8), folder)
    },
    BadInput("sound: 64-bit floats", 0, "") { folder in
      try listen(wave(Array(repeating: 0, count: 8 * 3200), format: 3, bits: 64), folder)
    },
    BadInput("sound: 8 channels", 0, "") { folder in
      try listen(wave(Array(repeating: 0, count: 16 * 3200), channels: 8), folder)
    },
    BadInput("sound: samples that are not numbers", 2, "bad.wav") { folder in
      try listen(wave((0..<3200).flatMap { _ in [0, 0, 0xC0, 0x7F] as [UInt8] }, format: 3, bits: 32), folder)
    },
    BadInput("sound: a rate of zero", 2, "bad.wav") { folder in
      try listen(wave(Array(repeating: 0, count: 6400), rate: 0), folder)
    },
    BadInput("sound: 65535 channels", 2, "bad.wav") { folder in
      try listen(wave(Array(repeating: 0, count: 6400), channels: 65535), folder)
    },
    BadInput("sound: cut off in the header", 2, "bad.wav") { folder in
      try listen(Array(wave(Array(repeating: 0, count: 6400)).prefix(30)), folder)
    },
    BadInput("sound: an Ogg file cut off in its first page of sound", 2, "cut off") { folder in
      // The page of the Opus header alone, and no ffmpeg that could be asked.
      let header = Array("OpusHead".utf8) + [1, 1, 0x38, 1, 0x80, 0xBB, 0, 0, 0, 0, 0]
      let page: [UInt8] = Array("OggS".utf8) + [0, 2] + [UInt8](repeating: 0, count: 20) + [1, 19]
      return try listen(page + header, folder)
    },
    BadInput("sound: a container without ffmpeg", 2, "apt-get install ffmpeg") { folder in
      try listen([0, 0, 0, 24] + Array("ftypM4A ".utf8) + [UInt8](repeating: 0, count: 300), folder)
    },
    BadInput("sound: AC-3 without ffmpeg", 2, "an AC-3 file is not supported here") { folder in
      try listen([0x0B, 0x77] + [UInt8](repeating: 0, count: 300), folder)
    },
    BadInput("sound: a film without sound", 2, "without sound") { folder in
      try decodeSound("echo \"Stream map '0:a:0' matches no streams.\" >&2; exit 1", folder)
    },
    BadInput("sound: a container that ffmpeg cannot read", 2, "finds no sound (moov atom not found)") { folder in
      try decodeSound("echo 'moov atom not found' >&2; exit 1", folder)
    },
    BadInput("sound: a decoder that writes something else", 2, "bad.wav") { folder in
      try decodeSound("head -c 5000 /dev/zero", folder)
    },
    BadInput("sound: codes out of range", 2, "1024") { folder in
      try Data(#"{"codes": [[0, 1024]]}"#.utf8).write(to: folder.url.appendingPathComponent("codes.json"))
      return Call(arguments: ["decode", "codes.json", "-o", "out.wav", "-m", try PackedModel.standard])
    },
    BadInput("sound: codes that are no JSON", 2, "codes.json") { folder in
      try Data("nonsense".utf8).write(to: folder.url.appendingPathComponent("codes.json"))
      return Call(arguments: ["decode", "codes.json", "-o", "out.wav", "-m", try PackedModel.standard])
    },
    BadInput("sound: an unknown suffix", 2, "out.mp5") { _ in
      Call(arguments: ["tts", "hello", "-o", "out.mp5", "--max-tokens", "42", "-m", try PackedModel.standard])
    },
    BadInput("sound: a voice that is none", 2, "bad.voice") { folder in
      try Data("{}".utf8).write(to: folder.url.appendingPathComponent("bad.voice"))
      return Call(arguments: ["tts", "hello", "--voice", "bad.voice", "-o", "out.wav", "-m", try PackedModel.standard])
    },
    BadInput("sound: times in an unknown form", 2, "times.doc") { _ in
      Call(arguments: ["tts", "hello", "--timings", "times.doc", "-o", "out.wav", "-m", try PackedModel.standard])
    },
  ]

  private static func listen(_ bytes: [UInt8], _ folder: TemporaryFolder) throws -> Call {
    try Data(bytes).write(to: folder.url.appendingPathComponent("bad.wav"))
    return try listen("bad.wav")
  }

  private static func listen(_ path: String) throws -> Call {
    Call(arguments: ["asr", path, "-m", try PackedModel.standard, "--greedy", "--max-tokens", "4"])
  }

  /// A WAVE file whose header says what it is told.
  static func wave(
    _ samples: [UInt8], format: UInt16 = 1, channels: UInt16 = 1, rate: UInt32 = 16_000, bits: UInt16 = 16
  ) -> [UInt8] {
    func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
      (0..<(T.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> T($0 * 8)) }
    }
    let align = channels &* (bits / 8)
    let head = Array("WAVEfmt ".utf8) + bytes(UInt32(16)) + bytes(format) + bytes(channels) + bytes(rate)
    let body =
      head + bytes(rate &* UInt32(align)) + bytes(align) + bytes(bits) + Array("data".utf8) + bytes(UInt32(samples.count))
    return Array("RIFF".utf8) + bytes(UInt32(body.count + samples.count)) + body + samples
  }
}

// MARK: - Images and videos

extension BadInput {
  private static let images = [
    BadInput("image: no such file", 2, "none.png") { _ in try look("none.png") },
    BadInput("image: empty", 2, "empty") { folder in try look([], folder) },
    BadInput("image: not an image", 2, "neither an image nor a video") { folder in
      try look(Array("hello, world, this is text".utf8), folder)
    },
    BadInput("image: cut off", 2, "cut off") { folder in
      try look(Array(kind("subsampled.jpg").dropLast(100)), folder)
    },
    BadInput("image: 65535 x 65535 pixels", 2, "65535 x 65535") { folder in
      try look(sized("rgb.png", 65535, 65535), folder)
    },
    BadInput("image: zero pixels wide", 2, "0 x 17") { folder in try look(sized("rgb.png", 0, 17), folder) },
    BadInput("image: CMYK", 0, "") { folder in try look(kind("cmyk.jpg"), folder) },
    BadInput("image: 16 bits", 0, "") { folder in try look(kind("gray16.png"), folder) },
    BadInput("image: animated, seen as a film", 0, "") { folder in try look(kind("animated.gif"), folder) },
    BadInput("image: turned by the camera, seen upright", 0, "") { folder in try look(kind("turned.jpg"), folder) },
    BadInput("image: an animated WebP", 2, "animated WebP") { folder in
      // An extended header whose second flag says so.
      let header: [UInt8] = Array("VP8X".utf8) + [10, 0, 0, 0, 2, 0, 0, 0, 22, 0, 0, 16, 0, 0]
      return try look(Array("RIFF".utf8) + [22, 0, 0, 0] + Array("WEBP".utf8) + header, folder)
    },
    BadInput("image: an animated PNG without ffmpeg", 2, "animated PNGs are read by ffmpeg") { folder in
      let png = try kind("rgb.png")
      let control = [0, 0, 0, 8] + Array("acTL".utf8) + [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]
      return try look(png[..<33] + control + png[33...], folder)
    },
    BadInput("image: HEIC", 2, "heif-convert") { folder in
      try look(Array("\0\0\0\u{18}ftypheic\0\0\0\0mif1heic".utf8) + Array(repeating: 0, count: 100), folder)
    },
    BadInput("image: HEIC to be encoded", 2, "heif-convert") { folder in
      let bytes = Array("\0\0\0\u{18}ftypheic\0\0\0\0mif1heic".utf8) + Array(repeating: 0, count: 100)
      try Data(bytes).write(to: folder.url.appendingPathComponent("photo.heic"))
      return Call(arguments: ["encode", "photo.heic", "-m", try PackedModel.whole])
    },
    BadInput("image: a BMP that is run-length coded", 2, "run-length") { folder in
      var bytes = try kind("rgb.bmp")
      bytes[30] = 1
      return try look(bytes, folder)
    },
    BadInput("image: a TGA", 2, "TGA images are not read") { folder in
      try look(
        [0, 0, 2] + [UInt8](repeating: 0, count: 9) + [2, 0, 2, 0, 24, 0x20] + [UInt8](repeating: 9, count: 12), folder)
    },
    BadInput("image: a device without end", 2, "device") { _ in try look("/dev/zero") },
    BadInput("image: zeros without end from a pipe", 2, "zeros") { _ in
      var call = try look("-")
      call.input = Array(repeating: 0, count: 1 << 16)  // what the program reads; more would end the test by a signal
      return call
    },
    BadInput("image: a video instead", 2, "as a video") { folder in
      let bytes = Array("\0\0\0\u{18}ftypmp42".utf8) + [UInt8](repeating: 0, count: 600)
      try Data(bytes).write(to: folder.url.appendingPathComponent("film.mp4"))
      return Call(arguments: ["chat", "hello", "--image", "film.mp4", "-m", try PackedModel.whole])
    },
    BadInput("image: a JPEG with an impossible Huffman table", 2, "damaged") { folder in
      var bytes = try kind("gray.jpg")
      guard let table = bytes.indices.dropLast(1).first(where: { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC4 }) else {
        throw CocoaError(.fileReadCorruptFile)
      }
      // 255 codes of every length.
      for index in table + 5..<table + 21 { bytes[index] = 255 }
      return try look(bytes, folder)
    },
    BadInput("image: 31 codes", 2, "31") { folder in try draw(Array(repeating: 1, count: 31), folder) },
    BadInput("image: code 8192", 2, "8192") { folder in
      try draw(Array(repeating: 1, count: 31) + [8192], folder)
    },
    BadInput("image: an unknown suffix", 2, "out.tif") { _ in
      Call(arguments: ["imagine", "a tree", "-o", "out.tif", "-m", try PackedModel.whole])
    },
    BadInput("image: output into a folder that is not there", 1, "nowhere") { _ in
      Call(
        arguments: [
          "imagine", "a tree", "-o", "nowhere/out.png", "--steps", "1", "--seed", "1", "-q", "-m", try PackedModel.whole,
        ])
    },
    BadInput("image: output over a folder", 1, "folder") { folder in
      try FileManager.default.createDirectory(atPath: folder.path("a.png"), withIntermediateDirectories: false)
      return Call(arguments: ["imagine", "a tree", "-o", "a.png", "--steps", "1", "-q", "-m", try PackedModel.whole])
    },
    BadInput("image: an edit of a file that is not there", 2, "none.png") { _ in
      Call(arguments: ["edit", "none.png", "make it night", "-o", "out.png", "-m", try PackedModel.whole])
    },
    BadInput("image: one that does not say how it was made", 2, "does not say") { _ in
      let photo = Goldens.image("images/rgba.png").path
      return Call(arguments: ["imagine", "--like", photo, "-o", "out.png", "-m", try PackedModel.whole])
    },
  ]

  /// Sound in a container that a program of these words decodes.
  private static func decodeSound(_ script: String, _ folder: TemporaryFolder) throws -> Call {
    let environment = try decode(script, folder).environment
    var call = try listen([0, 0, 0, 24] + Array("ftypM4A ".utf8) + [UInt8](repeating: 0, count: 300), folder)
    call.environment = environment
    return call
  }

  private static let videos = [
    BadInput("video: an image instead", 2, "as an image") { folder in
      try Data(kind("rgb.png")).write(to: folder.url.appendingPathComponent("photo.png"))
      return Call(arguments: ["chat", "hello", "--video", "photo.png", "-m", try PackedModel.whole])
    },
    BadInput("video: without ffmpeg", 2, "ffmpeg") { folder in
      try look([0, 0, 0, 0x18] + Array("ftypmp42".utf8) + Array(repeating: 0, count: 100), folder)
    },
    BadInput("video: zero frames", 2, "no frame") { folder in
      try decode("echo 'moov atom not found' >&2; exit 1", folder)
    },
    BadInput("video: a sound file", 2, "commands that listen") { folder in
      let sound = try Array(Data(contentsOf: Sounds.spoken))
      let environment = try decode("echo 'Output file does not contain any stream' >&2; exit 1", folder).environment
      var call = try look(sound, folder)
      call.environment = environment
      return call
    },
    BadInput("video: frames with transparency", 0, "") { folder in
      try decode(
        #"printf 'P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n12345678'"#, folder)
    },
    BadInput("video: a header of frames without an end", 2, "something else") { folder in
      try decode(#"printf 'P7\nWIDTH 2\n'; exec yes"#, folder)
    },
    BadInput("video: a frame count that is a lie", 0, "") { folder in
      // What the file says does not matter: three frames come, then the decoder fails.
      try decode(#"for i in 1 2 3; do printf 'P6\n2 2\n255\n123456789012'; done; exit 1"#, folder)
    },
    BadInput("video: another version of ffmpeg", 0, "") { folder in
      // One that no longer knows the old name of an option.
      try decode(
        #"case "$*" in *-vsync*) echo "Unrecognized option 'vsync'." >&2; exit 1;; esac; printf 'P6 1 1 255 abc'"#, folder)
    },
    BadInput("video: frames that change their size", 0, "") { folder in
      try decode(#"printf 'P6\n2 2\n255\n123456789012P6 1 1 255 abc'"#, folder)
    },
    BadInput("video: a frame of 99999 x 99999 pixels", 2, "99999 x 99999") { folder in
      try decode(#"printf 'P6\n99999 99999\n255\n'; exec yes"#, folder)
    },
    BadInput("video: a decoder that writes something else", 2, "something else") { folder in
      try decode("exec yes", folder)
    },
    BadInput("video: a decoder that stops within a frame", 2, "no frame") { folder in
      try decode(#"printf 'P6\n64 64\n255\nabc'"#, folder)
    },
    BadInput("video: a folder without images", 2, "no images") { folder in
      try FileManager.default.createDirectory(atPath: folder.path("frames"), withIntermediateDirectories: true)
      return try look("frames")
    },
    BadInput("video: a folder whose image is damaged", 2, "frame_2.png") { folder in
      try FileManager.default.createDirectory(atPath: folder.path("frames"), withIntermediateDirectories: true)
      try Data(kind("rgb.png")).write(to: folder.url.appendingPathComponent("frames/frame_1.png"))
      try Data(kind("rgb.png").prefix(300)).write(to: folder.url.appendingPathComponent("frames/frame_2.png"))
      return try look("frames")
    },
    BadInput("video: a gif without frames", 2, "cut off") { folder in
      try look(Array(kind("animated.gif").prefix(13 + 96)), folder)
    },
    BadInput("video: a gif that states more frames than it has", 0, "") { folder in
      // The end of the file is taken off, and another frame begins.
      try look(Array(kind("animated.gif").dropLast()) + [0x2C, 0, 0, 0, 0], folder)
    },
  ]

  /// A video that a program of these words decodes.
  private static func decode(_ script: String, _ folder: TemporaryFolder) throws -> Call {
    let program = folder.path("ffmpeg")
    try Data("#!/bin/sh\n\(script)\n".utf8).write(to: URL(fileURLWithPath: program))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    var call = try look([0, 0, 0, 0x18] + Array("ftypmp42".utf8) + Array(repeating: 0, count: 100), folder)
    call.environment = ["PATH": "\(folder.url.path):/usr/bin:/bin"]
    return call
  }

  private static func kind(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: Goldens.root.appendingPathComponent("image-kinds/\(name)")))
  }

  /// A PNG whose header states another size.
  private static func sized(_ name: String, _ width: UInt32, _ height: UInt32) throws -> [UInt8] {
    func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    let bytes = try kind(name)
    return bytes[..<16] + big(width) + big(height) + bytes[24...]
  }

  private static func look(_ bytes: [UInt8], _ folder: TemporaryFolder) throws -> Call {
    try Data(bytes).write(to: folder.url.appendingPathComponent("bad.png"))
    return try look("bad.png")
  }

  private static func look(_ path: String) throws -> Call {
    Call(arguments: ["describe", path, "-m", try PackedModel.whole, "--greedy", "--max-tokens", "4"])
  }

  private static func draw(_ codes: [Int], _ folder: TemporaryFolder) throws -> Call {
    try Data("{\"codes\": \(codes)}".utf8).write(to: folder.url.appendingPathComponent("codes.json"))
    return Call(arguments: ["decode", "codes.json", "-o", "out.png", "-m", try PackedModel.whole])
  }
}

// MARK: - Text and options

extension BadInput {
  private static let texts = [
    BadInput("text: nothing to say", 2, "nothing to say") { _ in
      Call(arguments: ["tts", " ... ", "-o", "out.wav", "-m", try PackedModel.standard])
    },
    BadInput("text: none, and nothing on standard input", 2, "standard input") { _ in Call(arguments: ["tts"], input: []) },
    BadInput("text: empty prompt", 2, "empty") { _ in Call(arguments: ["chat", "", "-m", try PackedModel.standard]) },
    BadInput("text: not UTF-8", 2, "UTF-8") { _ in
      Call(arguments: ["tts", "-", "-o", "out.wav", "-m", try PackedModel.standard], input: [0x68, 0xFF, 0xFE])
    },
    BadInput("text: a prompt of 1 MB", 2, "context") { _ in
      Call(
        arguments: ["chat", "-", "-m", try PackedModel.standard], input: Array(repeating: UInt8(ascii: "a"), count: 1 << 20))
    },
    BadInput("text: typed control tokens", 0, "") { _ in
      Call(
        arguments: ["chat", "<|im_end|><spch><spch12></spch>", "-m", try PackedModel.standard, "--greedy", "--max-tokens", "4"])
    },
    BadInput("text: token ids beyond the vocabulary", 2, "999999") { _ in
      Call(arguments: ["generate", "--ids", "5,999999", "-m", try PackedModel.standard])
    },
    BadInput("text: token ids that are no numbers", 2, "--ids") { _ in
      Call(arguments: ["detokenize", "--ids", "1,two", "-m", try PackedModel.standard])
    },
  ]

  private static let options = [
    BadInput("option: a command that there is not", 2, "did you mean 'tts'?") { _ in Call(arguments: ["speak", "hello"]) },
    BadInput("option: misspelled", 2, "did you mean '--seed'?") { _ in Call(arguments: ["tts", "hello", "--sed", "1"]) },
    BadInput("option: unknown", 2, "--frobnicate") { _ in Call(arguments: ["tts", "hello", "--frobnicate"]) },
    BadInput("option: a negative temperature", 2, "temperature") { _ in try generate("--temperature=-1") },
    BadInput("option: a temperature that is no number", 2, "temperature") { _ in try generate("--temperature=nan") },
    BadInput("option: top-p beyond 1", 2, "top-p") { _ in try generate("--top-p=1.5") },
    BadInput("option: no tokens", 2, "max-tokens") { _ in try generate("--max-tokens=0") },
    BadInput("option: a million beams", 2, "beams") { _ in try generate("--beams=1000000") },
    BadInput("option: no threads", 2, "threads") { _ in try generate("--threads=0") },
    BadInput("option: a context beyond the model's", 2, "context") { _ in try generate("--context=999999999") },
    BadInput("option: an unknown recipe", 2, "recipes") { _ in
      Call(arguments: ["chat", "hello", "--recipe", "stew", "-m", try PackedModel.whole])
    },
    BadInput("option: a recipe that lacks its image", 2, "image") { _ in
      Call(arguments: ["chat", "how many?", "--recipe", "chart-question", "-m", try PackedModel.whole])
    },
    BadInput("option: a size that the network has no rows for", 2, "multiple of") { _ in
      Call(arguments: ["film", "a boat", "-o", "film.gif", "--size", "100", "-m", try PackedModel.whole])
    },
    BadInput("option: no frames", 2, "frames") { _ in
      Call(arguments: ["film", "a boat", "-o", "film.gif", "--frames", "0", "-m", try PackedModel.whole])
    },
    BadInput("option: segments at once without end", 2, "segments at once") { _ in
      let count = "\(Int.max)"
      return Call(arguments: ["tts", "hello", "--parallel", count, "-o", "out.wav", "-m", try PackedModel.standard])
    },
    BadInput("option: no takes", 2, "1...64") { _ in
      Call(arguments: ["tts", "hello", "--takes", "0", "-o", "out.wav", "-m", try PackedModel.standard])
    },
    BadInput("option: takes that are all the same", 2, "without drawing") { _ in
      Call(arguments: ["tts", "hello", "--takes", "3", "--greedy", "-o", "out.wav", "-m", try PackedModel.standard])
    },
    BadInput("option: two places for the sound", 2, "--raw") { _ in
      Call(arguments: ["tts", "hello", "--raw", "-o", "out.wav", "-m", try PackedModel.standard])
    },
    BadInput("option: a film that is no gif", 2, "a .gif or a folder") { _ in
      Call(arguments: ["film", "a boat", "-o", "boat.webp", "-m", try PackedModel.whole])
    },
    BadInput("option: a story that is a page", 2, "name a folder") { _ in
      Call(arguments: ["story", "a boat", "-o", "boat.html", "-m", try PackedModel.whole])
    },
  ]

  private static func generate(_ option: String) throws -> Call {
    Call(arguments: ["generate", "hello", option, "-m", try PackedModel.standard])
  }
}
