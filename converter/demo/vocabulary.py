"""The demo model's tokens: MIO's control and media tokens, its fixed prompt sentences, characters and bytes.

The sentencepiece part has Yi's flags (BPE, byte fallback, no dummy prefix, white space kept) and no merges: text is
spelled letter by letter, and each fixed sentence of MIO's prompts is one user-defined piece. Media tokens keep MIO's
strings: code c of codebook q is `<spchN>` with N = 256 q + c, as it is N = 1024 q + c with MIO's larger codebooks.
"""

import json
import string
from pathlib import Path

import world

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
TURN, STOP = "<|im_start|>", "<|im_end|>"
SPEECH, SPEECH_END = "<spch>", "</spch>"
CODEBOOKS, CODES = 4, 256
IMAGE_CODES = 512      # of world.py; backbone.py, which learns speech alone, gives them no rows

STANDARD = ("You are MIO, an AI assistant capable of understanding and generating images, text, videos, and speech, "
            "selecting the appropriate modality according to the context.")
VOICE = ("You are MIO, an AI assistant capable of understanding images, text, videos, and speech, and generating "
         "speech. Please respond to the user with speech only, starting with <spch> and ending with </spch>.")
SPEAK = "The transcription is ``{}''. Please generate a speech according to the given transcription. Start with <spch>."
TRANSCRIBE = "Please transcribe this speech.\n{}"

# What MIO is asked to do with pictures, around what the user brings. They follow what speech needs.
IMAGINE = "Please generate an image according to the caption.\n"
DESCRIBE = "Please provide an accurate and detailed description of this image.\n"
EDIT = "Please edit the image according to the instruction.\n"
CHART_QUESTION = "Please answer the question according to the chart.\n"
FILM = "Please generate a video for ``"
DESCRIBE_FILM = "Please describe the following video: "
STORY = "Generate a visual story about "
THINK_IN_IMAGES = "\nPlease think step by step, and generate an image for each step."
REASON = "\nPlease think step by step before you answer."
PICTURE_FIXED = [IMAGINE, DESCRIBE, EDIT, CHART_QUESTION, FILM, DESCRIBE_FILM, STORY, THINK_IN_IMAGES, REASON]

YI_SYMBOLS = ["<|Human|>", "<|Assistant|>", "<|System|>", TURN, STOP, "<|im_sep|>"]  # ids 3...8
FIXED = ["\n", "system\n", "user\n", "assistant\n", STANDARD, VOICE.split(SPEECH)[0],
         VOICE.split(SPEECH)[1].split(SPEECH_END)[0], SPEAK.split("{}")[0],
         SPEAK.split("{}")[1].split(SPEECH)[0], TRANSCRIBE.split("{}")[0]]
CHARACTERS = [" "] + list(string.ascii_lowercase + string.ascii_uppercase + string.digits + string.punctuation)

USER_DEFINED = YI_SYMBOLS + FIXED + PICTURE_FIXED
PIECES = ["<unk>", BEGIN, END] + USER_DEFINED + CHARACTERS + [f"<0x{b:02X}>" for b in range(256)]
ADDED = ["<image>", "</image>", SPEECH, SPEECH_END] + \
    [f"<spch{n}>" for n in range(CODEBOOKS * CODES)]
IMAGES = [f"<img{i}>" for i in range(IMAGE_CODES)]
IMAGE, IMAGE_END = "<image>", "</image>"

ID = {token: i for i, token in enumerate(PIECES + ADDED + IMAGES)}
TRAINED = len(PIECES) + len(ADDED)          # ids below this are what speech needs
TOTAL = TRAINED + len(IMAGES)
IMAGE_BASE = ID["<img0>"]
SPEECH_BASE = ID["<spch0>"]                 # id of code c of codebook q: SPEECH_BASE + CODES q + c
_PLAIN = set(CHARACTERS + ["\n"])
_BY_LENGTH = sorted(USER_DEFINED + [BEGIN] + ADDED, key=len, reverse=True)


def encode(text: str) -> list[int]:
    """Ids of prompt text; control and media tokens are recognised."""
    ids, i = [], 0
    while i < len(text):
        token = next((t for t in _BY_LENGTH if text.startswith(t, i)), None) if text[i] in "<\nsuaYT'PG. " else None
        if token:
            ids.append(ID[token])
            i += len(token)
        else:
            ids.extend(encode_characters(text[i]))
            i += 1
    return ids


def encode_characters(text: str) -> list[int]:
    """Ids of plain text: characters, or UTF-8 bytes where there is no piece."""
    ids = []
    for character in text:
        if character in _PLAIN:
            ids.append(ID[character])
        else:
            ids.extend(ID[f"<0x{b:02X}>"] for b in character.encode())
    return ids


def decode_text(ids: list[int]) -> str:
    """The characters among `ids`."""
    return "".join(token for token in map((PIECES + ADDED + IMAGES).__getitem__, ids) if token in CHARACTERS)


def prompt(system: str, user: str) -> str:
    return f"{BEGIN}{TURN}system\n{system}{STOP}\n{TURN}user\n{user}{STOP}\n{TURN}assistant\n"


_HEAD, _TAIL = (encode(part) for part in prompt(VOICE, SPEAK).split("{}"))
_ASR_HEAD, _ASR_TAIL = (encode(part) for part in prompt(STANDARD, TRANSCRIBE).split("{}"))


def speak_prompt(text: str) -> list[int]:
    """What mio-lite sends for `tts TEXT`, with the opening `<spch>` of the answer."""
    return _HEAD + encode_characters(text) + _TAIL + [ID[SPEECH]]


def text_weights(text: str, weight: float) -> list[float]:
    """Per id of `speak_prompt(text)`: `weight` for those of the text, 0 for the others."""
    return [0.0] * len(_HEAD) + [weight] * len(encode_characters(text)) + [0.0] * (len(_TAIL) + 1)


def transcribe_prompt(content) -> list[int]:
    """What mio-lite sends for `asr`, given the codes of codebook 0."""
    return _ASR_HEAD + [ID[SPEECH]] + [SPEECH_BASE + int(c) for c in content] + [ID[SPEECH_END]] + _ASR_TAIL


def chat_prompt(text: str) -> list[int]:
    return encode(prompt(STANDARD, text))


def sentencepiece_model() -> bytes:
    """The `tokenizer.model` file."""
    from sentencepiece import sentencepiece_model_pb2 as pb

    model = pb.ModelProto()
    kinds = pb.ModelProto.SentencePiece
    for i, token in enumerate(PIECES):
        piece = model.pieces.add()
        piece.piece, piece.score = token.replace(" ", "\u2581"), 0.0
        if i == 0:
            piece.type = kinds.UNKNOWN
        elif token in (BEGIN, END):
            piece.type = kinds.CONTROL
        elif token in USER_DEFINED:
            piece.type = kinds.USER_DEFINED
        elif len(token) > 1:
            piece.type = kinds.BYTE
        else:
            piece.type, piece.score = kinds.NORMAL, -float(i)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type, trainer.vocab_size, trainer.byte_fallback = pb.TrainerSpec.BPE, len(PIECES), True
    trainer.split_digits, trainer.unk_id, trainer.bos_id, trainer.eos_id, trainer.pad_id = True, 0, 1, 2, -1
    trainer.unk_piece, trainer.bos_piece, trainer.eos_piece = "<unk>", BEGIN, END
    normalizer.name, normalizer.add_dummy_prefix = "identity", False
    normalizer.remove_extra_whitespaces, normalizer.escape_whitespaces = False, True
    return model.SerializeToString()


def write(folder: Path) -> None:
    """Writes the tokenizer files of a checkpoint."""
    plain = {"lstrip": False, "rstrip": False, "normalized": True, "single_word": False}
    decoder = {str(i): {"content": token, **plain, "special": True} for i, token in enumerate(PIECES[:3])}
    decoder |= {str(ID[token]): {"content": token, **plain, "special": False} for token in ADDED + IMAGES}
    config = {"add_bos_token": False, "add_eos_token": False, "bos_token": BEGIN, "eos_token": END,
              "unk_token": "<unk>", "pad_token": "<unk>", "clean_up_tokenization_spaces": False, "legacy": True,
              "model_max_length": 2048, "padding_side": "right", "sp_model_kwargs": {},
              "tokenizer_class": "LlamaTokenizer", "added_tokens_decoder": decoder}
    (folder / "tokenizer.model").write_bytes(sentencepiece_model())
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "added_tokens.json").write_text(json.dumps({token: ID[token] for token in ADDED + IMAGES}))
    special = {"bos_token": BEGIN, "eos_token": END, "unk_token": "<unk>", "pad_token": "<unk>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))


def picture_ids(codes) -> list[int]:
    """The ids of a scene, with the marks of a picture."""
    return [ID[IMAGE]] + [IMAGE_BASE + int(c) for c in world.placed(codes)] + [ID[IMAGE_END]]
