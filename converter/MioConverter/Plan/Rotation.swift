/// The settings of the rotary position embedding, which different versions of transformers keep in different places.
///
/// Up to version 4 the base is `rope_theta` and scaling `rope_scaling`; since version 5 both are members of
/// `rope_parameters` (or of `rope_scaling`), whose base counts if there are two. Only the unscaled rotation is supported.
struct Rotation {
  private(set) var theta: Double
  private(set) var notes: [String] = []

  /// Members that change nothing in a rotation that is not scaled.
  private static let inertMembers: Set = ["original_max_position_embeddings"]

  /// Absent keys have the defaults of transformers 4.34.
  init(_ reader: inout SettingsReader) {
    theta = reader.number("rope_theta", default: 10000)
    let isStated = reader["rope_theta"] != nil
    var source: String?
    for key in ["rope_scaling", "rope_parameters"] {
      guard let value = reader[key] else { continue }
      guard let object = value.object else {
        reader.refuse(key, "expected an object")
        continue
      }
      Self.check(object, key, &reader)
      guard let member = object["rope_theta"], !member.isNull else { continue }
      guard let number = member.double, number > 0 else {
        reader.refuse(key, "rope_theta: expected a positive number")
        continue
      }
      if let source, number != theta {
        reader.refuse(key, "its rope_theta of \(number) contradicts \(source), which has \(theta)")
      } else if isStated && number != theta {
        notes.append(
          "\(reader.file): rope_theta is \(theta), but \(key).rope_theta is \(number), which counts, as in transformers 5")
      }
      theta = number
      source = key
    }
  }

  /// Refuses what is not the plain rotation: by its type, by a factor other than one, or by a member that is not known.
  private static func check(_ object: JSON.Object, _ key: String, _ reader: inout SettingsReader) {
    for (member, value) in zip(object.keys, object.values) where !value.isEmpty {
      switch member {
      case "rope_theta": break
      case "rope_type", "type":
        // Linear and dynamic scaling by a factor of one are the plain rotation.
        let plain = object["factor"]?.double == 1 ? ["default", "linear", "dynamic"] : ["default"]
        if !plain.contains(value.string ?? "?") {
          reader.refuse(key, "\(member) \(value.text): scaled rotary embeddings are not supported")
        }
      case "factor", "partial_rotary_factor", "attention_factor":
        if value.double != 1 { reader.refuse(key, "\(member) \(value.text): scaled rotary embeddings are not supported") }
      default:
        if !inertMembers.contains(member) {
          reader.refuse(key, "\(member): not known; only the unscaled rotary embedding is supported")
        }
      }
    }
  }
}
