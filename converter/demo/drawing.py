"""The networks that draw: a small autoencoder and unCLIP's U-Net, as the classes of diffusers, and their checkpoint."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

import seed
import world

SCHEDULE = {"_class_name": "PNDMScheduler", "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
            "beta_schedule": "scaled_linear", "prediction_type": "v_prediction", "skip_prk_steps": True,
            "set_alpha_to_one": False, "steps_offset": 1, "trained_betas": None}
TEXT_WIDTH, TEXT_ROWS = 32, 8
LATENT_SIDE, LATENT_CHANNELS = world.SIDE // 8, 8
AUTOENCODER = {"block_out_channels": [16, 32, 64, 96], "down_block_types": ["DownEncoderBlock2D"] * 4,
               "up_block_types": ["UpDecoderBlock2D"] * 4, "layers_per_block": 1, "norm_num_groups": 8,
               "latent_channels": LATENT_CHANNELS, "in_channels": 3, "out_channels": 3, "sample_size": world.SIDE, "act_fn": "silu"}
UNET = {"sample_size": LATENT_SIDE, "in_channels": LATENT_CHANNELS, "out_channels": LATENT_CHANNELS, "layers_per_block": 1,
        "block_out_channels": [80, 128, 160], "down_block_types": ["DownBlock2D"] * 3,
        "up_block_types": ["UpBlock2D"] * 3, "norm_num_groups": 16, "attention_head_dim": [1, 2, 2],
        "cross_attention_dim": TEXT_WIDTH, "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": 2 * seed.EMBEDDING, "flip_sin_to_cos": True, "freq_shift": 0,
        "use_linear_projection": True, "act_fn": "silu"}


TEXT = {"model_type": "clip_text_model", "hidden_size": TEXT_WIDTH, "intermediate_size": TEXT_WIDTH,
        "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 96, "max_position_embeddings": TEXT_ROWS,
        "hidden_act": "gelu", "layer_norm_eps": 1e-5, "pad_token_id": 0, "bos_token_id": 94, "eos_token_id": 95}


def autoencoder() -> AutoencoderKL:
    return AutoencoderKL(**AUTOENCODER)


def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(**UNET)


def text_encoder() -> CLIPTextModel:
    """Encodes the empty prompt, the only one there is; never trained."""
    torch.manual_seed(7)
    return CLIPTextModel(CLIPTextConfig(**TEXT)).eval().requires_grad_(False)


def empty_prompt() -> torch.Tensor:
    """The text encoder's rows for the empty prompt, [1, T, TEXT_WIDTH]."""
    return text_encoder()(torch.tensor([[94, 95] + [0] * (TEXT_ROWS - 2)])).last_hidden_state


def signal_levels() -> torch.Tensor:
    """The share of the picture's variance that is left at each of the 1000 steps."""
    betas = torch.linspace(SCHEDULE["beta_start"] ** 0.5, SCHEDULE["beta_end"] ** 0.5, 1000, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0).float()


def labels(embedding: torch.Tensor) -> torch.Tensor:
    """The U-Net's class labels: the embedding, and the sinusoid of noise level 0."""
    half = torch.zeros_like(embedding[:, :seed.EMBEDDING // 2])
    return torch.cat([embedding, half + 1, half], 1)


def write(folder: Path, vae: AutoencoderKL, network: UNet2DConditionModel, scale: float) -> None:
    """Writes `stable-diffusion-2-1-unclip/` as the reference's directory is laid out."""
    def put(part: str, name: str, config: dict, model, prefix: str = "") -> None:
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        save_file({k if k.startswith(prefix) else prefix + k: t.detach().float().contiguous()
                   for k, t in model.state_dict().items() if t.is_floating_point()}, folder / part / name, metadata={"format": "pt"})

    weights = "diffusion_pytorch_model.safetensors"
    put("unet", weights, UNET, network)
    put("vae", weights, {**AUTOENCODER, "scaling_factor": scale}, vae)
    encoder = text_encoder()
    put("text_encoder", "model.safetensors", TEXT, encoder, "text_model.")     # newer versions leave the prefix out
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(SCHEDULE, indent=1) + "\n")
    write_tokenizer(folder / "tokenizer")


def write_tokenizer(folder: Path) -> None:
    """CLIP's tokenizer with a few pieces: only the marks of beginning, end and padding matter."""
    folder.mkdir(exist_ok=True)
    words = ["!"] + [chr(i) for i in range(34, 127)] + ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    mark = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    (folder / "special_tokens_map.json").write_text(json.dumps(
        {"bos_token": {"content": words[94], **mark}, "eos_token": {"content": words[95], **mark}, "pad_token": "!",
         "unk_token": {"content": words[95], **mark}}))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"add_prefix_space": False, "do_lower_case": True, "model_max_length": TEXT_ROWS, "pad_token": "!",
         "tokenizer_class": "CLIPTokenizer"}))
