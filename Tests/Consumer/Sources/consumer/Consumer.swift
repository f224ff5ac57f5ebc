import Foundation
import MioLite
import MioLiteDemo

/// Says a few words with the demo model and listens to them; ends with an error if it does not hear them.
@main
enum Consumer {
  static func main() async throws {
    let model = try DemoModel.open()
    let audio = try await model.speak("Good morning.", options: SpeechOptions(sampling: Sampling(seed: 1)))
    try audio.write(to: FileManager.default.temporaryDirectory.appendingPathComponent("consumer.wav"))
    let words = try await model.transcribe(audio).text
    print(words)
    guard words.lowercased().contains("good morning") else { throw MioError(.failed, "heard '\(words)'") }
  }
}
