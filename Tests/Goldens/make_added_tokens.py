#!/usr/bin/env python3
"""What transformers' LlamaTokenizer makes of runs in which added tokens stand that are neither special nor set apart.

    python3 Tests/Goldens/make_added_tokens.py > Tests/Goldens/text/added-tokens.json

transformers sets every added token apart that is not special, so the runs go to `convert_tokens_to_string` directly, which is what
it calls between such tokens. Needs transformers 4.34 and sentencepiece.
"""

import json
import random
from pathlib import Path

from transformers import LlamaTokenizer

ROOT = Path(__file__).parent / "speech"


def runs(tokenizer, rng):
    special = set(tokenizer.all_special_tokens)
    added = [id for id, token in sorted(tokenizer.added_tokens_decoder.items()) if token.content not in special]
    pieces = [id for id in range(tokenizer.sp_model.get_piece_size()) if tokenizer.convert_ids_to_tokens(id) not in special]
    texts = ["hello world", "  two  spaces", "caf\u00e9 \u4f60\u597d", "a", ""]
    for number in range(40):
        ids = []
        for _ in range(rng.randint(1, 6)):
            kind = rng.random()
            if kind < 0.4:
                ids.append(rng.choice(added))
            elif kind < 0.6:
                ids.append(rng.choice(pieces))
            else:
                ids += tokenizer.encode(rng.choice(texts), add_special_tokens=False)
        yield {"ids": ids, "text": tokenizer.convert_tokens_to_string(tokenizer.convert_ids_to_tokens(ids))}


def main():
    result = {}
    # In the other two, files of mio-lite have every added token special.
    names = ["llama_prefix", "new_behaviour", "old_json", "old_json_prefix"]
    for folder in [ROOT / "tiny-mio"] + [ROOT / "tokenizers" / name for name in names]:
        tokenizer = LlamaTokenizer.from_pretrained(folder)
        result[folder.name] = [run for run in runs(tokenizer, random.Random(5)) if run["ids"]]
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(run) for run in found) + "\n]" for name, found in result.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
