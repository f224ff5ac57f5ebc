import Foundation
import MioTestSupport
import Testing

/// Images and videos that are odd, but not wrong: what the built program makes of them, and what it says.
@Suite struct OddMediaTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func kind(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: Goldens.root.appendingPathComponent("image-kinds/\(name)")))
  }

  private func run(_ arguments: [String], input: [UInt8]? = nil, path: String = "/nonexistent") throws -> Program.Result {
    let settings =
      ["encode", "edit"].contains(arguments[0]) ? [] : ["--greedy", "--max-tokens", "4"]
    return try Program.run(
      arguments + settings + ["-m", PackedModel.whole], input: input, environment: ["PATH": path], in: folder.url)
  }

  @Test func `encodes a turned photo as it is stored, says so, and turns it when asked to`() throws {
    let photo = Goldens.root.appendingPathComponent("image-kinds/turned.jpg").path
    let stored = try run(["encode", photo])
    #expect(stored.status == 0 && stored.notes.contains("--upright"), "\(stored.notes)")
    let quiet = try run(["encode", photo, "-q"])
    #expect(quiet.notes.isEmpty && quiet.output == stored.output)
    let upright = try run(["encode", photo, "--upright"])
    #expect(upright.status == 0 && upright.notes.isEmpty && upright.output != stored.output, "\(upright.notes)")
  }

  @Test func `lays transparency on white for seeing, and leaves it to encode as the reference has it`() throws {
    let image = Goldens.image("images/rgba.png").path
    let dropped = try run(["encode", image])
    #expect(try run(["encode", image, "--transparency", "dropped"]).output == dropped.output)
    #expect(try run(["encode", image, "--transparency", "white"]).output != dropped.output)
    for command in [["describe", image], ["edit", image, "more", "-o", "-", "--steps", "1", "--seed", "1"]] {
      let white = try run(command)
      #expect(white.status == 0, "\(white.notes)")
      #expect(try run(command + ["--transparency", "white"]).output == white.output)
      #expect(try run(command + ["--transparency", "dropped"]).status == 0)
    }
  }

  @Test func `says what is missing of a film, and uses the rest`() throws {
    let cut = try Array(kind("animated.gif").dropLast()) + [0x2C, 0, 0, 0, 0]
    let result = try run(["describe", "-"], input: cut)
    #expect(result.status == 0 && result.notes.contains("3 frames that can be read"), "\(result.notes)")
    for (script, says) in [
      (#"printf 'P6 1 1 255 abcP6 1 1 255 abc'; exit 1"#, "2 frames that can be read"),
      (#"printf 'P6 1 1 255 abcP6 1 1 255 a'"#, "one frame that can be read"),
      (#"printf 'P6 1 1 255 abc'; echo '[h264 @ 0x5] [dec @ 0x6] bad block' >&2"#, "(ffmpeg: bad block)"),
    ] {
      try Data("#!/bin/sh\n\(script)\n".utf8).write(to: folder.url.appendingPathComponent("ffmpeg"))
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path("ffmpeg"))
      let film = Array("\0\0\0\u{18}ftypmp42".utf8) + [UInt8](repeating: 0, count: 600)
      let result = try run(["describe", "-"], input: film, path: "\(folder.url.path):/usr/bin:/bin")
      #expect(result.status == 0 && result.notes.contains(says), "\(result.notes)")
    }
  }

  @Test func `tells an image behind a line end, which is no video`() throws {
    for image in try [kind("turned.jpg"), Array(Data(contentsOf: Goldens.image("images/rgba.png")))] {
      for command in [
        ["describe", "-"], ["encode", "-"], ["chat", "hello", "--video", "-"], ["edit", "-", "more", "-o", "a.png"],
      ] {
        let result = try run(command, input: Array("\r\n".utf8) + image)
        #expect(result.status == 2)
        #expect(result.notes.contains("an image behind 2 bytes of something else"), "\(result.notes)")
      }
    }
  }

  @Test func `reads a video from standard input, from a file and from a pipe alike`() throws {
    let film = try kind("animated.gif")
    try Data(film).write(to: folder.url.appendingPathComponent("film.gif"))
    let named = try run(["chat", "hello", "--video", "film.gif"])
    let piped = try run(["chat", "hello", "--video", "-"], input: film)
    #expect(named.status == 0 && piped.status == 0, "\(named.notes) \(piped.notes)")
    #expect(named.output == piped.output)
  }
}
