import ArgumentParser

/// The root of the command line; every subcommand lives in a file of its own.
struct MioLiteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mio-lite",
    abstract: "Text, speech and images in and out of one model file, on an ordinary CPU.",
    discussion: """
      Results go to standard output, progress and timings to standard error. '-' stands for standard input or output.
      Exit status: 0 done, 1 the work failed, 2 the command line or an input is wrong, 130 interrupted.
      """,
    version: Version.name,
    subcommands: [
      TTSCommand.self, VoiceCommand.self, ASRCommand.self, ImagineCommand.self, DescribeCommand.self, EditCommand.self,
      FilmCommand.self,
      StoryCommand.self, ChatCommand.self, ServeCommand.self, BatchCommand.self, RecipesCommand.self, ConvertCommand.self,
      InspectCommand.self,
      VerifyCommand.self, SetCommand.self, BenchCommand.self, DoctorCommand.self, TokenizeCommand.self, DetokenizeCommand.self,
      EncodeCommand.self, DecodeCommand.self, GenerateCommand.self, TraceCommand.self,
    ])
}
