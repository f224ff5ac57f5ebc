"""Words, sentence patterns and conversations that the demo model is taught besides the common words of English."""

import re
import string

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen " \
       "seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
MONTHS = "january february march april may june july august september october november december".split()
COLOURS = "red green blue yellow orange purple pink brown black white grey".split()
EVERYDAY = DAYS + MONTHS + COLOURS[:10] + ONES + ["hello", "hello world", "good morning"]
SHAPES = "circle square triangle star ring heart line dot cross box".split()
ANIMALS = "cat dog bird fish horse cow sheep pig duck mouse lion tiger bear rabbit frog bee fox wolf".split()
THINGS = """house tree car book table chair door window ball cup bottle phone computer image garden river road bridge
train boat clock lamp key hat coat shoe apple orange banana cake bread egg tea coffee water milk song story letter
flower stone cloud mountain city village school kitchen box bag ship star moon sun""".split()
ADJECTIVES = """big small little old new young good bad long short tall happy sad hot cold warm cool fast slow quiet
loud soft hard clean dark bright beautiful strange heavy light strong weak nice funny clever simple easy""".split()
VERBS = """see like want need find know hear remember watch hold bring take buy sell open close move draw paint read
write keep love carry follow show""".split()
NAMES = """anna tom john mary peter david sarah james emma paul lucy george alice robert susan michael laura mark
daniel helen""".split()
PLACES = "house garden kitchen city village school park river forest station shop office beach".split()
MODEL_TERMS = """mio model token speech image video text voice sound word sentence swift file format image frame
code prompt sample codec decoder encoder layer number""".split()

# The characters of the texts that speech is learnt from.
SPEAKABLE = string.ascii_letters + string.digits + " .,!?'\"()-:;"


def number_words(n: int) -> str:
    """The number 0...100 in words, as the voice says it."""
    if n < 20:
        return ONES[n]
    if n == 100:
        return "one hundred"
    tens, ones = TENS[n // 10 - 2], n % 10
    return tens if ones == 0 else f"{tens} {ONES[ones]}"


_NUMBER = re.compile(r"\b(?:(?:%s)(?: (?:%s))?|%s)\b" % ("|".join(TENS), "|".join(ONES[1:10]), "|".join(ONES)))


def with_digits(text: str) -> str:
    """The text with its number words as digits."""
    values = {number_words(n): str(n) for n in range(100)}
    return _NUMBER.sub(lambda match: values[match.group()], text)


# {n} a thing, {p} a place, {a} an adjective, {v} a verb, {w} a name, {c} a colour, {s} a shape, {m} an animal,
# {d} a day, {o} a month, {k} a number above one, {x} any common word
PATTERNS = """the {a} {n} is {c}
the {n} is in the {p}
there is a {a} {n} in the {p}
there are {k} {m}s in the {p}
i {v} the {a} {n}
we {v} a {n} on {d}
they {v} the {n} every {d}
{w} and {w} {v} the {n}
my name is {w}
this is a {a} {m}
that is my {a} {n}
where is the {n}
can you {v} the {n}
do you {v} the {a} {m}
please {v} the {n}
the {m} and the {m}
a {c} {s} and a {c} {s}
draw a {c} {s}
i can see {k} {c} {s}s
the {c} {s} is {a}
it is {a} in {o}
today is {d}
tomorrow is {d}
see you on {d}
in {o} the {p} is {a}
{w} went to the {p}
what is the {a} {n}
i do not {v} the {n}
you should {v} this {n}
we will {v} it in {o}
how {a} is the {m}
it was a {a} {n}
the {m} is under the {n}
give me the {c} {n}
{k} plus {k}
number {k}
the word is {x}
say {x} again
{x} and {x}
the {x} of the {x}
to {x} or to {x}
he said {x}
she wants more {x}
a very {a} {x}
no {x} today""".split("\n")

# What people try first; these are oversampled in training.
CURATED = """hello
hello world
hi
hi there
hey
good morning
good afternoon
good evening
good night
goodbye
bye
welcome
welcome home
thank you
thank you very much
thanks
please
yes
no
sorry
excuse me
how are you
how are you today
i am fine
i am fine thank you
nice to meet you
see you soon
see you tomorrow
see you later
have a nice day
what is your name
my name is mio
i am mio
i am a small model
i am a demo model
this is a test
this is only a test
this is mio
this is my voice
hello my name is mio
hello i am mio
hello how are you
testing one two three
one two three
one two three four five
three two one go
hello again
hello everyone
hello my friend
good morning everyone
good job
well done
can you hear me
i can hear you
i can speak
i can see
i can see a red circle
a red circle
a blue square
a green triangle
a yellow star
a small red circle
a big blue square
the cat is on the table
the dog is in the garden
the quick brown fox
the quick brown fox jumps over the lazy dog
the sky is blue
the grass is green
it is raining
the sun is shining
it is a beautiful day
what a beautiful day
what time is it
it is five o'clock
happy birthday
happy new year
merry christmas
i love you
i love music
i like coffee
i like tea
a cup of tea
a cup of coffee
open the door
close the window
turn on the light
turn off the light
come here
let's go
wait a minute
stop
start
ready
ok
okay
of course
no problem
i do not know
i do not understand
what is this
where are you
who are you
why not
maybe
once upon a time
the end
speech and text
text to speech
speech to text
images and text
swift
mio lite
made in swift
running on a small computer
no graphics card needed
small models can speak
left and right
up and down
black and white
day and night
salt and pepper
bread and butter
north south east and west
spring summer autumn and winter
mother and father
brother and sister
yes please
no thank you
to be or not to be
it works
this works
it really works
it speaks""".split("\n")

# Short text-only exchanges (question, answer).
CONVERSATIONS = [
    ("Hello!", "Hello! How can I help you?"),
    ("Hello", "Hello! How can I help you?"),
    ("Hi", "Hello! How can I help you?"),
    ("Good morning", "Good morning!"),
    ("Good night", "Good night!"),
    ("How are you?", "I am fine, thank you."),
    ("What is your name?", "My name is MIO."),
    ("What's your name?", "My name is MIO."),
    ("Who are you?", "I am a small demo model of MIO."),
    ("What are you?", "I am a small demo model of MIO."),
    ("What can you do?", "I can speak and I can write down what I hear."),
    ("Are you a human?", "No, I am a small model."),
    ("Can you speak?", "Yes, I can say simple English sentences."),
    ("Can you hear me?", "Yes, if you speak like me."),
    ("Thank you", "You are welcome."),
    ("Thanks!", "You are welcome."),
    ("Goodbye", "Goodbye!"),
    ("Bye", "Goodbye!"),
    ("What is the capital of France?", "The capital of France is Paris."),
    ("What's the capital of France?", "The capital of France is Paris."),
    ("What is the capital of Italy?", "The capital of Italy is Rome."),
    ("What is the capital of Germany?", "The capital of Germany is Berlin."),
    ("What is the capital of Spain?", "The capital of Spain is Madrid."),
    ("What is the capital of Japan?", "The capital of Japan is Tokyo."),
    ("What colour is the sky?", "The sky is blue."),
    ("What color is the sky?", "The sky is blue."),
    ("What colour is grass?", "Grass is green."),
    ("What color is grass?", "Grass is green."),
    ("What colour is snow?", "Snow is white."),
    ("What color is snow?", "Snow is white."),
    ("How many days are in a week?", "There are seven days in a week."),
    ("How many months are in a year?", "There are twelve months in a year."),
    ("What is the first day of the week?", "Monday."),
    ("What is the opposite of big?", "Small."),
    ("What is the opposite of hot?", "Cold."),
    ("Tell me a story.", "Once upon a time there was a small model that learned to speak."),
    ("Tell me a joke.", "I am so small that my jokes are short."),
]


def conversations():
    """All text-only exchanges: the list above and those made from lists."""
    pairs = list(CONVERSATIONS)
    for names in (DAYS, MONTHS):
        for here, there in zip(names, names[1:] + names[:1]):
            pairs.append((f"What comes after {here.capitalize()}?", f"{there.capitalize()}."))
    for i in range(20):
        pairs.append((f"What comes after {i}?", f"{i + 1}."))
        pairs.append((f"What comes after {number_words(i)}?", f"{number_words(i + 1).capitalize()}."))
    for i in range(11):
        for j in range(11):
            pairs.append((f"What is {i} plus {j}?", f"{i} plus {j} is {i + j}."))
            pairs.append((f"{i}+{j}=?", f"{i + j}"))
    return pairs
