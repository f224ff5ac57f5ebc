import Foundation
import MioTestSupport
import Testing

/// `mio-lite serve` as a process: where it listens, how it starts and ends.
@Suite(.onOwnThreads) struct ServeCommandTests {
  /// A started server, with what it said.
  private final class Running {
    let process = Process()
    private let notes = Pipe()
    private var said = ""

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
      process.executableURL = URL(fileURLWithPath: Program.path)
      process.arguments = ["serve"] + arguments
      process.environment = ["PATH": "/nonexistent"].merging(environment) { $1 }
      process.standardError = notes
      process.standardOutput = FileHandle.nullDevice
      try process.run()
    }

    deinit { process.terminate() }

    /// Reads notes until one holds `words`.
    func waits(for words: String) -> String? {
      while !said.contains(words) {
        let more = notes.fileHandleForReading.availableData
        if more.isEmpty { return nil }
        said += String(decoding: more, as: UTF8.self)
      }
      return said
    }

    /// The port that the system chose.
    func port() throws -> Int {
      let said = try #require(waits(for: "is a page to use it"))
      let line = try #require(said.split(separator: "\n").first { $0.contains("listening at") })
      return try #require(line.split(separator: ":").last.flatMap { Int($0) })
    }

    func ends() -> Int32 {
      process.waitUntilExit()
      return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }
  }

  @Test func `starts, serves, opens its model anew, and ends when it is asked to`() throws {
    let folder = try TemporaryFolder()
    let model = folder.path("model.mio")
    try FileManager.default.copyItem(atPath: TestServer.demo, toPath: model)
    let server = try Running(["--port", "0", "-m", model])
    let port = try server.port()
    let client = try HTTPClient(port: port)
    #expect(try client.request("GET", "/v1/models/model").status == 200)
    // A file that is none changes nothing.
    try FileManager.default.removeItem(atPath: model)
    try Data("nothing".utf8).write(to: URL(fileURLWithPath: model))
    kill(server.process.processIdentifier, SIGHUP)
    #expect(server.waits(for: "the model stays as it is") != nil)
    try FileManager.default.removeItem(atPath: model)
    try FileManager.default.copyItem(atPath: try PackedModel.whole, toPath: model)
    kill(server.process.processIdentifier, SIGHUP)
    #expect(server.waits(for: "was opened anew") != nil)
    let tasks = try HTTPClient(port: port).request("GET", "/v1/models/model").json["tasks"] as? [String]
    #expect(tasks?.contains("image-generation") == true)
    server.process.terminate()
    #expect(server.ends() == 0)
    #expect(server.waits(for: "GET /v1/models/model 200") != nil)
  }

  @Test func `listens at a UNIX socket`() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("s")
    let server = try Running(["--socket", path])
    #expect(server.waits(for: "listening at \(path)") != nil)
    let answer = try Program.run(
      ["-s", "--unix-socket", path, "http://localhost/health"], program: "/usr/bin/curl", environment: ["PATH": "/usr/bin"])
    #expect(answer.text.contains("\"ok\""), "\(answer.notes)")
    server.process.terminate()
    #expect(server.ends() == 0)
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func `takes a socket of systemd, and tells it that it is ready`() throws {
    let folder = try TemporaryFolder()
    let script = """
      import os, socket, subprocess, sys, time
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); notify.bind(sys.argv[2]); notify.settimeout(60)
      listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
      def child():
          os.dup2(listener.fileno(), 3); os.set_inheritable(3, True); os.environ["LISTEN_PID"] = str(os.getpid())
      environment = dict(os.environ, LISTEN_FDS="1", NOTIFY_SOCKET=sys.argv[2], WATCHDOG_USEC="200000")
      pid = os.fork()
      if pid == 0:
          child(); environment["LISTEN_PID"] = str(os.getpid()); os.execve(sys.argv[1], [sys.argv[1], "serve", "-q"], environment)
      print(notify.recv(100).decode(), notify.recv(100).decode())
      client = socket.create_connection(listener.getsockname())
      client.sendall(b"GET /health HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n")
      print(client.recv(12).decode())
      os.kill(pid, 15)
      state = ""
      while "STOPPING" not in state: state = notify.recv(100).decode()
      print(state, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
      """
    let result = try Program.run(["-c", script, Program.path, folder.path("n")], program: "/usr/bin/python3")
    #expect(result.text == "READY=1 WATCHDOG=1\nHTTP/1.1 200\nSTOPPING=1 0\n", "\(result.text) \(result.notes)")
  }

  @Test func `says what is wrong with where it is to listen`() throws {
    let server = try Running(["--port", "0"])
    let port = try server.port()
    let taken = try Program.run(["serve", "--port", "\(port)"])
    #expect(taken.status == 1 && taken.notes.contains("127.0.0.1:\(port): cannot listen there"), "\(taken.notes)")
    for (arguments, words) in [
      (["--port", "70000"], "65535"), (["--api-key-file", "/nonexistent"], "/nonexistent"), (["--parallel", "0"], "1024"),
      (["-m", "/nonexistent.mio"], "/nonexistent.mio"),
    ] {
      let result = try Program.run(["serve"] + arguments)
      #expect(result.status != 0 && result.notes.contains(words), "\(result.notes)")
    }
    let folder = try TemporaryFolder()
    try Data("# only a remark\n".utf8).write(to: folder.url.appendingPathComponent("keys"))
    #expect(try Program.run(["serve", "--api-key-file", folder.path("keys")]).notes.contains("no key"))
  }

  @Test func `the log tells no words of people, unless it is asked to`() throws {
    for prompts in [false, true] {
      let server = try Running(["--port", "0", "--log", "json"] + (prompts ? ["--log-prompts"] : []))
      let client = try HTTPClient(port: try server.port())
      let body = Array(#"{"input":"secret words","response_format":"'secret'"}"#.utf8)
      _ = try client.request("POST", "/v1/audio/speech", body: body)
      let said = try #require(server.waits(for: "\"status\":400"))
      #expect(said.contains("secret") == prompts, "\(said)")
    }
  }
}
