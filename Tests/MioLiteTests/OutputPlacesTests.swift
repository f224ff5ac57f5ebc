import Foundation
import MioTestSupport
import Testing

/// Where results go: files, streams, devices, players; names that are no text; and what is refused before the work.
@Suite struct OutputPlacesTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private static let words = "Hello there. One two three. Four five six."

  /// The program under a shell, as people redirect it.
  private func shell(_ script: String, path: String = "/usr/bin:/bin") throws -> Program.Result {
    try Program.run(
      ["-c", script], program: "/bin/bash",
      environment: ["M": Program.path, "W": PackedModel.whole, "PATH": path, "T": Self.words], in: folder.url)
  }

  /// The sizes in the header of a WAV file, and its format and bits.
  private func header(_ bytes: [UInt8]) -> (riff: UInt32, format: Int, bits: Int, data: UInt32) {
    func number(_ at: Int, _ count: Int) -> UInt32 { (0..<count).reduce(0) { $0 | UInt32(bytes[at + $1]) << (8 * $1) } }
    return (number(4, 4), Int(number(20, 2)), Int(number(34, 2)), number(40, 4))
  }

  @Test func `sound has 16 bits, or floats where they are asked for`() throws {
    let result = try shell(
      """
      "$M" tts hello --seed 1 -q -o a.wav; "$M" tts hello --seed 1 -q -o b.wav --float; "$M" encode a.wav --json > c.json
      "$M" decode c.json -o d.wav; "$M" decode c.json -o e.wav --float; "$M" chat hello --voice --greedy --max-tokens 42 -m "$W"
      """)
    #expect(result.status == 0, "\(result.notes)")
    for (name, format, bits) in [("a", 1, 16), ("b", 3, 32), ("d", 1, 16), ("e", 3, 32), ("speech-1", 1, 16)] {
      let header = try header(folder.bytes("\(name).wav"))
      #expect(header.format == format && header.bits == bits, "\(name): \(header)")
    }
    for call in [["--raw", "--float"], ["-o", "a.flac", "--float"]] {
      #expect(try Program.run(["tts", "hello"] + call, in: folder.url).status == 2)
    }
  }

  @Test func `a stream into a file has the header of a file, one into a pipe says until the end`() throws {
    let result = try shell(
      """
      S="tts hello --seed 1 -q"; "$M" $S -o a.wav; "$M" $S -o - > b.wav; "$M" $S -o /dev/stdout > c.wav
      (printf 123456; "$M" $S -o -) > d.bin; "$M" $S -o - | cat > e.wav; "$M" $S -o - >> f.wav; "$M" $S -o /dev/fd/3 3> g.wav
      """)
    #expect(result.status == 0 && result.notes.isEmpty, "\(result.notes)")
    let whole = try folder.bytes("a.wav")
    for name in ["b.wav", "c.wav", "g.wav"] { #expect(try folder.bytes(name) == whole, "\(name)") }
    #expect(try Array(folder.bytes("d.bin").dropFirst(6)) == whole)
    for name in ["e.wav", "f.wav"] {
      let bytes = try folder.bytes(name)
      #expect(bytes.count == whole.count && header(bytes).riff == .max && header(bytes).data == .max, "\(name)")
    }
  }

  @Test func `devices, pipes and links are written to and stay`() throws {
    let result = try shell(
      """
      set -e; mkfifo pipe pipe.flac; ln -s real.png link.png; ln -s pipe link
      D="-m $W --steps 1 --seed 1 -q"
      "$M" tts hello --seed 1 -q -o /dev/null; "$M" imagine tree $D -o /dev/null; "$M" imagine tree $D -o link.png
      "$M" imagine tree $D -o a.png; "$M" imagine tree $D -o /dev/stdout > b.png
      cat pipe > a.wav & "$M" tts hello --seed 1 -q -o link; wait
      cat pipe.flac > a.flac & "$M" tts hello --seed 1 -q -o pipe.flac; wait
      cat pipe > a.gif & "$M" film boat $D --frames 1 -o pipe; wait
      "$M" film boat $D --frames 1 -o - > b.gif; "$M" film boat $D --frames 1 -o c.gif
      """)
    #expect(result.status == 0, "\(result.notes)")
    #expect(try folder.bytes("real.png") == folder.bytes("a.png") && folder.bytes("a.png") == folder.bytes("b.png"))
    #expect(try folder.bytes("a.gif") == folder.bytes("c.gif") && folder.bytes("b.gif") == folder.bytes("c.gif"))
    #expect(try folder.bytes("a.wav").starts(with: Array("RIFF".utf8)))
    #expect(try folder.bytes("a.flac").starts(with: Array("fLaC".utf8)))
    var status = stat()
    for (name, kind) in [("pipe", S_IFIFO), ("pipe.flac", S_IFIFO), ("link", S_IFLNK), ("link.png", S_IFLNK)] {
      #expect(unsafe lstat(folder.path(name), &status) == 0 && status.st_mode & S_IFMT == kind, "\(name)")
    }
    #expect(unsafe stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
  }

  @Test(.needsTerminal) func `a terminal is not sent the bytes of media`() throws {
    for arguments in [
      ["tts", "hello", "-o", "-"], ["tts", "hello", "--raw"], ["tts", "hello", "-o", "/dev/tty"],
      ["tts", "hello", "-o", "/dev/stdout"], ["imagine", "tree", "-o", "/dev/tty", "-m", try PackedModel.whole],
      ["imagine", "tree", "-o", "-", "-m", try PackedModel.whole], ["film", "boat", "-o", "-", "-m", try PackedModel.whole],
    ] {
      let shown = try PseudoTerminal.run(PseudoTerminal.Call(arguments))
      #expect(shown.status == 2 && shown.raw.contains("terminal") && !shown.raw.contains("RIFF"), "\(shown.lines)")
    }
  }

  @Test func `places that cannot be written are refused before the work`() throws {
    try FileManager.default.createDirectory(atPath: folder.path("a.png"), withIntermediateDirectories: false)
    try Data().write(to: folder.url.appendingPathComponent("file"))
    let slow = ["--steps", "1000", "--seed", "1", "-m", try PackedModel.whole]
    for arguments in [
      ["imagine", "tree", "-o", "none/a.png"], ["imagine", "tree", "-o", "a.png"], ["film", "boat", "-o", "none/a.gif"],
      ["film", "boat", "-o", "file"], ["film", "boat", "-o", "file/film"], ["story", "boat", "-o", "file"],
      ["chat", "hello", "-o", "file"], ["edit", Goldens.image("images/rgba.png").path, "night", "-o", "none/a.png"],
    ] {
      let result = try Program.run(arguments + slow, in: folder.url)
      #expect(result.status == 1 && !result.notes.contains("seed "), "\(arguments): \(result.notes)")
      #expect(result.notes.split(separator: "\n").count == 1)
    }
    let stream = try Program.run(["convert", Goldens.speech("tiny-mio").path, "-o", "/dev/null"])
    #expect(stream.status == 2 && stream.notes.contains("streamed"), "\(stream.notes)")
    #expect(folder.contents == ["a.png", "file"])
  }

  // MARK: - Players

  private func player(_ script: String) throws -> String {
    let bin = folder.url.appendingPathComponent("bin")
    try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
    let program = bin.appendingPathComponent("aplay")
    try Data("#!/bin/sh\n\(script)\n".utf8).write(to: program)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)
    return "\(bin.path):/usr/bin:/bin"
  }

  @Test(
    arguments: ["echo 'no such card' >&2; exit 1", "head -c 20000 > /dev/null; exit 3", "cat > /dev/null; kill -9 $$"],
    [[], ["--play"]])
  func `what a player fails to play goes to a file`(_ script: String, _ options: [String]) throws {
    let path = try player(script)
    let result = try Program.run(
      ["tts", Self.words, "--seed", "1"] + options, environment: ["PATH": path], in: folder.url)
    #expect(result.status == 0, "\(result.notes)")
    #expect(result.notes.contains("aplay cannot play") && result.notes.contains("speech.wav"), "\(result.notes)")
    if script.contains("card") { #expect(result.notes.contains("no such card")) }
    let named = try Program.run(["tts", Self.words, "--seed", "1", "-q", "-o", "named.wav"], in: folder.url)
    #expect(try named.status == 0 && folder.bytes("speech.wav") == folder.bytes("named.wav"))
  }

  @Test func `a player that plays leaves no file`() throws {
    let path = try player("cat > played")
    let result = try Program.run(["tts", Self.words, "--seed", "1"], environment: ["PATH": path], in: folder.url)
    #expect(result.status == 0 && result.notes.contains("aplay: "), "\(result.notes)")
    #expect(folder.contents == ["bin", "played"])
    let raw = try Program.run(["tts", Self.words, "--seed", "1", "--raw", "-q"])
    #expect(try folder.bytes("played") == raw.output)
  }

  @Test(arguments: ["hello", String(repeating: "one two three four five. ", count: 200)])
  func `a request to stop silences the player at once`(_ text: String) throws {
    let path = try player("echo $$ > player; exec sleep 100")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.path)
    process.arguments = ["tts", text, "--seed", "1", "-q"]
    process.environment = ["PATH": path]
    process.currentDirectoryURL = folder.url
    process.standardError = FileHandle.nullDevice
    try process.run()
    while !FileManager.default.fileExists(atPath: folder.path("player")) && process.isRunning { usleep(1000) }
    usleep(300_000)  // until it waits for the player
    kill(process.processIdentifier, SIGINT)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 130)
    let player = try #require(Int32(String(decoding: folder.bytes("player"), as: UTF8.self).dropLast()))
    var patience = 200
    while kill(player, 0) == 0 && patience > 0 {
      usleep(10_000)
      patience -= 1
    }
    #expect(patience > 0)
    #expect(folder.contents == ["bin", "player"])
  }

  // MARK: - Names that are no text

  @Test func `names that are no text work everywhere, and none gets another`() throws {
    let result = try shell(
      #"""
      set -e; N=$'caf\xe9'; D="-m $W --steps 1 --seed 1 -q"; mkdir $'d\xff'; cd $'d\xff'
      "$M" tts hello --seed 1 -q -o $N.wav; "$M" tts hello --seed 1 -q -o $N.flac; "$M" asr $N.wav $N.flac
      "$M" encode $N.wav --json > $N.json; "$M" decode $N.json -o $N.2.wav; cp "$W" $N.mio
      "$M" verify $N.mio > $N.txt; "$M" inspect -m $N.mio --json > $N.txt; MIO_MODEL=$N.mio "$M" tokenize hello > $N.txt
      "$M" imagine tree $D -o $N.png; "$M" edit $N.png night $D -o $N.jpg; "$M" describe $N.png -q --max-tokens 2 -m $N.mio > $N.txt
      "$M" film boat $D --frames 1 -o $N.film; "$M" describe $N.film -q --max-tokens 2 -m "$W" > $N.txt
      "$M" story boat $D --images 1 --max-tokens 40 -o $N.story
      "$M" chat hello --image $N.png --voice --greedy --max-tokens 42 -m "$W" -o $N.chat
      cp -rL "$(dirname "$W")/whole" $N.ck; "$M" convert $N.ck -q -o $N.3.mio
      printf '/image %s.png\n/save %s.log\n/quit\n' $N $N | "$M" chat -m "$W" -q
      """#)
    #expect(result.status == 0, "\(result.notes)")
    #expect(result.text == "hello\nhello\n\n")
    let list = try shell(#"cd $'d\xff' && ls | LC_ALL=C sort"#)
    let ends = ["2.wav", "3.mio", "chat", "ck", "film", "flac", "jpg", "json", "log", "mio", "png", "story", "txt", "wav"]
    let name: [UInt8] = Array("caf".utf8) + [0xE9, UInt8(ascii: ".")]
    #expect(list.output == ends.flatMap { name + Array("\($0)\n".utf8) }, "\(list.text)")
    #expect(try shell(#"ls $'d\xff'/caf*.film $'d\xff'/caf*.story $'d\xff'/caf*.chat"#).text.contains("index.html"))
  }

  @Test func `the program finds its model in a folder whose name is no text`() throws {
    let result = try shell(
      #"""
      set -e; mkdir $'p\xff\xe9'; cp "$M" $'p\xff\xe9'/; ln -s "$(dirname "$M")"/*.resources $'p\xff\xe9'/
      $'p\xff\xe9'/mio-lite tts hello --seed 1 -q -o a.wav; cd $'p\xff\xe9'; ./mio-lite tts hello --seed 1 -q -o ../b.wav
      """#)
    #expect(result.status == 0, "\(result.notes)")
    #expect(try folder.bytes("a.wav") == folder.bytes("b.wav"))
  }

  @Test(arguments: ["pipe", "pipe.ogg", "pipe.flac"]) func `waiting for a reader can be stopped`(name: String) throws {
    let result = try shell(
      """
      mkfifo \(name); "$M" tts hello --seed 1 -o \(name) 2>notes & p=$!
      until grep -q 'waiting for a program' notes; do sleep 0.05; done; kill $p; wait $p
      """)
    #expect(result.status == 143, "\(result.notes)")
    #expect(try String(decoding: folder.bytes("notes"), as: UTF8.self).contains("mio-lite: interrupted"))
  }

  @Test func `words that are no text are refused`() throws {
    for call in [#"tts $'caf\xe9'"#, #"chat hello --system $'\xff' -m "$W""#, #"chat hello --text $'\xff' -m "$W""#] {
      let result = try shell("\"$M\" \(call)")
      #expect(result.status == 2 && result.notes.contains("UTF-8"), "\(result.notes)")
    }
  }

  // MARK: - Some of several

  @Test func `one bad file of many does not keep the others`() throws {
    let sound = Sounds.spoken.path
    let rest = ["--greedy", "--max-tokens", "4", "-m", try PackedModel.standard]
    let good = try Program.run(["asr", sound] + rest)
    let all = try Program.run(["asr", sound, "none.wav", sound, "/dev/null", sound] + rest)
    #expect(all.status == 2 && all.text == good.text + good.text + good.text, "\(all.notes)")
    #expect(all.notes.contains("none.wav") && all.notes.contains("/dev/null") && all.notes.contains("2 of 5"), "\(all.notes)")
    // Nobody reads any more: the others are not dealt with.
    let lost = try shell("\"$M\" asr none.wav \(sound) \(sound) --greedy --max-tokens 4 -m \"$W\" > /dev/full; echo $?")
    #expect(
      lost.text == "1\n" && lost.notes.contains("standard output") && !lost.notes.contains("of 3 failed"), "\(lost.notes)")
    let json = try Program.run(["asr", "none.wav", sound, "--json"] + rest)
    #expect(json.status == 2 && json.text.split(separator: "\n").count == 1)
  }

  /// Draws a film of two frames, asks to stop when `isTime` says so, and returns what was noted, and the status.
  private func stopFilm(_ output: String, when isTime: () -> Bool) throws -> (notes: String, status: Int32) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.path)
    process.arguments = [
      "film", "boat", "-o", folder.path(output), "--frames", "2", "--steps", "200", "--seed", "9", "--temperature", "3",
      "--max-tokens", "3000", "--no-preview", "-m", try PackedModel.whole,
    ]
    let notes = Pipe()
    process.standardError = notes
    try process.run()
    while !isTime() && process.isRunning { usleep(1000) }
    kill(process.processIdentifier, SIGINT)
    let text = String(decoding: notes.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (text, process.terminationStatus)
  }

  @Test func `a film keeps finished frames when it is stopped`() throws {
    let clock = ContinuousClock()
    var started = clock.now
    let stopped = try stopFilm("film") { FileManager.default.fileExists(atPath: folder.path("film/frame-1.png")) }
    #expect(stopped.status == 130 && stopped.notes.contains("has the frame that was finished"), "\(stopped.notes)")
    #expect(try folder.bytes("film/film.gif").starts(with: Array("GIF89a".utf8)))
    #expect(try folder.bytes("film/film.json").count > 100)
    // In the middle of the second frame, as far as can be told from the first; a machine that others use is slower or faster then.
    var moment = (clock.now - started) * 1.5
    for attempt in 0..<16 {
      started = clock.now
      let stopped = try stopFilm("a.gif") { clock.now - started > moment }
      if stopped.status == 130, stopped.notes.contains("finished") { break }
      moment = moment * (stopped.status == 130 ? 1.25 : 0.85)
      #expect(attempt < 15, "\(stopped.notes)")
    }
    #expect(try folder.bytes("a.gif").starts(with: Array("GIF89a".utf8)))
  }
}
