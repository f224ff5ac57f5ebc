"""Exports what sees and draws, and keeps the trained states in the repository.

    python converter/demo/pack.py --out DIR --checkpoint FOLDER   # a checkpoint in MIO's layout, for `mio-lite convert`
    python converter/demo/pack.py --out DIR --keep                # DIR/*.pt to converter/demo/states/*.npz, 16 bits
    python converter/demo/pack.py --out DIR --restore             # and back, without the optimizers' momenta
    python converter/demo/pack.py --out DIR --codec SPEECH        # the shipped codec, for train.py's stage `tokens` in SPEECH
"""

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import codec as codec_stage
import drawing
import grow
import seed
import see
import shipped
import vocabulary as v

STATES = Path(__file__).with_name("states")
NAMES = ["autoencoder", "reader", "unet", "grown"]
SPEECH_CONFIG = {"n_filters": 12, "dimension": 64, "strides": [8, 5, 4, 2], "lstm_layers": 1, "bidirectional": True,
                 "dilation_base": 2, "residual_kernel_size": 3, "n_residual_layers": 1, "activation": "ELU",
                 "codebook_size": 256, "n_q": 4, "sample_rate": 16000, "semantic_dimension": 121}


def keep(out: Path) -> None:
    """The averaged weights of every state, in 16 bits."""
    STATES.mkdir(exist_ok=True)
    for name in NAMES:
        if (out / f"{name}.pt").exists():
            state = torch.load(out / f"{name}.pt", weights_only=True)
            arrays = {key: tensor.half().numpy() for key, tensor in state["average"].items()}
            np.savez_compressed(STATES / f"{name}.npz", step=np.array(state["step"]), **arrays)
            print(f"{name}: step {state['step']}, {(STATES / f'{name}.npz').stat().st_size / 1e6:.1f} MB")


def restore(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for path in STATES.glob("*.npz"):
        target = out / f"{path.stem}.pt"
        if target.exists():
            print(f"{target} exists and is left alone")
            continue
        data = np.load(path)
        weights = {key: torch.from_numpy(data[key]).float() for key in data.files if key != "step"}
        torch.save({"step": int(data["step"]), "model": weights, "average": weights}, target)


def codec(folder: Path) -> None:
    """The shipped codec, which encodes, but can no longer be trained: of telling phones nothing is shipped."""
    tensors = shipped.speech_tokenizer(shipped.read()["speech"])
    state = codec_stage.Codec(1).state_dict()
    for name in state:
        if name in tensors:
            state[name] = tensors[name]
    for level, embed in enumerate(state["quantizer.embed"]):
        embed.copy_(tensors[f"quantizer.vq.layers.{level}._codebook.embed"])
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"codec": state, "phones": []}, folder / "codec.pt")


def llama_config() -> dict:
    s = grow.GROWN
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "bos_token_id": 1,
            "eos_token_id": 2, "pad_token_id": 0, "hidden_act": "silu", "hidden_size": s.width,
            "intermediate_size": s.inner, "num_hidden_layers": s.layers, "num_attention_heads": s.heads,
            "num_key_value_heads": s.kv_heads, "head_dim": s.head_width, "max_position_embeddings": 2048, "rms_norm_eps": s.norm_epsilon,
            "rope_theta": s.rope_theta, "rope_scaling": None, "tie_word_embeddings": False, "torch_dtype": "float32",
            "vocab_size": v.TOTAL}


def checkpoint(out: Path, folder: Path, generation: dict) -> None:
    """Writes the whole checkpoint; speech comes from the shipped file as it is."""
    (folder / "SpeechTokenizer").mkdir(parents=True, exist_ok=True)
    (folder / "seed-tokenizer-2").mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(llama_config(), indent=1) + "\n")
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    save_file(grow.Trainer(out).checkpoint_tensors(), folder / "model.safetensors", metadata={"format": "pt"})
    v.write(folder)
    (folder / "SpeechTokenizer/config.json").write_text(json.dumps(SPEECH_CONFIG, indent=1) + "\n")
    torch.save(shipped.speech_tokenizer(shipped.read()["speech"]), folder / "SpeechTokenizer/SpeechTokenizer.pt")
    drawer = see.UNetStage(out)
    vision, quantizer = seed.tensors(see.ReaderStage(out).average, drawer.average.embedder)
    torch.save(vision, folder / "seed-tokenizer-2/eva_vit_g.pth")
    torch.save(quantizer, folder / "seed-tokenizer-2/seed_quantizer.pt")
    drawing.write(folder / "stable-diffusion-2-1-unclip", drawer.vae, drawer.average.unet, drawer.factor())


def main() -> None:
    parser = argparse.ArgumentParser(description="Exports what sees and draws, and keeps its states.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--restore", action="store_true")
    parser.add_argument("--codec", type=Path)
    arguments = parser.parse_args()
    if arguments.restore:
        restore(arguments.out)
    if arguments.keep:
        keep(arguments.out)
    if arguments.codec:
        codec(arguments.codec)
    if arguments.checkpoint:
        checkpoint(arguments.out, arguments.checkpoint, grown_generation())


def grown_generation() -> dict:
    """The shipped settings, and pictures written greedily: the penalty on repeated codes would forbid equal things."""
    import export

    generation = copy.deepcopy(export.GENERATION)
    generation["mio_lite"]["description"] = ("demo model: one voice, simple English, and a little world of coloured shapes and bar "
                                             "charts; not MIO-7B")
    generation["mio_lite"]["taught"] += ["text", "image-generation", "image-caption", "image-question", "image-editing",
                                         "video-generation", "video-caption", "video-question", "storytelling", "chart-question",
                                         "speech-question", "interleaved", "in-context", "reasoning", "visual-thought"]
    greedy = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "max_new_tokens": 256}
    generation["mio_lite"] |= {"image_steps": 8, "image_guidance": 1, "image_sampler": "unipc"}
    for task in ("imageGeneration", "videoGeneration", "interleaved"):
        generation["mio_lite"]["tasks"][task] = greedy
    return generation


if __name__ == "__main__":
    main()
