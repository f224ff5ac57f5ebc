"""Stage `export`: writes the checkpoint directory, laid out as MIO's own.

`checkpoint/`: config.json, model.safetensors, generation_config.json, the tokenizer's files,
SpeechTokenizer/config.json and SpeechTokenizer.pt (weights with weight norm, as the `speechtokenizer` package loads
them).
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

import codec as codec_stage
import lists
import vocabulary as v
from lessons import JOINED_FRAMES
from llama import Llama, Shape
from voice import BUCKET, FRAME, SAMPLE_RATE

# The voice needs other settings than MIO's: the same code is rightly repeated frame after frame.
# `mio_lite` is read by mio-lite's converter; transformers ignores it.
GENERATION = {
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    "mio_lite": {
        "description": "demo model: about 7 M parameters, one voice, simple English; not MIO-7B",
        "taught": ["text-to-speech", "speech-recognition"],
        "frame_multiple": BUCKET, "words_per_piece": 8, "seconds_per_window": JOINED_FRAMES * FRAME / SAMPLE_RATE,
        "one_voice": True, "takes": 3,
        "characters": lists.SPEAKABLE, "letters_per_word": 30, "silence_level": 0.01,
        "speech_level": -20.0, "text_normalization": "en",
        "tasks": {
            "textToSpeech": {"do_sample": True, "temperature": 0.8, "top_p": 0.7, "repetition_penalty": 1.0,
                             "max_new_tokens": 1024},
            "text": {"do_sample": False, "num_beams": 5},
        },
    },
}


def llama_config(shape: Shape) -> dict:
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "bos_token_id": 1,
            "eos_token_id": 2, "pad_token_id": 0, "hidden_act": "silu", "hidden_size": shape.width,
            "intermediate_size": shape.inner, "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
            "max_position_embeddings": 2048, "rms_norm_eps": shape.norm_epsilon, "rope_theta": shape.rope_theta,
            "rope_scaling": None, "tie_word_embeddings": False, "torch_dtype": "float32", "vocab_size": v.TOTAL,
            "initializer_range": 0.02, "pretraining_tp": 1, "use_cache": True}


def llama_tensors(model: Llama) -> dict[str, torch.Tensor]:
    """The weights, with rows for the image tokens that are kept for later."""
    tensors = {name: tensor.detach().float().clone() for name, tensor in model.state_dict().items()}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        rows = tensors[name]
        tensors[name] = torch.cat([rows, torch.zeros(v.TOTAL - len(rows), rows.shape[1])])
    return tensors


def speech_tokenizer_tensors(codec: codec_stage.Codec) -> dict[str, torch.Tensor]:
    """The codec as a state dict of `speechtokenizer.SpeechTokenizer`."""
    tensors = {}
    for name, tensor in codec.state_dict().items():
        tensor = tensor.float().clone()
        if name.startswith("quantizer."):
            continue
        if name.endswith("conv.weight") or name.endswith("convtr.weight"):
            tensors[name + "_g"] = tensor.flatten(1).norm(dim=1).view(-1, 1, 1)
            tensors[name + "_v"] = tensor
        else:
            tensors[name] = tensor
    quantizer = codec.quantizer
    for level, active in enumerate(codec_stage.ACTIVE):
        embed = quantizer.embed[level].clone()
        embed[active:] = 1000.0          # so far away that it is never the nearest
        prefix = f"quantizer.vq.layers.{level}._codebook."
        tensors[prefix + "inited"] = torch.ones(1)
        tensors[prefix + "cluster_size"] = quantizer.cluster_size[level].clone()
        tensors[prefix + "embed"] = embed
        tensors[prefix + "embed_avg"] = quantizer.embed_avg[level].clone()
    return tensors


def write(settings, model: Llama, step: int) -> None:
    """Writes `checkpoint/` anew; a reader sees the old or the new one."""
    codec = codec_stage.load(settings)
    folder = settings.path("checkpoint.new")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "SpeechTokenizer").mkdir(parents=True)

    def put(name: str, value: dict) -> None:
        (folder / name).write_text(json.dumps(value, indent=1) + "\n")

    put("config.json", llama_config(model.s))
    put("generation_config.json", GENERATION)
    save_file(llama_tensors(model), folder / "model.safetensors", metadata={"format": "pt", "step": str(step)})
    (folder / "model.safetensors").chmod(0o644)
    v.write(folder)
    classes = codec.transform.weight.shape[0]
    put("SpeechTokenizer/config.json", {**codec_stage.STRUCTURE, "semantic_dimension": classes})
    torch.save(speech_tokenizer_tensors(codec), folder / "SpeechTokenizer/SpeechTokenizer.pt")
    final, old = settings.path("checkpoint"), settings.path("checkpoint.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    folder.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def check(folder: Path) -> None:
    """Loads the codec with the reference's own class; every tensor must fit."""
    from speechtokenizer import SpeechTokenizer

    SpeechTokenizer.load_from_checkpoint(folder / "SpeechTokenizer/config.json",
                                         folder / "SpeechTokenizer/SpeechTokenizer.pt")


def run(settings) -> None:
    import backbone

    state = "backbone.pt" if settings.path("backbone.pt").exists() else "backbone-state.pt"
    step = torch.load(settings.path(state), weights_only=True)["step"]
    write(settings, backbone.load(settings), step)
    check(settings.path("checkpoint"))
    print(f"export: {settings.path('checkpoint')} at step {step}")
