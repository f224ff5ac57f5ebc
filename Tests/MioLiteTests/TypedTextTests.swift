import Foundation
import MioTestSupport
import Testing

/// Texts as people type and pipe them, and the words in which slips are answered.
@Suite struct TypedTextTests {
  /// The ids of a text that comes over standard input, exactly.
  private func ids(_ text: String) throws -> [Int] {
    let result = try Program.run(["tokenize", "-", "--json", "-m", PackedModel.standard], input: Array(text.utf8))
    return try #require(try result.json["ids"] as? [Int])
  }

  @Test(arguments: [
    "-5 degrees", "-hello", "-5", "---", "--- so", "--hello there", "--hello, you", "-é", "-qhello", "- x", "-x=1 y",
  ])
  func `text that begins with a hyphen is text`(_ text: String) throws {
    let result = try Program.run(["tokenize", text, "--json", "-m", PackedModel.standard])
    #expect(result.status == 0, "\(result.notes)")
    #expect(try result.json["ids"] as? [Int] == ids(text))
  }

  @Test func `every command that takes a text takes one that begins with a hyphen`() throws {
    let folder = try TemporaryFolder()
    let image = Goldens.image("images/rgba.png").path
    let small = ["--max-tokens", "2", "-q", "-m", try PackedModel.whole]
    for arguments in [
      ["generate", "-hello"], ["generate", "-q", "-hello"], ["chat", "-hello", "--greedy"],
      ["chat", "hello", "--system", "-be kind", "--text", "-a cat"], ["describe", image, "-what is it?", "--greedy"],
    ] {
      let result = try Program.run(arguments + small, in: folder.url)
      #expect(result.status == 0 && !result.text.contains("USAGE"), "\(arguments): \(result.notes)")
    }
    let spoken = try Program.run(["tts", "-5 degrees", "-o", folder.path("a.wav"), "--seed", "1"])
    #expect(spoken.status == 0, "\(spoken.notes)")
  }

  @Test func `what looks like an option must be one`() throws {
    for (option, says) in [
      ("--unknown", "unknown option '--unknown'"), ("-x", "unknown option '-x'"), ("-seed", "did you mean '--seed'?"),
      ("--sead", "did you mean '--seed'?"), ("--max-new-tokens", "did you mean '--max-tokens'?"),
      ("--negative", "no negative prompt"), ("--language=de", "hears which language"),
      ("--unknown=3", "unknown option '--unknown'"),
    ] {
      for place in [["generate", "hello", option], ["generate", option, "hello"], ["generate", "-hello", option]] {
        let result = try Program.run(place)
        #expect(result.status == 2, "\(result.notes)")
        #expect(result.notes.contains(says) && result.notes.contains("mio-lite help generate"), "\(result.notes)")
        #expect(result.notes.split(separator: "\n").count == 1)
      }
    }
    for nonsense in ["--frobnicate", "--xyz", "--ab", "--unknown"] {
      let result = try Program.run(["tts", "hello", nonsense])
      #expect(result.status == 2 && !result.notes.contains("did you mean"), "\(result.notes)")
    }
  }

  @Test func `options may stand anywhere and take values that begin with a hyphen`() throws {
    let expected = try Program.run(["tokenize", "hello you", "--chat", "--system", "- be kind", "-m", PackedModel.standard])
    #expect(expected.status == 0, "\(expected.notes)")
    let other = try Program.run(["tokenize", "--system", "- be kind", "hello", "-m", PackedModel.standard, "--chat", "you"])
    #expect(other.output == expected.output, "\(other.notes)")
    let missing = try Program.run(["generate", "hello", "-m", "--json"])
    #expect(missing.status == 2 && missing.notes.contains("-m"), "\(missing.notes)")
    for attached in [["-t1", "-m", try PackedModel.standard], ["-m\(try PackedModel.standard)"]] {
      let result = try Program.run(["tokenize", "hello", "--json"] + attached)
      #expect(try result.status == 0 && result.json["ids"] as? [Int] == ids("hello"), "\(result.notes)")
    }
  }

  @Test func `several words are one text`() throws {
    for words in [["hello", "big", "world"], ["hello", "-5", "world"], ["--", "--hello", "world"]] {
      let result = try Program.run(["tokenize", "--json", "-m", PackedModel.standard] + words)
      #expect(result.status == 0, "\(result.notes)")
      #expect(try result.json["ids"] as? [Int] == ids(words.filter { $0 != "--" }.joined(separator: " ")))
    }
    let folder = try TemporaryFolder()
    for (name, words) in [("a.wav", ["hello world"]), ("b.wav", ["hello", "world"])] {
      #expect(try Program.run(["tts"] + words + ["-o", folder.path(name), "--seed", "1", "-q"]).status == 0)
    }
    #expect(try folder.bytes("a.wav") == folder.bytes("b.wav"))
  }

  @Test func `without a text, a pipe is read, and its last line end changes nothing`() throws {
    let rest = ["--json", "--max-tokens", "4", "--greedy", "-q", "-m", try PackedModel.standard]
    let named = try Program.run(["generate", "hello"] + rest)
    for input in ["hello", "hello\n", "hello\r\n"] {
      for words in [[], ["-"]] {
        let piped = try Program.run(["generate"] + words + rest, input: Array(input.utf8))
        #expect(piped.status == 0 && piped.output == named.output, "\(piped.notes)")
      }
    }
    let folder = try TemporaryFolder()
    let spoken = try Program.run(["tts", "-o", folder.path("a.wav"), "--seed", "1"], input: Array("hi\n".utf8))
    #expect(spoken.status == 0, "\(spoken.notes)")
    for command in [["tts"], ["imagine", "-o", "a.png"], ["film", "-o", "a.gif"], ["story", "-o", "a"], ["generate"]] {
      let nothing = try Program.run(command, input: [])
      #expect(nothing.status == 2 && nothing.notes.contains("standard input"), "\(nothing.notes)")
    }
  }

  @Test func `words for what a command does lead to it`() throws {
    for (word, command) in [
      ("speak", "tts"), ("transcribe", "asr"), ("draw", "imagine"), ("imagin", "imagine"), ("caht", "chat"),
    ] {
      for arguments in [[word, "hello"], [word, "-o", "x"], ["help", word]] {
        let result = try Program.run(arguments)
        #expect(result.status == 2 && result.notes.contains("did you mean '\(command)'?"), "\(result.notes)")
      }
    }
    let nothing = try Program.run(["xyzzy"])
    #expect(nothing.status == 2 && nothing.notes == "mio-lite: no command 'xyzzy' (see 'mio-lite help')\n", "\(nothing.notes)")
  }

  @Test func `options before the command are told where they belong`() throws {
    for options in [["--model", "x.mio"], ["-m", "x.mio"], ["-q"]] {
      let result = try Program.run(options + ["tts", "hello"])
      #expect(result.status == 2 && result.notes.contains("'mio-lite tts \(options[0]) ...'"), "\(result.notes)")
    }
    #expect(try Program.run(["--help", "tts"]).status == 0)
  }

  @Test func `hints name the help of the command`() throws {
    for arguments in [["tts", "hello", "--parallel", "many"], ["imagine", "a tree"], ["asr", "--temperature"]] {
      let result = try Program.run(arguments)
      #expect(result.status == 2 && result.notes.contains("'mio-lite help \(arguments[0])'"), "\(result.notes)")
    }
  }

  @Test func `what cannot be streamed is refused before the work`() throws {
    let folder = try TemporaryFolder()
    for arguments in [
      ["convert", Goldens.speech("tiny-mio").path, "-o", "-"], ["story", "a tale", "-o", "-"], ["chat", "hello", "-o", "-"],
      ["trace", "backbone", "-i", "a.safetensors", "-o", "-"],
    ] {
      let result = try Program.run(arguments, in: folder.url)
      #expect(result.status == 2 && result.output.isEmpty, "\(result.notes)")
      #expect(folder.contents.isEmpty)
    }
  }

  @Test func `several pictures are not a question`() throws {
    let image = Goldens.image("images/rgba.png").path
    for words in [[image], ["none.jpg"], ["what", "is", image]] {
      let result = try Program.run(["describe", image, "-m", PackedModel.whole] + words)
      #expect(result.status == 2 && result.notes.contains("--image"), "\(result.notes)")
    }
    let edited = try Program.run(["edit", image, image, "-o", "out.png", "-m", PackedModel.whole])
    #expect(edited.status == 2 && edited.notes.contains("one image"), "\(edited.notes)")
    // A folder of that name is there, and an image is spoken of.
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.path("sky"), withIntermediateDirectories: false)
    let asked = ["What", "is", "in", "the", "sky", "of", "a.png", "-m", try PackedModel.whole, "--greedy", "--max-tokens", "2"]
    let answered = try Program.run(["describe", image] + asked, in: folder.url)
    #expect(answered.status == 0, "\(answered.notes)")
  }

  @Test func `looking into files takes several, and a model as other commands do`() throws {
    let (first, second) = (try PackedModel.standard, try PackedModel.exact)
    for command in ["inspect", "verify"] {
      let both = try Program.run([command, first, second])
      #expect(both.status == 0 && both.text.contains(first) && both.text.contains(second), "\(both.notes)")
      let one = try Program.run([command, first])
      #expect(try Program.run([command, "-m", first]).output == one.output)
      #expect(try Program.run([command], environment: ["MIO_MODEL": first]).output == one.output)
      #expect(try Program.run([command]).text.contains("demo.mio"))
      let bad = try Program.run([command, "none.mio", first, "not.mio"])
      #expect(bad.status == 2 && bad.output == one.output, "\(bad.notes)")
      #expect(bad.notes.contains("none.mio") && bad.notes.contains("not.mio") && bad.notes.contains("2 of 3"), "\(bad.notes)")
    }
  }
}
