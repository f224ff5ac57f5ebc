/// What abbreviations, units and signs stand for in English.
enum EnglishWords {
  /// Titles and the like, which a name follows: the full stop ends no sentence.
  static let titles = [
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor", "rev": "reverend", "hon": "honorable",
    "gen": "general", "col": "colonel", "capt": "captain", "cpt": "captain", "lt": "lieutenant", "sgt": "sergeant",
    "maj": "major", "cmdr": "commander", "adm": "admiral", "gov": "governor", "sen": "senator", "rep": "representative",
    "pres": "president", "st": "saint", "mt": "mount", "messrs": "messrs", "supt": "superintendent", "pvt": "private",
    "cpl": "corporal", "insp": "inspector", "mme": "madame", "ft": "fort",
  ]

  /// Those that may stand anywhere, with their full stop.
  static let abbreviations = [
    "jr": "junior", "sr": "senior", "etc": "et cetera", "vs": "versus", "inc": "incorporated", "ltd": "limited",
    "co": "company", "corp": "corporation", "bros": "brothers", "dept": "department", "univ": "university",
    "assn": "association", "approx": "approximately", "est": "established", "esp": "especially", "incl": "including",
    "min": "minutes", "max": "maximum", "temp": "temperature", "tel": "telephone", "ext": "extension", "apt": "apartment",
    "ave": "avenue", "blvd": "boulevard", "rd": "road", "ln": "lane", "hwy": "highway", "sq": "square", "bldg": "building",
    "govt": "government", "dist": "district", "misc": "miscellaneous", "orig": "original", "ed": "edition",
    "al": "al", "viz": "namely", "cf": "compare", "ca": "circa", "jan": "january", "feb": "february", "mar": "march",
    "apr": "april", "jun": "june", "jul": "july", "aug": "august", "sept": "september", "sep": "september",
    "oct": "october", "nov": "november", "dec": "december", "mon": "monday", "tue": "tuesday", "tues": "tuesday",
    "wed": "wednesday", "thu": "thursday", "thur": "thursday", "thurs": "thursday", "fri": "friday", "sat": "saturday",
    "sun": "sunday", "hr": "hour", "hrs": "hours", "mins": "minutes", "sec": "second", "secs": "seconds", "yr": "year",
    "yrs": "years", "wk": "week", "wks": "weeks", "mo": "month", "mos": "months", "lb": "pound", "lbs": "pounds",
    "oz": "ounces", "gal": "gallons", "tbsp": "tablespoons", "tsp": "teaspoons", "doz": "dozen", "ph.d": "P H D",
    "m.d": "M D", "b.a": "B A", "m.a": "M A", "b.sc": "B S C", "m.sc": "M S C", "d.c": "D C", "l.a": "L A",
    "e.g": "for example", "i.e": "that is", "a.k.a": "also known as", "p.s": "P S", "r.s.v.p": "R S V P",
    "a.d": "A D", "b.c": "B C", "b.c.e": "B C E", "c.e": "C E",
  ]

  /// Those whose letters are also words: expanded only before a number.
  static let beforeNumbers = [
    "no": "number", "nos": "numbers", "nr": "number", "vol": "volume", "fig": "figure", "figs": "figures", "p": "page",
    "pp": "pages", "ch": "chapter", "chap": "chapter", "sec": "section", "eq": "equation", "art": "article",
    "ca": "circa", "c": "circa", "tel": "telephone", "ext": "extension", "apt": "apartment", "rm": "room", "pt": "part",
    "v": "version", "ver": "version", "ed": "edition",
  ]

  /// Abbreviations without a full stop.
  static let plainAbbreviations = [
    "mr": "mister", "mrs": "missus", "dr": "doctor", "jr": "junior", "vs": "versus", "w/": "with", "w/o": "without",
    "c/o": "care of", "b/c": "because", "&": "and", "a.m": "A M", "p.m": "P M", "&c": "et cetera", "n/a": "not applicable",
    "aka": "also known as", "phd": "P H D",
  ]

  /// Letters of the longest abbreviation: with a full stop, without one (of those that are letters alone), and of a month.
  static let longestAbbreviation =
    [titles, abbreviations, beforeNumbers, plainAbbreviations, streets]
    .flatMap(\.keys).map(\.count).max() ?? 0
  static let longestPlainAbbreviation =
    plainAbbreviations.keys.filter { $0.allSatisfy(\.isLetter) }.map(\.count).max() ?? 0
  static let longestMonth = 4

  static let streets = ["st": "street", "dr": "drive", "ct": "court", "pl": "place"]

  static let months = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
  ]

  /// The month that a word names, from 1.
  static func month(_ word: String) -> Int? {
    guard word.first?.isUppercase == true else { return nil }
    let word = word.lowercased()
    if let index = months.firstIndex(of: word) { return index + 1 }
    guard word.count >= 3, word != "mar", let long = abbreviations[word] else { return nil }
    return months.firstIndex(of: long).map { $0 + 1 }
  }

  struct Currency {
    let one: String
    let many: String
    let cent: String
    let cents: String
  }

  static let currencies: [String: Currency] = {
    let dollar = ("cent", "cents")
    func make(_ one: String, _ many: String, _ cent: (String, String) = dollar) -> Currency {
      Currency(one: one, many: many, cent: cent.0, cents: cent.1)
    }
    let penny = ("penny", "pence")
    return [
      "$": make("dollar", "dollars"), "US$": make("U S dollar", "U S dollars"),
      "C$": make("Canadian dollar", "Canadian dollars"),
      "A$": make("Australian dollar", "Australian dollars"), "€": make("euro", "euros"), "£": make("pound", "pounds", penny),
      "¥": make("yen", "yen"), "₹": make("rupee", "rupees", ("paisa", "paise")), "₽": make("ruble", "rubles"),
      "₩": make("won", "won"), "₿": make("bitcoin", "bitcoins"), "¢": make("cent", "cents"),
      "USD": make("U S dollar", "U S dollars"), "EUR": make("euro", "euros"), "GBP": make("pound", "pounds", penny),
      "JPY": make("yen", "yen"), "CHF": make("Swiss franc", "Swiss francs"),
    ]
  }()

  /// Behind a sum: $3 million, $5k.
  static let magnitudes = [
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "b": "billion", "B": "billion",
    "bn": "billion", "T": "trillion", "tn": "trillion", "thousand": "thousand", "million": "million", "billion": "billion",
    "trillion": "trillion", "hundred": "hundred", "mio": "million",
  ]

  /// Units behind a number: one, and many.
  static let units: [String: (String, String)] = {
    var units: [String: (String, String)] = [
      "ft": ("foot", "feet"), "in": ("inch", "inches"), "mph": ("mile per hour", "miles per hour"),
      "kph": ("kilometer per hour", "kilometers per hour"), "kmh": ("kilometer per hour", "kilometers per hour"),
      "Hz": ("hertz", "hertz"), "kHz": ("kilohertz", "kilohertz"), "MHz": ("megahertz", "megahertz"),
      "GHz": ("gigahertz", "gigahertz"), "°C": ("degree celsius", "degrees celsius"),
      "°F": ("degree fahrenheit", "degrees fahrenheit"), "°": ("degree", "degrees"), "K": ("kelvin", "kelvin"),
      "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"), "min": ("minute", "minutes"),
      "mins": ("minute", "minutes"), "sec": ("second", "seconds"), "secs": ("second", "seconds"), "s": ("second", "seconds"),
      "h": ("hour", "hours"), "hr": ("hour", "hours"), "hrs": ("hour", "hours"), "ha": ("hectare", "hectares"),
      "px": ("pixel", "pixels"), "dpi": ("dot per inch", "dots per inch"), "rpm": ("R P M", "R P M"),
      "fps": ("frame per second", "frames per second"), "kbps": ("kilobit per second", "kilobits per second"),
      "Mbps": ("megabit per second", "megabits per second"), "Gbps": ("gigabit per second", "gigabits per second"),
      "kcal": ("kilocalorie", "kilocalories"), "cal": ("calorie", "calories"), "hp": ("horsepower", "horsepower"),
      "dB": ("decibel", "decibels"), "mm": ("millimeter", "millimeters"), "yd": ("yard", "yards"), "mi": ("mile", "miles"),
      "t": ("ton", "tons"), "pt": ("point", "points"), "psi": ("P S I", "P S I"),
      "ppm": ("part per million", "parts per million"),
      "gal": ("gallon", "gallons"), "mAh": ("milliamp hour", "milliamp hours"), "kWh": ("kilowatt hour", "kilowatt hours"),
      "MWh": ("megawatt hour", "megawatt hours"), "Wh": ("watt hour", "watt hours"), "eV": ("electron volt", "electron volts"),
      "Ω": ("ohm", "ohms"), "mi/h": ("mile per hour", "miles per hour"), "L": ("liter", "liters"), "B": ("byte", "bytes"),
      "mph.": ("mile per hour", "miles per hour"), "tbsp": ("tablespoon", "tablespoons"), "tsp": ("teaspoon", "teaspoons"),
      "sq": ("square", "square"), "MP": ("megapixel", "megapixels"), "yr": ("year", "years"), "yrs": ("year", "years"),
    ]
    let bases = [
      ("m", "meter"), ("g", "gram"), ("l", "liter"), ("W", "watt"), ("V", "volt"), ("A", "amp"), ("J", "joule"),
      ("Pa", "pascal"),
      ("N", "newton"), ("B", "byte"), ("bit", "bit"), ("s", "second"), ("L", "liter"),
    ]
    let prefixes = [
      ("", ""), ("k", "kilo"), ("c", "centi"), ("m", "milli"), ("µ", "micro"), ("μ", "micro"), ("n", "nano"), ("M", "mega"),
      ("G", "giga"), ("T", "tera"), ("h", "hecto"), ("d", "deci"), ("K", "kilo"),
    ]
    for (base, name) in bases {
      for (prefix, word) in prefixes {
        let symbol = prefix + base
        guard units[symbol] == nil, prefix != "h" || base == "Pa" || base == "l" else { continue }
        let plural = name.hasSuffix("s") ? name : name + "s"
        units[symbol] = (word + name, word + plural)
      }
    }
    for (symbol, name, plural) in [
      ("m", "meter", "meters"), ("ft", "foot", "feet"), ("in", "inch", "inches"), ("mi", "mile", "miles"),
    ] {
      for (prefix, word) in symbol == "m" ? [("", ""), ("k", "kilo"), ("c", "centi"), ("m", "milli")] : [("", "")] {
        for (power, kind) in [
          ("²", "square "), ("³", "cubic "), ("2", "square "), ("3", "cubic "), ("^2", "square "), ("^3", "cubic "),
        ] {
          units[prefix + symbol + power] = (kind + word + name, kind + word + plural)
        }
      }
    }
    for (top, name, plural) in [
      ("km", "kilometer", "kilometers"), ("m", "meter", "meters"), ("cm", "centimeter", "centimeters"), ("g", "gram", "grams"),
      ("l", "liter", "liters"), ("mg", "milligram", "milligrams"), ("MB", "megabyte", "megabytes"),
      ("GB", "gigabyte", "gigabytes"), ("kg", "kilogram", "kilograms"), ("ft", "foot", "feet"),
    ] {
      for (bottom, word) in [
        ("h", "hour"), ("s", "second"), ("min", "minute"), ("l", "liter"), ("km", "kilometer"), ("kg", "kilogram"),
        ("m", "meter"), ("m³", "cubic meter"), ("m3", "cubic meter"), ("day", "day"), ("ml", "milliliter"),
        ("cm³", "cubic centimeter"),
      ] {
        units["\(top)/\(bottom)"] = (name + " per " + word, plural + " per " + word)
      }
    }
    units["m/s²"] = ("meter per second squared", "meters per second squared")
    return units
  }()

  /// Units that are words or letters of their own: taken for units only where they touch the number.
  static let touchingUnits: Set<String> = [
    "in", "A", "s", "h", "t", "K", "B", "T", "m", "pt", "l", "L", "V", "N", "J", "W", "g",
  ]

  /// Capitals that are spoken as a word.
  static let spokenAcronyms: Set<String> = [
    "MIO", "NASA", "NATO", "UNESCO", "UNICEF", "OPEC", "AIDS", "FIFA", "UEFA", "SWAT", "NAFTA", "PIN", "RAM", "ROM", "SIM",
    "GIF",
    "JPEG",
    "COVID", "SARS", "CERN", "DARPA", "IKEA", "LEGO", "SONAR", "RADAR", "LASER", "SCUBA", "ASCII", "BASIC", "NORAD", "OSHA",
    "INTERPOL", "ASEAN", "MERS", "YOLO", "ACID", "ANSI", "BIOS", "CAPTCHA", "HEIC", "NASDAQ", "FEMA", "POTUS", "SCOTUS",
    "NIMBY",
    "SIDS", "TASER", "TIFF", "WASP", "AWOL", "BAFTA", "DOS", "FOMO", "SAT", "ZIP", "CAD", "NAS", "LAN", "WAN",
  ]

  /// Capitals with vowels that are spelled all the same.
  static let spelledAcronyms: Set<String> = [
    "IEEE", "UCLA", "NCAA", "NAACP", "AARP", "USSR", "ISBN", "ISSN", "USAF", "ESPN", "IOC", "USMC", "HIV", "CEO", "CIA", "EU",
    "UK", "US",
    "USA", "UN", "AI", "IT", "ID", "UFO", "FAQ", "VIP", "EPA", "FDA", "API", "URL", "IBM", "AOL", "OECD", "HDMI", "WIFI", "MIT",
    "NBA",
    "ABC", "UI", "OS", "AC", "EUR", "USD", "IP", "IQ", "OK", "AKA", "DIY", "ATM", "USB", "UPS", "AM", "EDT", "EST", "UTC",
    "ETA", "RSVP",
  ]

  /// Short words in capitals that are words.
  static let capitalWords: Set<String> = [
    "A", "I", "THE", "AND", "NOT", "NO", "YES", "YOU", "ARE", "ALL", "ANY", "NEW", "NOW", "FOR", "BUT", "CAN", "HE", "SHE",
    "WE", "ME", "MY",
    "IS", "OF", "ON", "OR", "SO", "TO", "UP", "IN", "IF", "GO", "DO", "BY", "BE", "AT", "AS", "AN", "HIS", "HER", "OUR", "OUT",
    "OFF", "ONE",
    "TWO", "SIX", "TEN", "WHO", "WHY", "HOW", "WAS", "HAS", "HAD", "HIM", "ITS", "LET", "MAY", "MAN", "OLD", "SEE", "SAY",
    "TOO", "USE", "WAY",
    "DAY", "BIG", "BAD", "END", "RUN", "BOY", "CAT", "DOG", "CAR", "RED", "SUN", "TOP", "WIN", "LOT", "FUN", "HOT", "OH", "HI",
    "HEY", "BYE",
    "STOP", "EXIT", "OPEN", "SALE", "FREE", "HELP", "ONLY", "VERY", "MUST",
  ]

  static let kings: Set<String> = [
    "henry", "louis", "elizabeth", "charles", "george", "edward", "william", "james", "richard", "mary", "john", "paul", "pius",
    "benedict", "napoleon", "philip", "peter", "catherine", "frederick", "wilhelm", "ivan", "alexander", "nicholas", "gregory",
    "leo", "innocent", "clement", "ferdinand", "otto", "ramses", "francis", "joseph", "margaret", "ptolemy", "xavier",
  ]

  /// Capitals that also are a roman number, but mean something else.
  static let notRoman: Set<String> = [
    "CD", "MC", "MIX", "DIM", "CIV", "DC", "MD", "CV", "CC", "ML", "MM", "CM", "DM", "LL", "MI", "DI", "CL", "DL", "MV", "DIV",
    "XL",
    "XXL", "MXL", "CDC", "MCC", "CCC",
  ]

  static let signs: [Character: String] = [
    "&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "×": "times", "÷": "divided by", "√": "square root of",
    "π": "pi", "∞": "infinity", "≈": "about", "≤": "at most", "≥": "at least", "≠": "is not", "→": "to", "⇒": "to",
    "<": "less than",
    ">": "greater than", "~": "about", "±": "plus or minus", "°": "degrees", "§": "section", "¶": "paragraph", "©": "copyright",
    "$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "#": "number", "‰": "per mille", "№": "number", "•": ",",
    "^": "to the power of", "µ": "micro", "Ω": "ohms", "Σ": "sigma", "α": "alpha", "β": "beta", "γ": "gamma", "Δ": "delta",
    "λ": "lambda", "♥": "heart", "*": "", "_": " ", "|": "", "\\": " ", "™": "", "®": "", "℠": "", "−": "minus",
  ]

  static let fractions: [Character: (Int, Int)] = [
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7), "⅑": (1, 9), "⅒": (1, 10),
  ]

  static let superscripts: [Character: String] = [
    "⁰": "0", "¹": "1", "²": "2", "³": "3", "⁴": "4", "⁵": "5", "⁶": "6", "⁷": "7", "⁸": "8", "⁹": "9", "⁻": "-", "ⁿ": "n",
  ]
}
