"""Times the U-Net and the image decoder of diffusers, and a ViT-g of plain torch modules, with random weights on the CPU.

usage: torch_images.py [--threads 2] [--size 512] unet|vae|vit
"""
import argparse
import time

import torch


def unet():
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=96, in_channels=4, out_channels=4, block_out_channels=(320, 640, 1280, 1280),
        attention_head_dim=(5, 10, 20, 20), layers_per_block=2, cross_attention_dim=1024, use_linear_projection=True,
        class_embed_type="projection", projection_class_embeddings_input_dim=2048,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3)


def decoder():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)


def vit():
    layer = torch.nn.TransformerEncoderLayer(
        1408, 16, 6144, activation="gelu", batch_first=True, norm_first=True, dropout=0)
    return torch.nn.TransformerEncoder(layer, 39, enable_nested_tensor=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["unet", "vae", "vit"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bf16", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    side = arguments.size // 8
    type = torch.bfloat16 if arguments.bf16 else torch.float32
    with torch.inference_mode():
        if arguments.what == "unet":
            model, rows = unet().eval().to(type), 2
            latents, text = torch.randn(2, 4, side, side, dtype=type), torch.randn(2, 77, 1024, dtype=type)
            labels = torch.randn(2, 2048, dtype=type)
            run = lambda: model(latents, 501, text, class_labels=labels).sample
        elif arguments.what == "vae":
            model, rows = decoder().eval().to(type), 1
            latents = torch.randn(1, 4, side, side, dtype=type)
            run = lambda: model.decode(latents).sample
        else:
            model, rows = vit().eval().to(type), 1
            tokens = torch.randn(1, 257, 1408, dtype=type)
            run = lambda: model(tokens)
        run()
        times = []
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    print(f"{arguments.what} {arguments.size}: " + ", ".join(f"{rows / t:.3f}" for t in sorted(times)) + " per second")


main()
